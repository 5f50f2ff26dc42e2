/** The people who are subscribed, the table that says so, and Telegram: what survives the bots that broadcast to them. */
import {
  type AttributeValue,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
} from "@aws-sdk/client-dynamodb";
import { createSemaphore } from "../../lib/util/async.ts";
import {
  type BotApiServer,
  type FaultGate,
  type LocalDynamoDB,
  type LocalUser,
  startBotApiServer,
  startDynamoDB,
  startFaultGate,
} from "../../lib/local/mod.ts";
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { clientAt } from "../support/client.ts";
import { type Random, randomOf } from "../support/histories.ts";
import { TableName } from "./scene.ts";
import type { RunRecord } from "../../lib/broadcast/ledger.ts";
import { runOf } from "../../lib/dynamodb/ledger.ts";
import type { Kind } from "./announcement.ts";
import type { ClockOrigin } from "./shared_clock.ts";

export const LedgerName = "telegram-broadcasts";

export interface AudienceOptions {
  readonly seed: number;
  readonly chats: number;
  /** How many times as fast as real time the bots' clock runs. */
  readonly clockFactor: number;
}

export class Audience {
  readonly server: BotApiServer;
  readonly gate: FaultGate;
  /** Past the gate: no fault befalls it. */
  readonly direct: DynamoDBClient;
  readonly random: Random;
  readonly clock: ClockOrigin;
  /** In the order of their ids. */
  readonly people: readonly LocalUser[];
  readonly #db: LocalDynamoDB;
  #broadcasts = 0;

  constructor(db: LocalDynamoDB, gate: FaultGate, server: BotApiServer, options: AudienceOptions) {
    this.#db = db;
    this.gate = gate;
    this.server = server;
    this.random = randomOf(options.seed);
    this.direct = clientAt(db.endpoint);
    this.clock = { factor: options.clockFactor, startedAt: Date.now() };
    const people = Array.from({ length: options.chats }, () => server.user({ opened: true }));
    this.people = people.sort((one, other) => one.chatId - other.chatId);
  }

  newBroadcastId(kind: Kind): string {
    return `${kind}${++this.#broadcasts}`;
  }

  /** Makes them active in the table, as if they had written. */
  async subscribe(people: readonly LocalUser[]): Promise<void> {
    const atOnce = createSemaphore(20);
    const ago = new Date(Date.now() - 3_600_000).toISOString();
    await Promise.all(people.map(({ chatId }) => {
      const Item = {
        chat_id: { N: String(chatId) },
        is_active: { BOOL: true },
        added_at: { S: ago },
        last_active: { S: ago },
        message_count: { N: "1" },
        user_info: { M: {} },
        removed_at: { NULL: true as const },
      };
      return atOnce(() => this.direct.send(new PutItemCommand({ TableName, Item })));
    }));
  }

  /** What the ledger holds of it; undefined where that is nothing yet. */
  async record(broadcastId: string): Promise<RunRecord | undefined> {
    const Key: Record<string, AttributeValue> = { broadcast_id: { S: broadcastId }, record: { S: "run" } };
    try {
      const { Item } = await this.direct.send(
        new GetItemCommand({ TableName: LedgerName, Key, ConsistentRead: true }),
      );
      return Item && runOf(Item);
    } catch (error) {
      // The table is made by the first broadcast.
      if ((error as Error).name === "ResourceNotFoundException") return undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    this.direct.destroy();
    await this.server.close();
    await this.gate.close();
    await this.#db.close();
  }
}

/** All are subscribed; nobody has broadcast anything, nor is there a ledger. */
export async function gatherAudience(options: AudienceOptions): Promise<Audience> {
  const db = await startDynamoDB();
  const gate = await startFaultGate({ target: db.endpoint, random: randomOf(options.seed + 1) });
  const audience = new Audience(db, gate, await startBotApiServer(), options);
  await new TelegramDynamoDBStorage({ tableName: TableName, client: audience.direct })
    .createTableIfNotExists();
  await audience.subscribe(audience.people);
  return audience;
}
