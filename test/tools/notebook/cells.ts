/** What the example's cells show when they are run, one of them twice. Run by `notebook.ts`. */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { assert } from "../../harness.ts";
import { root } from "../../support/script.ts";
import { type Cell, codeCell, execute, type Notebook, printedBy, readNotebook, textOf } from "./jupyter.ts";
import { test } from "./suite.ts";

const example = await readNotebook(join(root, "examples/notebook.ipynb"));
let executed: readonly Cell[] = [];

/** Between the example's cells: one is run again, and cells of ours look behind the scene. */
function withProbes({ cells, ...rest }: Notebook): Notebook {
  const start = cells[find(cells, "bot.startBot()")];
  const stop = find(cells, "bot.stopBot()");
  const signal = find(cells, "bot.sendSignal(");
  if (start === undefined) throw new Error("no cell starts a bot");
  return {
    ...rest,
    cells: [
      ...cells.slice(0, cells.indexOf(start) + 1),
      codeCell("before", "const former = bot;"),
      { ...start, id: "again" },
      codeCell(
        "pollers",
        `while (rehearsal.telegram.countCalls("getUpdates") < 2) await new Promise((go) => setTimeout(go, 5));
        console.log(JSON.stringify([former, bot].map(({ health }) => health.isPolling)))`,
      ),
      ...cells.slice(cells.indexOf(start) + 1, signal + 1),
      codeCell(
        "delivered",
        `const { photo, caption } = rehearsal.ada.inbox.at(-1);
        console.log(JSON.stringify({ isPhoto: photo !== undefined, caption }))`,
      ),
      ...cells.slice(signal + 1, stop + 1),
      codeCell(
        "ended",
        `const answer = await fetch(rehearsal.telegram.apiRoot).then(() => "an answer", () => "nobody");
        console.log(JSON.stringify([bot.health.isPolling, Deno.env.has("TELEGRAM_BOT_TOKEN"), answer]))`,
      ),
    ],
  };
}

function find(cells: readonly Cell[], words: string): number {
  return cells.findIndex(({ cell_type, source }) => cell_type === "code" && textOf(source).includes(words));
}

/** The executed cell of this id, or the first one whose source contains the words. */
function cell(words: string): Cell {
  const found = executed.find(({ id }) => id === words) ?? executed[find(executed, words)];
  if (found === undefined) throw new Error(`no cell contains ${words}`);
  return found;
}

/** What the cell's last line gave. */
function result(words: string, type: string): string {
  const { outputs = [] } = cell(words);
  return textOf(outputs.find(({ output_type }) => output_type === "execute_result")?.data?.[type]);
}

const printed = (words: string): string => printedBy(cell(words));

test.before(async () => {
  executed = (await execute(withProbes(example))).cells;
});

test("it is kept without outputs", () => {
  assert.ok(example.cells.length > 10);
  for (const { id, outputs = [] } of example.cells) assert.equal(outputs, [], `cell ${id}`);
});

test("every cell succeeds", () => {
  const errors = executed.flatMap(({ id, outputs = [] }) =>
    outputs.flatMap(({ evalue }) => evalue === undefined ? [] : [`cell ${id}: ${evalue}`])
  );
  assert.equal(errors, []);
  assert.equal(JSON.parse(printed("ended")), [false, false, "nobody"], "the last cell has ended everything");
});

test("the bot's cell, run again, leaves one poller", () => {
  assert.match(printed("bot.startBot()"), /@rehearsal_bot is ready: 54 active chats/);
  assert.match(printed("again"), /started before is stopped, and this one takes over\.\n/);
  assert.equal(JSON.parse(printed("pollers")), [false, true]);
  const all = executed.flatMap(({ outputs = [] }) => outputs.map(({ text }) => textOf(text))).join("");
  assert.not.match(all, /Another program polls/);
});

test("statistics are shown as a table and a plot", () => {
  const [html, svg] = ["text/html", "image/svg+xml"].map((type) => result("bot.getStatistics()", type));
  for (
    const [name, value] of [["Chats", "60"], ["Active", "54"], ["Inactive", "6"], ["Kept in", "dynamodb"]]
  ) {
    assert.match(html ?? "", new RegExp(`>${name}</th><td[^>]*>${value}</td>`));
  }
  assert.is(svg?.split("<rect").length, 1 + 30);
});

test("a chat and a page of chats are shown as tables", () => {
  assert.match(result("storage.getChat(", "text/html"), /Ada @ada.*>7001</);
  assert.match(result("storage.scan()", "text/html"), /61 chats.*<table.*… and 11 more/);
});

test("the signal's chart is shown, and sent", () => {
  const png = Buffer.from(result("drawChart(", "image/png"), "base64");
  assert.equal([...png.subarray(1, 4)].map((byte) => String.fromCharCode(byte)).join(""), "PNG");
  assert.equal([png.readUInt32BE(16), png.readUInt32BE(20)], [1200, 800]);
  assert.match(result("bot.sendSignal(", "text/html"), /Sent to 53 of 55 chats.*2 deactivated/);
  const { isPhoto, caption } = JSON.parse(printed("delivered"));
  assert.ok(isPhoto);
  assert.match(caption, /BTC-USD[^]*synthetic data, not a market/);
});

test("a broadcast's progress is drawn anew until it is over", () => {
  const { outputs = [], metadata: { updates = [] } } = cell("onProgress");
  const lines = updates.map((bundle) => textOf(bundle["text/plain"]).split("\n")[0] ?? "");
  assert.ok(lines.length > 2, lines.join("\n"));
  assert.match(lines.at(-1) ?? "", /^Sent to 53 of 53 chats · .* · ended$/);
  assert.ok(lines.some((line) => /^[1-4]?\d of 53 chats/.test(line)), lines.join("\n"));
  const bar = outputs.find(({ output_type }) => output_type === "display_data");
  assert.match(textOf(bar?.data?.["text/html"]), /<span style="width: 100\.00%/);
  assert.match(result("onProgress", "text/plain"), /^Sent to 53 of 53 chats/);
});
