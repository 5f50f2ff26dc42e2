/** The port behind which chats are kept, its errors, and the operations that every storage has. */
import { assertChatId } from "../telegram/chat_id.ts";
import { createSemaphore } from "../util/async.ts";
import { type Clock, dayMs, parseTime, systemClock } from "../util/clock.ts";
import { createDisplay } from "../util/display.ts";
import { hasName } from "../util/errors.ts";
import { consoleLogger, createSafeLogger, type Logger } from "../util/log.ts";
import { safeOptions, safeText } from "../util/safe_text.ts";
import {
  assertNames,
  assertOptions,
  assertValue,
  type Checks,
  functionRule,
  isObject,
  methodsRule,
  type Names,
  numberRule,
  type Rule,
  shownName,
} from "../util/validate.ts";
import { isStopped } from "./chat.ts";
import type { Chat, ChatEvent, ChatState, UserInfo } from "./events.ts";
import { type ChatStatistics, StatisticsCounter } from "./statistics.ts";

/** What a batch of events did: the chat before the first and after the last; `undefined` is a chat nobody knows. */
export interface ApplyResult {
  /** The chat before the first event. */
  readonly before: ChatState | undefined;
  /** The chat after the last event. */
  readonly after: ChatState | undefined;
  /**
   * How long the confirmation of a /stop among the events has to wait, in milliseconds: until then another process may
   * still write to the chat. Absent if it need not wait.
   */
  readonly confirmAfterMs?: number;
}

/** The state in which the caller expects the chat. A right guess saves a read; a wrong one costs one request. */
export type ExpectedState = "absent" | "active";

/** Follows and ends a load that may take long. */
export interface LoadOptions {
  /** Ends it: then the load rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called whenever there is progress: the table is being made, a page has been read. */
  readonly onProgress?: (() => void) | undefined;
  /** Called by `loadActiveChats` for each chat with strikes, which few have. */
  readonly onStrikes?: ((chatId: number) => void) | undefined;
  /** Called by `loadActiveChats` for each group and channel that has an `added_by`. */
  readonly onAdder?: ((chatId: number, adderId: number) => void) | undefined;
  /** Called by `loadActiveChats` for each chat that has a `thread_id`. */
  readonly onThread?: ((chatId: number, threadId: number) => void) | undefined;
}

/** Which chats a cleanup deactivates. */
export interface CleanupOptions {
  /** Chats that have not written for longer than this many days: any finite number above 0. */
  readonly daysThreshold: number;
}

/** Options of every storage. */
export interface ChatStorageOptions {
  /** Default: the machine's own. */
  readonly clock?: Clock;
  /** Default: the console. */
  readonly logger?: Logger;
}

/** The log of /stops in a storage that several processes share. */
export interface StopLog {
  /** How many /stops were entered so far. It only grows; one may be counted twice. */
  readonly count: number;
  /** The count at which `chats` was emptied last: a reader who last saw a lower count has missed some. */
  readonly since: number;
  /** The chats of the /stops since then. One of them may have sent /start again: only a reading of the chat tells. */
  readonly chats: ReadonlySet<number>;
}

/**
 * Why the storage could not be used. Only `failed` is no outage: the request or the item itself is wrong, and stays so.
 */
export type StorageFailure =
  | "credentials"
  | "denied"
  | "region"
  | "table"
  | "clock"
  | "unreachable"
  | "throttled"
  | "unavailable"
  | "failed";

/** A read or a write that did not take place, or of which no answer came. `cause` is the client's own error. */
export class StorageError extends Error {
  /** By the name, as two copies of this class may be loaded: the package's and a subpath's. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasName(value, "StorageError");
  }

  /** For telling it from other errors where two copies of this package are loaded. */
  override readonly name = "StorageError";
  /** Why, in a word. */
  readonly reason: StorageFailure;

  /** For storages of your own: `message` says what happened and what to check. */
  constructor(reason: StorageFailure, message: string, options?: ErrorOptions) {
    super(safeText(message), safeOptions(options));
    this.reason = reason;
  }
}

/** Whether the same request may succeed later. */
export function isOutage(error: unknown): boolean {
  return error instanceof StorageError && error.reason !== "failed";
}

/** Shows a chat richly in a notebook. */
export const displayChat: <T extends Chat>(chat: T) => T = createDisplay(async () =>
  (await import("./display.ts")).showChat
);
/** Shows a page of chats richly in a notebook. */
export const displayChats: <T extends readonly Chat[]>(page: T) => T = createDisplay(async () =>
  (await import("./display.ts")).showChats
);

const cleanupsAtOnce = 8;

/**
 * Where chats are kept. To bring a storage of your own, extend this class with its abstract methods.
 * Every method that cannot read or write throws: a chat that could not be read is never reported as unknown.
 */
