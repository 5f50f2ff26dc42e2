/** How many registrations and activity updates a second are stored, and by how many requests. */
import { startFaultGate } from "../../lib/local/dynamodb/fault_proxy.ts";
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { clientAt } from "../support/client.ts";
import { startServer } from "./processes.ts";
import { comparison, type Row, type Target } from "./report.ts";
import { type Cost, costOf, inParallel, takeTurns } from "./sampling.ts";
import { Traffic, type Writer, type WriterName, writers } from "./writers.ts";

const rounds = 24;
const messagesATurn = 192;
const atOnce = 16;
const counted = 100;

type Task = "register" | "hear";
type Turns = Record<WriterName, Cost[]>;

const names = Object.keys(writers) as WriterName[];
const perSecond = (costs: readonly Cost[]): number[] => costs.map(({ seconds }) => messagesATurn / seconds);
const cpuMicroseconds = (costs: readonly Cost[]): number[] =>
  costs.map(({ cpuSeconds }) => 1e6 * cpuSeconds / messagesATurn);

/** A writer at work on a table of its own. */
class MeasuredWriter {
  readonly name: WriterName;
  readonly #traffic = new Traffic();
  #writer: Writer;

  constructor(name: WriterName, writer: Writer) {
    this.name = name;
    this.#writer = writer;
  }

  async work(task: Task, messages: number): Promise<void> {
    const source = task === "register" ? "fresh" : "known";
    await inParallel(messages, atOnce, () => this.#writer[task](this.#traffic[source]()));
  }

  /** Continues on the same table with another client. */
  use(writer: Writer): void {
    this.#writer.close();
    this.#writer = writer;
  }
}

const tableOf = (name: WriterName): string => `chats-${names.indexOf(name)}`;

async function createTables(endpoint: string): Promise<void> {
  const client = clientAt(endpoint);
  const create = (name: WriterName): Promise<void> =>
    new TelegramDynamoDBStorage({ client, tableName: tableOf(name) }).createTableIfNotExists();
  await Promise.all(names.map(create));
  client.destroy();
}

async function compare(all: readonly MeasuredWriter[], task: Task): Promise<Turns> {
  const turns = all.map((each) => [each.name, () => costOf(() => each.work(task, messagesATurn))] as const);
  return await takeTurns(rounds, Object.fromEntries(turns) as Record<WriterName, () => Promise<Cost>>);
}

/** Requests a message, counted between the client and the emulator; apart from the timed turns, which the proxy would slow. */
async function requestsOf(
  all: readonly MeasuredWriter[],
  endpoint: string,
  task: Task,
): Promise<Record<WriterName, number>> {
  await using gate = await startFaultGate({ target: endpoint });
  const requests = {} as Record<WriterName, number>;
  for (const measured of all) {
    measured.use(writers[measured.name](gate.endpoint, tableOf(measured.name)));
    gate.resetCounts();
    await measured.work(task, counted);
    requests[measured.name] = gate.requests / counted;
    measured.use(writers[measured.name](endpoint, tableOf(measured.name)));
  }
  return requests;
}

function speed(what: string, turns: Turns, other: WriterName, target?: Target): Row {
  return comparison(
    what,
    "/s",
    perSecond(turns.ours),
    { name: other, values: perSecond(turns[other]) },
    target,
  );
}

function rowsOf(what: string, turns: Turns, requests: Record<WriterName, number>): Row[] {
  const bare = { name: "bare SDK loop", values: cpuMicroseconds(turns["bare SDK loop"]) };
  return [
    speed(what, turns, "bare SDK loop", { of: "ratio", is: "at least", value: 0.85 }),
    speed(what, turns, "get, then put"),
    comparison(`${what}: client CPU`, " µs", cpuMicroseconds(turns.ours), bare, {
      of: "ratio",
      is: "at most",
      value: 1.3,
    }),
    {
      measure: `${what}: requests`,
      unit: "",
      ours: requests.ours,
      other: { name: "get, then put", value: requests["get, then put"] },
      target: { of: "ours", is: "exactly", value: 1 },
    },
  ];
}

export async function measure(): Promise<Row[]> {
  await using emulator = await startServer("dynamodb");
  await createTables(emulator.endpoint);
  const all = names.map((name) => new MeasuredWriter(name, writers[name](emulator.endpoint, tableOf(name))));
  const rows: Row[] = [];
  for (const [task, what] of [["register", "registrations"], ["hear", "activity updates"]] as const) {
    const turns = await compare(all, task);
    rows.push(...rowsOf(what, turns, await requestsOf(all, emulator.endpoint, task)));
  }
  return rows;
}
