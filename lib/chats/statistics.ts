/** Figures over all chats of a storage, counted chat by chat. */
import { dayMs, parseTime } from "../util/clock.ts";
import { createDisplay } from "../util/display.ts";
import type { ChatState } from "./events.ts";

/** Figures over all chats of a storage. */
export interface ChatStatistics {
  /** Chats of any standing. */
  readonly totalChats: number;
  /** Chats to which broadcasts go. */
  readonly activeChats: number;
  /** All others. */
  readonly inactiveChats: number;
  /** Messages from all chats. */
  readonly totalMessages: number;
  /** 0 where there are no chats. */
  readonly averageMessagesPerChat: number;
  /** Chats of any standing by the day of their `last_active`: each of the last thirty days in UTC, today last. */
  readonly lastActiveByDay: readonly number[];
}

/** Shows figures richly in a notebook. */
export const displayStatistics: <T extends ChatStatistics>(figures: T) => T = createDisplay(async () =>
  (await import("./display.ts")).showStatistics
);

const days = 30;

/** Counts chats one by one, in constant memory. */
export class StatisticsCounter {
  readonly #today: number;
  readonly #lastActiveByDay: number[] = new Array<number>(days).fill(0);
  #chats = 0;
  #active = 0;
  #messages = 0;

  /** `now` is in milliseconds since 1970. */
  constructor(now: number) {
    this.#today = Math.floor(now / dayMs);
  }

  add({ is_active, message_count, last_active }: ChatState): void {
    this.#chats++;
    if (is_active) this.#active++;
    this.#messages += message_count;
    const day = days - 1 - this.#today + Math.floor((parseTime(last_active) ?? -Infinity) / dayMs);
    // Days before these, and days in the future, are not counted.
    if (day >= 0 && day < days) this.#lastActiveByDay[day] = (this.#lastActiveByDay[day] ?? 0) + 1;
  }

  get statistics(): ChatStatistics {
    const [chats, active, messages] = [this.#chats, this.#active, this.#messages];
    return displayStatistics({
      totalChats: chats,
      activeChats: active,
      inactiveChats: chats - active,
      totalMessages: messages,
      averageMessagesPerChat: chats === 0 ? 0 : messages / chats,
      lastActiveByDay: [...this.#lastActiveByDay],
    });
  }
}