export abstract class ChatStorage {
  /** Gives the time of events. */
  protected readonly clock: Clock;
  /** Gets warnings. */
  protected readonly logger: Logger;

  /** For storages of your own, which call it first. */
  constructor(options: ChatStorageOptions = {}) {
    // Options that are no object are refused by the class that extends this one.
    const { clock = systemClock, logger = consoleLogger } = options ?? {};
    this.clock = clock;
    this.logger = createSafeLogger(logger);
  }

  /** What `initialize()` reports: `"dynamodb"`, `"memory"`, or a name of your own. */
  abstract readonly kind: string;

  /** Whether other processes may write to it, too. Default: true. */
  readonly isShared: boolean = true;

  /** Makes the storage ready; does nothing if it is. */
  abstract createTableIfNotExists(work?: LoadOptions): Promise<void>;

  /**
   * Assigns the storage to a bot, by the bot's id, unless it is assigned to one already. Does nothing by default.
   * @throws {ConfigError} If it is assigned to another bot.
   */
  claim(_botId: number, _work?: LoadOptions): Promise<void> {
    return Promise.resolve();
  }

  /**
   * Folds the consent rule over the events and keeps the result, all of it or nothing: exact under any number of
   * writers and any redelivery, as long as each writer hands over one chat's updates in their order.
   */
  abstract apply(
    chatId: number,
    events: readonly ChatEvent[],
    expected?: ExpectedState,
  ): Promise<ApplyResult>;

  /** One chat; `undefined` if there is none, which a notebook shows as nothing. */
  abstract getChat(chatId: number): Promise<Chat | undefined>;

  /** All chats, a page at a time, in no order. */
  abstract scan(): AsyncIterable<Chat[]>;

  /** The latest /stops; `undefined`, the default, where the storage keeps no such log. */
  readStopLog(): Promise<StopLog | undefined> {
    return Promise.resolve(undefined);
  }

  /**
   * Announces that this process relies on the log of /stops until `untilMs` (milliseconds since 1970), in place of reading
   * each chat; to be called again before that. Until then `apply` gives `confirmAfterMs` with each /stop, so that this
   * process reads of the /stop before it is confirmed. Gives the log as it is now; `undefined`, the default, where the
   * storage keeps none.
   */
  beginSending(_untilMs: number): Promise<StopLog | undefined> {
    return Promise.resolve(undefined);
  }

  /** The ids of all active chats: the whole set, or an error. */
  async loadActiveChats(work: LoadOptions = {}): Promise<Set<number>> {
    assertWork("load the chats", work);
    const { signal, onProgress, onStrikes, onAdder, onThread } = work;
    const active = new Set<number>();
    for await (const page of this.scan()) {
      signal?.throwIfAborted();
      onProgress?.();
      for (const { chat_id, is_active, strikes, added_by, thread_id } of page) {
        if (!is_active) continue;
        active.add(chat_id);
        if (strikes !== undefined) onStrikes?.(chat_id);
        if (added_by !== undefined) onAdder?.(chat_id, added_by);
        if (thread_id !== undefined) onThread?.(chat_id, thread_id);
      }
    }
    return active;
  }

  /** Counts all chats. */
  async getStatistics(): Promise<ChatStatistics> {
    const count = new StatisticsCounter(this.clock.now());
    for await (const page of this.scan()) for (const chat of page) count.add(chat);
    return count.statistics;
  }

  /**
   * Registers a chat by hand, with a message count of 0, and keeps all that is known of one that exists.
   * As a call of the operator, it also activates a chat that has sent /stop.
   * @throws {TypeError} If a value can be none of a chat's, or a name is spelt nearly as a known one.
   */
  async saveChat(chatId: number, userInfo: UserInfo = {}): Promise<"created" | "reactivated" | "unchanged"> {
    assertUserInfo(userInfo);
    const event: ChatEvent = { kind: "saved", at: this.clock.now(), userInfo };
    const { before } = await this.apply(chatId, [event], "absent");
    if (before === undefined) return "created";
    return before.is_active ? "unchanged" : "reactivated";
  }

  /** Ends a subscription as /stop does; true if it was active. A chat nobody knows stays unknown. */
  async deactivateChat(chatId: number): Promise<boolean> {
    const event: ChatEvent = { kind: "deactivated", at: this.clock.now() };
    const { before } = await this.apply(chatId, [event], "active");
    return before?.is_active === true;
  }

  /** Activates a known chat, even one that has sent /stop; true if it was inactive. */
  async reactivateChat(chatId: number): Promise<boolean> {
    const { before } = await this.apply(chatId, [{ kind: "reactivated", at: this.clock.now() }]);
    return before?.is_active === false;
  }

