/** Finds out, by a random sample of the recipients, whether a refusal concerns one chat or the message. */
import type { RecipientQueue } from "./send_order.ts";

/** Equal refusals that prove the message to be at fault, as long as no chat has taken it. */
const refusalsNeeded = 5;
/** People drawn at most: one who is gone, or has to be waited for, says nothing of the message. */
const drawnAtMost = 15;

/**
 * Begins with the first refusal that Telegram gives in an unknown description before any chat has taken the message. A
 * stranger can register chats that refuse so, but cannot make five people refuse alike who are drawn at random from all
 * recipients.
 */
export class RefusalSampling {
  #isOpen = true;
  /** People who were drawn, and not written to yet. */
  readonly #waiting: number[] = [];
  /** People who were drawn, and whose answers have not come yet. */
  readonly #drawn = new Set<number>();
  #drawnCount = 0;
  /** How many people have refused with each description. */
  readonly #refusals = new Map<string, number>();

  /** Whether only people who were drawn are written to at present. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** How many more people are to be drawn now. */
  get wants(): number {
    return this.#isOpen && this.#drawn.size === 0 ? Math.max(0, this.#missing) : 0;
  }

  /** People who were drawn, and are not written to yet. */
  get waiting(): readonly number[] {
    return this.#waiting;
  }

  /** Has these people written to next; they have lost their turn, and so also where the poll has ended meanwhile. */
  draw(chosen: readonly number[]): void {
    this.#waiting.push(...chosen);
    if (!this.#isOpen) return;
    this.#drawnCount += chosen.length;
    for (const chatId of chosen) this.#drawn.add(chatId);
  }

  /** The next person to write to. */
  next(): number | undefined {
    return this.#waiting.shift();
  }

  /**
   * Notes the answer of a chat while no chat has taken the message; `refusal` is its description if that is unknown. True
   * once the message is proved to be at fault.
   */
  note(chatId: number, refusal: string | undefined): boolean {
    const wasDrawn = this.#drawn.delete(chatId);
    if (!this.#isOpen) return false;
    const count = refusal === undefined || !wasDrawn ? 0 : (this.#refusals.get(refusal) ?? 0) + 1;
    if (refusal !== undefined && wasDrawn) this.#refusals.set(refusal, count);
    const isProved = count >= refusalsNeeded;
    if (!isProved && this.#drawn.size === 0 && this.#missing <= 0) this.close();
    return isProved;
  }

  /** Ends the poll: somebody has taken the message, or nothing can be proved. */
  close(): void {
    this.#isOpen = false;
  }

  /** How many people would have to be drawn for a proof, within the limit. */
  get #missing(): number {
    return Math.min(refusalsNeeded - Math.max(0, ...this.#refusals.values()), drawnAtMost - this.#drawnCount);
  }
}

/**
 * Draws people among those of the window and those behind it, each with the same chance, as a stranger may have chosen who
 * comes next in the order; fewer where there are not so many. `random` gives numbers in [0, 1).
 */
export function drawPeople(
  count: number,
  { window, queue, random }: {
    /** Recipients of the present window that are not begun with. */
    readonly window: readonly number[];
    readonly queue: RecipientQueue;
    readonly random: () => number;
  },
): number[] {
  const people = window.filter((chatId) => chatId > 0);
  const others = queue.draw(count, random);
  const inWindow = people.length / Math.max(1, people.length + queue.peopleAhead);
  const drawn = new Set<number>();
  while (drawn.size < count && people.length + others.length > 0) {
    const from = others.length === 0 || (people.length > 0 && random() < inWindow) ? people : others;
    drawn.add(from.splice(Math.floor(random() * from.length), 1)[0] as number);
  }
  return [...drawn];
}

/** The part of all people on the list from whom `drawPeople` draws; 0 where at most one is left. */
export function partToDrawFrom(
  { window, queue }: { readonly window: readonly number[]; readonly queue: RecipientQueue },
): number {
  const people = window.filter((chatId) => chatId > 0).length + queue.peopleAhead;
  return people <= 1 ? 0 : people / Math.max(people, queue.people);
}
