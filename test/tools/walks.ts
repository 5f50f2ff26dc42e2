/**
 * Counts the files of `lib/` that one update and one signal pass through, by V8's precise coverage of a real run on
 * Node: a file is entered where one of its functions is called between the first byte and the last.
 *
 *     npx tsx test/tools/walks.ts [--files]
 */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { Session } from "node:inspector/promises";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { MeanReversionTelegramBot } from "../../mod.ts";
import { startBotApiServer, startDynamoDB } from "../../lib/local/mod.ts";

const lib = new URL("../../lib/", import.meta.url).href;
const local = `${lib}local/`;
const quiet = { info() {}, warn() {}, error: console.error };

const session = new Session();
session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });

/** The files whose functions were called since it was last asked. */
async function entered(): Promise<string[]> {
  const { result } = await session.post("Profiler.takePreciseCoverage");
  return result
    .filter(({ url }) => url.startsWith(lib) && !url.startsWith(local))
    // The first function is the module itself.
    .filter(({ functions }) =>
      functions.some(({ functionName, ranges: [range] }, index) =>
        range!.count > 0 && !(index === 0 && functionName === "")
      )
    )
    .map(({ url }) => fileURLToPath(url).slice(fileURLToPath(lib).length))
    .sort();
}

async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 5));
}

await using server = await startBotApiServer();
await using dynamodb = await startDynamoDB();
await using bot = new MeanReversionTelegramBot({
  botToken: server.token,
  apiRoot: server.apiRoot,
  client: new DynamoDBClient({
    region: "eu-central-1",
    endpoint: dynamodb.endpoint,
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  }),
  logger: quiet,
});
await bot.startBot();
const users = Array.from({ length: 5 }, (_, index) => server.user({ id: 1001 + index }));
for (const user of users) user.say("/start");
await until(() => users.every((user) => user.inbox.length > 0));
// A second of quiet: what the starts left behind is done.
await new Promise((resolve) => setTimeout(resolve, 1000));

/** What runs while nothing is asked is no part of a walk. */
async function walk(title: string, most: number, take: () => Promise<void>): Promise<void> {
  await entered();
  await take();
  const files = await entered();
  const folders = new Set(files.map((file) => file.split("/")[0]));
  console.log(`${title}: ${files.length} files in ${folders.size} folders (at most ${most})`);
  if (process.argv.includes("--files")) { for (const file of files) console.log(`  ${file}`); }
  if (files.length > most) process.exitCode = 1;
}

await walk("/stop from a private chat", 34, async () => {
  users[0]!.say("/stop");
  await until(() => users[0]!.inbox.length === 2 && server.pendingUpdates === 0);
});
await walk("sendSignal with a broadcastId", 42, async () => {
  await bot.sendSignal({ direction: "long", symbol: "BTC-USD", entry: 100, stop: 99, target: 102 }, {
    broadcastId: "walk",
  });
});
