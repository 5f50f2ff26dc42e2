/** What follows a poll that has failed: how long to wait for the next, and what the log says meanwhile. */
import { type Clock, sleepInNaps } from "./clock.ts";
import type { Logger } from "./log.ts";
import { outcomeOf } from "./outcome.ts";
import { PollConflict, type Rival, rivalIn } from "./poll_conflict.ts";
import {
  deafText,
  failureTrouble,
  floodTrouble,
  polledAgainText,
  type PollTrouble,
  rivalText,
  rivalTrouble,
} from "./poll_texts.ts";
import type { PollWatch } from "./poll_watch.ts";
import { isTokenRefused, tokenRefused } from "./telegram_error.ts";

export interface PollRetryOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly watch: PollWatch;
  /** Ends the waits. */
  readonly signal: AbortSignal;
}

const [firstWaitMs, longestWaitMs] = [1000, 30_000];
const deafAgainMs = 3_600_000;

/** From the first poll that fails until polls are answered as ever. */
interface Episode {
  conflict: PollConflict | undefined;
  /** What was logged. */
  readonly told: Set<Rival | "failure" | "deaf">;
  /** When it was last logged that nothing is heard. */
  deafToldAt: number;
  /** The longest silence within it. */
  silentMs: number;
}

export class PollRetry {
  readonly #options: PollRetryOptions;
  /** Failures in a row, other than 409s. */
  #failures = 0;
  #episode: Episode | undefined;

  constructor(options: PollRetryOptions) {
    this.#options = options;
  }

  /**
   * Waits for as long as the error asks for. Only a refused token ends the polling.
   * @throws {TelegramError} If Telegram does not take the token.
   */
  async wait(error: unknown): Promise<void> {
    if (isTokenRefused(error)) throw tokenRefused(error);
    const { clock, signal } = this.#options;
    const { waitMs, trouble } = this.#heed(error);
    // A flood may last for hours: meanwhile the log says that nothing is heard.
    await sleepInNaps(clock, waitMs, { signal, onNap: () => this.#tellIfDeaf(trouble) }).catch(() => {});
  }

  /** A poll was answered. */
  answered(): void {
    const { logger, watch } = this.#options;
    const silentMs = watch.answered();
    const episode = this.#episode;
    this.#failures = 0;
    if (episode === undefined) return;
    episode.silentMs = Math.max(episode.silentMs, silentMs);
    // Until the other program is surely gone, the next poll may end with a 409.
    if (episode.conflict?.isOver === false) return;
    const { told } = episode;
    if (told.size > 0) logger.info(polledAgainText(told.has("deaf") ? episode.silentMs : undefined));
    this.#episode = undefined;
  }

  #heed(error: unknown): { readonly waitMs: number; readonly trouble: PollTrouble } {
    const { clock } = this.#options;
    const episode = this.#episode ??= newEpisode();
    const rival = rivalIn(error);
    if (rival !== undefined) {
      episode.conflict ??= new PollConflict(clock);
      this.#warnOnce(episode, rival, () => rivalText(rival));
      return { waitMs: episode.conflict.met(rival), trouble: rivalTrouble(rival) };
    }
    this.#failures++;
    const outcome = outcomeOf(error);
    if (outcome.kind === "wait") {
      const { retryAfterSeconds } = outcome;
      return { waitMs: retryAfterSeconds * 1000, trouble: floodTrouble(retryAfterSeconds) };
    }
    const trouble = failureTrouble(error);
    this.#warnOnce(episode, "failure", () => `${trouble.cause}. Trying again.`);
    const waitMs = Math.min(firstWaitMs * 2 ** (this.#failures - 1), longestWaitMs);
    return { waitMs: waitMs * (1 - clock.random() / 4), trouble };
  }

  #warnOnce(episode: Episode, what: Rival | "failure", text: () => string): void {
    if (episode.told.has(what)) return;
    episode.told.add(what);
    this.#options.logger.warn(text());
  }

  #tellIfDeaf(trouble: PollTrouble): void {
    const { clock, logger, watch } = this.#options;
    const episode = this.#episode;
    if (episode === undefined || watch.isHearing) return;
    const now = clock.now();
    if (Math.abs(now - episode.deafToldAt) < deafAgainMs) return;
    episode.deafToldAt = now;
    episode.told.add("deaf");
    logger.error(deafText(watch.silentMs, trouble));
  }
}

function newEpisode(): Episode {
  return { conflict: undefined, told: new Set(), deafToldAt: -Infinity, silentMs: 0 };
}
