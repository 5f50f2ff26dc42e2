/** What DynamoDB would charge for requests: computed from what an emulator says, and metered on a client. */
import {
  type AttributeValue,
  DescribeTableCommand,
  type DynamoDBClient,
  GetItemCommand,
} from "@aws-sdk/client-dynamodb";

export type Item = Record<string, AttributeValue>;

/** Units of an on-demand table: a write is up to 1 KB, a read up to 4 KB, and half a read where it may be stale. */
export interface Capacity {
  readonly writes: number;
  readonly reads: number;
}

/** US dollars for each, in us-east-1. */
const dollarsAMillion: Capacity = { writes: 0.625, reads: 0.125 };

export const nothing: Capacity = { writes: 0, reads: 0 };

export function sum(...parts: readonly Capacity[]): Capacity {
  return parts.reduce(({ writes, reads }, part) => ({
    writes: writes + part.writes,
    reads: reads + part.reads,
  }), nothing);
}

export function times(factor: number, { writes, reads }: Capacity): Capacity {
  return { writes: factor * writes, reads: factor * reads };
}

export function dollars({ writes, reads }: Capacity): number {
  return (writes * dollarsAMillion.writes + reads * dollarsAMillion.reads) / 1e6;
}

/** The value at `x` of the line through two points: for what grows in step. */
export function onLine([x1, y1]: Point, [x2, y2]: Point, x: number): Capacity {
  const share = (x - x1) / (x2 - x1);
  return sum(times(1 - share, y1), times(share, y2));
}
type Point = readonly [x: number, y: Capacity];

const reading = new Set(["GetItem", "Query", "Scan"]);

/**
 * What a request consumes of its table. dynalite counts a consistent Scan or Query like one that may be stale, and
 * an empty answer as nothing: DynamoDB takes twice as much for the one, and a whole unit, or half of one, for the other.
 */
export function tableCapacity(action: string, isConsistent: boolean, counted: number): Capacity {
  if (!reading.has(action)) return { writes: counted, reads: 0 };
  const isDoubled = isConsistent && action !== "GetItem";
  return { writes: 0, reads: Math.max(isConsistent ? 1 : 0.5, isDoubled ? 2 * counted : counted) };
}

/** A global index that holds nothing but keys: the table's and its own. */
export interface KeysOnlyIndex {
  readonly keys: readonly string[];
}

/**
 * What a write of an item consumes of an index, which dynalite does not count: nothing where the item is in it neither
 * before nor after, or where its entry stays as it is; a unit for an entry that comes or goes; one each for a new key.
 */
export function indexWrites(
  { keys }: KeysOnlyIndex,
  before: Item | undefined,
  after: Item | undefined,
): number {
  const entry = (item: Item | undefined): string | undefined => {
    const values = keys.map((key) => item?.[key]);
    return values.includes(undefined) ? undefined : JSON.stringify(values);
  };
  const [was, is] = [entry(before), entry(after)];
  if (was === is) return 0;
  return was === undefined || is === undefined ? 1 : 2;
}

interface Command {
  readonly input: {
    readonly TableName?: string;
    readonly Key?: Item;
    readonly ConsistentRead?: boolean;
    ReturnConsumedCapacity?: "TOTAL";
  };
}

interface Answer {
  readonly ConsumedCapacity?: { readonly CapacityUnits?: number };
}

type Send = (command: Command, ...more: unknown[]) => Promise<Answer>;

/** Requests that are charged for; requests about a table itself are free. */
const charged = new Set(["GetItem", "Query", "Scan", "UpdateItem", "PutItem"]);
/** A write that its condition refuses is charged as one all the same; our items are below 1 KB. */
const refused: Capacity = { writes: 1, reads: 0 };

/** Counts what the requests of the client that it is put on consume; its own look-ups use another client. */
export class Meter {
  readonly #aside: DynamoDBClient;
  readonly #indexes = new Map<string, readonly KeysOnlyIndex[]>();
  #consumed: Capacity = nothing;

  constructor(aside: DynamoDBClient) {
    this.#aside = aside;
  }

  putOn(client: DynamoDBClient): void {
    const send = client.send.bind(client) as unknown as Send;
    const counting: Send = async (command, ...more) => {
      const action = command.constructor.name.replace(/Command$/, "");
      if (!charged.has(action)) return await send(command, ...more);
      return await this.#count(action, command, () => send(command, ...more));
    };
    client.send = counting as unknown as typeof client.send;
  }

  /** What has been consumed since the last time. */
  take(): Capacity {
    const consumed = this.#consumed;
    this.#consumed = nothing;
    return consumed;
  }

  async #count(action: string, { input }: Command, send: () => Promise<Answer>): Promise<Answer> {
    const before = await this.#itemOf(input);
    input.ReturnConsumedCapacity = "TOTAL";
    try {
      const answer = await send();
      const units = answer.ConsumedCapacity?.CapacityUnits ?? NaN;
      this.#add(tableCapacity(action, input.ConsistentRead === true, units));
      if (action.endsWith("Item") && action !== "GetItem") await this.#countIndexes(input, before);
      return answer;
    } catch (error) {
      if ((error as Error).name === "ConditionalCheckFailedException") this.#add(refused);
      throw error;
    }
  }

  async #countIndexes(input: Command["input"], before: Item | undefined): Promise<void> {
    const after = await this.#itemOf(input);
    for (const index of await this.#indexesOf(input.TableName)) {
      this.#add({ writes: indexWrites(index, before, after), reads: 0 });
    }
  }

  #add(capacity: Capacity): void {
    this.#consumed = sum(this.#consumed, capacity);
  }

  /** The item that a request names by its key, as it is now. */
  async #itemOf({ TableName, Key }: Command["input"]): Promise<Item | undefined> {
    if (Key === undefined) return undefined;
    try {
      return (await this.#aside.send(new GetItemCommand({ TableName, Key, ConsistentRead: true }))).Item;
    } catch {
      // The table does not exist yet.
      return undefined;
    }
  }

  async #indexesOf(tableName: string | undefined): Promise<readonly KeysOnlyIndex[]> {
    const known = this.#indexes.get(tableName ?? "");
    if (known !== undefined) return known;
    const { Table } = await this.#aside.send(new DescribeTableCommand({ TableName: tableName }));
    const keys = (Table?.KeySchema ?? []).map(({ AttributeName = "" }) => AttributeName);
    const indexes = (Table?.GlobalSecondaryIndexes ?? []).map(({ IndexName, KeySchema = [], Projection }) => {
      if (Projection?.ProjectionType !== "KEYS_ONLY") throw new Error(`${IndexName} holds more than keys`);
      return { keys: [...keys, ...KeySchema.map(({ AttributeName = "" }) => AttributeName)] };
    });
    this.#indexes.set(tableName ?? "", indexes);
    return indexes;
  }
}
