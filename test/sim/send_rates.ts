/** Whether the messages of each machine keep to the bot's rate, second by second. */
import type { Sending } from "./network.ts";
import type { Machine } from "./scheduler.ts";

export class SendRates {
  readonly #messagesPerSecond: number;
  /** When the messages of the last second left. */
  readonly #departures = new Map<Machine, number[]>();

  constructor(messagesPerSecond: number) {
    this.#messagesPerSecond = messagesPerSecond;
  }

  /** A message leaves: how many have left within a second, where that is too many. A tenth of a second may be made up for. */
  tooMany({ machine, sentAt }: Sending): number | undefined {
    const times = this.#departures.get(machine) ?? [];
    this.#departures.set(machine, times);
    times.push(sentAt);
    while ((times[0] as number) <= sentAt - 1000) times.shift();
    return times.length > Math.ceil(this.#messagesPerSecond * 1.2) + 3 ? times.length : undefined;
  }
}
