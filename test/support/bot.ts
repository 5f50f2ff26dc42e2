/** A bot between a local Telegram and a table behind the IAM gate, and what tests need to watch it. */
import { connect } from "node:net";
import process from "node:process";
import { inspect } from "node:util";
import { Bot } from "grammy/web";
import { MeanReversionTelegramBot } from "../../lib/bot/bot.ts";
import {
  type BotApiServer,
  type BotApiServerOptions,
  type FaultGate,
  type LocalChat,
  type LocalUser,
  startBotApiServer,
} from "../../lib/local/mod.ts";
import type { BroadcastRun } from "../../lib/broadcast/broadcast_run.ts";
import type { Logger } from "../../lib/util/log.ts";
import type { BotOptions } from "../../lib/bot/options.ts";
import { currentWorld, inVirtualTime } from "../sim/world.ts";
import { engineVariable } from "./dynamodb_local.ts";
import { searchText, searchValue } from "./leaks.ts";
import { clientAt, type RawItem, startTable, type TableFixture } from "./storage.ts";

export interface LogLine {
  readonly level: "info" | "warn" | "error";
  readonly message: string;
}

/** Keeps what was logged, and how loudly. */
export class Logs implements Logger {
  readonly lines: LogLine[] = [];

  info(message: string): void {
    this.#push("info", message);
  }

  warn(message: string): void {
    this.#push("warn", message);
  }

  error(message: string): void {
    this.#push("error", message);
  }

  #push(level: LogLine["level"], message: string): void {
    searchText(message, "the log");
    this.lines.push({ level, message });
  }

  /** The lines of a level that contain the words. */
  of(level: LogLine["level"], words: string = ""): string[] {
    return this.lines.filter((line) => line.level === level && line.message.includes(words))
      .map(({ message }) => message);
  }

  get text(): string {
    return this.lines.map(({ level, message }) => `${level}: ${message}`).join("\n");
  }
}

export { FastClock, HandClock } from "./clocks.ts";

export interface Scene {
  readonly bot: MeanReversionTelegramBot;
  readonly server: BotApiServer;
  readonly table: TableFixture;
  readonly gate: FaultGate;
  readonly logs: Logs;
  /** Another bot of the same token on the same table; it is stopped at the end. */
  another(options?: Partial<BotOptions>): MeanReversionTelegramBot;
  /** Resolves once every update is confirmed and answered. */
  settled(): Promise<void>;
  item(chat: number | LocalChat): Promise<RawItem | undefined>;
}

export interface SceneOptions {
  readonly bot?: Partial<BotOptions>;
  readonly server?: BotApiServerOptions;
  /** Without a table, as before the first start. */
  readonly isEmpty?: boolean;
  /** With the policy's second statement, for broadcasts with an id. */
  readonly hasLedger?: boolean;
  /** Done before the bot starts. */
  readonly before?: (scene: Scene) => unknown;
  /** For tests that ask for another table, which the policy refuses. */
  readonly mayTrespass?: true;
  /** @default "started" */
  readonly state?: "made" | "initialized" | "started";
}

/**
 * Starts everything in virtual time, runs the body, closes everything, and fails if a request did what the policy does not
 * allow. Against another engine's DynamoDB all is real.
 */
export async function withBot(
  body: (scene: Scene) => unknown,
  options: SceneOptions = {},
): Promise<void> {
  if (process.env[engineVariable] !== undefined) return await playScene(body, options);
  await inVirtualTime(() => playScene(body, options));
}

/** As `withBot`, with real servers in real time: for what only sockets show. */
export async function withBotOverHttp(
  body: (scene: Scene) => unknown,
  options: SceneOptions = {},
): Promise<void> {
  await playScene(body, options);
}

async function playScene(body: (scene: Scene) => unknown, options: SceneOptions): Promise<void> {
  const table = await startTable({
    isOverHttp: currentWorld() === undefined,
    isEmpty: options.isEmpty ?? false,
    hasLedger: options.hasLedger ?? false,
  });
  const server = await startServer(options.server);
  const bots: MeanReversionTelegramBot[] = [];
  const logs = new Logs();
  const another = (more: Partial<BotOptions> = {}): MeanReversionTelegramBot => {
    const bot = botOn(server, table.gate.endpoint, { logger: logs, ...options.bot, ...more });
    searchReports(bot);
    bots.push(bot);
    return bot;
  };
  const scene: Scene = {
    bot: another(),
    server,
    table,
    gate: table.gate,
    logs,
    another,
    settled: () =>
      until(
        () => server.pendingUpdates === 0 && bots.every(({ health }) => health.pendingReplies === 0),
        "the updates were not all confirmed and answered",
      ),
    item: (chat) => table.item(typeof chat === "number" ? chat : chat.chatId),
  };
  try {
    await options.before?.(scene);
    if (options.state === "initialized") await scene.bot.initialize();
    else if (options.state !== "made") await scene.bot.startBot();
    await body(scene);
    const trespasses = options.mayTrespass ? [] : table.trespasses();
    if (trespasses.length > 0) throw new Error(`The policy does not allow ${inspect(trespasses)}`);
  } finally {
    table.gate.clear();
    for (const bot of bots) await soon(bot.stopBot(), 2000);
    await server.close();
    await table.close();
  }
}

