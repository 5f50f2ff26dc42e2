/**
 * Answers as DynamoDB does for a table of so many active chats that nobody keeps, and for a ledger: seeding a million
 * items in an emulator takes minutes, and then most of a scan is the emulator's. Its arguments are the milliseconds that
 * a page of a scan takes, and any other request. Default: none.
 */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { serve } from "./child.ts";
import type { Item } from "./expressions.ts";
import { type Input, MemoryTable } from "./memory_table.ts";
import { pageOf, type Scan } from "./scan_pages.ts";
import { itemOf } from "./seed.ts";

interface Answer {
  readonly status: number;
  readonly body: Uint8Array;
}

const [pageMs = 0, requestMs = 0] = process.argv.slice(2).map(Number);

/** By what was asked; made once, as it is not the server that is measured. */
const pages = new Map<string, Uint8Array>();
/** What was written, by the table's name. */
const tables = new Map<string, MemoryTable>();

async function answerTo(action: string, body: string): Promise<Answer> {
  if (action === "Scan") {
    const page = pages.get(body) ?? Buffer.from(JSON.stringify(pageOf(JSON.parse(body) as Scan)));
    pages.set(body, page);
    if (pageMs > 0) await setTimeout(pageMs);
    return { status: 200, body: page };
  }
  const input = JSON.parse(body) as Input;
  const table = tables.get(input.TableName ?? "") ?? new MemoryTable(activeChat);
  tables.set(input.TableName ?? "", table);
  if (requestMs > 0) await setTimeout(requestMs);
  const { status, body: found } = table.ask(action, input);
  return { status, body: Buffer.from(JSON.stringify(found)) };
}

/** Each chat that nobody has written of is active; the table's own item, and a ledger's, are not there. */
function activeChat({ chat_id }: Item): Item | undefined {
  const chatId = Number(chat_id?.N ?? 0);
  return chatId === 0 ? undefined : itemOf(chatId);
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks).toString();
}

const server = createServer((request, response) => {
  const action = String(request.headers["x-amz-target"]).split(".")[1] ?? "";
  textOf(request).then(async (text) => {
    const { status, body } = await answerTo(action, text);
    const head = { "content-type": "application/x-amz-json-1.0", "content-length": body.length };
    response.writeHead(status, head).end(body);
  }).catch(() => request.socket.destroy());
});
// A bot keeps its connections while others have their turn.
server.keepAliveTimeout = 0;
server.listen(0, "127.0.0.1", () => serve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
