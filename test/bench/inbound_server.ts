/**
 * Telegram and DynamoDB in one process, so that one clock sees both: when messages go out, and when the last of them is
 * written. Each bot has an update queue and a table of its own, by the name in its token.
 */
import type { ServerResponse } from "node:http";
import { chatSchema } from "../../lib/dynamodb/table.ts";
import { systemClock } from "../../lib/util/clock.ts";
import { type Answer, type Item, SimulatedDynamoDB, wireItem } from "../sim/dynamodb/dynamodb.ts";
import { chatIdAt, itemOf } from "./chats.ts";
import { actionOf, sendJson, startHttpServer, textOf } from "./http_server.ts";
import type { RunningServer } from "./processes.ts";

const turnTimeoutMs = 120_000;

/** What a bot is asked to do: to receive so many messages of such chats. */
export interface Turn {
  readonly name: string;
  readonly pattern: Pattern;
  readonly messages: number;
}

/** How a turn went. */
export interface TurnResult {
  /** From the first message that went out to the last write. */
  readonly seconds: number;
  readonly requests: number;
}

const tableOf = (name: string): string => `chats-${name}`;

/** What one bot talks to: its updates and its table. */
class Backend {
  readonly queue = new UpdateQueue();
  readonly dynamodb = new SimulatedDynamoDB({
    onWrite: (_table, before, after) => this.#count(before, after),
  });
  readonly #tableName: string;
  requests = 0;
  underWay = 0;
  replies = 0;
  /** Messages of all chats that were counted since the start. */
  #messages = 0;
  #writtenAt = 0;

