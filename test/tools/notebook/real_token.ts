/** The example with a token in Jupyter's environment: whom it writes to, and what. Run by `notebook.ts`. */
import { join } from "node:path";
import { environmentVariables } from "../../../cli/sandbox/environment_variables.ts";
import { type LocalUser, startBotApiServer, startDynamoDB } from "../../../lib/local/mod.ts";
import { assert } from "../../harness.ts";
import { root } from "../../support/script.ts";
import { codeCell, execute, readNotebook, textOf } from "./jupyter.ts";
import { test } from "./suite.ts";

const example = await readNotebook(join(root, "examples/notebook.ipynb"));
const myId = 7001;

interface Outcome {
  /** What my chat got but for the welcome, and how many messages of this kind the others got. */
  readonly mine: readonly string[];
  readonly others: number;
  readonly reports: readonly string[];
}

/** Runs every cell beside a Telegram and a DynamoDB that stand for the real ones, with `nobody` replaced by `sendTo`. */
async function runAll(sendTo: string): Promise<Outcome> {
  await using telegram = await startBotApiServer();
  await using database = await startDynamoDB();
  const chats = [myId, 7002, 7003].map((id) => telegram.user({ id, first_name: "Ada" }));
  for (const chat of chats) chat.say("/start");
  const registered =
    `while ((await bot.getStatistics()).activeChats < 3) await new Promise((go) => setTimeout(go, 20));`;
  const cells = example.cells.flatMap((cell) => {
    const source = textOf(cell.source).replace(': "nobody";', `: ${sendTo};`);
    const isStart = source.includes("bot.startBot()");
    return [{ ...cell, source }, ...isStart ? [codeCell("registered", registered)] : []];
  });
  const executed = await execute({ ...example, cells }, { env: environmentVariables(telegram, database) });
  const outputs = executed.cells.flatMap((cell) => cell.outputs ?? []);
  assert.equal(outputs.flatMap(({ evalue }) => evalue ?? []), []);
  const [mine = [], ...others] = chats.map((chat) => broadcastsTo(chat));
  const lines = outputs.map(({ data }) => textOf(data?.["text/plain"]).split("\n")[0] ?? "");
  return { mine, others: others.flat().length, reports: lines.filter((line) => line.startsWith("Sent to")) };
}

function broadcastsTo(chat: LocalUser): string[] {
  const inbox = chat.inbox.map(({ text, caption }) => text ?? caption ?? "");
  return inbox.filter((text) => !text.startsWith("Welcome"));
}

test("it sends to nobody", async () => {
  const { mine, others, reports } = await runAll('"nobody"');
  assert.equal([mine, others], [[], 0]);
  assert.is(reports.length, 2);
  for (const report of reports) assert.match(report, /^Sent to 0 of 0 chats/);
});

test("it sends to the chat that the user names alone, and says that it is a trial", async () => {
  const { mine, others, reports } = await runAll(String(myId));
  assert.is(others, 0);
  assert.is(mine.length, 2);
  assert.match(mine[0] ?? "", /BTC-USD[^]*synthetic data, not a market/);
  assert.match(mine[1] ?? "", /^A trial from a notebook/);
  for (const report of reports) assert.match(report, /^Sent to 1 of 1 chat/);
});
