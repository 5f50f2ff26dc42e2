/** Three ways to store messages of chats: ours, reading and writing back whole items, and the SDK's bare minimum. */
import { type AttributeValue, DynamoDBClient, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import type { MessageEvent, UserInfo } from "../../lib/chats/events.ts";
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { toIso } from "../../lib/util/clock.ts";
import { clientAt, testKeys } from "../support/client.ts";
import { chatIdAt } from "./chats.ts";

export interface ChatMessage {
  readonly chatId: number;
  readonly updateId: number;
  readonly at: number;
}

/** The messages of a run: update ids ascend and time goes on, as with Telegram. */
export class Traffic {
  static readonly #chatsAtMost = 1_000_000;
  #chats = 0;
  #messages = 0;

  /** A message of a new chat. */
  fresh(): ChatMessage {
    return this.#message(this.#chats++);
  }

  /** A message of a known chat; each has its turn. */
  known(): ChatMessage {
    return this.#message(this.#messages % this.#chats);
  }

  #message(index: number): ChatMessage {
    const number = this.#messages++;
    const chatId = chatIdAt(index, Traffic.#chatsAtMost);
    return { chatId, updateId: 800_000_000 + number, at: Date.UTC(2026, 10, 20) + number * 100 };
  }
}

export interface Writer {
  /** The first message of a chat: its /start. */
  register(message: ChatMessage): Promise<unknown>;
  /** A message of a chat that is known to be active. */
  hear(message: ChatMessage): Promise<unknown>;
  close(): void;
}

export type WriterName = "ours" | "bare SDK loop" | "get, then put";

export const writers: Readonly<Record<WriterName, (endpoint: string, tableName: string) => Writer>> = {
  "ours": ours,
  "bare SDK loop": bareLoop,
  "get, then put": getThenPut,
};

function userOf(chatId: number): UserInfo {
  return { username: `user_${chatId}`, first_name: "Ada", last_name: "Lovelace", user_id: chatId };
}

/** `storage.apply` with the events and beliefs of the bot. */
function ours(endpoint: string, tableName: string): Writer {
  const client = clientAt(endpoint);
  const storage = new TelegramDynamoDBStorage({ client, tableName });
  const event = (kind: MessageEvent["kind"], { chatId, updateId, at }: ChatMessage): MessageEvent => {
    return { kind, at, updateId, userInfo: userOf(chatId), registers: true };
  };
  return {
    register: (message) => storage.apply(message.chatId, [event("start", message)], "absent"),
    hear: (message) => storage.apply(message.chatId, [event("message", message)], "active"),
    close: () => client.destroy(),
  };
}

/** Read the item, change it, put it back: easy to write, two requests, and two writers lose each other's counts. */
function getThenPut(endpoint: string, TableName: string): Writer {
  const client = new DynamoDBClient({ endpoint, region: "us-east-1", credentials: testKeys });
  const documents = DynamoDBDocumentClient.from(client);
  const write = async ({ chatId, updateId, at }: ChatMessage): Promise<void> => {
    const { Item } = await documents.send(new GetCommand({ TableName, Key: { chat_id: chatId } }));
    const blank = { chat_id: chatId, added_at: toIso(at), message_count: 0, removed_at: null };
    const chat = Item ?? { ...blank, last_word_update_id: updateId };
    const changed = {
      ...chat,
      is_active: true,
      last_active: toIso(at),
      message_count: chat["message_count"] + 1,
      user_info: userOf(chatId),
      last_update_id: updateId,
    };
    await documents.send(new PutCommand({ TableName, Item: changed }));
  };
  return { register: write, hear: write, close: () => client.destroy() };
}

/** Our client and our expressions, written by hand, and no look at the answer: nothing that does the same is faster. */
function bareLoop(endpoint: string, TableName: string): Writer {
  const client = clientAt(endpoint);
  const write = (
    { chatId, updateId, at }: ChatMessage,
    expressions: typeof registration,
    more: Record<string, AttributeValue>,
  ): Promise<unknown> =>
    client.send(
      new UpdateItemCommand({
        TableName,
        Key: { chat_id: { N: String(chatId) } },
        ...expressions,
        ExpressionAttributeValues: {
          ":true": { BOOL: true },
          ":at": { S: toIso(at) },
          ":update": { N: String(updateId) },
          ":one": { N: "1" },
          ...more,
        },
        ReturnValues: "ALL_OLD",
        ReturnValuesOnConditionCheckFailure: "ALL_OLD",
      }),
    );
  return {
    register: (message) => {
      const user = { M: rawUser(message.chatId) };
      return write(message, registration, { ":none": { NULL: true }, ":user": user });
    },
    hear: (message) => {
      const { username, first_name, last_name, user_id } = rawUser(message.chatId);
      const user = { ":username": username, ":first": first_name, ":last": last_name, ":id": user_id };
      return write(message, activity, { ...user, ":map": { S: "M" }, ":number": { S: "N" } });
    },
    close: () => client.destroy(),
  };
}

function rawUser(chatId: number) {
  return {
    username: { S: `user_${chatId}` },
    first_name: { S: "Ada" },
    last_name: { S: "Lovelace" },
    user_id: { N: String(chatId) },
  };
}

const registration = {
  UpdateExpression: "SET #active = :true, #last_active = :at, #removed = :none, #update = :update, " +
    "#word = :update, #added = :at, #count = :one, #user = :user",
  ConditionExpression: "attribute_not_exists(#chat)",
  ExpressionAttributeNames: {
    "#chat": "chat_id",
    "#active": "is_active",
    "#last_active": "last_active",
    "#removed": "removed_at",
    "#update": "last_update_id",
    "#word": "last_word_update_id",
    "#added": "added_at",
    "#count": "message_count",
    "#user": "user_info",
  } as Record<string, string>,
};

const activity: typeof registration = {
  UpdateExpression: "SET #last_active = :at, #update = :update, #user.#username = :username, " +
    "#user.#first = :first, #user.#last = :last, #user.#id = :id ADD #count :one",
  ConditionExpression: "(attribute_not_exists(#count) OR attribute_type(#count, :number)) AND " +
    "attribute_type(#user, :map) AND #active = :true AND " +
    "(attribute_not_exists(#update) OR #update < :update) AND " +
    "(attribute_not_exists(#last_active) OR #last_active <= :at)",
  ExpressionAttributeNames: {
    "#active": "is_active",
    "#last_active": "last_active",
    "#update": "last_update_id",
    "#count": "message_count",
    "#user": "user_info",
    "#username": "username",
    "#first": "first_name",
    "#last": "last_name",
    "#id": "user_id",
  },
};
