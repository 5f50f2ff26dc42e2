/** The ledger of broadcasts in DynamoDB, through the raw client: every change of a run is one conditional UpdateItem. */
import process from "node:process";
import { type DynamoDBClient, QueryCommand, type QueryCommandOutput } from "@aws-sdk/client-dynamodb";
import {
  changesOf,
  isRun,
  type Ledger,
  partKey,
  partsOf,
  reservedAttributes,
  type RunRecord,
  type RunText,
  type RunValue,
  textOf,
} from "../broadcast/ledger.ts";
import { StorageError } from "../chats/storage.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import {
  assertClassOptions,
  type Checks,
  clientRule,
  clockRule,
  fetchRule,
  regionRule,
  tableRule,
} from "../util/validate.ts";
import {
  type ConditionError,
  createDynamoDBClient,
  getItem,
  type Item,
  loadMarshalling,
  openTable,
  type Table,
  type UpdateExpression,
  updateItem,
} from "./client.ts";
import { causeName } from "./errors.ts";
import { UpdateExpressionBuilder } from "./expressions.ts";
import { ensureTable, ledgerHints, ledgerSchema, schemaMismatch } from "./table.ts";

/** Which table, and how to reach it. */
export interface DynamoDBLedgerOptions {
  /** Default: TELEGRAM_BROADCASTS_TABLE, or `telegram-broadcasts`. */
  readonly tableName?: string | undefined;
  /** Default: AWS_REGION, or `us-east-1`. */
  readonly regionName?: string | undefined;
  /** A client to share: it is used as it is, and not closed. */
  readonly client?: DynamoDBClient | undefined;
  /** A fetch of your own, for requests without a client to share: it must send each once. Default: the runtime's. */
  readonly fetch?: typeof fetch | undefined;
  /** Default: the machine's own. */
  readonly clock?: Clock | undefined;
}

/** How often one write may have to create the table, or to wait for it. */
const creationsAtMost = 3;

const optionChecks: Pick<Checks<DynamoDBLedgerOptions>, "rules"> = {
  rules: {
    ...{
      tableName: tableRule,
      regionName: regionRule,
      client: clientRule,
      fetch: fetchRule,
      clock: clockRule,
    },
  },
};

/**
 * Remembers broadcasts in a table of the key `broadcast_id` (S) and `record` (S), which the first write creates.
 * Needs `dynamodb:` CreateTable (only where there is no table yet), DescribeTable, GetItem and UpdateItem on the
 * table, and Query on its index. Every method rejects with a {@link StorageError} when DynamoDB does not do its part.
 */
export class DynamoDBLedger implements Ledger {
  /** The table's name. */
  readonly tableName: string;
  readonly #client: DynamoDBClient;
  readonly #ownsClient: boolean;
  readonly #clock: Clock;
  readonly #table: Table;
  #creation: Promise<void> | undefined;
  #savedAt = 0;

  /**
   * Connects to nothing yet.
   * @throws {ConfigError} If an option is unknown or malformed.
   */
  constructor(options: DynamoDBLedgerOptions = {}) {
    assertClassOptions(options, optionChecks);
    this.tableName = options.tableName ?? (process.env["TELEGRAM_BROADCASTS_TABLE"] || "telegram-broadcasts");
    const regionName = options.regionName ?? (process.env["AWS_REGION"] || "us-east-1");
    this.#clock = options.clock ?? systemClock;
    this.#ownsClient = options.client === undefined;
    this.#client = options.client ?? createDynamoDBClient(regionName, options.fetch);
    this.#table = openTable(this.#client, this.tableName, regionName, ledgerHints(this.tableName));
  }

