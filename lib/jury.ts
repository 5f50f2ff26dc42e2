/**
 * Decides whether all chats refuse a message, or only those that happened to come first. A stranger can register chats that
 * refuse in unknown words, but cannot make five people refuse alike who are drawn at random from all recipients.
 */
/** Equal refusals that prove the message to be at fault, as long as no chat has taken it. */
const refusalsNeeded = 5;
/** People drawn at most: one who is gone, or has to be waited for, says nothing of the message. */
const drawnAtMost = 15;

export class Jury {
  #state: "not called" | "sitting" | "dismissed" = "not called";
  /** People who were drawn, and not written to yet. */
  readonly #waiting: number[] = [];
  /** People who were drawn, and from whom no answer has come yet. */
  readonly #drawn = new Set<number>();
  #drawnCount = 0;
  readonly #refusals = new Map<string, number>();

  /** Whether only people who were drawn are written to at present. */
  get isSitting(): boolean {
    return this.#state === "sitting";
  }

  /** How many more are to be drawn. */
  get wants(): number {
    if (!this.isSitting || this.#drawn.size > 0) return 0;
    return Math.min(refusalsNeeded - Math.max(0, ...this.#refusals.values()), drawnAtMost - this.#drawnCount);
  }

  /** How many people were drawn, and are not written to yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Has these people written to next. Where they are too few for a proof, the broadcast goes on in its order. */
  call(chosen: readonly number[]): void {
    if (!this.isSitting) return;
    this.#drawnCount += chosen.length;
    this.#waiting.push(...chosen);
    for (const chatId of chosen) this.#drawn.add(chatId);
  }

  /** The next person to write to. */
  next(): number | undefined {
    return this.#waiting.shift();
  }

  /**
   * Notes the answer of a chat, where no chat has taken the message so far; `refusal` is its words, if they are unknown
   * ones. True once the message is proved to be at fault.
   */
  hear(chatId: number, refusal: string | undefined): boolean {
    const wasDrawn = this.#drawn.delete(chatId);
    if (this.#state === "dismissed") return false;
    if (refusal !== undefined && this.#state === "not called") this.#state = "sitting";
    if (refusal === undefined || !wasDrawn) {
      if (this.isSitting && this.#drawn.size === 0 && this.wants <= 0) this.dismiss();
      return false;
    }
    const refusals = (this.#refusals.get(refusal) ?? 0) + 1;
    this.#refusals.set(refusal, refusals);
    if (this.#drawn.size === 0 && this.wants <= 0 && refusals < refusalsNeeded) this.dismiss();
    return refusals >= refusalsNeeded;
  }

  /** Somebody has taken the message, or nothing can be proved. */
  dismiss(): void {
    this.#state = "dismissed";
  }
}
