/** Users who write to a bot at random, the table of chats, and the model that the table is compared with. */
import { type AttributeValue, ScanCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { unmarshall } from "@aws-sdk/util-dynamodb";
import { iamActions } from "../../lib/local/mod.ts";
import { currentWorld } from "../sim/world.ts";
import { pause, within } from "../support/bot.ts";
import { TableName } from "../support/storage.ts";
import { type Difference, differencesOf, type Item } from "./model.ts";
import { Services, type StartedServices, startServices } from "./services.ts";
import { firstUpdateId, SimulatedUsers } from "./simulated_users.ts";

/** More updates than these need not wait for a bot that is down: they would only slow the test. */
const mostPending = 250;

export interface Traffic {
  /** Resolves when the last message is sent. */
  stop(): Promise<void>;
}

export class World extends Services {
  readonly users: SimulatedUsers;
  #foreignWrites = 0;

  constructor(services: StartedServices) {
    super(services);
    this.users = new SimulatedUsers(this.server, this.random);
  }

  static async start(seed: number): Promise<World> {
    const allow = { actions: iamActions, table: TableName };
    const world = new World(await startServices(seed, { firstUpdateId }, allow));
    await world.storage.createTableIfNotExists();
    return world;
  }

  /** Other programs write to the table: a silent chat is registered, an existing chat gets an attribute. */
  async writeForeign(): Promise<void> {
    const chatId = 900_000_000 + ++this.#foreignWrites;
    await this.storage.saveChat(chatId, { first_name: "Guest" });
    this.users.model.saved(chatId, { first_name: "Guest" });
    const userIds = this.users.known().filter((id) => id > 0);
    const target = userIds[Math.floor(this.random() * userIds.length)];
    const name = `plan_${this.#foreignWrites}`;
    if (target !== undefined && await this.#addAttribute(target, name)) {
      this.users.model.foreign(target, name, "gold");
    }
  }

  /** Adds an attribute, and a key to `user_info`, if the chat is already in the table. */
  async #addAttribute(chatId: number, name: string): Promise<boolean> {
    try {
      await this.direct.send(
        new UpdateItemCommand({
          TableName,
          Key: { chat_id: { N: String(chatId) } },
          UpdateExpression: "SET #name = :value, user_info.#name = :value",
          ConditionExpression: "attribute_exists(chat_id)",
          ExpressionAttributeNames: { "#name": name },
          ExpressionAttributeValues: { ":value": { S: "gold" } },
        }),
      );
      return true;
    } catch (error) {
      if ((error as Error).name === "ConditionalCheckFailedException") return false;
      throw error;
    }
  }

  /** Every chat's item of the table. */
  async items(): Promise<Map<number, Item>> {
    const items = new Map<number, Item>();
    let ExclusiveStartKey: Record<string, AttributeValue> | undefined;
    do {
      const page = await this.direct.send(
        new ScanCommand({ TableName, ConsistentRead: true, ExclusiveStartKey }),
      );
      for (const raw of page.Items ?? []) {
        const { chat_id, ...item } = unmarshall(raw);
        // The table's own item is not a chat's.
        if (chat_id !== 0) items.set(chat_id as number, item);
      }
      ExclusiveStartKey = page.LastEvaluatedKey;
    } while (ExclusiveStartKey !== undefined);
    return items;
  }

  /** Where the table differs from the model: one for each attribute. */
  async differences(): Promise<Difference[]> {
    const items = await this.items();
    return [...differencesOf(this.users.model.entries, items), ...await this.#missingStops(items)];
  }

  /** Chats whose /stop is stored but missing from the log of /stops that other processes read. */
  async #missingStops(items: ReadonlyMap<number, Item>): Promise<Difference[]> {
    const { since, chats } = await this.storage.readStopLog();
    const stopped = [...items].filter(([, item]) => item["removed_reason"] === "stopped");
    return stopped.filter(([chatId]) => since === 0 && !chats.has(chatId))
      .map(([chatId]) => ({ chatId, attribute: "(log of /stops)", expected: "logged", actual: undefined }));
  }

  /** Waits until the table is as expected; gives what still differs when the time is over. */
  async recovered(withinMs: number = 60_000): Promise<Difference[]> {
    let differences: Difference[] = [];
    // To compare takes processor time, and so does every look in virtual time.
    const everyMs = currentWorld() === undefined ? 50 : 1000;
    await within(withinMs, async () => {
      await pause(everyMs);
      if (this.server.pendingUpdates > 0) return false;
      differences = await this.differences();
      return differences.length === 0;
    });
    return this.server.pendingUpdates > 0 ? await this.differences() : differences;
  }

  /** Has users write without end, whatever the bot is doing. */
  startTraffic({ everyMs = 12 }: { readonly everyMs?: number } = {}): Traffic {
    let isOver = false;
    const write = async (): Promise<void> => {
      while (!isOver) {
        if (this.server.pendingUpdates < mostPending) this.users.actAtRandom();
        if (this.random() < 0.02) await this.writeForeign();
        await pause(this.random() * 2 * everyMs);
      }
    };
    const writing = write();
    writing.catch(() => {});
    return {
      async stop() {
        isOver = true;
        await writing;
      },
    };
  }
}