  /** One GetItem. */
  async get(broadcastId: string): Promise<RunRecord | undefined> {
    const item = await undefinedWithoutTable(this.#read(broadcastId, "run"));
    return item && runOf(item);
  }

  /** One UpdateItem, where the table is there and no answer is lost. */
  async begin(run: RunRecord): Promise<RunRecord> {
    await loadMarshalling();
    const refused = await this.#create(run.broadcast_id, "run", beginUpdate(run));
    if (refused === undefined) return run;
    // After an attempt that landed and whose answer was lost, this is our own run.
    return refused.item === undefined ? await this.begin(run) : runOf(refused.item);
  }

  /** One UpdateItem. */
  async claim(run: RunRecord, owner: string, leaseUntil: number): Promise<RunRecord | undefined> {
    await loadMarshalling();
    const written = await this.#update(run.broadcast_id, "run", claimUpdate(run, owner, leaseUntil));
    if ("attributes" in written) return runOf(written.attributes ?? {});
    const now = written.item && runOf(written.item);
    const isOurs = now?.owner === owner && now.fence === run.fence + 1;
    return isOurs ? now : undefined;
  }

  /** One UpdateItem. */
  async save(run: RunRecord): Promise<boolean> {
    await loadMarshalling();
    // DynamoDB may carry out a request long after its time-out: such a save must not undo a later one.
    const at = this.#savedAt = Math.max(this.#savedAt + 1, this.#clock.now());
    const written = await this.#update(run.broadcast_id, "run", saveUpdate(run, at));
    if ("attributes" in written) return true;
    if (written.item === undefined) return false;
    const now = runOf(written.item);
    // This save, whose answer was lost, or a later one of ours.
    return now.owner === run.owner && now.fence === run.fence && savedAt(written.item) >= at;
  }

  /** A Query of the index `open`, which holds only runs that are not finished. */
  async open(): Promise<string[]> {
    const ids: string[] = [];
    let from: Item | undefined;
    do {
      const page: QueryCommandOutput | undefined = await undefinedWithoutTable(this.#openPage(from));
      ids.push(...(page?.Items ?? []).flatMap(({ broadcast_id }) => broadcast_id?.S ?? []));
      from = page?.LastEvaluatedKey;
    } while (from !== undefined);
    return ids;
  }

  /** An UpdateItem a part. The first one goes ahead, as it may have to create the table. */
  async writeText(broadcastId: string, name: RunText, text: string): Promise<number> {
    await loadMarshalling();
    const [first, ...rest] = partsOf(broadcastId, name, text);
    const write = (part: string, index: number): Promise<unknown> =>
      this.#create(broadcastId, partKey(name, index), partUpdate(part));
    if (first === undefined) return 0;
    await write(first, 0);
    await Promise.all(rest.map((part, index) => write(part, index + 1)));
    return 1 + rest.length;
  }

  /** A GetItem a part. */
  async readText(broadcastId: string, name: RunText, parts: number): Promise<string> {
    const keys = Array.from({ length: parts }, (_, index) => partKey(name, index));
    const items = await Promise.all(keys.map((key) => this.#read(broadcastId, key)));
    return textOf(broadcastId, name, items.map((item) => item?.["text"]?.S));
  }

  /** Closes the client, unless it is shared. */
  close(): void {
    if (this.#ownsClient) this.#client.destroy();
  }

  #read(broadcastId: string, record: string): Promise<Item | undefined> {
    return this.#explained(getItem(this.#table, keyOf(broadcastId, record)));
  }

  #openPage(from: Item | undefined): Promise<QueryCommandOutput> {
    const command = new QueryCommand({
      TableName: this.tableName,
      IndexName: "open",
      KeyConditionExpression: "#open = :open",
      ExpressionAttributeNames: { "#open": "open" },
      ExpressionAttributeValues: { ":open": { S: "open" } },
      ExclusiveStartKey: from,
    });
    return this.#explained(this.#table.send("Query", command));
  }

  /** Writes, and first creates the table if there is none. */
  async #create(broadcastId: string, record: string, update: UpdateExpression): Promise<Refused | undefined> {
    for (let round = 1;; round++) {
      try {
        const written = await this.#update(broadcastId, record, update);
        return "attributes" in written ? undefined : written;
      } catch (error) {
        if (!isTableMissing(error) || round > creationsAtMost) throw error;
        this.#creation ??= ensureTable(this.#table, ledgerSchema, this.#clock).finally(() => {
          this.#creation = undefined;
        });
        await this.#creation;
      }
    }
  }

  /** If the condition does not hold, gives the item that is there: from the error, or read. */
  async #update(broadcastId: string, record: string, update: UpdateExpression): Promise<Written> {
    const key = keyOf(broadcastId, record);
    try {
      return { attributes: await this.#explained(updateItem(this.#table, key, update)) };
    } catch (error) {
      if (causeName(error) !== "ConditionalCheckFailedException") throw error;
      const cause = (error as Error).cause as ConditionError;
      return { item: cause.Item ?? await this.#read(broadcastId, record) };
    }
  }

  /** DynamoDB's message about another key, or a missing index, does not say what to do. */
  async #explained<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      const isRefused = causeName(error) === "ValidationException";
      const mismatch = isRefused && await schemaMismatch(this.#table, ledgerSchema).catch(() => undefined);
      throw mismatch || error;
    }
  }
}

function keyOf(broadcastId: string, record: string): Item {
  return { broadcast_id: { S: broadcastId }, record: { S: record } };
}

type Written = { readonly attributes: Item | undefined } | Refused;

/** The item that did not meet the condition. */
interface Refused {
  readonly item: Item | undefined;
}

function isTableMissing(error: unknown): boolean {
  return causeName(error) === "ResourceNotFoundException";
}

async function undefinedWithoutTable<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isTableMissing(error)) return undefined;
    throw error;
  }
}

// A run as an item of the table, and its writes as conditional updates.

/**
 * The run of an item; attributes of other types (a map, say) are ignored. An item that is no run is an error: to take it
 * for "no run" would be to send a broadcast twice.
 */
