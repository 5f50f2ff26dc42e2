/** How often something may be done for one chat: so many times at once, then at a steady rate. Pure. */

export interface AllowanceOptions {
  readonly atOnce: number;
  readonly perSecond: number;
}

export interface Allowance {
  /** Whether it may be done once more. `now` is in milliseconds. */
  take(chatId: number, now: number): boolean;
}

/** Chats that are looked after; a flood comes from few. */
const chatsAtMost = 10_000;

export function createAllowance({ atOnce, perSecond }: AllowanceOptions): Allowance {
  const chats = new Map<number, { left: number; at: number }>();
  return {
    take(chatId, now) {
      const known = chats.get(chatId) ?? { left: atOnce, at: now };
      const left = Math.min(atOnce, known.left + Math.max(0, now - known.at) / 1000 * perSecond);
      if (chats.size >= chatsAtMost && !chats.has(chatId)) chats.clear();
      chats.set(chatId, { left: left < 1 ? left : left - 1, at: now });
      return left >= 1;
    },
  };
}
