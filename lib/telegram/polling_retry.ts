/** What follows a poll that fails: how long to wait for the next one, and what the log says meanwhile. */
import { backoffMs } from "../util/async.ts";
import { type Clock, monotonic, sleepInNaps, steady, toIso } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import { proxyHint } from "../util/http/proxy.ts";
import type { Logger } from "../util/log.ts";
import { isTokenRefused, tokenRefused } from "./errors.ts";
import { outcomeOf } from "./outcome.ts";

/** Six long polls, or three that hang until the client gives them up. */
const silentAfterMs = 180_000;

/** Remembers when Telegram last answered a poll; from that the bot's health says whether commands are heard. */
export class PollMonitor {
  readonly #clock: Clock;
  /** Monotonic: a clock that is set back must not hide a silence. */
  readonly #now: () => number;
  /** When the last answer came, or polling began. */
  #since: number | undefined;
  #lastHeardAt: string | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#now = monotonic(clock);
  }

  /** Whether it polls, and the last answer came no more than three minutes ago. */
  get isHearing(): boolean {
    return this.#since !== undefined && this.silentMs <= silentAfterMs;
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

/** What else takes the bot's updates, so that Telegram answers a poll with a 409. */
type OtherReceiver = "poller" | "webhook";

/** A rolling deployment has two pollers for a while. */
const deploymentMs = 60_000;
const conflictBackoff = { firstMs: 3000, longestMs: 30_000, jitter: 0.25 };
/** Longer than a long poll: after so long without a 409 the other poller is gone. */
const undisturbedMs = 40_000;

/** `undefined` where the error is no 409. Unknown words are taken for the more frequent cause. */
function otherReceiverIn(error: unknown): OtherReceiver | undefined {
  const { error_code, description } = (error ?? {}) as { error_code?: unknown; description?: unknown };
  if (error_code !== 409) return undefined;
  return /webhook is active|setWebhook/.test(String(description)) ? "webhook" : "poller";
}

/** A conflict with another program, from its first 409 until that program is gone. */
class PollConflict {
  readonly #clock: Clock;
  readonly #now: () => number;
  readonly #startedAt: number;
  #receiver: OtherReceiver = "poller";
  #slowWaits = 0;
  #undisturbedFrom = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#now = steady(clock);
    this.#startedAt = this.#now();
  }

  /**
   * Notes another 409. Gives how long to wait before the next poll, in milliseconds. Each poll ends the one of the other
   * program, which then polls again, too. The waits grow, and are partly random, so that the two get out of step.
   */
  met(receiver: OtherReceiver): number {
    const now = this.#now();
    this.#receiver = receiver;
    const waitMs = now - this.#startedAt < deploymentMs ? conflictBackoff.firstMs : this.#slowWaitMs();
    this.#undisturbedFrom = now + waitMs;
    return waitMs;
  }

  /**
   * Whether an answer that comes now shows that the other program is gone. One answer does not show that of a poller, as
   * two pollers get answers in turns. Beside a webhook no poll is answered, so that one answer is enough.
   */
  get isOver(): boolean {
    return this.#receiver === "webhook" || this.#now() - this.#undisturbedFrom > undisturbedMs;
  }

  #slowWaitMs(): number {
    return backoffMs(++this.#slowWaits, conflictBackoff, this.#clock.random());
  }
}

/** Why polls fail, and what ends that: parts of the log's texts. */
interface PollTrouble {
  /** Without a full stop. */
  readonly cause: string;
  /** In sentences. */
  readonly fix: string;
}

