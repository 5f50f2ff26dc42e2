/**
 * A flood answer (429), and whom it concerns. Telegram does not say whether it means one chat or the whole bot; but a
 * message that left later and was taken shows that it meant one chat. Pure: times are in milliseconds.
 */
export interface Flood {
  /** When it ends; in the past where there is none. */
  readonly until: number;
  /** The last message that was refused. */
  readonly latestRefused: number;
  /** When a single message may leave nevertheless, to find out; `until` or later where none may. */
  readonly probeAt: number;
  /** The message with this number was refused: nothing leaves until then. True where that is news. */
  refuse(number: number, chatId: ChatId | undefined, until: number, now: number): boolean;
  /** The message with this number was taken. True where that ends a pause that was one chat's. */
  take(number: number, now: number): boolean;
}

/** A number, or a public chat's @name. */
export type ChatId = number | string;

/** The first probe leaves at once; where it is refused, too, there is one more, as two chats may have the same trouble. */
const secondProbeMs = 1000;
/** A refusal weighs as much as so many messages that were taken; a second without one weighs a little, too. */
const [weightOfRefusal, weightOfSecond] = [50, 5];
/** Three chats may be refused close together for their own sake. From there on it is the bot, whatever slips through. */
const [ownAtMost, weightAtMost] = [3 * weightOfRefusal, 10 * weightOfRefusal];

export function createFlood(): Flood {
  let until = -Infinity;
  let latestRefused = -Infinity;
  let probeAt = Infinity;
  /** Chats that were refused in this pause. */
  let chats = new Set<ChatId | undefined>();
  /** Chats that were refused of late, and how much that weighs against what was taken. */
  const recent = new Set<ChatId | undefined>();
  let weight = 0;
  let weighedAt = -Infinity;

  const lighten = (by: number, now: number): void => {
    weight = Math.max(0, weight - by - (now - weighedAt) / 1000 * weightOfSecond);
    weighedAt = now;
    if (weight === 0) recent.clear();
  };
  const weigh = (chatId: ChatId | undefined, now: number): void => {
    lighten(0, now);
    if (recent.has(chatId)) return;
    recent.add(chatId);
    weight = Math.min(weight + weightOfRefusal, weightAtMost);
  };
  const nextProbe = (now: number): number => {
    if (chats.has(undefined) || chats.size > 2) return Infinity;
    return chats.size === 1 ? now : now + secondProbeMs;
  };

  return {
    get until() {
      return until;
    },
    get latestRefused() {
      return latestRefused;
    },
    get probeAt() {
      return probeAt;
    },
    refuse(number, chatId, end, now) {
      const isNews = until <= now;
      if (isNews) chats = new Set();
      chats.add(chatId);
      weigh(chatId, now);
      until = Math.max(until, end);
      latestRefused = Math.max(latestRefused, number);
      probeAt = nextProbe(now);
      return isNews;
    },
    take(number, now) {
      lighten(1, now);
      if (until <= now || number <= latestRefused || weight > ownAtMost) return false;
      until = now;
      return true;
    },
  };
}
