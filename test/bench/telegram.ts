/**
 * Telegrams for broadcasts to be measured at: local Bot API servers, each with chats that are open and a limit that the
 * bot is not told, and an address where they are ordered, asked what has arrived, and made to speak.
 */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { type BotApiServer, type LocalUser, startBotApiServer } from "../../lib/local/mod.ts";
import { chatIdAt } from "./chat_ids.ts";
import type { RunningServer } from "./child.ts";

/** What is ordered. */
export interface TelegramOptions {
  /** Private chats, with the ids of `chatIdAt`. */
  readonly chats: number;
  readonly messagesPerSecond: number;
  readonly latencyMs: number;
}

/** Where a bot finds one. */
export interface Address {
  readonly apiRoot: string;
  readonly token: string;
}

/** What has arrived so far. */
export interface Arrivals {
  /** Chats with at least one message. */
  readonly reached: number;
  /** Messages, all chats together. */
  readonly delivered: number;
  /** Calls that were refused, which is what floods do here. */
  readonly refused: number;
  readonly uploads: number;
  /** When the last message arrived, in milliseconds since 1970. */
  readonly lastAt: number;
}

class Telegram {
  readonly #server: BotApiServer;
  readonly #people: readonly LocalUser[];
  readonly #reached = new Set<number>();
  #delivered = 0;
  #lastAt = 0;

  private constructor(server: BotApiServer, people: readonly LocalUser[]) {
    this.#server = server;
    this.#people = people;
    for (const person of people) person.onMessage(() => this.#note(person.chatId));
  }

  static async start({ chats, ...options }: TelegramOptions): Promise<Telegram> {
    const server = await startBotApiServer(options);
    const ids = Array.from({ length: chats }, (_, index) => chatIdAt(index, chats));
    return new Telegram(server, ids.map((id) => server.user({ id, opened: true })));
  }

  get address(): Address {
    const { apiRoot, token } = this.#server;
    return { apiRoot, token };
  }

  get arrivals(): Arrivals {
    const calls = this.#server.countCalls("sendMessage") + this.#server.countCalls("sendPhoto");
    return {
      reached: this.#reached.size,
      delivered: this.#delivered,
      refused: calls - this.#delivered,
      uploads: this.#server.uploads,
      lastAt: this.#lastAt,
    };
  }

  /** Milliseconds from a chat's word to the answer with these words in it. */
  async ask(index: number, text: string, answer: string): Promise<number> {
    const person = this.#people[index] as LocalUser;
    const start = performance.now();
    person.say(text);
    await person.received(answer, 60_000);
    return performance.now() - start;
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  #note(chatId: number): void {
    this.#reached.add(chatId);
    this.#delivered++;
    this.#lastAt = Date.now();
  }
}

/** One request to the address. */
export type Order =
  | { readonly kind: "open"; readonly options: TelegramOptions }
  | { readonly kind: "arrivals" | "close"; readonly apiRoot: string }
  | {
    readonly kind: "ask";
    readonly apiRoot: string;
    readonly index: number;
    readonly text: string;
    readonly answer: string;
  };

/** Starts the place where Telegrams are ordered. */
export async function startTelegrams(): Promise<RunningServer> {
  const open = new Map<string, Telegram>();
  const server = createServer((request, response) => {
    obey(request, open).then(
      (result) => response.end(JSON.stringify(result ?? null)),
      (error: Error) => response.writeHead(500).end(error.message),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await Promise.all([closed, ...[...open.values()].map((each) => each.close())]);
    },
  };
}

async function obey(request: IncomingMessage, open: Map<string, Telegram>): Promise<unknown> {
  const order = await orderIn(request);
  if (order.kind === "open") {
    const telegram = await Telegram.start(order.options);
    open.set(telegram.address.apiRoot, telegram);
    return telegram.address;
  }
  const telegram = open.get(order.apiRoot);
  if (telegram === undefined) throw new Error(`There is no Telegram at ${order.apiRoot}`);
  if (order.kind === "arrivals") return telegram.arrivals;
  if (order.kind === "ask") return await telegram.ask(order.index, order.text, order.answer);
  open.delete(order.apiRoot);
  return await telegram.close();
}

async function orderIn(request: IncomingMessage): Promise<Order> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  return JSON.parse(Buffer.concat(chunks).toString()) as Order;
}
