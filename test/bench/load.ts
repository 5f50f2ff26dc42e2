/** What it takes to load all active chats at the start, and what they weigh afterwards. */
import process from "node:process";
import { systemClock } from "../../lib/util/clock.ts";
import { startServer } from "./child.ts";
import { type Reader, type ReaderName, readers } from "./readers.ts";
import { report } from "./report.ts";
import type { Row } from "./row.ts";
import { collectGarbage, type Cost, costOf, medianOf, ratioOf, takeTurns } from "./sample.ts";
import { seed } from "./seed.ts";

interface Table {
  readonly endpoint: string;
  readonly tableName: string;
  readonly chats: number;
  readonly title: string;
}

const memorySamples = 3;
const names = Object.keys(readers) as ReaderName[];

async function race(
  { endpoint, tableName, chats }: Table,
  rounds: number,
): Promise<Record<ReaderName, Cost[]>> {
  const turns = names.map((name) => {
    const reader = readers[name](endpoint, tableName);
    const turn = (): Promise<Cost> =>
      costOf(async () => {
        const { size } = await reader.load();
        if (size !== chats) throw new Error(`${name} loaded ${size} of ${chats} chats`);
      });
    return [name, turn] as const;
  });
  return await takeTurns(rounds, Object.fromEntries(turns) as Record<ReaderName, () => Promise<Cost>>);
}

/** What the set of all chats keeps in memory, after one load for all that is only made once. */
async function bytesAChat({ endpoint, tableName }: Table): Promise<number> {
  const reader = readers.ours(endpoint, tableName);
  await reader.load();
  const samples: number[] = [];
  while (samples.length < memorySamples) samples.push(await bytesOfOneLoad(reader));
  reader.close();
  const bytes = medianOf(samples);
  // A number alone has eight.
  if (bytes < 8) throw new Error(`${bytes} bytes a chat cannot be: the memory was not at rest`);
  return bytes;
}

/** A function of its own, as the loop around it would hold on to the set of the round before. */
async function bytesOfOneLoad(reader: Reader): Promise<number> {
  const before = await bytesInUse();
  const chats = await reader.load();
  return (await bytesInUse() - before) / chats.size;
}

async function bytesInUse(): Promise<number> {
  // What has just been answered lets go of its buffers a moment later.
  await systemClock.sleep(100);
  collectGarbage();
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function cpuRow({ title, chats }: Table, turns: Record<ReaderName, Cost[]>): Row {
  const microseconds = (name: ReaderName): number[] =>
    turns[name].map(({ cpuSeconds }) => 1e6 * cpuSeconds / chats);
  const [ours, bare] = [microseconds("ours"), microseconds("bare scan")];
  return {
    measure: `loading ${title}: client CPU a chat`,
    unit: " µs",
    ours: medianOf(ours),
    other: { name: "bare scan", value: medianOf(bare) },
    ratio: ratioOf(ours, bare),
    target: { of: "ratio", is: "at most", value: 1.3 },
  };
}

function timeRow({ title }: Table, turns: Record<ReaderName, Cost[]>): Row {
  const seconds = (name: ReaderName): number[] => turns[name].map((cost) => cost.seconds);
  return {
    measure: `loading ${title}`,
    unit: " s",
    ours: medianOf(seconds("ours")),
    other: { name: "bare scan", value: medianOf(seconds("bare scan")) },
    ratio: ratioOf(seconds("ours"), seconds("bare scan")),
  };
}

async function measure(table: Table, rounds: number): Promise<Row[]> {
  const ours = await bytesAChat(table);
  const turns = await race(table, rounds);
  const target = { of: "ours", is: "at most", value: 40 } as const;
  return [
    timeRow(table, turns),
    cpuRow(table, turns),
    { measure: `${table.title}, loaded: memory a chat`, unit: " bytes", ours, target },
  ];
}

async function fromEmulator(chats: number, rounds: number): Promise<Row[]> {
  await using emulator = await startServer("emulator.ts");
  const table = { ...emulator, tableName: "chats", chats, title: `${chats / 1000},000 chats from dynalite` };
  await seed(table.endpoint, table.tableName, chats);
  const turns = await race(table, rounds);
  return [timeRow(table, turns), cpuRow(table, turns)];
}

await report(async () => {
  await using server = await startServer("scan_server.ts");
  const table = (chats: number, title: string): Table => ({
    endpoint: server.endpoint,
    tableName: `chats-${chats}`,
    chats,
    title,
  });
  return [
    ...await measure(table(1_000_000, "1,000,000 chats"), 5),
    ...await measure(table(100_000, "100,000 chats"), 15),
    ...await fromEmulator(100_000, 4),
  ];
});
