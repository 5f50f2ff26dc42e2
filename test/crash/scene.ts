/** What survives the bot: Telegram, the table behind its gate, the people; and the comparison with the model. */
import { isDeepStrictEqual } from "node:util";
import {
  type AttributeValue,
  type DynamoDBClient,
  ScanCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { unmarshall } from "@aws-sdk/util-dynamodb";
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import {
  type BotApiServer,
  type FaultGate,
  iamActions,
  type LocalDynamoDB,
  startBotApiServer,
  startDynamoDB,
  startFaultGate,
} from "../../lib/local/mod.ts";
import { clientAt } from "../support/client.ts";
import { type Random, randomOf } from "../support/histories.ts";
import { type Entry, open, sometime } from "./model.ts";
import { firstUpdateId, Town } from "./town.ts";

export const TableName = "telegram-chats";

type Item = Record<string, unknown>;

export class Scene {
  readonly server: BotApiServer;
  readonly gate: FaultGate;
  readonly town: Town;
  readonly random: Random;
  /** Past the gate: another program's way to the table, and ours to look at it. */
  readonly direct: DynamoDBClient;
  /** A second storage on the table, which no fault befalls. */
  readonly other: TelegramDynamoDBStorage;
  readonly #db: LocalDynamoDB;
  #others = 0;

  constructor(db: LocalDynamoDB, gate: FaultGate, server: BotApiServer, seed: number) {
    this.#db = db;
    this.gate = gate;
    this.server = server;
    this.random = randomOf(seed);
    this.direct = clientAt(db.endpoint);
    this.other = new TelegramDynamoDBStorage({ tableName: TableName, client: this.direct });
    this.town = new Town(server, this.random);
  }

  /** What others do to the table meanwhile: a chat that says nothing is registered, one that exists gets an attribute. */
  async othersWrite(): Promise<void> {
    const chatId = 900_000_000 + ++this.#others;
    await this.other.saveChat(chatId, { first_name: "Guest" });
    this.town.model.saved(chatId, { first_name: "Guest" });
    const people = this.town.known().filter((id) => id > 0);
    const noted = people[Math.floor(this.random() * people.length)];
    const name = `plan_${this.#others}`;
    if (noted !== undefined && await this.#note(noted, name)) this.town.model.foreign(noted, name, "gold");
  }

  /** Adds an attribute, and a key to `user_info`, if the chat is in the table by now. */
  async #note(chatId: number, name: string): Promise<boolean> {
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
        // The item of the table itself is no chat's.
        if (chat_id !== 0) items.set(chat_id as number, item);
      }
      // The table's own item is no chat's.
      items.delete(0);
      ExclusiveStartKey = page.LastEvaluatedKey;
    } while (ExclusiveStartKey !== undefined);
    return items;
  }

  /** Where the table is not what it has to be: a line for each attribute. */
  async differences(): Promise<Difference[]> {
    const items = await this.items();
    return [...differencesOf(this.town.model.entries, items), ...await this.#untold(items)];
  }

  /** Chats whose /stop is kept, and of which other processes have not been told. */
  async #untold(items: ReadonlyMap<number, Item>): Promise<Difference[]> {
    const { since, chats } = await this.other.readStopLog();
    const stopped = [...items].filter(([, item]) => item["removed_reason"] === "stopped");
    return stopped.filter(([chatId]) => since === 0 && !chats.has(chatId))
      .map(([chatId]) => ({ chatId, attribute: "(log of /stops)", expected: "told", actual: undefined }));
  }

  async close(): Promise<void> {
    this.direct.destroy();
    await this.server.close();
    await this.gate.close();
    await this.#db.close();
  }
}

export async function startScene(seed: number): Promise<Scene> {
  const db = await startDynamoDB();
  const random = randomOf(seed + 1);
  const gate = await startFaultGate({
    target: db.endpoint,
    allow: { actions: iamActions, table: TableName },
    random,
  });
  const server = await startBotApiServer({ firstUpdateId });
  const scene = new Scene(db, gate, server, seed);
  await scene.other.createTableIfNotExists();
  return scene;
}

/** One attribute that is not as it has to be. */
export interface Difference {
  readonly chatId: number;
  readonly attribute: string;
  readonly expected: unknown;
  readonly actual: unknown;
}

/** Attributes of the toolkit's that say nothing of what the chat did. */
const ignored: ReadonlySet<string> = new Set(["strikes"]);

export function differencesOf(
  expected: ReadonlyMap<number, Entry>,
  actual: ReadonlyMap<number, Item>,
): Difference[] {
  const ids = new Set([...expected.keys(), ...actual.keys()]);
  return [...ids].flatMap((chatId) => differencesIn(chatId, expected.get(chatId), actual.get(chatId)));
}

function differencesIn(chatId: number, expected: Entry | undefined, actual: Item | undefined): Difference[] {
  if (expected === undefined || actual === undefined) {
    return [{ chatId, attribute: "(item)", expected, actual }];
  }
  const names = new Set([...Object.keys(expected), ...Object.keys(actual)]);
  return [...names]
    .filter((name) => !ignored.has(name) && !isAsExpected(expected[name], actual[name]))
    .map((attribute) => ({ chatId, attribute, expected: expected[attribute], actual: actual[attribute] }));
}

function isAsExpected(expected: unknown, actual: unknown): boolean {
  if (expected === open) return true;
  if (expected === sometime) return typeof actual === "string" && !Number.isNaN(Date.parse(actual));
  return isDeepStrictEqual(expected, actual);
}

/** What was lost, in the words of the promise. */
export interface Losses {
  /** Chats that should be in the table, and are not. */
  readonly registrations: number;
  /** Chats that should be stopped, and are active. */
  readonly stops: number;
  /** Messages that were not counted. */
  readonly messages: number;
  /** Messages that were counted once too often. */
  readonly repeated: number;
  /** Whatever else is not as it has to be. */
  readonly others: number;
}

export function lossesOf(differences: readonly Difference[]): Losses {
  const losses = { registrations: 0, stops: 0, messages: 0, repeated: 0, others: 0 };
  for (const { attribute, expected, actual } of differences) {
    const missing = Number(expected) - Number(actual);
    if (attribute === "(item)" && actual === undefined) {
      losses.registrations++;
      losses.messages += (expected as Entry).message_count;
    } else if (attribute === "is_active" && actual === true) losses.stops++;
    else if (attribute === "message_count" && missing > 0) losses.messages += missing;
    else if (attribute === "message_count") losses.repeated -= missing;
    else losses.others++;
  }
  return losses;
}

/** A few of the differences, for a person to read. */
export function told(differences: readonly Difference[]): string {
  const lines = differences.slice(0, 8).map(({ chatId, attribute, expected, actual }) =>
    `  chat ${chatId}, ${attribute}: ${JSON.stringify(actual)}, but it has to be ${JSON.stringify(expected)}`
  );
  const more = differences.length > lines.length ? [`  and ${differences.length - lines.length} more`] : [];
  return [...lines, ...more].join("\n");
}
