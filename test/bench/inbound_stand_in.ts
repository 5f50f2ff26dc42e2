/**
 * Telegram and DynamoDB in one process, so that one clock sees both: when messages go out, and when the last of them is
 * written. Each bot has a queue and a table of its own, by the name in its token.
 */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { systemClock } from "../../lib/util/clock.ts";
import { chatIdAt } from "./chat_ids.ts";
import type { RunningServer } from "./child.ts";
import { type Answer, type Input, MemoryTable } from "./memory_table.ts";
import { itemOf } from "./seed.ts";
import { chats, type Pattern, UpdateQueue, writersOf } from "./update_queue.ts";

const turnWithinMs = 120_000;

/** What a bot is asked to do: so many messages of such chats. */
export interface Turn {
  readonly name: string;
  readonly pattern: Pattern;
  readonly messages: number;
}

export interface Taken {
  /** From the first message that went out to the last write. */
  readonly seconds: number;
  readonly requests: number;
}

/** A bot's surroundings. */
class Lane {
  readonly queue = new UpdateQueue();
  readonly table = new MemoryTable();
  requests = 0;
  underWay = 0;
  replies = 0;

  constructor() {
    for (let index = 0; index < chats; index++) this.table.put(itemOf(chatIdAt(index, chats)));
  }

  /** Resolves when every message is written, and confirmed to Telegram. */
  async take({ name, pattern, messages }: Turn): Promise<Taken> {
    const { queue, table, requests } = this;
    const writers = writersOf(pattern, messages);
    const expected = new Map(writers.map((chatId) => [chatId, table.messagesOf(chatId)]));
    for (const chatId of writers) expected.set(chatId, (expected.get(chatId) ?? 0) + 1);
    const goal = table.messages + messages;
    queue.add(writers);
    const end = performance.now() + turnWithinMs;
    while (table.messages < goal || this.underWay > 0 || !queue.isEmpty) {
      if (performance.now() > end) {
        throw new Error(`${name} has not written ${goal - table.messages} messages`);
      }
      await systemClock.sleep(10);
    }
    this.#assertCounts(name, expected);
    return {
      seconds: (table.writtenAt - (queue.handedOutAt ?? NaN)) / 1000,
      requests: this.requests - requests,
    };
  }

  #assertCounts(name: string, expected: ReadonlyMap<number, number>): void {
    if (this.replies > 0) throw new Error(`${name} has answered chats that it should only count`);
    for (const [chatId, count] of expected) {
      const found = this.table.messagesOf(chatId);
      if (found !== count) {
        throw new Error(`${name} has counted ${found} messages of ${chatId}, not ${count}`);
      }
    }
  }
}

/** Bots take what is in this address: `/bot1:NAME/...` at Telegram, the table `chats-NAME` at DynamoDB. */
export async function startStandIn(delayMs: number): Promise<RunningServer> {
  const lanes = new Map<string, Lane>();
  const laneOf = (name: string): Lane => {
    const lane = lanes.get(name) ?? new Lane();
    lanes.set(name, lane);
    return lane;
  };
  const server = createServer((request, response) => {
    answer(request, response, laneOf, delayMs).catch((error: Error) => send(response, 500, error.message));
  });
  // Bots keep their connections while others have their turn.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

type LaneOf = (name: string) => Lane;

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  laneOf: LaneOf,
  delayMs: number,
): Promise<void> {
  const { url = "/" } = request;
  const body = JSON.parse(await textOf(request) || "{}");
  const [, name = "", method = ""] = /^\/bot\d+:(\w+)\/(\w+)/.exec(url) ?? [];
  if (url === "/turn") send(response, 200, JSON.stringify(await laneOf(body.name).take(body)));
  else if (method !== "") {
    const patience = patienceOf(response, 1000 * (body.timeout ?? 0));
    send(response, 200, await asTelegram(laneOf(name), method, body, patience));
  } else {
    const action = String(request.headers["x-amz-target"]).split(".")[1] ?? "";
    const { status, body: found } = await asDynamoDB(
      laneOf(body.TableName.replace("chats-", "")),
      action,
      body,
      delayMs,
    );
    send(response, status, JSON.stringify(found));
  }
}

/** A write is durable when its time is over, just before it is answered. */
async function asDynamoDB(lane: Lane, action: string, input: Input, delayMs: number): Promise<Answer> {
  lane.requests++;
  lane.underWay++;
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  lane.underWay--;
  return lane.table.ask(action, input);
}

async function asTelegram(
  lane: Lane,
  method: string,
  { offset = 0 }: { readonly offset?: number },
  patience: AbortSignal,
): Promise<string> {
  if (method === "getMe") return JSON.stringify({ ok: true, result: me });
  if (method === "sendMessage") lane.replies++;
  if (method !== "getUpdates") return JSON.stringify({ ok: true, result: true });
  let updates = lane.queue.take(offset);
  if (updates === "[]") {
    await lane.queue.news(patience);
    updates = lane.queue.take(0);
  }
  return `{"ok":true,"result":${updates}}`;
}

/** Ends after so long, and with the connection. */
function patienceOf(response: ServerResponse, ms: number): AbortSignal {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), ms);
  response.once("close", () => {
    clearTimeout(timer);
    patience.abort();
  });
  return patience.signal;
}

const me = { id: 1, is_bot: true, first_name: "Signals", username: "signals_bot" };

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks).toString();
}

function send(response: ServerResponse, status: number, text: string): void {
  const content = Buffer.from(text);
  response.writeHead(status, {
    "content-type": "application/x-amz-json-1.0",
    "content-length": content.length,
  })
    .end(content);
}
