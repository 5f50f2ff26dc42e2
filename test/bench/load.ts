/** Time and processor time to load all active chats at the start, and the memory that they keep. */
import process from "node:process";
import { type AttributeValue, ScanCommand } from "@aws-sdk/client-dynamodb";
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { systemClock } from "../../lib/util/clock.ts";
import { clientAt } from "../support/client.ts";
import { startServer } from "./processes.ts";
import { comparison, type Row, type Target } from "./report.ts";
import { collectGarbage, type Cost, costOf, medianOf, takeTurns } from "./sampling.ts";
import { seed } from "./chats.ts";

/** Two ways to load the active chats: ours, and the same scan with nothing around it. */
export type ReaderName = "ours" | "bare scan";

export interface Reader {
  load(): Promise<Set<number>>;
  close(): void;
}

export const readers: Readonly<Record<ReaderName, (endpoint: string, tableName: string) => Reader>> = {
  "ours": ours,
  "bare scan": bareScan,
};

function ours(endpoint: string, tableName: string): Reader {
  const client = clientAt(endpoint);
  const storage = new TelegramDynamoDBStorage({ client, tableName });
  return { load: () => storage.loadActiveChats(), close: () => client.destroy() };
}

const segments = 4;

/** Our client, so also without the SDK's logger; no time limit, no queue, no explanation of errors. */
function bareScan(endpoint: string, TableName: string): Reader {
  const client = clientAt(endpoint);
  const loadSegment = async (Segment: number, active: Set<number>): Promise<void> => {
    let ExclusiveStartKey: Record<string, AttributeValue> | undefined;
    do {
      const { Items = [], LastEvaluatedKey } = await client.send(
        new ScanCommand({ TableName, Segment, TotalSegments: segments, ExclusiveStartKey, ...activeOnly }),
      );
      for (const item of Items) active.add(Number(item["chat_id"]?.N));
      ExclusiveStartKey = LastEvaluatedKey;
    } while (ExclusiveStartKey !== undefined);
  };
  const load = async (): Promise<Set<number>> => {
    const active = new Set<number>();
    await Promise.all(Array.from({ length: segments }, (_, segment) => loadSegment(segment, active)));
    return active;
  };
  return { load, close: () => client.destroy() };
}

const activeOnly = {
  FilterExpression: "is_active = :true",
  ProjectionExpression: "chat_id",
  ExpressionAttributeValues: { ":true": { BOOL: true } },
  ConsistentRead: true,
};

interface Table {
  readonly endpoint: string;
  readonly tableName: string;
  readonly chats: number;
  readonly title: string;
}

const memorySamples = 3;
const names = Object.keys(readers) as ReaderName[];

async function compare(
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

/** Memory of the set of all chats, after a first load that makes everything that is made only once. */
async function bytesAChat({ endpoint, tableName }: Table): Promise<number> {
  const reader = readers.ours(endpoint, tableName);
  await reader.load();
  const samples: number[] = [];
  while (samples.length < memorySamples) samples.push(await bytesOfOneLoad(reader));
  reader.close();
  const bytes = medianOf(samples);
  // A number alone takes eight.
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
  // Buffers of the last answers are released a moment later.
  await systemClock.sleep(100);
  collectGarbage();
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function compareBy(
  measure: string,
  unit: string,
  figure: (cost: Cost) => number,
  turns: Record<ReaderName, Cost[]>,
  target?: Target,
): Row {
  const bare = { name: "bare scan", values: turns["bare scan"].map(figure) };
  return comparison(measure, unit, turns.ours.map(figure), bare, target);
}

function rowsOf({ title, chats }: Table, turns: Record<ReaderName, Cost[]>): Row[] {
  const microseconds = ({ cpuSeconds }: Cost): number => 1e6 * cpuSeconds / chats;
  return [
    compareBy(`loading ${title}`, " s", ({ seconds }) => seconds, turns),
    compareBy(`loading ${title}: client CPU a chat`, " µs", microseconds, turns, {
      of: "ratio",
      is: "at most",
      value: 1.3,
    }),
  ];
}

async function rowsFor(table: Table, rounds: number): Promise<Row[]> {
  const ours = await bytesAChat(table);
  const turns = await compare(table, rounds);
  const target = { of: "ours", is: "at most", value: 40 } as const;
  return [
    ...rowsOf(table, turns),
    { measure: `${table.title}, loaded: memory a chat`, unit: " bytes", ours, target },
  ];
}

async function fromEmulator(chats: number, rounds: number): Promise<Row[]> {
  await using emulator = await startServer("dynamodb");
  const table = { ...emulator, tableName: "chats", chats, title: `${chats / 1000},000 chats from dynalite` };
  await seed(table.endpoint, table.tableName, chats);
  const turns = await compare(table, rounds);
  return rowsOf(table, turns);
}

export async function measure(): Promise<Row[]> {
  await using server = await startServer("scan_server");
  const table = (chats: number, title: string): Table => ({
    endpoint: server.endpoint,
    tableName: `chats-${chats}`,
    chats,
    title,
  });
  return [
    ...await rowsFor(table(1_000_000, "1,000,000 chats"), 5),
    ...await rowsFor(table(100_000, "100,000 chats"), 15),
    ...await fromEmulator(100_000, 4),
  ];
}
