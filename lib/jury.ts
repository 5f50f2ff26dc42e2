/**
 * Whether all chats refuse a message, or only those that happened to be first. A stranger can register chats that refuse
 * in words that nobody knows; but not make five people refuse alike who are drawn by chance from all recipients.
 */
import type { Audience } from "./audience.ts";
import type { Clock } from "./clock.ts";

/** So many refusals alike, and not one success, prove that it is the message. */
const refusalsNeeded = 5;
/** Who is gone, or waits, says nothing of the message: so many are drawn at most. */
const drawnAtMost = 15;

export class Jury {
  readonly #random: () => number;
  #state: "not called" | "sitting" | "dismissed" = "not called";
  /** Drawn, and not asked yet. */
  readonly #waiting: number[] = [];
  /** Drawn, without an answer so far. */
  readonly #drawn = new Set<number>();
  #drawnCount = 0;
  readonly #refusals = new Map<string, number>();

  constructor(clock: Clock) {
    this.#random = () => clock.random();
  }

  /** Whether it is asked in place of whoever would be next. */
  get isSitting(): boolean {
    return this.#state === "sitting";
  }

  /** How many more are to be drawn. */
  get wants(): number {
    if (!this.isSitting || this.#drawn.size > 0) return 0;
    return Math.min(refusalsNeeded - Math.max(0, ...this.#refusals.values()), drawnAtMost - this.#drawnCount);
  }

  /** How many were drawn, and are not asked yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Draws as many as are wanted among people in the window and behind it; none where there are too few for a proof. */
  choose(window: readonly number[], audience: Audience): number[] {
    const people = window.filter((chatId) => chatId > 0);
    const others = audience.draw(this.wants, this.#random);
    // Each of all recipients alike: as many from the window as is its share.
    const inWindow = people.length / Math.max(1, people.length + audience.left);
    const chosen = new Set<number>();
    while (chosen.size < this.wants && people.length + others.length > 0) {
      const from = others.length === 0 || (people.length > 0 && this.#random() < inWindow) ? people : others;
      chosen.add(from.splice(Math.floor(this.#random() * from.length), 1)[0] as number);
    }
    return [...chosen];
  }

  /** Asks them next; whoever cannot find enough for a proof goes on with everyone. */
  call(chosen: readonly number[]): void {
    if (!this.isSitting) return;
    if (chosen.length < this.wants) return this.dismiss();
    this.#drawnCount += chosen.length;
    this.#waiting.push(...chosen);
    for (const chatId of chosen) this.#drawn.add(chatId);
  }

  /** The next to be asked. */
  next(): number | undefined {
    return this.#waiting.shift();
  }

  /**
   * A chat has answered while nobody had taken the message yet; `refusal` are its words, where they are unknown ones.
   * True once the message is proved to be at fault.
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
