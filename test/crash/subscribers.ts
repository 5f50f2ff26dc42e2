/** Subscribed users, the tables of chats and broadcasts, and Telegram: what survives the bots that broadcast. */
import { type AttributeValue, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import type { LocalUser } from "../../lib/local/mod.ts";
import type { RunRecord } from "../../lib/broadcast/ledger.ts";
import { runOf } from "../../lib/dynamodb/ledger.ts";
import { createSemaphore } from "../../lib/util/async.ts";
import { activeItem } from "../support/bot.ts";
import type { ClockOrigin } from "../support/clocks.ts";
import { LedgerName, TableName } from "../support/storage.ts";
import type { Kind } from "./announcement.ts";
import { Services, type StartedServices, startServices } from "./services.ts";

export interface SubscribersOptions {
  readonly seed: number;
  readonly chats: number;
  /** How many times as fast as real time the bots' clock runs. */
  readonly clockFactor: number;
}

export class Subscribers extends Services {
  readonly clock: ClockOrigin;
  /** In the order of their ids. */
  readonly users: readonly LocalUser[];
  #broadcasts = 0;

  constructor(services: StartedServices, { chats, clockFactor }: SubscribersOptions) {
    super(services);
    this.clock = { factor: clockFactor, startedAt: Date.now() };
    const users = Array.from({ length: chats }, () => this.server.user({ opened: true }));
    this.users = users.sort((one, other) => one.chatId - other.chatId);
  }

  /** All are subscribed; nothing was broadcast, and there is no ledger yet. */
  static async start(options: SubscribersOptions): Promise<Subscribers> {
    const subscribers = new Subscribers(await startServices(options.seed), options);
    await subscribers.storage.createTableIfNotExists();
    await subscribers.subscribe(subscribers.users);
    return subscribers;
  }

  newBroadcastId(kind: Kind): string {
    return `${kind}${++this.#broadcasts}`;
  }

  /** Makes them active in the table, as if they had written. */
  async subscribe(users: readonly LocalUser[]): Promise<void> {
    const atOnce = createSemaphore(20);
    await Promise.all(
      users.map(({ chatId }) =>
        atOnce(() => this.direct.send(new PutItemCommand({ TableName, Item: activeItem(chatId) })))
      ),
    );
  }

  /** The ledger's record of a broadcast, if there is one. */
  async record(broadcastId: string): Promise<RunRecord | undefined> {
    const Key: Record<string, AttributeValue> = { broadcast_id: { S: broadcastId }, record: { S: "run" } };
    try {
      const { Item } = await this.direct.send(
        new GetItemCommand({ TableName: LedgerName, Key, ConsistentRead: true }),
      );
      return Item && runOf(Item);
    } catch (error) {
      // The first broadcast creates the table.
      if ((error as Error).name === "ResourceNotFoundException") return undefined;
      throw error;
    }
  }
}
