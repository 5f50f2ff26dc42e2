/**
 * Counts the files of `lib/` that one update and one signal pass through: what a reader has to open to follow them. Fails if
 * there are more than the limits. V8's precise coverage of a real run on Node says which functions are called.
 *
 *     npx tsx test/tools/walks.ts [--files]
 *
 * `--files` lists the files by folder.
 */
import { Session } from "node:inspector/promises";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { MeanReversionTelegramBot } from "../../mod.ts";
import { startBotApiServer, startDynamoDB } from "../../lib/local/mod.ts";
import { clientAt } from "../support/client.ts";
import { textTable } from "../support/table.ts";

const lib = new URL("../../lib/", import.meta.url).href;
const isListing = process.argv.includes("--files");

/** The coverage of this process. */
class Coverage {
  readonly #session = new Session();

  async start(): Promise<void> {
    this.#session.connect();
    await this.#session.post("Profiler.enable");
    await this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** The files of `lib/`, without the local servers, in which a function was called since the last call. */
  async take(): Promise<string[]> {
    const { result } = await this.#session.post("Profiler.takePreciseCoverage");
    return result
      .filter(({ url }) => url.startsWith(lib) && !url.startsWith(`${lib}local/`))
      .filter(({ functions }) =>
        functions.some(({ functionName, ranges: [range] }, index) => {
          const isModule = index === 0 && functionName === "";
          return !isModule && (range?.count ?? 0) > 0;
        })
      )
      .map(({ url }) => url.slice(lib.length))
      .sort();
  }
}

interface Walk {
  readonly title: string;
  /** The limit for its files; `Infinity` where there is none, as for a first signal, which makes the ledger's table. */
  readonly most: number;
  readonly take: () => Promise<unknown>;
}

async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await pause(5);
}

function byFolder(files: readonly string[]): ReadonlyMap<string, string[]> {
  const folders = new Map<string, string[]>();
  for (const file of files) {
    const [folder = ""] = file.split("/");
    folders.set(folder, [...folders.get(folder) ?? [], file.slice(folder.length + 1)]);
  }
  return folders;
}

const coverage = new Coverage();
await coverage.start();
await using server = await startBotApiServer();
await using dynamodb = await startDynamoDB();
await using bot = new MeanReversionTelegramBot({
  botToken: server.token,
  apiRoot: server.apiRoot,
  client: clientAt(dynamodb.endpoint),
  logger: { info() {}, warn() {}, error: console.error },
});
await bot.startBot();
const users = Array.from({ length: 5 }, () => server.user());
for (const user of users) user.say("/start");
await Promise.all(users.map((user) => user.received("subscribed")));
// Until the requests that follow a start have ended.
await pause(1000);

const [leaver] = users;
const signal = { direction: "long", symbol: "BTC-USD", entry: 100, stop: 99, target: 102 } as const;
const walks: readonly Walk[] = [
  {
    title: "/stop from a private chat",
    most: 34,
    async take() {
      leaver?.say("/stop");
      await leaver?.received("unsubscribed");
      await until(() => server.pendingUpdates === 0);
    },
  },
  {
    title: "the first sendSignal() with a broadcastId",
    most: Infinity,
    take: () => bot.sendSignal(signal, { broadcastId: "first" }),
  },
  {
    title: "sendSignal() with a broadcastId",
    most: 42,
    take: () => bot.sendSignal(signal, { broadcastId: "second" }),
  },
];

const rows: string[][] = [["", "files", "at most", "", "folders"]];
for (const { title, most, take } of walks) {
  await coverage.take();
  await take();
  const files = await coverage.take();
  const folders = byFolder(files);
  const counts = [...folders].map(([folder, { length }]) => `${folder} ${length}`).join(", ");
  const isTooMany = files.length > most;
  const limit = most === Infinity ? ["", ""] : [String(most), isTooMany ? "TOO MANY" : "ok"];
  rows.push([title, String(files.length), ...limit, counts]);
  if (isTooMany) process.exitCode = 1;
  if (!isListing) continue;
  console.log(title);
  for (const [folder, names] of folders) console.log(`  ${folder}/\n    ${names.join("\n    ")}`);
  console.log();
}
console.log(textTable(rows));
