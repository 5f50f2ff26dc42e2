/**
 * Answers as DynamoDB does for a table of so many active chats that it makes up, and for a ledger: seeding a million
 * items in an emulator takes minutes, and then most of a scan's time is the emulator's.
 */
import { Buffer } from "node:buffer";
import { setTimeout } from "node:timers/promises";
import { chatSchema, ledgerSchema } from "../../lib/dynamodb/table.ts";
import { type Answer, type Item, SimulatedDynamoDB, wireItem } from "../sim/dynamodb/dynamodb.ts";
import { chatIdAt, chatsAPage, indexOfChatId, itemOf } from "./chats.ts";
import { actionOf, sendJson, startHttpServer, textOf } from "./http_server.ts";
import type { RunningServer } from "./processes.ts";

/** @param pageMs What a page of a scan takes. @param requestMs What any other request takes. */
export async function startScanServer(pageMs: number, requestMs: number): Promise<RunningServer> {
  /** By the request's body; each is made once, as it is not the server that is measured. */
  const pages = new Map<string, Uint8Array>();
  const tables = new MadeUpTables();
  return await startHttpServer(async (request, response) => {
    const action = actionOf(request);
    const body = await textOf(request);
    if (action === "Scan") {
      const page = pages.get(body) ?? Buffer.from(JSON.stringify(pageOf(JSON.parse(body) as Scan)));
      pages.set(body, page);
      if (pageMs > 0) await setTimeout(pageMs);
      return sendJson(response, 200, page);
    }
    if (requestMs > 0) await setTimeout(requestMs);
    const answer = tables.answer(action, JSON.parse(body) as Input);
    sendJson(response, answer.status, JSON.stringify(answer.body));
  });
}

interface Input {
  readonly TableName: string;
  readonly IndexName?: string;
  readonly Key?: Item;
}

/** Tables that are there as soon as they are asked for: a chat that was never written is active. */
class MadeUpTables {
  readonly #dynamodb = new SimulatedDynamoDB();
  readonly #names = new Set<string>();

  answer(action: string, input: Input): Answer {
    const { TableName, IndexName, Key } = input;
    if (!this.#names.has(TableName)) {
      const isLedger = IndexName !== undefined || Key?.["broadcast_id"] !== undefined;
      this.#dynamodb.create({ TableName, ...isLedger ? ledgerSchema : chatSchema });
      this.#names.add(TableName);
    }
    const chatId = Number(Key?.["chat_id"]?.N ?? 0);
    // The table's own item is made by the first who writes it.
    if (chatId !== 0 && this.#dynamodb.item(TableName, Key as Item) === undefined) {
      this.#dynamodb.put(TableName, wireItem(itemOf(chatId)));
    }
    return this.#dynamodb.answer(action, input);
  }
}

interface Key {
  readonly chat_id: { readonly N: string };
}

export interface ScanPage {
  readonly Count: number;
  readonly ScannedCount: number;
  readonly Items: readonly Key[];
  readonly LastEvaluatedKey?: Key | undefined;
}

export interface Scan {
  /** Its last number is how many chats there are: `chats-1000000`. */
  readonly TableName: string;
  readonly Segment: number;
  readonly TotalSegments: number;
  readonly ExclusiveStartKey?: Key | undefined;
}

/** What DynamoDB would answer, projected to `chat_id` as loads ask for it. */
export function pageOf({ TableName, Segment, TotalSegments, ExclusiveStartKey }: Scan): ScanPage {
  const chats = Number(TableName.split("-").at(-1));
  const boundary = (segment: number): number => Math.floor(chats * segment / TotalSegments);
  const start = ExclusiveStartKey
    ? indexOfChatId(Number(ExclusiveStartKey.chat_id.N), chats) + 1
    : boundary(Segment);
  const end = Math.min(start + chatsAPage, boundary(Segment + 1));
  const keyAt = (index: number): Key => ({ chat_id: { N: String(chatIdAt(index, chats)) } });
  const Items = Array.from({ length: end - start }, (_, index) => keyAt(start + index));
  const page = { Count: Items.length, ScannedCount: Items.length, Items };
  return end < boundary(Segment + 1) ? { ...page, LastEvaluatedKey: Items.at(-1) } : page;
}
