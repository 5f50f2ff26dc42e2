/** Who has which signal, as the phones know it: the bot is not asked. */
import type { LocalChat } from "telegram-signals/local";

type Message = LocalChat["inbox"][number];

/** The latest signal and how far it has come. */
export interface Delivery {
  /** Its first line. */
  readonly title: string;
  /** The chats that have it. */
  readonly chatIds: readonly number[];
}

export class Deliveries {
  #latest = "";
  /** By the signal's text: the chats that have it. */
  readonly #chats = new Map<string, Set<number>>();
  #repeats = 0;

  constructor(chats: readonly LocalChat[]) {
    for (const chat of chats) chat.onMessage((message) => this.#take(chat.chatId, wordsOf(message)));
  }

  get latest(): Delivery | undefined {
    const [title = ""] = this.#latest.split("\n");
    return title === "" ? undefined : { title, chatIds: [...this.#chats.get(this.#latest) ?? []] };
  }

  /** How often somebody got a signal that they had already. */
  get repeats(): number {
    return this.#repeats;
  }

  #take(chatId: number, words: string): void {
    if (!isSignal(words)) return;
    const chats = this.#chats.get(words) ?? new Set();
    this.#chats.set(words, chats);
    if (chats.has(chatId)) this.#repeats++;
    chats.add(chatId);
    this.#latest = words;
  }
}

function isSignal(words: string): boolean {
  return /^(🟢 LONG|🔴 SHORT) /u.test(words);
}

function wordsOf({ text, caption }: Message): string {
  return text ?? caption ?? "";
}
