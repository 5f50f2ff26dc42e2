/** What Telegram has for a bot: messages, until they are confirmed. */
import { chatIdAt } from "./chat_ids.ts";

/** Telegram's own limit. */
const updatesAtMost = 100;
const firstUpdateId = 800_000_001;
const firstDate = Date.UTC(2026, 10, 20) / 1000;

export class UpdateQueue {
  #next = firstUpdateId;
  #waiting: string[] = [];
  #firstWaiting = firstUpdateId;
  #onNews: (() => void) | undefined;
  /** When the first of those that were added last went out. */
  handedOutAt: number | undefined;

  /** A message of each chat, in this order. */
  add(chatIds: readonly number[]): void {
    this.#waiting.push(...chatIds.map((chatId) => JSON.stringify(messageOf(chatId, this.#next++))));
    this.handedOutAt = undefined;
    this.#onNews?.();
  }

  /** Whether all are confirmed. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Forgets what comes before the offset, and gives what comes next as a list in JSON. */
  take(offset: number): string {
    const confirmed = Math.max(0, offset - this.#firstWaiting);
    this.#waiting.splice(0, confirmed);
    this.#firstWaiting += confirmed;
    if (!this.isEmpty) this.handedOutAt ??= performance.now();
    return `[${this.#waiting.slice(0, updatesAtMost).join()}]`;
  }

  /** Resolves when messages come, or the signal aborts. */
  async news(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onNews = resolve;
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }
}

function messageOf(chatId: number, updateId: number) {
  const person = { id: chatId, username: `user_${chatId}`, first_name: "Ada", last_name: "Lovelace" };
  const number = updateId - firstUpdateId;
  return {
    update_id: updateId,
    message: {
      message_id: number + 1,
      from: { ...person, is_bot: false, language_code: "en" },
      chat: { ...person, type: "private" },
      date: firstDate + Math.floor(number / updatesAtMost),
      text: "What do you make of the market this morning?",
    },
  };
}

/** How many chats write. */
export const chats = 2000;

export type Pattern = "another chat each" | "ten of each chat" | "one chat";

/** Who writes one after another. */
const patterns: Readonly<Record<Pattern, (index: number) => number>> = {
  "another chat each": (index: number) => index % chats,
  "ten of each chat": (index: number) => Math.floor(index / 10) % chats,
  "one chat": () => 0,
};

export function writersOf(pattern: Pattern, messages: number): number[] {
  return Array.from({ length: messages }, (_, index) => chatIdAt(patterns[pattern](index), chats));
}
