/** Simulates a history of two bots on one table, in virtual time, and says what was wrong. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { Api, type Transformer } from "grammy/web";
import { openLedgers } from "../../lib/bot/open_storage.ts";
import { Broadcaster } from "../../lib/broadcast/broadcaster.ts";
import { PauseControl } from "../../lib/broadcast/broadcast_run.ts";
import { InMemoryLedger } from "../../lib/broadcast/memory_ledger.ts";
import type { BroadcastReport } from "../../lib/broadcast/report.ts";
import type { ChatEvent } from "../../lib/chats/events.ts";
import type { MessageRenderer } from "../../lib/chats/messages.ts";
import { ChatRegistry } from "../../lib/chats/registry.ts";
import { Replies, type RepliesOptions, ReplySender } from "../../lib/chats/replies.ts";
import { StorageError } from "../../lib/chats/storage.ts";
import { writeOne, type WriteResult, type WriteTarget } from "../../lib/chats/writer.ts";
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { loadMarshalling } from "../../lib/dynamodb/client.ts";
import { isSending } from "../../lib/dynamodb/table_record.ts";
import { RateLimiter } from "../../lib/telegram/rate_limit/rate_limiter.ts";
import { createKeyedMutex } from "../../lib/util/async.ts";
import type { Clock } from "../../lib/util/clock.ts";
import { noon } from "../support/chats.ts";
import { randomOf } from "../support/histories.ts";
import { TestLogger } from "../support/storage.ts";
import { VirtualDynamoDB } from "../support/virtual_dynamodb.ts";
import type { ChatCommand, InstanceHistory, Latency } from "./instance_history.ts";

/** What one of the two bots is made of instead of the right part. */
export interface InstanceMutant {
  /** The first bot confirms a /stop at once. */
  readonly confirmsAtOnce?: boolean;
  /** The second bot's storage. */
  readonly Storage?: typeof TelegramDynamoDBStorage;
  /** What DynamoDB refuses, by the action, the chat's id and the time. */
  readonly denies?: (action: string, chatId: number | undefined, ms: number) => boolean;
}

/** What became of a history. */
export interface InstanceResult {
  readonly report: BroadcastReport | undefined;
  /** Why the broadcast was not begun. */
  readonly refusal: StorageError | undefined;
  /** Messages that left after their chat's /stop was confirmed. */
  readonly late: readonly string[];
  /** Messages that left, and confirmed /stops. */
  readonly sent: number;
  readonly confirmed: number;
  readonly problems: readonly string[];
}

/** The table, the time, and what was said and sent. */
class Simulation {
  readonly history: InstanceHistory;
  readonly dynamodb = new VirtualDynamoDB(noon);
  readonly logger = new TestLogger();
  /** The commands of each chat, and how many of them are answered. */
  readonly commands = new Map<number, ChatCommand["kind"][]>();
  readonly answers = new Map<number, number>();
  /** Chats whose last command is a confirmed /stop. */
  readonly confirmed = new Set<number>();
  readonly sent = new Map<number, number>();
  readonly late: string[] = [];
  confirmations = 0;
  unannounced = 0;

  constructor(history: InstanceHistory) {
    this.history = history;
  }

  get ms(): number {
    return this.dynamodb.clock.passedMs - noon;
  }

  said({ chatId, kind }: ChatCommand): void {
    this.confirmed.delete(chatId);
    this.commands.set(chatId, [...this.commands.get(chatId) ?? [], kind]);
  }

  /** The first bot's message leaves: each command has one answer, and they come in the commands' order. */
  answered(chatId: number, text: string): void {
    const answers = (this.answers.get(chatId) ?? 0) + 1;
    this.answers.set(chatId, answers);
    if (text === "stopped") this.confirmations++;
    const commands = this.commands.get(chatId) ?? [];
    if (answers === commands.length && commands.at(-1) === "stop") this.confirmed.add(chatId);
  }

  /** The second bot's message leaves. */
  left(chatId: number): void {
    // By its own clock, the first has to know that somebody sends.
    if (!isSending(this.dynamodb.item(0) ?? {}, noon + this.ms + this.history.skewsMs[0])) this.unannounced++;
    this.sent.set(chatId, (this.sent.get(chatId) ?? 0) + 1);
    if (this.confirmed.has(chatId)) {
      this.late.push(`seed ${this.history.seed}: chat ${chatId} is written to at ${Math.round(this.ms)} ms`);
    }
  }

  clockOf(instance: 0 | 1): Clock {
    const { clock } = this.dynamodb;
    const random = randomOf(this.history.seed * 8 + instance);
    return {
      now: () => clock.now() + this.history.skewsMs[instance],
      sleep: (ms, signal) => clock.sleep(ms, signal),
      random,
    };
  }

