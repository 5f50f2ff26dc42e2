/** Telegram's answer to the same upload over and over: files of one size have to wait for each other. */
import type { Clock } from "../../clock.ts";
import { tooManyRequests } from "./errors.ts";
import type { Form } from "./form.ts";

/** Up to here, all files of a call together, uploads are free. */
const freeBytes = 100_000;
const secondsAByte = 1e-7;
const [leastMs, mostMs] = [200, 900];
/** What may come at once after a rest, in time; and the longest queue. */
const restMs = 1000;
const longestWaitMs = 5000;
const retryAfterSeconds = 60;

/**
 * As Telegram's own Bot API server does it: uploads are told apart by their size alone, and each of a size delays the
 * next. A photo of 150 KB that is uploaded again for every chat goes out to five chats a second, and no faster.
 */
export class UploadGate {
  readonly #clock: Clock;
  /** When the latest of each size was let through, or will be. */
  readonly #latestMs = new Map<number, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Waits for the call's turn, if it uploads anything large.
   * @throws {ApiError} 429, if too many wait already.
   */
  async pass(files: Form["files"], signal: AbortSignal): Promise<void> {
    const total = [...files.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (total <= freeBytes) return;
    const waitMs = this.#take(total, this.#clock.now());
    if (waitMs > 0) await this.#clock.sleep(waitMs, signal);
  }

  #take(bytes: number, now: number): number {
    const latest = this.#latestMs.get(bytes) ?? 0;
    if (latest > now + longestWaitMs) throw tooManyRequests(retryAfterSeconds);
    const delayMs = Math.min(mostMs, Math.max(leastMs, bytes * secondsAByte * 1000));
    const turn = Math.max(latest + delayMs, now - restMs);
    this.#latestMs.set(bytes, turn);
    return turn - now;
  }
}
