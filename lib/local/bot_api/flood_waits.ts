/** Floods on demand: until one ends every call is refused with 429, and each answer says how much of it is left. */
import { assertNames, namesOf } from "../../option_names.ts";
import { wrongValue } from "../wrong_value.ts";
import { tooManyRequests } from "./errors.ts";

/** How a flood goes. */
export interface BotApiFloodOptions {
  /** By how many seconds each call during the flood lengthens it, except the first, which is told of it. @default 0 */
  readonly lengthenSeconds?: number;
}

const optionNames = { known: namesOf<BotApiFloodOptions>({ lengthenSeconds: true }) };

/** A flood that was started. */
export interface BotApiFlood {
  /** How many calls it has refused. */
  readonly hits: number;
  /** When it ends, in milliseconds since 1970 by the server's clock. */
  readonly endsAtMs: number;
  /** Ends it now. */
  clear(): void;
}

interface Flood {
  readonly lengthenMs: number;
  endsAtMs: number;
  hits: number;
}

/** The floods in force in one place: a chat, or the whole bot. */
export class FloodWaits {
  #floods: Flood[] = [];

  /** @throws {RangeError} If a length is too short, or no number. */
  start(seconds: number, options: BotApiFloodOptions, now: number): BotApiFlood {
    assertNames("start the flood", options, optionNames);
    const { lengthenSeconds = 0 } = options;
    requireSeconds("retryAfterSeconds", seconds, 1);
    requireSeconds("lengthenSeconds", lengthenSeconds, 0);
    const flood: Flood = { lengthenMs: lengthenSeconds * 1000, endsAtMs: now + seconds * 1000, hits: 0 };
    this.#floods.push(flood);
    return {
      get hits(): number {
        return flood.hits;
      },
      get endsAtMs(): number {
        return flood.endsAtMs;
      },
      clear: () => this.#keep((other) => other !== flood),
    };
  }

  /** @throws {ApiError} 429 with what is left of the longest flood, if there is any. */
  pass(now: number): void {
    if (this.#floods.length === 0) return;
    this.#keep(({ endsAtMs }) => endsAtMs > now);
    for (const flood of this.#floods) {
      if (flood.hits > 0) flood.endsAtMs += flood.lengthenMs;
      flood.hits += 1;
    }
    const end = this.#floods.reduce((latest, { endsAtMs }) => Math.max(latest, endsAtMs), 0);
    if (end > now) throw tooManyRequests(Math.ceil((end - now) / 1000));
  }

  #keep(condition: (flood: Flood) => boolean): void {
    this.#floods = this.#floods.filter(condition);
  }
}

function requireSeconds(name: string, seconds: number, least: number): void {
  if (Number.isFinite(seconds) && seconds >= least) return;
  const rule = `a number of seconds, at least ${least}`;
  throw new RangeError(wrongValue("start the flood", name, rule, seconds));
}
