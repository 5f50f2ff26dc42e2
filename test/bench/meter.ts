/** Counts what a client's requests consume. */
import { DescribeTableCommand, type DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import {
  type Capacity,
  indexWrites,
  type Item,
  type KeysOnlyIndex,
  nothing,
  sum,
  tableCapacity,
} from "./capacity.ts";

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

/** Requests that can be charged for; whatever is asked of a table itself is free. */
const charged = new Set(["GetItem", "Query", "Scan", "UpdateItem", "PutItem"]);
/** A write that its condition refuses is charged as one all the same; our items are below 1 KB. */
const refused: Capacity = { writes: 1, reads: 0 };

/** Counts through the client that it is put on; what it asks itself goes another way, and is not counted. */
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
      // The table is yet to be created.
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
