/**
 * The part of the pace that replies have while broadcasts wait: a third beside an urgent one, two thirds beside bulk.
 * What one side does not use, the other has at once. Pure: times are in milliseconds.
 */
export interface Share {
  /** When the next reply may leave, as far as the share is concerned; `now` or earlier is now. */
  readonly readyAt: number;
  /** A broadcast's message waits for the pace. */
  see(lane: "urgent" | "bulk", now: number): void;
  /** A reply leaves. */
  reply(now: number): void;
  /** A broadcast's message leaves. */
  broadcast(): void;
}

/** For each reply a broadcast that waits has so many messages. */
const messagesPerReply = { urgent: 2, bulk: 0.5 } as const;
/** A broadcast hands over its next message a moment after the last one has left; it counts as waiting meanwhile. */
const handOverMs = 50;

export function createShare(): Share {
  const seenAt = { urgent: -Infinity, bulk: -Infinity };
  /** Messages that broadcasts have before the next reply. */
  let owed = 0;
  return {
    get readyAt() {
      return owed > 0 ? Math.max(seenAt.urgent, seenAt.bulk) + handOverMs : -Infinity;
    },
    see(lane, now) {
      seenAt[lane] = now;
    },
    reply(now) {
      const lane = (["urgent", "bulk"] as const).find((each) => now - seenAt[each] < handOverMs);
      owed = lane === undefined ? 0 : owed + messagesPerReply[lane];
    },
    broadcast() {
      owed = Math.max(owed - 1, -messagesPerReply.bulk);
    },
  };
}
