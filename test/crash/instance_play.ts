/** Plays a history of two bots on one table, in virtual time, and judges it. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { Api, type Transformer } from "grammy/web";
import { openLedgers } from "../../lib/bot/open_storage.ts";
import { Broadcaster } from "../../lib/broadcast/broadcaster.ts";
import { PauseControl } from "../../lib/broadcast/handle.ts";
import { InMemoryLedger } from "../../lib/broadcast/memory_ledger.ts";
import type { BroadcastReport } from "../../lib/broadcast/report.ts";
import type { ChatEvent } from "../../lib/chats/events.ts";
import type { MessageRenderer } from "../../lib/chats/messages.ts";
import { ChatRegistry } from "../../lib/chats/registry.ts";
import { Replies, type RepliesOptions, ReplySender } from "../../lib/chats/reply_sender.ts";
import { StorageError } from "../../lib/chats/storage_error.ts";
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
import type { InstanceHistory, Latency, Word } from "./instance_history.ts";

/** What one of the two is made of instead of what it should be. */
export interface Careless {
  /** The first bot confirms a /stop at once. */
  readonly confirmsAtOnce?: boolean;
  /** The second bot's storage. */
  readonly Storage?: typeof TelegramDynamoDBStorage;
  /** What DynamoDB refuses, by the action, the chat's id and the time. */
  readonly denies?: (action: string, chatId: number | undefined, ms: number) => boolean;
}

/** What became of a history. */
export interface InstanceVerdict {
  readonly report: BroadcastReport | undefined;
  /** Why the broadcast was not begun. */
  readonly refusal: StorageError | undefined;
  /** Messages that left after their chat's /stop was confirmed. */
  readonly late: readonly string[];
  /** Messages that left in all, confirmed /stops, and chats that the table's word kept from a message. */
  readonly sent: number;
  readonly confirmed: number;
  readonly problems: readonly string[];
}

/** Gives the time and order of what leaves; its lines are for a person to read. */
class Scene {
  readonly history: InstanceHistory;
  readonly dynamodb = new VirtualDynamoDB(noon);
  readonly logger = new TestLogger();
  /** What was said in each chat, and how much of it is answered. */
  readonly words = new Map<number, Word["kind"][]>();
  readonly answers = new Map<number, number>();
  /** Chats whose last word is a /stop that is confirmed. */
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

  said({ chatId, kind }: Word): void {
    this.confirmed.delete(chatId);
    this.words.set(chatId, [...this.words.get(chatId) ?? [], kind]);
  }

