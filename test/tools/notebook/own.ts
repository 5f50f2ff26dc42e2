/** A notebook of one's own, in a folder elsewhere, set up by the lines of `examples/notebook/README.md`. Run by `notebook.ts`. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { environmentVariables } from "../../../cli/sandbox/environment_variables.ts";
import { startBotApiServer, startDynamoDB } from "../../../lib/local/mod.ts";
import { assert } from "../../harness.ts";
import { root } from "../../support/script.ts";
import { succeeds } from "../support/program.ts";
import { type Cell, codeCell, execute, printedBy, textOf } from "./jupyter.ts";
import { test } from "./suite.ts";

const readme = await readFile(join(root, "examples/notebook/README.md"), "utf8");

/** The first block of the README in this language. */
function blockIn(language: string): string {
  const block = new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "m").exec(readme)?.[1];
  if (block === undefined) throw new Error(`examples/notebook/README.md has no block of ${language}`);
  return block;
}

const setUp = blockIn("ts");

/** What a reader does next: looks, forgets an await, interrupts a broadcast, and goes on. */
const cells: readonly Cell[] = [
  codeCell("set up", setUp),
  codeCell("look", "await bot.initialize()"),
  codeCell("forgotten", 'bot.broadcast("")'),
  codeCell("under way", 'const run = bot.broadcast("Hello");\nrun'),
  codeCell("over", "await run;\nrun"),
  codeCell(
    "thrown later",
    'setTimeout(() => {\n  throw new Error("it is late");\n}, 10);\nawait new Promise((go) => setTimeout(go, 300));',
  ),
  codeCell(
    "interrupted",
    'const evening = bot.broadcast("Good evening", {\n  broadcastId: "evening",\n' +
      '  onProgress: ({ sent }) => sent > 2 && console.log("some are sent"),\n});\nawait evening;',
    { interrupt_at: "some are sent" },
  ),
  codeCell("its bar", "evening.progress"),
  codeCell(
    "the others",
    'const report = await bot.broadcast("Good evening", { broadcastId: "evening" });\nreport',
  ),
  codeCell("after", "console.log(bot.health.isPolling);\nawait bot.stopBot();"),
];

/** The cells as they ran in the folder, by their ids; `.env` is as the README says. */
async function runIn(cwd: string): Promise<Map<string, Cell>> {
  await using server = await startBotApiServer();
  await using database = await startDynamoDB();
  for (let index = 0; index < 60; index++) server.user({ first_name: `Ada ${index}` }).say("/start");
  const lines = Object.entries(environmentVariables(server, database)).map(([name, value]) =>
    `${name}=${value}\n`
  );
  await writeFile(join(cwd, ".env"), lines.join(""));
  const registered =
    `while ((await bot.getStatistics()).activeChats < 60) await new Promise((go) => setTimeout(go, 20));`;
  const [first, ...others] = cells as [Cell, ...Cell[]];
  const notebook = { cells: [first, codeCell("registered", registered), ...others], ...form };
  const executed = await execute(notebook, { cwd });
  return new Map(executed.cells.map((cell) => [cell.id, cell]));
}

const form = {
  metadata: { kernelspec: { display_name: "Deno", language: "typescript", name: "deno" } },
  nbformat: 4,
  nbformat_minor: 5,
};

function assertUseful(ran: Map<string, Cell>): void {
  const cell = (id: string): Cell => {
    const found = ran.get(id);
    if (found === undefined) throw new Error(`no cell ${id}`);
    return found;
  };
  const shown = (id: string): string =>
    (cell(id).outputs ?? []).map(({ data, evalue }) => evalue ?? textOf(data?.["text/plain"])).join("");
  assert.match(shown("look"), /storage: "dynamodb".*username: "local_test_bot"/);
  assert.match(shown("forgotten"), /^Nothing was sent\. Cannot broadcast as "text" must have/);
  assert.match(
    printedBy(cell("forgotten")),
    /^No cell awaits what has failed here: Cannot broadcast as "text"/m,
  );
  assert.match(shown("under way"), /\. It goes on by itself; await it for its report\.(\n|$)/);
  assert.match(shown("over"), /^Sent to 60 of 60 chats/);
  assert.match(
    printedBy(cell("thrown later")),
    /^No cell catches what a callback has thrown: it is late \(line \d of its cell\)$/m,
  );
  assert.match(
    shown("interrupted"),
    /^Sent to [1-5]?\d of 60 chats.* skipped\. Stopped: it was interrupted\. Call .* others\.$/,
  );
  assert.match(shown("its bar"), /^Sent to [1-5]?\d of 60 chats · .* · ended/);
  assert.match(shown("the others"), /^Sent to 60 of 60 chats/);
  assert.match(printedBy(cell("after")), /^true$/m);
}

async function inNewFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "own-notebook-"));
  try {
    await mkdir(join(folder, "mine"));
    await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("the README's set-up is three lines: import, make, start", () => {
  assert.is(setUp.trimEnd().split("\n").length, 3);
});

test("it works with a clone beside it", async () => {
  await inNewFolder(async (folder) => {
    const cwd = join(folder, "mine");
    const config = blockIn("json").replace('"../telegram-signals"', JSON.stringify(root));
    await writeFile(join(cwd, "deno.json"), config);
    assertUseful(await runIn(cwd));
  });
});

test("it works with the tarball", async () => {
  await inNewFolder(async (folder) => {
    const cwd = join(folder, "mine");
    await succeeds(root, "npm", "pack", "--silent", "--pack-destination", folder);
    const [, tarball = ""] = /`npm install (\S+)`/.exec(readme) ?? [];
    assert.ok((await readdir(folder)).includes(tarball.replace("../", "")), tarball);
    await succeeds(cwd, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", tarball);
    assertUseful(await runIn(cwd));
  });
});
