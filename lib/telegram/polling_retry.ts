/** A 409: another program takes the bot's updates, by polls with its token or by a webhook. */
import { type Clock, monotonic, sleepInNaps, steady, toIso } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import { proxyHint } from "../util/http/proxy.ts";
import type { Logger } from "../util/log.ts";
import { isTokenRefused, tokenRefused } from "./errors.ts";
import { outcomeOf } from "./outcome.ts";

/** What takes the updates. */
export type Rival = "poller" | "webhook";

/** A rolling deployment has two pollers for a while. */
const deploymentMs = 60_000;
const [againMs, longestAgainMs] = [3000, 30_000];
/** Longer than a long poll: after so long without a 409 the other poller is gone. */
const undisturbedMs = 40_000;

/** `undefined` where the error is no 409. Unknown words are taken for the more frequent cause. */
export function rivalIn(error: unknown): Rival | undefined {
  const { error_code, description } = (error ?? {}) as { error_code?: unknown; description?: unknown };
  if (error_code !== 409) return undefined;
  return /webhook is active|setWebhook/.test(String(description)) ? "webhook" : "poller";
}

/** One conflict, from its first 409 until the other is gone. */
export class PollConflict {
  readonly #clock: Clock;
  readonly #now: () => number;
  readonly #startedAt: number;
  #rival: Rival = "poller";
  #slowWaits = 0;
  #undisturbedFrom = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#now = steady(clock);
    this.#startedAt = this.#now();
  }

  get rival(): Rival {
    return this.#rival;
  }

  /**
   * Notes another 409. Gives how long to wait before the next poll, in milliseconds. Each poll ends the one of the other
   * program, which then polls again, too. The waits grow, and are partly random, so that the two get out of step.
   */
  met(rival: Rival): number {
    const now = this.#now();
    this.#rival = rival;
    const waitMs = now - this.#startedAt < deploymentMs ? againMs : this.#slowWaitMs();
    this.#undisturbedFrom = now + waitMs;
    return waitMs;
  }

  /**
   * Whether an answer that comes now shows that the other program is gone. One answer does not show that of a poller, as
   * two pollers get answers in turns. Beside a webhook no poll is answered, so that one answer is enough.
   */
  get isOver(): boolean {
    return this.#rival === "webhook" || this.#now() - this.#undisturbedFrom > undisturbedMs;
  }

  #slowWaitMs(): number {
    const waitMs = Math.min(againMs * 2 ** ++this.#slowWaits, longestAgainMs);
    return waitMs * (1 - this.#clock.random() / 4);
  }
}

// The log's texts on polls that fail: at the beginning, after a long while, and at the end. Pure.

/** Why polls fail, and what ends that. */
export interface PollTrouble {
  /** Without a full stop. */
  readonly cause: string;
  /** In sentences. */
  readonly fix: string;
}

const rivals: { readonly [rival in Rival]: PollTrouble & { readonly meaning: string } } = {
  poller: {
    cause: "Another program polls with this bot's token",
    meaning: "it gets what chats write, so commands, /stop among them, may not be heard here",
    fix: "Stop the other program, or give it a bot of its own; a rolling deployment ends it by itself.",
  },
  webhook: {
    cause: "Another program has set a webhook for this bot",
    meaning: "Telegram sends all updates there, so no command, and no /stop, is heard here",
    fix:
      "Remove it with deleteWebhook (`bot.grammy.api.deleteWebhook()`), or start this bot anew, which does so.",
  },
};

/** Said once of each. */
export function rivalText(rival: Rival): string {
  const { cause, meaning, fix } = rivals[rival];
  return `${cause}: ${meaning}; signals are still sent. ${fix} The bot tries on.`;
}

export function rivalTrouble(rival: Rival): PollTrouble {
  return rivals[rival];
}

export function floodTrouble(seconds: number): PollTrouble {
  return { cause: `Telegram asks this bot to wait for ${spanText(seconds * 1000)}`, fix: "The bot does so." };
}

export function failureTrouble(error: unknown): PollTrouble {
  return {
    cause: `Telegram cannot be polled: ${messageOf(error).replace(/[.!]$/, "")}`,
    fix: `Check the network, ${proxyHint()}and TELEGRAM_API_ROOT if it is set.`,
  };
}

/** Said where polls have failed for long. */
export function deafText(silentMs: number, { cause, fix }: PollTrouble): string {
  return `Commands have not been heard for ${
    spanText(silentMs)
  }: /stop is not heard, signals are still sent. ` +
    `${cause}. ${fix}`;
}

/** Said when it is over; `deafMs` is how long nothing was heard, where that was long. */
export function polledAgainText(deafMs: number | undefined): string {
  const deaf = deafMs === undefined ? "." : `: commands are heard again, after ${spanText(deafMs)}.`;
  return `Telegram is polled again${deaf}`;
}

const units = [[3_600_000, "hour"], [60_000, "minute"], [1000, "second"]] as const;

/** `3 minutes`: in whole ones of the largest unit of which there are two, or in seconds. */
function spanText(ms: number): string {
  const [unitMs, unit] = units.find(([unitMs]) => ms >= 2 * unitMs) ?? units[2];
  const count = Math.max(1, Math.floor(ms / unitMs));
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

// Remembers when Telegram last answered a poll; from that the bot's health says whether commands are heard.

/** Six long polls, or three that hang until the client gives them up. */
const deafAfterMs = 180_000;

export class PollMonitor {
  readonly #clock: Clock;
  /** Monotonic: a clock that is set back must not hide a silence. */
  readonly #now: () => number;
  /** Of the last answer, or of the beginning. */
  #since: number | undefined;
  #lastHeardAt: string | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#now = monotonic(clock);
  }

  /** Whether it polls, and the last answer came no more than three minutes ago. */
  get isHearing(): boolean {
    return this.#since !== undefined && this.silentMs <= deafAfterMs;
  }

  /** When a poll was answered last, as ISO 8601. */
  get lastHeardAt(): string | undefined {
    return this.#lastHeardAt;
  }

  /** Since the last answer, or since the beginning. */
  get silentMs(): number {
    const now = this.#now();
    return now - (this.#since ?? now);
  }

  /** Polling begins: it has three minutes for its first answer. */
  begin(): void {
    this.#since = this.#now();
  }

  /** A poll was answered. Gives how long none was before, in milliseconds. */
  answered(): number {
    const { silentMs } = this;
    this.#since = this.#now();
    this.#lastHeardAt = toIso(this.#clock.now());
    return silentMs;
  }
}

// What follows a poll that has failed: how long to wait for the next, and what the log says meanwhile.

export interface PollRetryOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly watch: PollMonitor;
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
