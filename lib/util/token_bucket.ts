/** A token bucket for each chat: a task may run so many times at once, and then at a steady rate. Pure. */
import { BoundedMap } from "./collections.ts";

export interface TokenBucketOptions {
  readonly atOnce: number;
  readonly perSecond: number;
}

export interface TokenBuckets {
  /** Takes a token if there is one. Times are in milliseconds. */
  tryTake(chatId: number, now: number): boolean;
  /** Takes a token in any case; gives how many milliseconds too early it was taken. */
  takeOnCredit(chatId: number, now: number): number;
}

/** A bucket that is forgotten is full again; a flood comes from few chats. */
const bucketsAtMost = 10_000;

export function createTokenBuckets({ atOnce, perSecond }: TokenBucketOptions): TokenBuckets {
  const buckets = new BoundedMap<number, { readonly tokens: number; readonly at: number }>(bucketsAtMost);

  const tokensOf = (chatId: number, now: number): number => {
    const { tokens, at } = buckets.get(chatId) ?? { tokens: atOnce, at: now };
    return Math.min(atOnce, tokens + Math.max(0, now - at) / 1000 * perSecond);
  };

  return {
    tryTake(chatId, now) {
      const tokens = tokensOf(chatId, now);
      buckets.set(chatId, { tokens: tokens < 1 ? tokens : tokens - 1, at: now });
      return tokens >= 1;
    },
    takeOnCredit(chatId, now) {
      const tokens = tokensOf(chatId, now) - 1;
      buckets.set(chatId, { tokens, at: now });
      return Math.max(0, -tokens / perSecond * 1000);
    },
  };
}
