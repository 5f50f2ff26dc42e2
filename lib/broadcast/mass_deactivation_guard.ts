/**
 * A guard against deactivating all chats by mistake. Few of the chats that have talked to the bot are gone between two
 * broadcasts. Where most of the first people are gone at once, the bot is more likely the wrong one: the table is
 * another bot's, or the token is of a new bot that nobody has started yet.
 */

/** A chat that Telegram calls gone, or does not find, and what to write of it once that is believed. */
export interface GoneChat {
  readonly chatId: number;
  /** Whether the chat was never opened with this bot: "bot can't initiate conversation with a user". */
  readonly isUnopened: boolean;
  /** Writes that the chat is gone. */
  readonly write: () => Promise<void>;
  /** Counts it as failed in place of deactivated. */
  readonly revoke: () => unknown;
}

/** How many people's answers are awaited before any chat is deactivated. */
const peopleLookedAt = 50;
/** Fewer than these prove nothing: a small list may well have lost most of its people. */
const [goneAtLeast, unopenedAtLeast] = [10, 3];

export interface MassDeactivationGuardOptions {
  /** How many people the broadcast is meant for. */
  readonly people: () => number;
  /** How many of them have been there before the first one was gone. */
  readonly present?: number;
  /** Ends the broadcast, for this reason. */
  readonly halt: (reason: string) => void;
  /** Believes at once of every chat that it is gone. */
  readonly isOff?: boolean;
}

export class MassDeactivationGuard {
  readonly #options: MassDeactivationGuardOptions;
  readonly #gone: GoneChat[] = [];
  #looked: number;
  #goneCount = 0;
  #unopenedCount = 0;
  #verdict: "open" | "believed" | "halted" = "open";
  #written: Promise<unknown> = Promise.resolve();

  constructor(options: MassDeactivationGuardOptions) {
    const { present = 0, isOff = false } = options;
    this.#options = options;
    this.#looked = present;
    if (isOff || this.#hasLookedAtAll) this.#verdict = "believed";
  }

  /** Notes a chat whose answer does not say that it is gone. */
  notePresent(chatId: number): void {
    if (chatId > 0 && this.#verdict === "open") this.#look();
  }

  /** Whether to believe that the chat is gone: now, never, or `later`, when it is written or revoked from here. */
  noteGone(chat: GoneChat): "believed" | "halted" | "later" {
    if (this.#verdict === "open" && chat.chatId > 0) {
      this.#goneCount++;
      if (chat.isUnopened) this.#unopenedCount++;
      this.#look();
    }
    if (this.#verdict !== "open") return this.#verdict;
    this.#gone.push(chat);
    return "later";
  }

  /** The broadcast has ended: decides on what was noted, and resolves when that is written. */
  async close(): Promise<void> {
    if (this.#verdict === "open") this.#decide();
    await this.#written;
  }

  #look(): void {
    this.#looked++;
    if (this.#hasLookedAtAll) this.#decide();
  }

  get #hasLookedAtAll(): boolean {
    return this.#looked > 0 && this.#looked >= Math.min(peopleLookedAt, this.#options.people());
  }

  #decide(): void {
    const areMostGone = this.#goneCount > this.#looked / 2 &&
      (this.#goneCount >= goneAtLeast || this.#unopenedCount >= unopenedAtLeast);
    this.#verdict = areMostGone ? "halted" : "believed";
    if (!areMostGone) {
      this.#written = Promise.all(this.#gone.splice(0).map(({ write }) => write()));
      return;
    }
    for (const { revoke } of this.#gone) revoke();
    this.#options.halt(
      `of the first ${this.#looked} people ${this.#goneCount} cannot be reached by this bot any more, which is no ` +
        `accident: the table is another bot's (check TELEGRAM_CHATS_TABLE), or the token is of a new bot that nobody ` +
        `has started yet. Nobody was deactivated. If they are gone in truth, send it with massDeactivation: "proceed"`,
    );
  }
}
