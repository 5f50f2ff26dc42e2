/** The ledger's table on an embedded DynamoDB behind a gate that lets pass what its IAM statement allows, and no more. */
import {
  type AttributeValue,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  ScanCommand,
} from "@aws-sdk/client-dynamodb";
import type { Clock } from "../../lib/util/clock.ts";
import type { LocalDynamoDB } from "../../lib/local/dynamodb/server.ts";
import type { FaultGate, GateEntry } from "../../lib/local/dynamodb/fault_gate.ts";
import { ledgerActions } from "../../lib/local/dynamodb/iam.ts";
import { DynamoDBLedger } from "../../lib/dynamodb/ledger.ts";
import type { RunRecord } from "../../lib/broadcast/ledger.ts";
import { noon, secondMs } from "./chats.ts";
import { clientAt, type RawItem, startGatedEngine } from "./storage.ts";

export const ledgerTable = "telegram-broadcasts";

export interface LedgerFixtureOptions {
  readonly random?: () => number;
  readonly createTableMs?: number;
}

/** Starts the embedded DynamoDB and the gate; there is no table yet. */
export async function startLedger(
  { random, createTableMs }: LedgerFixtureOptions = {},
): Promise<LedgerFixture> {
  const allow = [{ actions: ledgerActions, table: ledgerTable }];
  const { db, gate } = await startGatedEngine({ createTableMs, allow, random }, [ledgerTable]);
  return new LedgerFixture(db, gate);
}

export class LedgerFixture {
  readonly db: LocalDynamoDB;
  readonly gate: FaultGate;
  /** Past the gate: for other programs' writes, and to look at the table. */
  readonly direct: DynamoDBClient;
  readonly #clients: DynamoDBClient[] = [];

  constructor(db: LocalDynamoDB, gate: FaultGate) {
    this.db = db;
    this.gate = gate;
    this.direct = clientAt(db.endpoint);
    this.#clients.push(this.direct);
  }

  /** A ledger behind the gate, with a client of its own. */
  ledger(clock?: Clock): DynamoDBLedger {
    return this.ledgerOf(this.client(), clock);
  }

  ledgerOf(client: DynamoDBClient, clock?: Clock): DynamoDBLedger {
    return new DynamoDBLedger({ tableName: ledgerTable, regionName: "us-east-1", client, clock });
  }

  /** Behind the gate. */
  client(): DynamoDBClient {
    const client = clientAt(this.gate.endpoint);
    this.#clients.push(client);
    return client;
  }

  async put(item: RawItem): Promise<void> {
    await this.direct.send(new PutItemCommand({ TableName: ledgerTable, Item: item }));
  }

  /** The run's item as it stands in the table. */
  async item(broadcastId: string): Promise<RawItem> {
    const Key = { broadcast_id: { S: broadcastId }, record: { S: "run" } };
    const { Item } = await this.direct.send(
      new GetItemCommand({ TableName: ledgerTable, Key, ConsistentRead: true }),
    );
    return Item ?? {};
  }

  /** All items, of the table or of its index; for small tables. */
  async items(index?: string): Promise<RawItem[]> {
    const from = index === undefined ? {} : { IndexName: index };
    return (await this.direct.send(new ScanCommand({ TableName: ledgerTable, ...from }))).Items ?? [];
  }

  /**
   * Which requests did what the policy does not allow. What names no action is not DynamoDB's: a client of another process
   * may still ask for the server that had this port before.
   */
  trespasses(): GateEntry[] {
    return this.gate.log.filter(({ action, table }) =>
      action !== "" && (!ledgerActions.includes(action) || table !== ledgerTable)
    );
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await this.gate.close();
    await this.db.close();
  }
}

/** A run as it is begun. */
export function runAt(broadcastId: string, more: Partial<RunRecord> = {}): RunRecord {
  return {
    broadcast_id: broadcastId,
    state: "running",
    owner: "owner-1",
    fence: 1,
    lease_until: noon + 15 * secondMs,
    started_at: new Date(noon).toISOString(),
    on_unknown: "skip",
    ...more,
  };
}

/** The largest run that a broadcast makes: every attribute there is, 60 pending supergroups, large counts. */
export function fullRun(broadcastId: string): RunRecord {
  const pending = Array.from({ length: 60 }, (_, index) => -1_002_999_999_999 + index * 7);
  const names = [
    "recipients",
    "sent",
    "deactivated",
    "failed",
    "unknown",
    "unsubscribed",
    "disallowed",
    "expired",
    "stopped",
  ];
  const counts = Object.fromEntries(names.map((name) => [name, 1_999_999]));
  return runAt(broadcastId, {
    owner: "123e4567-e89b-12d3-a456-426614174000",
    fence: 99,
    on_unknown: "resend",
    message_parts: 19,
    window_after: -1_002_999_999_999,
    cursor: -1_002_111_111_111,
    pending,
    expires_at: noon,
    ...counts,
  });
}

const encoder = new TextEncoder();

/** An item's size by DynamoDB's rule, never too small: names, and of values their bytes. */
export function itemSize(item: RawItem): number {
  return Object.entries(item).reduce((sum, [name, value]) => sum + bytes(name) + sizeOf(value), 0);
}

function sizeOf(value: AttributeValue): number {
  if (value.S !== undefined) return bytes(value.S);
  if (value.N !== undefined) return numberSize(value.N);
  if (value.B !== undefined) return value.B.byteLength;
  if (value.BOOL !== undefined) return 1;
  if (value.L !== undefined) return value.L.reduce((sum, each) => sum + 1 + sizeOf(each), 3);
  throw new Error(`no size is known for ${JSON.stringify(value)}`);
}

/** A byte for two digits, one more, and one for the sign. */
function numberSize(text: string): number {
  return Math.ceil(text.replace(/\D/g, "").length / 2) + 1 + (text.startsWith("-") ? 1 : 0);
}

function bytes(text: string): number {
  return encoder.encode(text).length;
}
