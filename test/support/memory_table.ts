/**
 * A table in memory that answers as DynamoDB does, for a third of an emulator's processor time: on a small machine a
 * measurement would mostly be the emulator's.
 */
import type { ScanCommandOutput, TableDescription, UpdateItemCommandInput } from "@aws-sdk/client-dynamodb";
import { conditionOf, type Item, updateOf } from "./expressions.ts";

export interface Answer {
  readonly status: 200 | 400;
  readonly body: unknown;
}

/** The body of a request. */
export type Input = UpdateItemCommandInput & { readonly Segment?: number };

/** Supports only the requests of the tested programs to a table of chats, or of a ledger. */
export class MemoryTable {
  readonly #items = new Map<string, Item>();
  readonly #itemOf: (key: Item) => Item | undefined;
  /** Messages of all chats, as their counts have it. */
  messages = 0;
  writtenAt = 0;

  /** @param itemOf Gives an item that was never written. Default: none. */
  constructor(itemOf: (key: Item) => Item | undefined = () => undefined) {
    this.#itemOf = itemOf;
  }

  put(item: Item): void {
    const key = keyOf(item);
    this.messages += countOf(item) - countOf(this.#items.get(key));
    this.#items.set(key, item);
    this.writtenAt = performance.now();
  }

  /** How many messages of a chat are counted. */
  messagesOf(chatId: number): number {
    return countOf(this.#items.get(String(chatId)));
  }

  ask(action: string, input: Input): Answer {
    switch (action) {
      case "UpdateItem":
        return this.#update(input);
      case "GetItem": {
        const Item = this.#get(input);
        return { status: 200, body: Item ? { Item } : {} };
      }
      case "Query":
        return { status: 200, body: { Count: 0, ScannedCount: 0, Items: [] } };
      case "Scan":
        return { status: 200, body: this.#scan(input) };
      case "DescribeTable":
        return { status: 200, body: { Table: description } };
    }
    return failed("UnknownOperationException", `There is no ${action} here.`);
  }

  #get({ Key = {} }: Input): Item | undefined {
    return this.#items.get(keyOf(Key)) ?? this.#itemOf(Key);
  }

  #update(input: Input): Answer {
    const old = this.#get(input);
    const { ConditionExpression: condition, UpdateExpression = "", ReturnValues } = input;
    const { ExpressionAttributeNames: names = {}, ExpressionAttributeValues: values = {} } = input;
    try {
      if (condition !== undefined && !conditionOf(condition)({ item: old ?? {}, names, values })) {
        const Item = old && { Item: old };
        return failed("ConditionalCheckFailedException", "The conditional request failed", Item);
      }
      this.put(updateOf(UpdateExpression)({ item: old ?? { ...input.Key }, names, values }));
    } catch (error) {
      return failed("ValidationException", (error as Error).message);
    }
    const returned = ReturnValues === "ALL_NEW" ? this.#get(input) : old;
    const isAsked = ReturnValues === "ALL_NEW" || ReturnValues === "ALL_OLD";
    return { status: 200, body: isAsked && returned ? { Attributes: returned } : {} };
  }

  /** All of them are in the first segment. */
  #scan({ Segment = 0 }: Input): Partial<ScanCommandOutput> {
    const active = [...this.#items.values()].filter((item) => Segment === 0 && item["is_active"]?.BOOL);
    return { Count: active.length, ScannedCount: active.length, Items: active };
  }
}

const description: TableDescription = {
  TableStatus: "ACTIVE",
  KeySchema: [{ AttributeName: "chat_id", KeyType: "HASH" }],
  AttributeDefinitions: [{ AttributeName: "chat_id", AttributeType: "N" }],
};

function keyOf({ chat_id, broadcast_id, record }: Item): string {
  return chat_id?.N ?? `${broadcast_id?.S}/${record?.S}`;
}

function countOf(item: Item | undefined): number {
  return Number(item?.["message_count"]?.N ?? 0);
}

function failed(name: string, message: string, more: object = {}): Answer {
  return { status: 400, body: { __type: `com.amazonaws.dynamodb.v20120810#${name}`, message, ...more } };
}
