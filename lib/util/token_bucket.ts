/** How often something may be done for one chat: so many times at once, then at a steady rate. Pure. */

export interface TokenBucketOptions {
  readonly atOnce: number;
  readonly perSecond: number;
}

export interface TokenBuckets {
  /** Does it once more, if that is allowed now. Times are in milliseconds. */
  tryTake(chatId: number, now: number): boolean;
  /** Does it once more in any case; gives how many milliseconds too early that was. */
  takeOnCredit(chatId: number, now: number): number;
}

/** Chats that are looked after; a flood comes from few. */
const chatsAtMost = 10_000;

export function createTokenBuckets({ atOnce, perSecond }: TokenBucketOptions): TokenBuckets {
  const chats = new Map<number, { left: number; at: number }>();

  const leftFor = (chatId: number, now: number): number => {
    const { left, at } = chats.get(chatId) ?? { left: atOnce, at: now };
    return Math.min(atOnce, left + Math.max(0, now - at) / 1000 * perSecond);
  };
  const set = (chatId: number, left: number, at: number): void => {
    if (chats.size >= chatsAtMost && !chats.has(chatId)) chats.clear();
    chats.set(chatId, { left, at });
  };

  return {
    tryTake(chatId, now) {
      const left = leftFor(chatId, now);
      set(chatId, left < 1 ? left : left - 1, now);
      return left >= 1;
    },
    takeOnCredit(chatId, now) {
      const left = leftFor(chatId, now) - 1;
      set(chatId, left, now);
      return Math.max(0, -left / perSecond * 1000);
    },
  };
}