/** Has what becomes of the bot's broadcasts searched: reports, and errors. */
function searchReports(bot: MeanReversionTelegramBot): void {
  for (const name of ["broadcast", "sendSignal"] as const) {
    const send = bot[name].bind(bot) as (...args: unknown[]) => BroadcastRun;
    const searched = (...args: unknown[]): BroadcastRun => {
      const run = send(...args);
      void run.then((report) => searchValue(report, "a report"), (error) => searchValue(error, "an error"));
      return run;
    };
    Object.defineProperty(bot, name, { value: searched, configurable: true });
  }
}

/** A Bot API server; a simulated one in virtual time. */
export async function startServer(options?: BotApiServerOptions): Promise<BotApiServer> {
  return currentWorld()?.startBotApiServer(options) ?? await startBotApiServer(options);
}

/** A bot of grammY's, as somebody has it who adds the toolkit to it. */
export function grammyBotOn(
  { token, apiRoot }: Pick<BotApiServer, "token" | "apiRoot">,
  Build: typeof Bot = Bot,
): Bot {
  const world = currentWorld();
  return new Build(token, { client: { apiRoot, ...world && { fetch: world.hosts.fetch } } });
}

/** A bot as users make it, with its DynamoDB client pointed at `endpoint`. */
export function botOn(
  server: Pick<BotApiServer, "token" | "apiRoot">,
  endpoint: string,
  options: Partial<BotOptions> = {},
): MeanReversionTelegramBot {
  return new MeanReversionTelegramBot({
    botToken: server.token,
    apiRoot: server.apiRoot,
    client: clientAt(endpoint),
    regionName: "us-east-1",
    tableName: "telegram-chats",
    messagesPerSecond: 1000,
    ...server.apiRoot.endsWith(".sim") && currentWorld()?.botOptions,
    ...options,
  });
}

/** Resolves once the condition holds. By default it may take 50 s of real time, or ten minutes of virtual time. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  otherwise: string,
  limitMs: number = currentWorld() === undefined ? 50_000 : 600_000,
): Promise<void> {
  const start = performance.now();
  for (;;) {
    if (await condition()) return;
    const waitedMs = performance.now() - start;
    if (waitedMs > limitMs) throw new TooLate(`${otherwise} within ${limitMs} ms`);
    // The longer it takes, the less often it is checked, as a read of the table costs more than the wait.
    await pause(Math.min(25, 2 + waitedMs / 20));
  }
}

/** Resolves to true once the condition holds, to false if it does not in time. */
export async function within(limitMs: number, condition: () => boolean | Promise<boolean>): Promise<boolean> {
  return await until(condition, "", limitMs).then(() => true, (error: Error) => {
    if (error instanceof TooLate) return false;
    throw error;
  });
}

class TooLate extends Error {}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits so long for the promise to settle; true if it did. */
export async function soon(promise: Promise<unknown>, limitMs: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  const settled = promise.then(() => true, () => true);
  try {
    return await Promise.race([settled, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What the bot said in a chat, oldest first: the first line of each message. */
export function said(chat: LocalChat): string[] {
  return chat.inbox.map(({ text, caption }) => (text ?? caption ?? "").split("\n")[0] ?? "");
}

/** An active chat that wrote an hour ago. */
export function activeItem(chatId: number): RawItem {
  const ago = new Date(Date.now() - 3_600_000).toISOString();
  return {
    chat_id: { N: String(chatId) },
    is_active: { BOOL: true },
    added_at: { S: ago },
    last_active: { S: ago },
    message_count: { N: "1" },
    user_info: { M: {} },
    removed_at: { NULL: true },
  };
}

/** Puts active chats into the table; the bot has received nothing from them. */
export async function plantActive(table: TableFixture, ...chatIds: number[]): Promise<void> {
  await table.plant(chatIds.map(activeItem));
}

/** Users with open chats who are active in the table; the bot has received nothing from them. */
export async function subscribers({ server, table }: Scene, count: number): Promise<LocalUser[]> {
  const users = Array.from({ length: count }, () => server.user({ opened: true }));
  await plantActive(table, ...users.map(({ chatId }) => chatId));
  return users;
}

/**
 * An address on loopback where nobody listens. A port that was just free will not do, as the system may give it
 * to another program; ports below 1024 it never gives, and to these IANA assigned no service.
 */
export async function deadAddress(): Promise<string> {
  for (const port of [4, 6, 8, 10]) if (await refuses(port)) return `http://127.0.0.1:${port}`;
  throw new Error("Cannot find an address where nobody listens: something does at 127.0.0.1:4, 6, 8 and 10");
}

function refuses(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
    socket.on("connect", () => {
      socket.destroy();
      resolve(false);
    });
  });
}
