/**
 * Answers as DynamoDB does for a table of so many active chats that it makes up, and for a ledger: seeding a million
 * items in an emulator takes minutes, and then most of a scan's time is the emulator's.
 */
import { Buffer } from "node:buffer";
import { setTimeout } from "node:timers/promises";
import type { Item } from "../support/expressions.ts";
import { type Input, MemoryTable } from "../support/memory_table.ts";
import { chatIdAt, chatsAPage, indexOfChatId, itemOf } from "./chats.ts";
import { actionOf, sendJson, startHttpServer, textOf } from "./http_server.ts";
import type { RunningServer } from "./processes.ts";

/** @param pageMs What a page of a scan takes. @param requestMs What any other request takes. */
export async function startScanServer(pageMs: number, requestMs: number): Promise<RunningServer> {
  /** By the request's body; each is made once, as it is not the server that is measured. */
  const pages = new Map<string, Uint8Array>();
  /** What was written, by the table's name. */
  const tables = new Map<string, MemoryTable>();
  return await startHttpServer(async (request, response) => {
    const action = actionOf(request);
    const body = await textOf(request);
    if (action === "Scan") {
      const page = pages.get(body) ?? Buffer.from(JSON.stringify(pageOf(JSON.parse(body) as Scan)));
      pages.set(body, page);
      if (pageMs > 0) await setTimeout(pageMs);
      return sendJson(response, 200, page);
    }
    const input = JSON.parse(body) as Input;
    const table = tables.get(input.TableName ?? "") ?? new MemoryTable(activeChat);
    tables.set(input.TableName ?? "", table);
    if (requestMs > 0) await setTimeout(requestMs);
    const answer = table.ask(action, input);
    sendJson(response, answer.status, JSON.stringify(answer.body));
  });
}

/** A chat that was never written is active; the table's own item and a ledger's items do not exist until written. */
function activeChat({ chat_id }: Item): Item | undefined {
  const chatId = Number(chat_id?.N ?? 0);
  return chatId === 0 ? undefined : itemOf(chatId);
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
