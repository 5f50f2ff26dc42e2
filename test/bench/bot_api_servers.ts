/**
 * Local Bot API servers for broadcasts, in one process: each has open chats and a rate limit that the bot is not told. An
 * HTTP request to the process's address opens one, asks what has arrived there, or has a chat write to the bot.
 */
import { type BotApiServer, type LocalUser, startBotApiServer } from "../../lib/local/mod.ts";
import { chatIdAt } from "./chats.ts";
import { startHttpServer, textOf } from "./http_server.ts";
import type { RunningServer } from "./processes.ts";

export interface ServerOptions {
  /** Private chats, with the ids of `chatIdAt`. */
  readonly chats: number;
  readonly messagesPerSecond: number;
  readonly latencyMs: number;
}

/** What a bot needs to connect to a server. */
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
  /** Calls that were refused: here all of them by the rate limit. */
  readonly refused: number;
  readonly uploads: number;
  /** When the last message arrived, in milliseconds since 1970. */
  readonly lastAt: number;
}

/** One server, and what has arrived at it. */
class RecordedServer {
  readonly #server: BotApiServer;
  readonly #users: readonly LocalUser[];
  readonly #reached = new Set<number>();
  #delivered = 0;
  #lastAt = 0;

  private constructor(server: BotApiServer, users: readonly LocalUser[]) {
    this.#server = server;
    this.#users = users;
    for (const user of users) user.onMessage(() => this.#record(user.chatId));
  }

  static async start({ chats, ...options }: ServerOptions): Promise<RecordedServer> {
    const server = await startBotApiServer(options);
    const ids = Array.from({ length: chats }, (_, index) => chatIdAt(index, chats));
    return new RecordedServer(server, ids.map((id) => server.user({ id, opened: true })));
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

  /** Milliseconds from a chat's message to the bot's answer that contains the given text. */
  async ask(index: number, text: string, answer: string): Promise<number> {
    const user = this.#users[index] as LocalUser;
    const start = performance.now();
    user.say(text);
    await user.received(answer, 60_000);
    return performance.now() - start;
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  #record(chatId: number): void {
    this.#reached.add(chatId);
    this.#delivered++;
    this.#lastAt = Date.now();
  }
}

/** The body of a request to the process. */
type Command =
  | { readonly kind: "open"; readonly options: ServerOptions }
  | { readonly kind: "arrivals" | "close"; readonly apiRoot: string }
  | {
    readonly kind: "ask";
    readonly apiRoot: string;
    readonly index: number;
    readonly text: string;
    readonly answer: string;
  };

/** Starts the address that opens servers. */
export async function startBotApiServers(): Promise<RunningServer> {
  const open = new Map<string, RecordedServer>();
  const { endpoint, [Symbol.asyncDispose]: close } = await startHttpServer(async (request, response) => {
    const result = await execute(JSON.parse(await textOf(request)) as Command, open);
    response.end(JSON.stringify(result ?? null));
  });
  return {
    endpoint,
    async [Symbol.asyncDispose]() {
      await Promise.all([close(), ...[...open.values()].map((each) => each.close())]);
    },
  };
}

async function execute(command: Command, open: Map<string, RecordedServer>): Promise<unknown> {
  if (command.kind === "open") {
    const server = await RecordedServer.start(command.options);
    open.set(server.address.apiRoot, server);
    return server.address;
  }
  const server = open.get(command.apiRoot);
  if (server === undefined) throw new Error(`No Bot API server is open at ${command.apiRoot}`);
  if (command.kind === "arrivals") return server.arrivals;
  if (command.kind === "ask") return await server.ask(command.index, command.text, command.answer);
  open.delete(command.apiRoot);
  return await server.close();
}

/** An open server, as the measuring process sees it; it closes with its scope. */
export class OpenServer {
  readonly address: Address;
  readonly #servers: RunningServer;

  private constructor(address: Address, servers: RunningServer) {
    this.address = address;
    this.#servers = servers;
  }

  static async at(servers: RunningServer, options: ServerOptions): Promise<OpenServer> {
    return new OpenServer(await send<Address>(servers, { kind: "open", options }), servers);
  }

  arrivals(): Promise<Arrivals> {
    return send(this.#servers, { kind: "arrivals", apiRoot: this.address.apiRoot });
  }

  /** Milliseconds until the chat of this index has its answer. */
  ask(index: number, text: string, answer: string): Promise<number> {
    return send(this.#servers, { kind: "ask", apiRoot: this.address.apiRoot, index, text, answer });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await send(this.#servers, { kind: "close", apiRoot: this.address.apiRoot });
  }
}

async function send<T>({ endpoint }: RunningServer, command: Command): Promise<T> {
  const answer = await fetch(endpoint, { method: "POST", body: JSON.stringify(command) });
  if (!answer.ok) throw new Error(await answer.text());
  return await answer.json() as T;
}