  clientOf(instance: 0 | 1): DynamoDBClient {
    const { seed, latencies, lost } = this.history;
    const random = randomOf(seed * 8 + 2 + instance);
    const network = { random, latencyMs: () => delayOf(latencies[instance], random), lost };
    return seed % sdkEvery === 0 ? this.dynamodb.clientOn(network) : this.dynamodb.standInOn(network);
  }

  /** Sleeps until then. */
  async until(at: number): Promise<void> {
    await this.dynamodb.clock.sleep(Math.max(0, at - this.ms));
  }
}

/** One history of so many has the SDK's own client. */
const sdkEvery = 10;
const pageMs = 1000;
const lastRequestsMs = 20_000;
const stuckAfterMs = 6 * 60 * 60_000;

export async function simulateInstances(
  history: InstanceHistory,
  mutant: InstanceMutant = {},
): Promise<InstanceResult> {
  await loadMarshalling();
  const simulation = new Simulation(history);
  seedTable(simulation);
  const { denies = () => false } = mutant;
  simulation.dynamodb.denies = (action, chatId) => denies(action, chatId, simulation.ms);
  const result = Promise.all([
    listen(simulation, mutant),
    broadcast(simulation, mutant),
  ]);
  let isOver = false;
  const over = (): void => void (isOver = true);
  result.then(over, over);
  while (!isOver && simulation.ms < stuckAfterMs) await simulation.dynamodb.clock.pass(pageMs);
  if (!isOver) throw new Error(`seed ${history.seed} does not end:\n${simulation.logger.lines.join("\n")}`);
  const [, outcome] = await result;
  const played: InstanceResult = {
    ...outcome,
    late: simulation.late,
    sent: sumOf(simulation),
    confirmed: simulation.confirmations,
    problems: problemsOf(simulation, outcome),
  };
  // Requests under way end, with the library's timers in real time.
  await simulation.dynamodb.clock.pass(lastRequestsMs);
  return played;
}

function sumOf({ sent }: Simulation): number {
  return [...sent.values()].reduce((sum, count) => sum + count, 0);
}

function delayOf({ usualMs, slowMs, slowShare }: Latency, random: () => number): number {
  return 0.5 + random() * (random() < slowShare ? slowMs : usualMs);
}

function seedTable({ dynamodb, history: { chatIds, loggedBefore } }: Simulation): void {
  const at = { S: new Date(noon - 60_000).toISOString() };
  for (const id of chatIds) {
    dynamodb.put({
      ...{ chat_id: { N: String(id) }, is_active: { BOOL: true }, added_at: at, last_active: at },
      ...{ message_count: { N: "1" }, user_info: { M: {} }, removed_at: { NULL: true } },
    });
  }
  const logged = Array.from({ length: loggedBefore }, (_, index) => String(10_000 + index));
  const log = loggedBefore === 0 ? {} : { stops: { N: String(loggedBefore) }, stopped: { NS: logged } };
  dynamodb.put({ chat_id: { N: "0" }, bot_id: { N: "1" }, ...log });
}

/** Each chat's commands, one after another, stored and answered as by a bot. */
async function listen(simulation: Simulation, { confirmsAtOnce = false }: InstanceMutant): Promise<void> {
  const clock = simulation.clockOf(0);
  const { logger } = simulation;
  const storage = new TelegramDynamoDBStorage({ client: simulation.clientOf(0), clock, logger });
  const registry = new ChatRegistry(storage, undefined, clock);
  const api = new Api("1:A");
  api.config.use(answerBy((chatId, text) => {
    simulation.answered(chatId, text);
    return Promise.resolve(undefined);
  }));
  const renderMessage: MessageRenderer = (name) => ({ text: name, entities: [] });
  const warn = (message: string): void => logger.warn(message);
  const replySender = new ReplySender({
    registry,
    renderMessage,
    onGone: () => Promise.resolve(),
    warn,
    clock,
  });
  const replies = new Replies({ api, replySender, registry } satisfies RepliesOptions);
  const target: WriteTarget = {
    apply: (chatId, events) => registry.apply(chatId, events),
    migrate: (from, to, at) => registry.migrate(from, to, at),
  };
  const inOrder = createKeyedMutex<number>();
  await Promise.all(simulation.history.commands.map(async (command, index) => {
    await simulation.until(command.at);
    simulation.said(command);
    const { chatId, kind } = command;
    await inOrder(chatId, async () => {
      const at = Math.floor((noon + command.at) / 1000) * 1000;
      const event: ChatEvent = { kind, at, updateId: 1000 + index, registers: true };
      const result = await store(target, chatId, event, simulation);
      const { confirmAfterMs: _, ...unconfirmed } = result;
      const parsed = { chatId, intent: kind, write: undefined };
      void replies.replyToWrite(parsed, confirmsAtOnce ? unconfirmed : result);
    });
  }));
}

