import type { BroadcastAccess } from "../chats/access.ts";
import type { Standing } from "../chats/consent_check.ts";
import type { Chat } from "../chats/events.ts";
import type { ChatRegistry } from "../chats/registry.ts";
import { createSemaphore, deadline } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import type { DeliveryResult } from "./report.ts";

/**
 * Decides whether all chats refuse a message, or only those that happened to come first. A stranger can register chats that
 * refuse in unknown words, but cannot make five people refuse alike who are drawn at random from all recipients.
 */
/** Equal refusals that prove the message to be at fault, as long as no chat has taken it. */
const refusalsNeeded = 5;
/** People drawn at most: one who is gone, or has to be waited for, says nothing of the message. */
const drawnAtMost = 15;

export class RefusalPoll {
  #state: "not called" | "sitting" | "dismissed" = "not called";
  /** People who were drawn, and not written to yet. */
  readonly #waiting: number[] = [];
  /** People who were drawn, and from whom no answer has come yet. */
  readonly #drawn = new Set<number>();
  #drawnCount = 0;
  readonly #refusals = new Map<string, number>();

  /** Whether only people who were drawn are written to at present. */
  get isSitting(): boolean {
    return this.#state === "sitting";
  }

  /** How many more are to be drawn. */
  get wants(): number {
    if (!this.isSitting || this.#drawn.size > 0) return 0;
    return Math.min(refusalsNeeded - Math.max(0, ...this.#refusals.values()), drawnAtMost - this.#drawnCount);
  }

  /** How many people were drawn, and are not written to yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Has these people written to next. Where they are too few for a proof, the broadcast goes on in its order. */
  call(chosen: readonly number[]): void {
    if (!this.isSitting) return;
    this.#drawnCount += chosen.length;
    this.#waiting.push(...chosen);
    for (const chatId of chosen) this.#drawn.add(chatId);
  }

  /** The next person to write to. */
  next(): number | undefined {
    return this.#waiting.shift();
  }

  /**
   * Notes the answer of a chat, where no chat has taken the message so far; `refusal` is its words, if they are unknown
   * ones. True once the message is proved to be at fault.
   */
  hear(chatId: number, refusal: string | undefined): boolean {
    const wasDrawn = this.#drawn.delete(chatId);
    if (this.#state === "dismissed") return false;
    if (refusal !== undefined && this.#state === "not called") this.#state = "sitting";
    if (refusal === undefined || !wasDrawn) {
      if (this.isSitting && this.#drawn.size === 0 && this.wants <= 0) this.dismiss();
      return false;
    }
    const refusals = (this.#refusals.get(refusal) ?? 0) + 1;
    this.#refusals.set(refusal, refusals);
    if (this.#drawn.size === 0 && this.wants <= 0 && refusals < refusalsNeeded) this.dismiss();
    return refusals >= refusalsNeeded;
  }

  /** Somebody has taken the message, or nothing can be proved. */
  dismiss(): void {
    this.#state = "dismissed";
  }
}

// A guard against deactivating everybody by mistake. Of chats that have talked to the bot few are gone between two
// broadcasts. Where most of the first people are gone at once, the bot is more likely the wrong one: the table is
// another bot's, or the token is of a new bot that nobody has started yet.

/** A chat that Telegram calls gone, or does not find, and what to write of it once that is believed. */
export interface GoneChat {
  readonly chatId: number;
  /** Whether the chat was never opened with this bot: "bot can't initiate conversation with a user". */
  readonly isUnopened: boolean;
  /** Writes that the chat is gone. */
  readonly write: () => Promise<void>;
  /** Counts it as failed in place of deactivated. */
  readonly revoke: () => unknown;
}

/** How many people's answers are awaited before any chat is deactivated. */
const peopleLookedAt = 50;
/** Fewer than these prove nothing: a small list may well have lost most of its people. */
const [goneAtLeast, unopenedAtLeast] = [10, 3];

export class MassDeactivationGuard {
  readonly #people: () => number;
  readonly #halt: (words: string) => void;
  readonly #gone: GoneChat[] = [];
  #looked = 0;
  #goneCount = 0;
  #unopenedCount = 0;
  #verdict: "open" | "believed" | "halted" = "open";
  #written: Promise<unknown> = Promise.resolve();

  /**
   * @param people How many people the broadcast is meant for.
   * @param halt Ends the broadcast.
   * @param isOff Whether every chat is believed to be gone at once.
   */
  constructor(people: () => number, halt: (words: string) => void, isOff: boolean) {
    this.#people = people;
    this.#halt = halt;
    if (isOff) this.#verdict = "believed";
  }

  /** Notes a chat whose answer does not say that it is gone. */
  note(chatId: number): void {
    if (chatId > 0 && this.#verdict === "open") this.#look();
  }

  /** Whether to believe that the chat is gone: now, never, or `later`, when it is written or revoked from here. */
  gone(chat: GoneChat): "believed" | "halted" | "later" {
    if (this.#verdict === "open" && chat.chatId > 0) {
      this.#goneCount++;
      if (chat.isUnopened) this.#unopenedCount++;
      this.#look();
    }
    if (this.#verdict !== "open") return this.#verdict;
    this.#gone.push(chat);
    return "later";
  }

  /** The broadcast has ended: decides on what there was, and resolves when that is written. */
  async close(): Promise<void> {
    if (this.#verdict === "open") this.#decide();
    await this.#written;
  }

  #look(): void {
    if (++this.#looked >= Math.min(peopleLookedAt, this.#people())) this.#decide();
  }

  #decide(): void {
    const most = this.#goneCount > this.#looked / 2 &&
      (this.#goneCount >= goneAtLeast || this.#unopenedCount >= unopenedAtLeast);
    this.#verdict = most ? "halted" : "believed";
    if (!most) {
      this.#written = Promise.all(this.#gone.splice(0).map(({ write }) => write()));
      return;
    }
    for (const { revoke } of this.#gone) revoke();
    this.#halt(
      `of the first ${this.#looked} people ${this.#goneCount} cannot be reached by this bot any more, which is no ` +
        `accident: the table is another bot's (check TELEGRAM_CHATS_TABLE), or the token is of a new bot that nobody ` +
        `has started yet. Nobody was deactivated. If they are gone in truth, send it with massDeactivation: "proceed"`,
    );
  }
}

// Whether a chat that a broadcast is about to be sent to may still use the bot.

export interface PermissionCheckOptions {
  /** Default: every chat may. */
  readonly broadcastAccess?: BroadcastAccess | undefined;
  readonly registry: ChatRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends what reads. */
  readonly signal: AbortSignal;
}

/**
 * Gives how a chat is counted that is not to have the message; `undefined` where it may have it. Calls `onLate` where the
 * answer takes so long that others are not to wait for it.
 */
export type CheckPermission = (
  chatId: number,
  standing: Standing,
  onLate: () => void,
) => Promise<DeliveryResult | undefined> | undefined;

/** Questions that the owner's function is asked at the same time. */
const askedAtOnce = 100;
const lateAfterMs = 250;
/** How long the chat's item is waited for, before what is in memory has to do. */
const readWithinMs = 600;
const disallowed: DeliveryResult = { outcome: "skipped", why: "disallowed" };

export function createPermissionCheck(options: PermissionCheckOptions): CheckPermission {
  const { broadcastAccess, registry, clock, logger, signal } = options;
  if (broadcastAccess === undefined) return () => undefined;
  const { mayReceive, authorizes } = broadcastAccess;
  const limit = createSemaphore(askedAtOnce);
  let isTold = false;

  /** Where the table cannot be read, or not soon, the chat's id and its adder are all that is known. */
  const itemOf = async (chatId: number, { chat, isProved }: Standing): Promise<Chat | undefined> => {
    if (chat !== undefined || !isProved || registry.isUnread) return chat;
    return await deadline(registry.getChat(chatId), { ms: readWithinMs, clock, signal }).catch(() =>
      undefined
    );
  };

  const failed = (chatId: number, error: unknown): DeliveryResult => {
    const message = `authorize fails: ${messageOf(error)}`;
    if (!isTold) {
      logger.error(`Chat ${chatId}, and each other chat for which it is so, gets no message, as ${message}`);
    }
    isTold = true;
    return { outcome: "failed", message };
  };

  const ask = async (
    chatId: number,
    standing: Standing,
    onLate: () => void,
  ): Promise<DeliveryResult | undefined> => {
    const chat = await itemOf(chatId, standing);
    const adderId = chat?.added_by ?? registry.adders.adderOf(chatId);
    if (!mayReceive(chatId, adderId)) return disallowed;
    if (authorizes === undefined) return undefined;
    const answered = new AbortController();
    try {
      return await limit(async () => {
        clock.sleep(lateAfterMs, answered.signal).then(onLate, () => {});
        return await authorizes({ chatId, adderId, chat }) ? undefined : disallowed;
      });
    } catch (error) {
      return failed(chatId, error);
    } finally {
      answered.abort();
    }
  };

  return (chatId, standing, onLate) => {
    const isPlain = authorizes === undefined && mayReceive(chatId, registry.adders.adderOf(chatId));
    return isPlain ? undefined : ask(chatId, standing, onLate);
  };
}
