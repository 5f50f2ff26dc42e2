/**
 * The chats of a run whose messages wait for something of their own: a flood of the chat's, a late `authorize`. Most of
 * them surely do not have the message, as Telegram has refused it or nothing has left. A checkpoint sets these aside: the
 * ledger has them as `unsent`, and writes them ahead again before their message leaves.
 */

/** What a delivery tells of itself. */
export interface DeliveryHooks {
  /** The message no longer waits for the bot's pace: it goes out. */
  onPassed(): void;
  /** It waits for its own chat. @param mayHaveIt Whether the chat may have it, or a part of it, already. */
  onHeld(mayHaveIt: boolean): void;
  /** Asked right before it leaves: what is to be waited for, as the ledger does not have the chat ahead. */
  writtenAhead(): Promise<void> | undefined;
}

/** Chats whose wait ends within this time are written ahead with those that have their turn. */
const soonMs = 3000;

/** How a checkpoint writes the held chats that surely do not have the message. */
export interface HeldSplit {
  /** To be written ahead. */
  readonly ahead: readonly number[];
  readonly unsent: readonly number[];
}

export class HeldChats {
  /** In the order in which they began to wait. */
  readonly #held = new Set<number>();
  /** Those of them that surely do not have the message. */
  readonly #unsent = new Set<number>();
  /** Those that the ledger has as unsent. */
  #setAside: ReadonlySet<number> = new Set();
  /** Those of these whose turn has come, and what goes on with them. */
  readonly #asking = new Map<number, () => void>();
  /** Those that the ledger has ahead since they asked, and that are about to be sent to: none of them is set aside again. */
  readonly #granted = new Set<number>();
  readonly #holdMs: (chatId: number) => number;

  /** @param holdMs For how long the chat is not to be written to. */
  constructor(holdMs: (chatId: number) => number) {
    this.#holdMs = holdMs;
  }

  get chats(): ReadonlySet<number> {
    return this.#held;
  }

  /** How many surely do not have the message, without those that are about to be sent to. */
  get unsent(): number {
    return this.#unsent.size - this.#granted.size;
  }

  /** Whether the turn of a chat has come that is set aside. */
  get isAsking(): boolean {
    return this.#asking.size > 0;
  }

  hold(chatId: number, mayHaveIt: boolean): void {
    this.#held.add(chatId);
    this.#granted.delete(chatId);
    if (mayHaveIt) this.#unsent.delete(chatId);
    else this.#unsent.add(chatId);
  }

  /** The chat waits no longer. */
  pass(chatId: number): void {
    this.#held.delete(chatId);
    this.#unsent.delete(chatId);
    this.#granted.delete(chatId);
  }

  /**
   * To be asked right before a message leaves: where its chat is set aside, it is to be held until the promise resolves, as
   * the ledger has it ahead or the run has ended.
   */
  writtenAhead(chatId: number): Promise<void> | undefined {
    if (!this.#setAside.has(chatId)) return undefined;
    return new Promise((resolve) => this.#asking.set(chatId, resolve));
  }

  /** Sets all but those aside that come next, at most `room`; from now on none that is set aside is sent to. */
  split(room: number): HeldSplit {
    const waiting = [...this.#unsent].filter((chatId) => !this.#granted.has(chatId));
    const isSoon = (chatId: number): boolean => !this.#asking.has(chatId) && this.#holdMs(chatId) <= soonMs;
    const next = [...this.#asking.keys(), ...waiting.filter(isSoon)];
    const ahead = next.slice(0, Math.max(0, room));
    const unsent = new Set(waiting);
    for (const chatId of ahead) unsent.delete(chatId);
    this.#setAside = new Set([...this.#setAside, ...unsent]);
    return { ahead, unsent: [...unsent] };
  }

  /** The ledger has them so. */
  written({ unsent }: HeldSplit): void {
    this.#setAside = new Set(unsent);
    for (const [chatId, resolve] of this.#asking) {
      if (this.#setAside.has(chatId)) continue;
      this.#asking.delete(chatId);
      if (this.#unsent.has(chatId)) this.#granted.add(chatId);
      resolve();
    }
  }

  /** The run has ended. */
  end(): void {
    for (const resolve of this.#asking.values()) resolve();
    this.#asking.clear();
  }
}
