/**
 * How fast messages may leave: the bot's rate, which adapts to flood answers (429); the share of it that replies have; and
 * the limits of each chat. Pure: times come in as arguments, in milliseconds, and never go back.
 */
import type { ChatId } from "./flood_wait.ts";

/** A message's place in the sequence: when it left, and how many had left before it since the rate was the bottleneck. */
export interface RateSlot {
  readonly at: number;
  readonly period: number;
  readonly before: number;
  readonly since: number;
}

/** Slots that were missed are made up for, up to this long: less than Telegram would call a burst. */
export const catchUpMs = 100;
/** After so long without a message, whatever Telegram counts has run down. */
const idleMs = 1000;
/** Fewer messages than these tell nothing of the limit. */
const tellingMessages = 20;
/** Idle time shows that more is possible, too, but a tenth of what work shows. */
const idleWeight = 0.1;
/** A little below the estimate, so that the next flood is a while away. */
const caution = 0.95;

/** The state before a back-off. */
interface Snapshot {
  readonly period: number;
  /** The period that came next. */
  readonly next: number;
  readonly current: number;
  readonly taken: number;
  readonly startedAt: number;
  readonly workedMs: number;
  /** The limit that was met, as far as that can be told. */
  readonly estimate: number;
}

/**
 * Evenly spaced slots. After a flood the rate follows what was learned: a bot that sent n messages in t seconds until one
 * was too many, where a second's worth may come at once, has met a limit of n / (t + 1) a second. From there the rate grows
 * by a thousandth each second of work, and faster the longer nothing happens: it is back at the full rate after two minutes
 * of work, or twenty of idleness, while a limit that stays is met again about once in a minute.
 */
export class AdaptiveRate {
  #most: number;
  #current: number;
  #next = -Infinity;
  #period = 0;
  #lastPeriod = 0;
  #taken = 0;
  #startedAt = -Infinity;
  /** Milliseconds of work since the back-off. */
  #workedMs = 0;
  #before: Snapshot | undefined;

  constructor(messagesPerSecond: number) {
    this.#most = this.#current = messagesPerSecond;
  }

  /** Messages a second, as it is now. */
  get messagesPerSecond(): number {
    return this.#current;
  }

  /** How long it is until the next slot; 0 or less is now. Takes nothing. */
  waitMs(now: number): number {
    return this.#next - now;
  }

