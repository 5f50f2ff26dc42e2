/** How many chats a second are registered and heard, and by how many requests. */
import { startFaultGate } from "../../lib/local/dynamodb/fault_proxy.ts";
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { clientAt } from "../support/client.ts";
import { startServer } from "./child.ts";
import { report } from "./report.ts";
import type { Row } from "./row.ts";
import { type Cost, costOf, medianOf, ratioOf, takeTurns } from "./sample.ts";
import { inParallel, Traffic } from "./traffic.ts";
import { type Writer, type WriterName, writers } from "./writers.ts";

const rounds = 24;
const messagesATurn = 192;
const atOnce = 16;
const counted = 100;

type Deed = "register" | "hear";
type Turns = Record<WriterName, Cost[]>;

const names = Object.keys(writers) as WriterName[];
const perSecond = (costs: readonly Cost[]): number[] => costs.map(({ seconds }) => messagesATurn / seconds);
const cpuMicroseconds = (costs: readonly Cost[]): number[] =>
  costs.map(({ cpuSeconds }) => 1e6 * cpuSeconds / messagesATurn);

/** A writer at work on a table of its own. */
class Contestant {
  readonly name: WriterName;
  readonly #traffic = new Traffic();
  #writer: Writer;

  constructor(name: WriterName, writer: Writer) {
    this.name = name;
    this.#writer = writer;
  }

  async work(deed: Deed, messages: number): Promise<void> {
    const source = deed === "register" ? "fresh" : "known";
    await inParallel(messages, atOnce, () => this.#writer[deed](this.#traffic[source]()));
  }

  /** The same table by another way. */
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

async function race(contestants: readonly Contestant[], deed: Deed): Promise<Turns> {
  const turns = contestants.map((each) =>
    [each.name, () => costOf(() => each.work(deed, messagesATurn))] as const
  );
  return await takeTurns(rounds, Object.fromEntries(turns) as Record<WriterName, () => Promise<Cost>>);
}

/** Requests a message, counted between the client and the emulator; apart from the race, which the gate would slow. */
async function requestsOf(
  contestants: readonly Contestant[],
  endpoint: string,
  deed: Deed,
): Promise<Record<WriterName, number>> {
  await using gate = await startFaultGate({ target: endpoint });
  const requests = {} as Record<WriterName, number>;
  for (const contestant of contestants) {
    contestant.use(writers[contestant.name](gate.endpoint, tableOf(contestant.name)));
    gate.resetCounts();
    await contestant.work(deed, counted);
    requests[contestant.name] = gate.requests / counted;
    contestant.use(writers[contestant.name](endpoint, tableOf(contestant.name)));
  }
  return requests;
}

function speed(what: string, turns: Turns, other: WriterName, atLeast?: number): Row {
  const [mine, theirs] = [perSecond(turns.ours), perSecond(turns[other])];
  return {
    measure: what,
    unit: "/s",
    ours: medianOf(mine),
    other: { name: other, value: medianOf(theirs) },
    ratio: ratioOf(mine, theirs),
    ...(atLeast !== undefined && { target: { of: "ratio", is: "at least", value: atLeast } }),
  };
}

function rowsOf(what: string, turns: Turns, requests: Record<WriterName, number>): Row[] {
  const [mine, bare] = [cpuMicroseconds(turns.ours), cpuMicroseconds(turns["bare SDK loop"])];
  return [
    speed(what, turns, "bare SDK loop", 0.85),
    speed(what, turns, "get, then put"),
    {
      measure: `${what}: client CPU`,
      unit: " µs",
      ours: medianOf(mine),
      other: { name: "bare SDK loop", value: medianOf(bare) },
      ratio: ratioOf(mine, bare),
      target: { of: "ratio", is: "at most", value: 1.3 },
    },
    {
      measure: `${what}: requests`,
      unit: "",
      ours: requests.ours,
      other: { name: "get, then put", value: requests["get, then put"] },
      target: { of: "ours", is: "exactly", value: 1 },
    },
  ];
}

await report(async () => {
  await using emulator = await startServer("emulator.ts");
  await createTables(emulator.endpoint);
  const contestants = names.map((name) =>
    new Contestant(name, writers[name](emulator.endpoint, tableOf(name)))
  );
  const rows: Row[] = [];
  for (const [deed, what] of [["register", "registrations"], ["hear", "activity updates"]] as const) {
    const turns = await race(contestants, deed);
    rows.push(...rowsOf(what, turns, await requestsOf(contestants, emulator.endpoint, deed)));
  }
  return rows;
});