const conflicts: { readonly [receiver in OtherReceiver]: PollTrouble & { readonly meaning: string } } = {
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
function conflictText(receiver: OtherReceiver): string {
  const { cause, meaning, fix } = conflicts[receiver];
  return `${cause}: ${meaning}; signals are still sent. ${fix} The bot tries on.`;
}

function floodTrouble(seconds: number): PollTrouble {
  return { cause: `Telegram asks this bot to wait for ${spanText(seconds * 1000)}`, fix: "The bot does so." };
}

function failureTrouble(error: unknown): PollTrouble {
  return {
    cause: `Telegram cannot be polled: ${messageOf(error).replace(/[.!]$/, "")}`,
    fix: `Check the network, ${proxyHint()}and TELEGRAM_API_ROOT if it is set.`,
  };
}

/** Said where polls have failed for long. */
function silenceText(silentMs: number, { cause, fix }: PollTrouble): string {
  const duration = spanText(silentMs);
  return `Commands have not been heard for ${duration}: /stop is not heard, signals are still sent. ${cause}. ${fix}`;
}

/** Said when it is over; `silentMs` is how long nothing was heard, where that was long. */
function polledAgainText(silentMs: number | undefined): string {
  if (silentMs === undefined) return "Telegram is polled again.";
  return `Telegram is polled again: commands are heard again, after ${spanText(silentMs)}.`;
}

const units = [[3_600_000, "hour"], [60_000, "minute"], [1000, "second"]] as const;

/** `3 minutes`: in whole ones of the largest unit of which there are two, or in seconds. */
function spanText(ms: number): string {
  const [unitMs, unit] = units.find(([unitMs]) => ms >= 2 * unitMs) ?? units[2];
  const count = Math.max(1, Math.floor(ms / unitMs));
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

export interface PollRetryOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly watch: PollMonitor;
  /** Ends the waits. */
  readonly signal: AbortSignal;
}

const failureBackoff = { firstMs: 1000, longestMs: 30_000, jitter: 0.25 };
/** How often the log repeats that nothing is heard. */
const silenceAgainMs = 3_600_000;

/** From the first poll that fails until polls are answered again. */
interface Episode {
  conflict: PollConflict | undefined;
  readonly logged: Set<OtherReceiver | "failure" | "silence">;
  /** When the silence was logged last. */
  silenceLoggedAt: number;
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
    const { waitMs, trouble } = this.#waitFor(error);
    // A flood may last for hours: meanwhile the log says that nothing is heard.
    await sleepInNaps(clock, waitMs, { signal, onNap: () => this.#logSilence(trouble) }).catch(() => {});
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
    const { logged } = episode;
    if (logged.size > 0) logger.info(polledAgainText(logged.has("silence") ? episode.silentMs : undefined));
    this.#episode = undefined;
  }

  #waitFor(error: unknown): { readonly waitMs: number; readonly trouble: PollTrouble } {
    const { clock } = this.#options;
    const episode = this.#episode ??= newEpisode();
    const receiver = otherReceiverIn(error);
    if (receiver !== undefined) {
      episode.conflict ??= new PollConflict(clock);
      this.#warnOnce(episode, receiver, () => conflictText(receiver));
      return { waitMs: episode.conflict.met(receiver), trouble: conflicts[receiver] };
    }
    const failures = this.#failures++;
    const outcome = outcomeOf(error);
    if (outcome.kind === "rateLimited") {
      const { retryAfterSeconds } = outcome;
      return { waitMs: retryAfterSeconds * 1000, trouble: floodTrouble(retryAfterSeconds) };
    }
    const trouble = failureTrouble(error);
    this.#warnOnce(episode, "failure", () => `${trouble.cause}. Trying again.`);
    return { waitMs: backoffMs(failures, failureBackoff, clock.random()), trouble };
  }

  #warnOnce(episode: Episode, what: OtherReceiver | "failure", text: () => string): void {
    if (episode.logged.has(what)) return;
    episode.logged.add(what);
    this.#options.logger.warn(text());
  }

  #logSilence(trouble: PollTrouble): void {
    const { clock, logger, watch } = this.#options;
    const episode = this.#episode;
    if (episode === undefined || watch.isHearing) return;
    const now = clock.now();
    if (Math.abs(now - episode.silenceLoggedAt) < silenceAgainMs) return;
    episode.silenceLoggedAt = now;
    episode.logged.add("silence");
    logger.error(silenceText(watch.silentMs, trouble));
  }
}

function newEpisode(): Episode {
  return { conflict: undefined, logged: new Set(), silenceLoggedAt: -Infinity, silentMs: 0 };
}
