/** How fast messages may leave, and what a flood answer teaches. Pure: time comes in as an argument, in milliseconds. */

/** A place in the row of messages: when it was given, and how many had left before it since they had to wait for the pace. */
export interface RateSlot {
  readonly at: number;
  readonly period: number;
  readonly before: number;
  readonly since: number;
}

export interface AdaptiveRate {
  /** How long it is until the next slot; 0 or less is now. Takes nothing. */
  waitMs(now: number): number;
  /** Takes the slot that is due. */
  take(now: number): RateSlot;
  /**
   * The message of this slot was one too many: slower from now on, until time has shown that more is possible; but no
   * slower than half the full pace, as it may have been one chat's own limit.
   */
  backOff(slot: RateSlot): void;
  /** It was the bot's limit: as slow as that was learned to be. Only the slot that was lowered for last counts. */
  confirm(slot: RateSlot): void;
  /** It was not one too many, after all. Only the slot that was lowered for last counts. */
  undoBackOff(slot: RateSlot): void;
  /** From now on no faster than that, ever. */
  limit(messagesPerSecond: number): void;
  /** Messages a second, as it is now. */
  readonly messagesPerSecond: number;
}

/** Slots that a late timer missed are made up for, up to this long: less than Telegram would call a burst. */
const catchUpMs = 100;
/** Nobody sends for so long: whatever Telegram counts has run down by then. */
const idleMs = 1000;
/** Fewer messages than these tell nothing of the limit. */
const telling = 20;
/** Idle time shows that more is possible, too, but a tenth of what work shows. */
const weightOfIdleness = 0.1;
/** A little below the estimate, so that the next flood is a while away. */
const caution = 0.95;

/** How it was before the pace was lowered. */
interface Stretch {
  readonly period: number;
  /** The period that came next. */
  readonly next: number;
  readonly current: number;
  readonly taken: number;
  readonly startedAt: number;
  readonly workedMs: number;
  /** The limit that it has met, as far as that can be told. */
  readonly estimate: number;
}

/**
 * Evenly spaced slots. After a flood the pace follows what was learned: who sent n messages in t seconds until one was
 * too many, where a second's worth may come at once, has met a limit of n / (t + 1) a second. From there it grows by a
 * thousandth each second of work, and faster the longer nothing happens: back at the full pace after two minutes of work,
 * or twenty of idleness, while a limit that stays is met again about once in a minute.
 */
export function createAdaptiveRate(messagesPerSecond: number): AdaptiveRate {
  let most = messagesPerSecond;
  let current = messagesPerSecond;
  let next = -Infinity;
  let period = 0;
  let lastPeriod = 0;
  let taken = 0;
  let startedAt = -Infinity;
  /** Milliseconds of work since the pace was lowered. */
  let workedMs = 0;
  let before: Stretch | undefined;

  const begin = (): void => {
    period = ++lastPeriod;
    taken = 0;
  };
  const grow = (ms: number): void => {
    if (current >= most) return;
    workedMs += ms;
    const seconds = workedMs / 1000;
    current = Math.min(most, current * (1 + ms / 1000 * 0.001 * (1 + (seconds / 30) ** 2)));
  };

  return {
    waitMs(now) {
      return next - now;
    },
    take(now) {
      const idleForMs = now - next;
      if (idleForMs > idleMs) {
        begin();
        if (Number.isFinite(idleForMs)) grow(idleForMs * weightOfIdleness);
      }
      // After a rest there is nothing to make up for.
      const isFirst = taken === 0;
      // Where nobody waited for the pace, what left until then tells nothing of a limit.
      if (idleForMs > catchUpMs) taken = 0;
      if (taken === 0) startedAt = now;
      const slot = Math.max(next, isFirst ? now : now - catchUpMs);
      const spacingMs = 1000 / current;
      next = slot + spacingMs;
      grow(spacingMs);
      return { at: now, period, before: taken++, since: startedAt };
    },
    backOff(slot) {
      // What left before the pace was lowered for its neighbour teaches nothing new.
      if (slot.period !== period) return;
      const limit = slot.before / (1 + (slot.at - slot.since) / 1000);
      const least = Math.min(1, most);
      const estimate = Math.max(
        least,
        slot.before < telling ? current / 2 : Math.min(current, limit) * caution,
      );
      before = { period, next: lastPeriod + 1, current, taken, startedAt, workedMs, estimate };
      current = Math.max(estimate, Math.min(current, most / 2));
      workedMs = 0;
      begin();
    },
    confirm(slot) {
      if (before?.period === slot.period) current = Math.min(current, before.estimate);
    },
    undoBackOff(slot) {
      if (before?.period !== slot.period) return;
      current = Math.min(most, Math.max(current, before.current));
      // Where there was no rest since the count goes on, too.
      if (period === before.next) {
        ({ period, startedAt, workedMs } = before);
        taken += before.taken;
      }
      before = undefined;
    },
    limit(messagesPerSecond) {
      most = Math.min(most, messagesPerSecond);
      current = Math.min(current, most);
    },
    get messagesPerSecond() {
      return current;
    },
  };
}

/**
 * The part of the pace that replies have while broadcasts wait: a third beside an urgent one, two thirds beside bulk.
 * What one side does not use, the other has at once. Pure: times are in milliseconds.
 */
export interface ReplyShare {
  /** When the next reply may leave, as far as the share is concerned; `now` or earlier is now. */
  readonly readyAt: number;
  /** A broadcast's message waits for the pace. */
  see(priority: "urgent" | "bulk", now: number): void;
  /** A reply leaves. */
  reply(now: number): void;
  /** A broadcast's message leaves. */
  broadcast(): void;
}

/** For each reply a broadcast that waits has so many messages. */
const messagesPerReply = { urgent: 2, bulk: 0.5 } as const;
/** A broadcast hands over its next message a moment after the last one has left; it counts as waiting meanwhile. */
const handOverMs = 50;

export function createReplyShare(): ReplyShare {
  const seenAt = { urgent: -Infinity, bulk: -Infinity };
  /** Messages that broadcasts have before the next reply. */
  let owed = 0;
  return {
    get readyAt() {
      return owed > 0 ? Math.max(seenAt.urgent, seenAt.bulk) + handOverMs : -Infinity;
    },
    see(priority, now) {
      seenAt[priority] = now;
    },
    reply(now) {
      const priority = (["urgent", "bulk"] as const).find((each) => now - seenAt[each] < handOverMs);
      owed = priority === undefined ? 0 : owed + messagesPerReply[priority];
    },
    broadcast() {
      owed = Math.max(owed - 1, -messagesPerReply.bulk);
    },
  };
}
