/**
 * A flood answer (429), and whom it concerns. Telegram does not say whether it means one chat or the whole bot; but a
 * message that left later and was taken shows that it meant one chat. Pure: times are in milliseconds.
 */
export interface Flood {
  /** When it ends; in the past where there is none. */
  readonly until: number;
  /** The message with this number was refused: nothing leaves until then. True where that is news. */
  refuse(number: number, chatId: ChatId | undefined, until: number, now: number): boolean;
  /** The message with this number was taken. True where that ends a pause that was one chat's. */
  take(number: number, now: number): boolean;
  /** Whether one message may leave nevertheless, to find out. `latest` is the last that is under way, if any. */
  mayProbe(latest: number | undefined, now: number): boolean;
}

/** A number, or a public chat's @name. */
export type ChatId = number | string;

export function createFlood(): Flood {
  let until = -Infinity;
  let latestRefused = -Infinity;
  let chats = new Set<ChatId | undefined>();
  return {
    get until() {
      return until;
    },
    refuse(number, chatId, end, now) {
      const isNews = until <= now;
      if (isNews) chats = new Set();
      chats.add(chatId);
      until = Math.max(until, end);
      latestRefused = Math.max(latestRefused, number);
      return isNews;
    },
    take(number, now) {
      if (until <= now || number <= latestRefused) return false;
      until = now;
      return true;
    },
    mayProbe(latest, now) {
      const isOneChats = chats.size === 1 && !chats.has(undefined);
      return until > now && isOneChats && (latest === undefined || latest < latestRefused);
    },
  };
}
