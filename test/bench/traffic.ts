/** Many chats writing at once. */
import { chatIdAt } from "./chat_ids.ts";
import type { ChatMessage } from "./writers.ts";

/** Runs `task` for 0 to `count - 1`, so many of them at a time. */
export async function inParallel(
  count: number,
  atOnce: number,
  task: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** The messages of a run: update ids ascend and time goes on, as with Telegram. */
export class Traffic {
  static readonly #chatsAtMost = 1_000_000;
  #chats = 0;
  #messages = 0;

  /** A message of a chat that nobody has heard of. */
  fresh(): ChatMessage {
    return this.#message(this.#chats++);
  }

  /** A message of a known chat: of each in its turn. */
  known(): ChatMessage {
    return this.#message(this.#messages % this.#chats);
  }

  #message(index: number): ChatMessage {
    const number = this.#messages++;
    const chatId = chatIdAt(index, Traffic.#chatsAtMost);
    return { chatId, updateId: 800_000_000 + number, at: Date.UTC(2026, 10, 20) + number * 100 };
  }
}