  /** Takes the slot that is due. */
  take(now: number): RateSlot {
    const idleForMs = now - this.#next;
    if (idleForMs > idleMs) {
      this.#beginPeriod();
      if (Number.isFinite(idleForMs)) this.#grow(idleForMs * idleWeight);
    }
    // After a rest there is nothing to make up for.
    const isFirst = this.#taken === 0;
    // Where no message waited for the rate, those that left until then tell nothing of a limit.
    if (idleForMs > catchUpMs) this.#taken = 0;
    if (this.#taken === 0) this.#startedAt = now;
    const slot = Math.max(this.#next, isFirst ? now : now - catchUpMs);
    const spacingMs = 1000 / this.#current;
    this.#next = slot + spacingMs;
    this.#grow(spacingMs);
    return { at: now, period: this.#period, before: this.#taken++, since: this.#startedAt };
  }

  /** The message of the slot does not leave: another may have the time, unless that has passed. */
  giveBack(slot: RateSlot, now: number): void {
    if (slot.period !== this.#period || now - slot.at > catchUpMs) return;
    this.#next -= 1000 / this.#current;
    this.#taken = Math.max(0, this.#taken - 1);
  }

  /**
   * The message of this slot was one too many: the rate is lower from now on, until time has shown that more is possible;
   * but no lower than half the full rate, as the flood may have been one chat's own.
   */
  backOff(slot: RateSlot): void {
    // A message that left before the back-off for its neighbour teaches nothing new.
    if (slot.period !== this.#period) return;
    const limit = slot.before / (1 + (slot.at - slot.since) / 1000);
    const current = this.#current;
    const learned = slot.before < tellingMessages ? current / 2 : Math.min(current, limit) * caution;
    const estimate = Math.max(Math.min(1, this.#most), learned);
    this.#before = {
      ...{ period: this.#period, next: this.#lastPeriod + 1, current, taken: this.#taken },
      ...{ startedAt: this.#startedAt, workedMs: this.#workedMs, estimate },
    };
    this.#current = Math.max(estimate, Math.min(current, this.#most / 2));
    this.#workedMs = 0;
    this.#beginPeriod();
  }

  /** The flood was the bot's: the rate is as low as the estimate. Only the slot of the latest back-off counts. */
  confirm(slot: RateSlot): void {
    if (this.#before?.period === slot.period) this.#current = Math.min(this.#current, this.#before.estimate);
  }

  /** The message was not one too many. Only the slot of the latest back-off counts. */
  undoBackOff(slot: RateSlot): void {
    const before = this.#before;
    if (before?.period !== slot.period) return;
    this.#current = Math.min(this.#most, Math.max(this.#current, before.current));
    // Where there was no rest since, the count goes on, too.
    if (this.#period === before.next) {
      [this.#period, this.#startedAt, this.#workedMs] = [before.period, before.startedAt, before.workedMs];
      this.#taken += before.taken;
    }
    this.#before = undefined;
  }

  /** From now on the rate is never higher than this. */
  limit(messagesPerSecond: number): void {
    this.#most = Math.min(this.#most, messagesPerSecond);
    this.#current = Math.min(this.#current, this.#most);
  }

  #beginPeriod(): void {
    this.#period = ++this.#lastPeriod;
    this.#taken = 0;
  }

  #grow(ms: number): void {
    if (this.#current >= this.#most) return;
    this.#workedMs += ms;
    const seconds = this.#workedMs / 1000;
    const growth = 1 + ms / 1000 * 0.001 * (1 + (seconds / 30) ** 2);
    this.#current = Math.min(this.#most, this.#current * growth);
  }
}

/**
 * The part of the bot's rate that replies have while broadcasts wait: a third beside an urgent one, two thirds beside bulk.
 * What one side does not use, the other has at once.
 */
export interface ReplyShare {
  /** When the next reply may leave, as far as the share is concerned; `now` or earlier is now. */
  readonly readyAt: number;
  /** A broadcast's message waits for the rate. */
  noteWaiting(priority: "urgent" | "bulk", now: number): void;
  /** A reply leaves. */
  noteReply(now: number): void;
  /** A broadcast's message leaves. */
  noteBroadcast(): void;
}

/** For each reply a broadcast that waits has so many messages. */
const messagesPerReply = { urgent: 2, bulk: 0.5 } as const;
/** A broadcast hands over its next message a moment after the last one has left; it counts as waiting meanwhile. */
const handOverMs = 50;

export function createReplyShare(): ReplyShare {
  const waitedAt = { urgent: -Infinity, bulk: -Infinity };
  /** Messages that broadcasts have before the next reply. */
  let owed = 0;
  return {
    get readyAt() {
      return owed > 0 ? Math.max(waitedAt.urgent, waitedAt.bulk) + handOverMs : -Infinity;
    },
    noteWaiting(priority, now) {
      waitedAt[priority] = now;
    },
    noteReply(now) {
      const priority = (["urgent", "bulk"] as const).find((each) => now - waitedAt[each] < handOverMs);
      owed = priority === undefined ? 0 : owed + messagesPerReply[priority];
    },
    noteBroadcast() {
      owed = Math.max(owed - 1, -messagesPerReply.bulk);
    },
  };
}

/**
 * How often one chat may be written to: about once a second, with short bursts, and 20 times a minute in a group
 * (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this); and how long Telegram has asked to
 * wait.
 */
export interface ChatRateLimits {
  /** When the chat may be written to again; `now` or earlier is now. */
  readyAt(chatId: ChatId, now: number): number;
  /** A message to the chat leaves. */
  record(chatId: ChatId, now: number): void;
  /** The message that was recorded with this time did not leave. */
  withdraw(chatId: ChatId, at: number): void;
  /** Nothing leaves for a chat, or for a kind of call that has the key, before then, as Telegram says. */
  blockUntil(key: ChatId, until: number, now: number): void;
  /** Until when it is blocked; `now` or earlier is not at all. */
  blockedUntil(key: ChatId, now: number): number;
  /** Every block ends so much earlier, as the machine has slept meanwhile. */
  skip(ms: number): void;
}

interface Limit {
  readonly messages: number;
  readonly withinMs: number;
}

const chatLimit: Limit = { messages: 3, withinMs: 3000 };
const groupLimit: Limit = { messages: 20, withinMs: 60_000 };
const sweepEveryMs = 1000;

export function createChatRateLimits(): ChatRateLimits {
  const blocks = new Map<ChatId, number>();
  let sweptAt = -Infinity;
  // Two windows, as to remember a minute of a broadcast to people would cost much and serve nothing.
  const burst = createWindow(chatLimit);
  const minute = createWindow(groupLimit);
  const blockedUntil = (key: ChatId, now: number): number => {
    const until = blocks.size === 0 ? -Infinity : blocks.get(key) ?? -Infinity;
    if (until > -Infinity && until <= now) blocks.delete(key);
    return until;
  };
  return {
    blockedUntil,
    readyAt(chatId, now) {
      const ready = Math.max(blockedUntil(chatId, now), burst.readyAt(chatId));
      return isGroup(chatId) ? Math.max(ready, minute.readyAt(chatId)) : ready;
    },
    record(chatId, now) {
      burst.record(chatId, now);
      if (isGroup(chatId)) minute.record(chatId, now);
    },
    withdraw(chatId, at) {
      burst.withdraw(chatId, at);
      if (isGroup(chatId)) minute.withdraw(chatId, at);
    },
    blockUntil(key, until, now) {
      if (now - sweptAt >= sweepEveryMs) {
        sweptAt = now;
        for (const [id, end] of blocks) if (end <= now) blocks.delete(id);
      }
      blocks.set(key, Math.max(until, blocks.get(key) ?? until));
    },
    skip(ms) {
      for (const [key, until] of blocks) blocks.set(key, until - ms);
    },
  };
}

/** Groups and channels have negative ids, or a name. */
export function isGroup(chatId: ChatId): boolean {
  return typeof chatId === "string" || chatId < 0;
}

/** A sliding window: at most so many messages to a chat in any stretch of that length. */
function createWindow({ messages, withinMs }: Limit) {
  /** The latest times of each chat; the chat that was written to longest ago comes first. */
  const chats = new Map<ChatId, readonly number[]>();
  let sweptAt = -Infinity;
  // Only now and then, as a Map from whose front single entries are taken grows slow.
  const sweep = (now: number): void => {
    if (now - sweptAt < sweepEveryMs) return;
    sweptAt = now;
    for (const [chatId, times] of chats) {
      if (now - (times.at(-1) ?? -Infinity) < withinMs) return;
      chats.delete(chatId);
    }
  };
  return {
    readyAt(chatId: ChatId): number {
      const times = chats.get(chatId);
      if (times === undefined || times.length < messages) return -Infinity;
      return times[times.length - messages] as number + withinMs;
    },
    record(chatId: ChatId, now: number): void {
      sweep(now);
      const times = chats.get(chatId) ?? [];
      chats.delete(chatId);
      chats.set(chatId, [...times, now].slice(-messages));
    },
    withdraw(chatId: ChatId, at: number): void {
      const times = chats.get(chatId)?.slice() ?? [];
      const index = times.lastIndexOf(at);
      if (index < 0) return;
      times.splice(index, 1);
      if (times.length > 0) chats.set(chatId, times);
      else chats.delete(chatId);
    },
  };
}