async function store(
  target: WriteTarget,
  chatId: number,
  event: ChatEvent,
  { dynamodb }: Simulation,
): Promise<WriteResult> {
  for (let wasTried = false;; wasTried = true) {
    try {
      return await writeOne(target, { kind: "event", chatId, event }, wasTried);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      await dynamodb.clock.sleep(200);
    }
  }
}

type Outcome = Pick<InstanceResult, "report" | "refusal">;

async function broadcast(
  simulation: Simulation,
  { Storage = TelegramDynamoDBStorage }: InstanceMutant,
): Promise<Outcome> {
  const { history, logger } = simulation;
  const { messagesPerSecond, whenUnreadable, broadcastId, broadcastAt, pauses } = history;
  const clock = simulation.clockOf(1);
  const storage = new Storage({ client: simulation.clientOf(1), clock, logger });
  const registry = new ChatRegistry(storage, undefined, clock);
  const signal = new AbortController().signal;
  const api = new Api("1:A");
  const rateLimiter = new RateLimiter({ messagesPerSecond, ask: () => api.getMe(), clock, logger, signal });
  api.config.use(deliverTo(simulation), rateLimiter.transformer);
  const broadcasting = new Broadcaster({
    ...{ api, rateLimiter, registry, clock, logger, messagesPerSecond, botId: 1 },
    ledgers: await openLedgers({ useDynamoDB: false, ledger: new InMemoryLedger() }, registry, clock, logger),
    migrate: (from, to, at) => registry.migrate(from, to, at),
    keep: async (chatId, event) => (await registry.apply(chatId, [event])).after?.is_active !== true,
  });
  for (let isRead = false; !isRead;) isRead = await registry.refresh().then(() => true, () => false);
  await simulation.until(broadcastAt);
  const control = new PauseControl();
  for (const { at, lastsMs } of pauses) {
    void simulation.until(at).then(() => control.isPaused = true).then(() => clock.sleep(lastsMs))
      .then(() => control.isPaused = false);
  }
  try {
    const options = { whenUnreadable, broadcastId, priority: "urgent" } as const;
    return {
      report: await broadcasting.send({ text: "signal" }, options, clock.now(), control),
      refusal: undefined,
    };
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return { report: undefined, refusal: error };
  }
}

/** Telegram, which accepts a message or, in a flood, answers 429. */
function deliverTo(simulation: Simulation): Transformer {
  const random = randomOf(simulation.history.seed * 8 + 4);
  return answerBy(async (chatId) => {
    const flood = simulation.history.floods.find(({ at, lastsMs }) =>
      simulation.ms >= at && simulation.ms < at + lastsMs
    );
    if (flood === undefined) simulation.left(chatId);
    const seconds = flood && Math.ceil((flood.at + flood.lastsMs - simulation.ms) / 1000);
    await simulation.dynamodb.clock.sleep(20 + random() * 300);
    return seconds;
  });
}

/** @param ask Gives for how many seconds a message is refused. */
function answerBy(ask: (chatId: number, text: string) => Promise<number | undefined>): Transformer {
  return async (_prev, _method, payload) => {
    const { chat_id, text = "" } = payload as { readonly chat_id?: number; readonly text?: string };
    const seconds = await ask(Number(chat_id), text);
    if (seconds === undefined) return { ok: true, result: true } as never;
    const description = `Too Many Requests: retry after ${seconds}`;
    return { ok: false, error_code: 429, description, parameters: { retry_after: seconds } };
  };
}

/** No chat gets it twice, and every chat that never said /stop gets it. */
function problemsOf(
  { history, sent, unannounced, logger }: Simulation,
  { report, refusal }: Outcome,
): string[] {
  const stoppers = new Set(history.commands.map(({ chatId }) => chatId));
  const problems: string[] = [];
  for (const chatId of history.chatIds) {
    const count = sent.get(chatId) ?? 0;
    const isMissed = count === 0 && !stoppers.has(chatId) && refusal === undefined;
    if (count > 1 || isMissed) problems.push(`seed ${history.seed}: chat ${chatId} has it ${count} times`);
  }
  if (unannounced > 0 && history.lost === 0 && report?.recipientsFrom === "table") {
    problems.push(`seed ${history.seed}: ${unannounced} messages leave of which the other bot does not know`);
  }
  if (refusal !== undefined && sent.size > 0) problems.push(`seed ${history.seed}: ${refusal.message}`);
  if (report?.stopped !== undefined) problems.push(`seed ${history.seed}: ${report.stopped}`);
  if (problems.length > 0) problems.push(...logger.lines);
  return problems;
}