export function runOf(item: Item): RunRecord {
  const values = Object.entries(item).filter(([name]) => !reservedAttributes.includes(name))
    .map(([name, value]) => [name, packedAttributes.has(name) ? unpacked(value) : valueOf(value)] as const);
  const run: Record<string, RunValue> = Object.fromEntries(values.filter(([, value]) => value !== undefined));
  if (isRun(run) && leaseAttributes.every((name) => item[name]?.N === String(run[name]))) return run;
  const id = String(run["broadcast_id"]);
  throw new StorageError(
    "failed",
    `The ledger's item "run" of the broadcast "${id}" is no run that this version can read. Look at the item, or ` +
      `choose another broadcastId.`,
  );
}

/** A claim's condition writes them as they were read. With more digits than a number holds, it would be refused for ever. */
const leaseAttributes = ["fence", "lease_until"] as const;

/** @param value `undefined` is what the SDK makes of an attribute `__proto__`. */
function valueOf(value: Item[string] | undefined): RunValue {
  if (value?.S !== undefined) return value.S;
  if (value?.BOOL !== undefined) return value.BOOL;
  if (value?.N !== undefined) return Number(value.N);
  return value?.L?.every((each) => each.N !== undefined) ? value.L.map((each) => Number(each.N)) : undefined;
}

/** Attributes that are lists of chats. */
const packedAttributes: ReadonlySet<string> = new Set(["pending", "unsent", "sampled", "passed"]);

/** The numbers as doubles, which take a fifth less room: a full list would not fit into an item of 1 KB with the counts. */
function packed(numbers: readonly number[]): Uint8Array | readonly number[] {
  // Not every engine takes empty bytes.
  if (numbers.length === 0) return numbers;
  const view = new DataView(new ArrayBuffer(8 * numbers.length));
  numbers.forEach((number, index) => view.setFloat64(8 * index, number));
  return new Uint8Array(view.buffer);
}

function unpacked(value: Item[string]): RunValue {
  if (value.B === undefined) return valueOf(value);
  const view = new DataView(value.B.buffer, value.B.byteOffset, value.B.byteLength);
  return Array.from({ length: Math.floor(value.B.byteLength / 8) }, (_, index) => view.getFloat64(8 * index));
}

/** When the item was last saved, by its owner's clock: milliseconds since 1970 that never go back. */
export function savedAt(item: Item): number {
  return Number(item["saved_at"]?.N ?? 0);
}

/** Creates the run where there is none. */
export function beginUpdate(run: RunRecord): UpdateExpression {
  const update = new UpdateExpressionBuilder();
  write(update, run);
  update.requireAbsent("broadcast_id");
  return update.build();
}

/** Changes the owner of a run, if the run is still as it was read. A new owner dates its saves by its own clock. */
export function claimUpdate(run: RunRecord, owner: string, leaseUntil: number): UpdateExpression {
  const update = new UpdateExpressionBuilder();
  update.set(["owner"], owner);
  update.set(["fence"], run.fence + 1);
  update.set(["lease_until"], leaseUntil);
  update.remove("saved_at");
  requireOwned(update, run);
  update.requireValue("lease_until", { N: String(run.lease_until) });
  update.requireValue("state", { S: "running" });
  return { ...update.build(), ReturnValues: "ALL_NEW" };
}

/** Writes the whole run, if it is still its owner's and the owner has saved nothing later. */
export function saveUpdate(run: RunRecord, savedAt: number): UpdateExpression {
  const update = new UpdateExpressionBuilder();
  write(update, run);
  update.set(["saved_at"], savedAt);
  requireOwned(update, run);
  // With this fence only the owner can have finished it, and it may write that again.
  if (run.state === "running") update.requireValue("state", { S: "running" });
  update.requireBelowIfAny("saved_at", "<", savedAt);
  return { ...update.build(), ReturnValues: "NONE" };
}

/** Writes a part of a text over whatever is there. */
export function partUpdate(text: string): UpdateExpression {
  const update = new UpdateExpressionBuilder();
  update.set(["text"], text);
  const { ConditionExpression: _none, ReturnValuesOnConditionCheckFailure: _never, ...rest } = update.build();
  return { ...rest, ReturnValues: "NONE" };
}

function requireOwned(update: UpdateExpressionBuilder, run: RunRecord): void {
  update.requireValue("owner", { S: run.owner });
  update.requireValue("fence", { N: String(run.fence) });
}

/** The attribute `open` keeps a run in the index of that name until it is finished. */
function write(update: UpdateExpressionBuilder, run: RunRecord): void {
  const { set, remove } = changesOf(run);
  for (const [name, value] of set) {
    update.set([name], packedAttributes.has(name) ? packed(value as number[]) : value);
  }
  for (const name of remove) update.remove(name);
  if (run.state === "running") update.set(["open"], "open");
  else update.remove("open");
}
