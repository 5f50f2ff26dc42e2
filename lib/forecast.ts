/** How far a broadcast comes in a time, and how long it takes, at the bot's present paces. Pure. */

/** What is paid for leaves first, at a pace of its own. */
export interface Paces {
  /** Messages a second that are not paid for. */
  readonly free: number;
  /** Messages a second that are paid for. */
  readonly paid: number;
  /** How many may still be paid for; 0 where none is, and `Infinity` without a budget. */
  readonly paidLeft: number;
}

/** How many messages leave in so many milliseconds; not rounded. */
export function messagesIn(ms: number, { free, paid, paidLeft }: Paces): number {
  const seconds = ms / 1000;
  if (seconds * paid <= paidLeft) return seconds * paid;
  return paidLeft + (seconds - paidLeft / paid) * free;
}

/** How many milliseconds so many messages take. */
export function msFor(messages: number, { free, paid, paidLeft }: Paces): number {
  const paidFor = Math.min(messages, paidLeft);
  return (paidFor / paid + (messages - paidFor) / free) * 1000;
}
