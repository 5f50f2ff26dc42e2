/** Logs what fails again and again: once when it begins, and once when it is over. */
import type { Logger } from "../util/log.ts";

/** Several things that may fail for the same reason, such as the symbols of an exchange that is down. */
export class TroubleLog {
  readonly #logger: Logger;
  readonly #overText: string;
  /** Why each of them fails at present. */
  readonly #reasons = new Map<string, string>();
  /** The reasons that were logged since all was well. */
  readonly #logged = new Set<string>();

  /** @param overText What is logged when nothing fails any more. */
  constructor(logger: Logger, overText: string) {
    this.#logger = logger;
    this.#overText = overText;
  }

  /** @param text Logged, if nothing else fails for this reason. */
  failed(what: string, reason: string, text: string): void {
    this.#reasons.set(what, reason);
    // A price in it changes from candle to candle.
    const kind = reason.replace(/\d+(\.\d+)?/g, "#");
    if (this.#logged.has(kind)) return;
    this.#logged.add(kind);
    this.#logger.error(text);
  }

  /** Why it fails at present; `undefined` where it does not. */
  reasonOf(what: string): string | undefined {
    return this.#reasons.get(what);
  }

  succeeded(what: string): void {
    if (!this.#reasons.delete(what) || this.#reasons.size > 0) return;
    this.#logged.clear();
    this.#logger.info(this.#overText);
  }
}