  /** The first bot's message leaves: each word has one answer, and they come in the words' order. */
  answered(chatId: number, text: string): void {
    const answers = (this.answers.get(chatId) ?? 0) + 1;
    this.answers.set(chatId, answers);
    if (text === "stopped") this.confirmations++;
    const words = this.words.get(chatId) ?? [];
    if (answers === words.length && words.at(-1) === "stop") this.confirmed.add(chatId);
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
const stuckAfterMs = 6 * 60 * 60_000;

export async function playInstances(
  history: InstanceHistory,
  careless: Careless = {},
): Promise<InstanceVerdict> {
  await loadMarshalling();
  const scene = new Scene(history);
  seedTable(scene);
  const { denies = () => false } = careless;
  scene.dynamodb.denies = (action, chatId) => denies(action, chatId, scene.ms);
  const result = Promise.all([
    listen(scene, careless),
    broadcast(scene, careless),
  ]);
  let isOver = false;
  const over = (): void => void (isOver = true);
  result.then(over, over);
  while (!isOver && scene.ms < stuckAfterMs) await scene.dynamodb.clock.pass(pageMs);
  if (!isOver) throw new Error(`seed ${history.seed} does not end:\n${scene.logger.lines.join("\n")}`);
  const [, outcome] = await result;
  return {
    ...outcome,
    late: scene.late,
    sent: sumOf(scene),
    confirmed: scene.confirmations,
    problems: judge(scene, outcome),
  };
}

function sumOf({ sent }: Scene): number {
  return [...sent.values()].reduce((sum, count) => sum + count, 0);
}

function delayOf({ usualMs, slowMs, slowShare }: Latency, random: () => number): number {
  return 0.5 + random() * (random() < slowShare ? slowMs : usualMs);
}

function seedTable({ dynamodb, history: { chatIds, loggedBefore } }: Scene): void {
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

/** Each chat's words, one after another, kept and answered as by a bot. */
async function listen(scene: Scene, { confirmsAtOnce = false }: Careless): Promise<void> {
  const clock = scene.clockOf(0);
  const { logger } = scene;
  const storage = new TelegramDynamoDBStorage({ client: scene.clientOf(0), clock, logger });
  const registry = new ChatRegistry(storage, undefined, clock);
  const api = new Api("1:A");
  api.config.use(answerBy((chatId, text) => {
    scene.answered(chatId, text);
    return Promise.resolve(undefined);
  }));
  const words: MessageRenderer = (name) => ({ text: name, entities: [] });
  const warn = (message: string): void => logger.warn(message);
  const outbox = new ReplySender({
    registry,
    renderMessage: words,
    onGone: () => Promise.resolve(),
    warn,
    clock,
  });
  const answers = new Replies({ api, replySender: outbox, registry } satisfies RepliesOptions);
  const storing: WriteTarget = {
    apply: (chatId, events) => registry.apply(chatId, events),
    migrate: (from, to, at) => registry.migrate(from, to, at),
  };
  const inOrder = createKeyedMutex<number>();
  await Promise.all(scene.history.words.map(async (word, index) => {
    await scene.until(word.at);
    scene.said(word);
    const { chatId, kind } = word;
    await inOrder(chatId, async () => {
      const at = Math.floor((noon + word.at) / 1000) * 1000;
      const event: ChatEvent = { kind, at, updateId: 1000 + index, registers: true };
      const step = await keep(storing, chatId, event, scene);
      const { confirmAfterMs: _, ...hasty } = step;
      const heard = { chatId, intent: kind, write: undefined };
      void answers.replyToWrite(heard, confirmsAtOnce ? hasty : step);
    });
  }));
}

async function keep(
  storing: WriteTarget,
  chatId: number,
  event: ChatEvent,
  { dynamodb }: Scene,
): Promise<WriteResult> {
  for (let wasTried = false;; wasTried = true) {
    try {
      return await writeOne(storing, { kind: "event", chatId, event }, wasTried);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      await dynamodb.clock.sleep(200);
    }
  }
}

type Outcome = Pick<InstanceVerdict, "report" | "refusal">;

async function broadcast(scene: Scene, { Storage = TelegramDynamoDBStorage }: Careless): Promise<Outcome> {
  const { history, logger } = scene;
  const { messagesPerSecond, whenUnreadable, broadcastId, broadcastAt, pauses } = history;
  const clock = scene.clockOf(1);
  const storage = new Storage({ client: scene.clientOf(1), clock, logger });
  const registry = new ChatRegistry(storage, undefined, clock);
  const signal = new AbortController().signal;
  const api = new Api("1:A");
  const gate = new RateLimiter({ messagesPerSecond, ask: () => api.getMe(), clock, logger, signal });
  api.config.use(deliverTo(scene), gate.transformer);
  const broadcasting = new Broadcaster({
    ...{ api, rateLimiter: gate, registry, clock, logger, messagesPerSecond },
    ledgers: await openLedgers({ useDynamoDB: false, ledger: new InMemoryLedger() }, registry, clock, logger),
    migrate: (from, to, at) => registry.migrate(from, to, at),
    keep: async (chatId, event) => (await registry.apply(chatId, [event])).after?.is_active !== true,
  });
  for (let isRead = false; !isRead;) isRead = await registry.refresh().then(() => true, () => false);
  await scene.until(broadcastAt);
  const control = new PauseControl();
  for (const { at, lastsMs } of pauses) {
    void scene.until(at).then(() => control.isPaused = true).then(() => clock.sleep(lastsMs))
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

/** Telegram, which takes what it is told or, in a flood, asks to wait. */
function deliverTo(scene: Scene): Transformer {
  const random = randomOf(scene.history.seed * 8 + 4);
  return answerBy(async (chatId) => {
    const flood = scene.history.floods.find(({ at, lastsMs }) => scene.ms >= at && scene.ms < at + lastsMs);
    if (flood === undefined) scene.left(chatId);
    const seconds = flood && Math.ceil((flood.at + flood.lastsMs - scene.ms) / 1000);
    await scene.dynamodb.clock.sleep(20 + random() * 300);
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

/** Nobody gets it twice, and whoever never said /stop gets it. */
function judge({ history, sent, unannounced, logger }: Scene, { report, refusal }: Outcome): string[] {
  const stoppers = new Set(history.words.map(({ chatId }) => chatId));
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