  /**
   * Deactivates every active chat that has not written for `daysThreshold` days, and tells how many those were.
   * Mind that this also ends the subscription of people who read every signal and never write.
   * A chat without a readable `last_active` is left alone, and one that wrote meanwhile stays.
   * @throws {RangeError} If there is no `daysThreshold`, or it is no finite number above 0.
   */
  async cleanupInactiveChats(options: CleanupOptions): Promise<number> {
    const limit = createSemaphore(cleanupsAtOnce);
    let deactivated = 0;
    for await (const stale of this.scanStaleChats(options)) {
      const done = await Promise.all(stale.map((chat) => limit(() => this.#deactivateStale(chat))));
      deactivated += done.filter(Boolean).length;
    }
    return deactivated;
  }

  /** Whom `cleanupInactiveChats` would deactivate, a page at a time: to look before. Pages may be empty. */
  async *scanStaleChats(options: CleanupOptions): AsyncGenerator<Chat[]> {
    assertOptions("clean up", options, cleanupChecks);
    const { daysThreshold } = options;
    const before = this.clock.now() - daysThreshold * dayMs;
    let unreadable = 0;
    for await (const page of this.scan()) {
      const active = page.filter((chat) => chat.is_active);
      unreadable += active.filter((chat) => parseTime(chat.last_active) === undefined).length;
      yield active.filter((chat) => (parseTime(chat.last_active) ?? Infinity) < before);
    }
    if (unreadable > 0) {
      this.logger.warn(`Cleanup leaves ${unreadable} active chats alone that have no readable last_active.`);
    }
  }

  async #deactivateStale({ chat_id, last_active = "" }: Chat): Promise<boolean> {
    const event: ChatEvent = { kind: "stale", at: this.clock.now(), lastActive: last_active };
    const { before, after } = await this.apply(chat_id, [event]);
    return before?.is_active === true && after?.is_active === false;
  }

  /** Ends what the storage holds open. */
  close(): void {}
}

/** Gives a supergroup the state of its group, then closes the group. May be repeated, and resumed half-way. */
export async function migrateChat(
  storage: ChatStorage,
  from: number,
  to: number,
  at: number,
): Promise<ApplyResult | undefined> {
  assertChatId(to);
  const old = await storage.getChat(from);
  if (old === undefined || old.removed_reason === "migrated") return undefined;
  const inherited = await storage.apply(to, [{ kind: "inherited", from: old, at }], "absent");
  const { before } = await storage.apply(from, [{ kind: "migrated", to, at }]);
  // A /stop of the group between the two events is not lost.
  const wasStopped = before !== undefined && isStopped(before) && !isStopped(old);
  return wasStopped ? await storage.apply(to, [{ kind: "deactivated", at }], "active") : inherited;
}

// Checks of what the storage's methods are given.

/** Another program may keep further fields in it. */
const userInfoNames: Names = {
  known: ["username", "first_name", "last_name", "user_id", "title", "type"],
  what: "a name in userInfo",
  isOpen: true,
};
const userInfoRule: Rule = {
  isGood: (value) => isObject(value) && !Array.isArray(value) && !Object.hasOwn(value, "__proto__"),
  rule: 'an object such as { username: "ada" }, without a name "__proto__"',
};
const fieldRule: Rule = {
  isGood: (value) =>
    value === null || typeof value === "string" || typeof value === "boolean" ||
    (Number.isFinite(value) && Math.abs(value as number) <= Number.MAX_SAFE_INTEGER),
  rule: "a text, a number up to 2^53, true or false",
};

/** @throws {TypeError} Naming the field that no chat can have, or whose name is misspelt. */
export function assertUserInfo(userInfo: UserInfo): void {
  const action = "save the chat";
  assertNames(action, userInfo, userInfoNames);
  assertValue(action, "userInfo", userInfo, userInfoRule);
  for (const [name, value] of Object.entries(userInfo)) {
    assertValue(action, `userInfo.${shownName(name)}`, value, fieldRule);
  }
}

const cleanupChecks: Checks<CleanupOptions> = {
  rules: {
    daysThreshold: {
      ...numberRule("a finite number above 0", (value) => value > 0 && value < Infinity),
      isRequired: true,
    },
  },
  example: "{ daysThreshold: 30 }",
  Refusal: RangeError,
};

const loadChecks: Checks<LoadOptions> = {
  rules: {
    signal: methodsRule("an AbortSignal", "throwIfAborted"),
    ...{
      onProgress: functionRule(),
      onStrikes: functionRule(),
      onAdder: functionRule(),
      onThread: functionRule(),
    },
  },
};

/** @throws {TypeError} If an option is unknown, or its value breaks the option's rule. */
export function assertWork(action: string, work: LoadOptions): void {
  assertOptions(action, work, loadChecks);
}
