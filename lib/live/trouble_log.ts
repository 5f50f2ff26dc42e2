/**
 * Logs what fails again and again: once when it begins, and once when it is over. What comes and goes is logged more and
 * more rarely: the next time after five minutes at the earliest, then after ten, and so on, up to an hour.
 */
import type { Clock } from "../util/clock.ts";
import { BoundedMap, BoundedSet } from "../util/collections.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";

/** So many different reasons of one thing are logged before it counts as one that comes and goes. */
const reasonsAtOnce = 3;
const [firstQuietMs, longestQuietMs] = [300_000, 3_600_000];
const rememberedAtMost = 1000;

export interface TroubleLogOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  /** What is logged when nothing fails any more. @param failures How many there were. */
  readonly overText: (failures: number) => string;
  /** What has failed works again once it has succeeded so often in a row. Default: 1. */
  readonly calmAfter?: number;
}

/** Something that fails at present. */
interface Failing {
  readonly reason: string;
  /** In a row since it has failed last. */
  successes: number;
}

/** Several things that may fail for the same reason, such as the symbols of an exchange that is down. */
export class TroubleLog {
  readonly #options: TroubleLogOptions;
  readonly #failing = new Map<string, Failing>();
  /** The kinds of reasons that were logged since all was well. */
  #logged = new BoundedSet<string>(rememberedAtMost);
  /** Since all was well. */
  #failures = 0;
  readonly #kinds = new QuietTimes(1);
  readonly #things = new QuietTimes(reasonsAtOnce);

  constructor(options: TroubleLogOptions) {
    this.#options = options;
  }

  /** @param text Logged, if nothing else fails for this reason, and it was not logged a while ago. */
  failed(what: string, reason: string, text: string): void {
    const { logger, clock } = this.#options;
    this.#failing.set(what, { reason, successes: 0 });
    this.#failures++;
    const kind = kindOf(reason);
    const now = clock.now();
    if (this.#logged.has(kind) || this.#kinds.isQuiet(kind, now) || this.#things.isQuiet(what, now)) return;
    this.#logged.add(kind);
    this.#kinds.note(kind, now);
    this.#things.note(what, now);
    logger.error(text);
  }

  /** Why it fails at present; `undefined` where it does not. */
  reasonOf(what: string): string | undefined {
    return this.#failing.get(what)?.reason;
  }

  /** What fails at present, and why. */
  get failing(): readonly (readonly [what: string, reason: string])[] {
    return [...this.#failing].map(([what, { reason }]) => [what, reason]);
  }

  succeeded(what: string): void {
    if (this.#failing.size === 0 && this.#logged.size === 0) return;
    const { logger, overText, calmAfter = 1 } = this.#options;
    const failing = this.#failing.get(what);
    if (failing !== undefined && ++failing.successes < calmAfter) return;
    this.#failing.delete(what);
    if (this.#failing.size > 0) return;
    const [failures, isLogged] = [this.#failures, this.#logged.size > 0];
    this.#failures = 0;
    if (!isLogged) return;
    this.#logged = new BoundedSet(rememberedAtMost);
    logger.info(overText(failures));
  }

  /** It is given up: whether the trouble is over is not known by that. */
  givenUp(what: string): void {
    this.#failing.delete(what);
  }
}

const longestReason = 500;

/** The message of what was thrown, without its full stop, and not too long for a line. */
export function reasonOf(error: unknown): string {
  const message = messageOf(error).replace(/\.$/, "");
  return message.length <= longestReason ? message : `${message.slice(0, longestReason)}…`;
}

/** As a sentence that others stand behind. */
export function sentenceOf(reason: string): string {
  return /[.!?]$/.test(reason) ? reason : `${reason}.`;
}

const longestKind = 200;

/** A price, a time or a request's id in it changes from candle to candle; a status such as 503 does not. */
function kindOf(reason: string): string {
  const isChanging = (word: string): boolean => /\d/.test(word) && !/^\d{1,3}$/.test(word);
  return reason.slice(0, longestKind).replace(/[\w.-]+/g, (word) => isChanging(word) ? "#" : word);
}

/** Until when each of several keys is not logged again. Times are in milliseconds since 1970. */
class QuietTimes {
  readonly #free: number;
  readonly #noted = new BoundedMap<string, { readonly count: number; readonly until: number }>(
    rememberedAtMost,
  );

  /** @param free After so many lines it becomes quiet. */
  constructor(free: number) {
    this.#free = free;
  }

  isQuiet(key: string, now: number): boolean {
    const until = this.#noted.get(key)?.until ?? -Infinity;
    // A clock that was put back keeps nothing quiet.
    return now < until && until - now <= longestQuietMs;
  }

  /** A line was logged. */
  note(key: string, now: number): void {
    const before = this.#noted.get(key);
    const count = before !== undefined && now < before.until + longestQuietMs ? before.count + 1 : 1;
    const quietMs = count < this.#free
      ? 0
      : Math.min(longestQuietMs, firstQuietMs * 2 ** (count - this.#free));
    this.#noted.set(key, { count, until: now + quietMs });
  }
}