  constructor(name: string) {
    this.#tableName = tableOf(name);
    this.dynamodb.create({ TableName: this.#tableName, ...chatSchema });
    for (let index = 0; index < chats; index++) {
      this.dynamodb.put(this.#tableName, wireItem(itemOf(chatIdAt(index, chats))));
    }
  }

  #count(before: Item | undefined, after: Item | undefined): void {
    this.#messages += countOf(after) - countOf(before);
    this.#writtenAt = performance.now();
  }

  #messagesOf(chatId: number): number {
    return countOf(this.dynamodb.item(this.#tableName, { chat_id: { N: String(chatId) } }));
  }

  /** Resolves when every message is written, and confirmed to Telegram. */
  async takeTurn({ name, pattern, messages }: Turn): Promise<TurnResult> {
    const { queue, requests } = this;
    const writers = writersOf(pattern, messages);
    const expected = new Map(writers.map((chatId) => [chatId, this.#messagesOf(chatId)]));
    for (const chatId of writers) expected.set(chatId, (expected.get(chatId) ?? 0) + 1);
    const goal = this.#messages + messages;
    queue.add(writers);
    const end = performance.now() + turnTimeoutMs;
    while (this.#messages < goal || this.underWay > 0 || !queue.isEmpty) {
      if (performance.now() > end) {
        throw new Error(`${name} has not written ${goal - this.#messages} messages`);
      }
      await systemClock.sleep(10);
    }
    this.#assertCounts(name, expected);
    return {
      seconds: (this.#writtenAt - (queue.handedOutAt ?? NaN)) / 1000,
      requests: this.requests - requests,
    };
  }

  #assertCounts(name: string, expected: ReadonlyMap<number, number>): void {
    if (this.replies > 0) throw new Error(`${name} has answered chats that it should only count`);
    for (const [chatId, count] of expected) {
      const found = this.#messagesOf(chatId);
      if (found !== count) {
        throw new Error(`${name} has counted ${found} messages of ${chatId}, not ${count}`);
      }
    }
  }
}

/** How many messages of a chat are counted. */
function countOf(item: Item | undefined): number {
  return Number(item?.["message_count"]?.N ?? 0);
}

/** Addresses of the bot NAME: `/bot1:NAME/...` is Telegram, the table `chats-NAME` is DynamoDB. */
export async function startInboundServer(delayMs: number): Promise<RunningServer> {
  const backends = new Map<string, Backend>();
  const backendOf = (name: string): Backend => {
    const backend = backends.get(name) ?? new Backend(name);
    backends.set(name, backend);
    return backend;
  };
  return await startHttpServer(async (request, response) => {
    const { url = "/" } = request;
    const body = JSON.parse(await textOf(request) || "{}");
    const [, name = "", method = ""] = /^\/bot\d+:(\w+)\/(\w+)/.exec(url) ?? [];
    if (url === "/turn") sendJson(response, 200, JSON.stringify(await backendOf(body.name).takeTurn(body)));
    else if (method !== "") {
      const timeout = abortsAfter(1000 * (body.timeout ?? 0), response);
      sendJson(response, 200, await asTelegram(backendOf(name), method, body, timeout));
    } else {
      const backend = backendOf(body.TableName.replace("chats-", ""));
      const answer = await asDynamoDB(backend, actionOf(request), body, delayMs);
      sendJson(response, answer.status, JSON.stringify(answer.body));
    }
  });
}

/** Applies a write when the delay is over, just before it is answered. */
async function asDynamoDB(
  backend: Backend,
  action: string,
  input: unknown,
  delayMs: number,
): Promise<Answer> {
  backend.requests++;
  backend.underWay++;
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  backend.underWay--;
  return backend.dynamodb.answer(action, input);
}

async function asTelegram(
  backend: Backend,
  method: string,
  { offset = 0 }: { readonly offset?: number },
  timeout: AbortSignal,
): Promise<string> {
  if (method === "getMe") return JSON.stringify({ ok: true, result: me });
  if (method === "sendMessage") backend.replies++;
  if (method !== "getUpdates") return JSON.stringify({ ok: true, result: true });
  let updates = backend.queue.take(offset);
  if (updates === "[]") {
    await backend.queue.wait(timeout);
    updates = backend.queue.take(0);
  }
  return `{"ok":true,"result":${updates}}`;
}

/** Aborts after so long, and when the connection ends. */
function abortsAfter(ms: number, response: ServerResponse): AbortSignal {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), ms);
  response.once("close", () => {
    clearTimeout(timer);
    timeout.abort();
  });
  return timeout.signal;
}

const me = { id: 1, is_bot: true, first_name: "Signals", username: "signals_bot" };

/** Telegram's own limit of one getUpdates. */
const updatesAtMost = 100;
const firstUpdateId = 800_000_001;
const firstDate = Date.UTC(2026, 10, 20) / 1000;

/** The updates that Telegram keeps for a bot until they are confirmed. */
class UpdateQueue {
  #next = firstUpdateId;
  #waiting: string[] = [];
  #firstWaiting = firstUpdateId;
  #onUpdate: (() => void) | undefined;
  /** When the first of those that were added last went out. */
  handedOutAt: number | undefined;

  /** A message of each chat, in this order. */
  add(chatIds: readonly number[]): void {
    this.#waiting.push(...chatIds.map((chatId) => JSON.stringify(messageOf(chatId, this.#next++))));
    this.handedOutAt = undefined;
    this.#onUpdate?.();
  }

  /** Whether all are confirmed. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Forgets what comes before the offset, and gives what comes next as a list in JSON. */
  take(offset: number): string {
    const confirmed = Math.max(0, offset - this.#firstWaiting);
    this.#waiting.splice(0, confirmed);
    this.#firstWaiting += confirmed;
    if (!this.isEmpty) this.handedOutAt ??= performance.now();
    return `[${this.#waiting.slice(0, updatesAtMost).join()}]`;
  }

  /** Resolves when messages come, or the signal aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onUpdate = resolve;
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }
}

function messageOf(chatId: number, updateId: number) {
  const person = { id: chatId, username: `user_${chatId}`, first_name: "Ada", last_name: "Lovelace" };
  const number = updateId - firstUpdateId;
  return {
    update_id: updateId,
    message: {
      message_id: number + 1,
      from: { ...person, is_bot: false, language_code: "en" },
      chat: { ...person, type: "private" },
      date: firstDate + Math.floor(number / updatesAtMost),
      text: "What do you make of the market this morning?",
    },
  };
}

/** How many chats write. */
const chats = 2000;

export type Pattern = "another chat each" | "ten of each chat" | "one chat";

/** The chat of each message in turn. */
const patterns: Readonly<Record<Pattern, (index: number) => number>> = {
  "another chat each": (index: number) => index % chats,
  "ten of each chat": (index: number) => Math.floor(index / 10) % chats,
  "one chat": () => 0,
};

function writersOf(pattern: Pattern, messages: number): number[] {
  return Array.from({ length: messages }, (_, index) => chatIdAt(patterns[pattern](index), chats));
}
