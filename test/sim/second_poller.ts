/** Another program polls with the bot's token for a while, and confirms nothing: each of the two ends the polls of the other. */
import { telegramRoot } from "./endpoints.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimulatedTelegram } from "./telegram.ts";

export class SecondPoller {
  readonly #scheduler: Scheduler;
  readonly #telegram: SimulatedTelegram;
  readonly #stopping: AbortController = new AbortController();
  readonly #random: () => number;

  /** @param random Decides how soon it polls again. */
  constructor(scheduler: Scheduler, telegram: SimulatedTelegram, random: () => number) {
    this.#scheduler = scheduler;
    this.#telegram = telegram;
    this.#random = random;
    this.#poll();
  }

  stop(): void {
    this.#stopping.abort();
  }

  #poll(): void {
    const { signal } = this.#stopping;
    if (signal.aborted) return;
    const pollAgain = (): void =>
      void this.#scheduler.after(100 + this.#random() * 3000, () => this.#poll(), {
        label: "another program polls",
      });
    this.#telegram.handle({
      url: new URL(`${telegramRoot}/bot${this.#telegram.server.token}/getUpdates`),
      method: "POST",
      headers: new Headers({ "content-type": "application/json" }),
      body: new TextEncoder().encode(JSON.stringify({ timeout: 30 })),
      signal,
    }).then(pollAgain, pollAgain);
  }
}
