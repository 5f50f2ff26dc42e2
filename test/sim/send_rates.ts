/** Whether the messages of each machine keep to the bot's rate, second by second. */
import type { Sending } from "./network.ts";
import type { Machine } from "./scheduler.ts";

/**
 * Where DynamoDB cannot be told that somebody sends, each chat is read right before its message, and that of sixteen chats
 * side by side: these may leave at once when it answers again.
 */
const [announcement, unannouncedMs, readAtOnce] = ["UpdateItem telegram-chats 0", 10_000, 16];

export class SendRates {
  readonly #messagesPerSecond: number;
  /** When a machine could not tell last that it sends. */
  readonly #unannouncedAt = new Map<Machine, number>();
  /** When the messages of the last second left. */
  readonly #departures = new Map<Machine, number[]>();

  constructor(messagesPerSecond: number) {
    this.#messagesPerSecond = messagesPerSecond;
  }

  /** A request to DynamoDB leaves. */
  requested({ machine, what, fate, isLate, sentAt }: Sending): void {
    if (what === announcement && (fate !== "answered" || isLate)) this.#unannouncedAt.set(machine, sentAt);
  }

  /** A message leaves: how many have left within a second, where that is too many. A tenth of a second may be made up for. */
  tooMany({ machine, sentAt }: Sending): number | undefined {
    const times = this.#departures.get(machine) ?? [];
    this.#departures.set(machine, times);
    times.push(sentAt);
    while ((times[0] as number) <= sentAt - 1000) times.shift();
    const isUnannounced = sentAt - (this.#unannouncedAt.get(machine) ?? -Infinity) < unannouncedMs;
    const atMost = Math.ceil(this.#messagesPerSecond * 1.2) + 3 + (isUnannounced ? readAtOnce : 0);
    return times.length > atMost ? times.length : undefined;
  }
}
