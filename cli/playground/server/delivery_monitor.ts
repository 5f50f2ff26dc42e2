/** Counts which chats have got a signal, by the messages that reached them, independently of the bot. */
import type { LocalChat } from "telegram-signals/local";

type Message = LocalChat["inbox"][number];

/** The latest signal and the chats that have it. */
export interface Delivery {
  /** Its first line. */
  readonly title: string;
  /** The chats that have it. */
  readonly chatIds: readonly number[];
}

export class DeliveryMonitor {
  #latest = "";
  /** By the signal's text: the chats that have it. */
  readonly #chats = new Map<string, Set<number>>();
  #duplicates = 0;

  constructor(chats: readonly LocalChat[]) {
    for (const chat of chats) chat.onMessage((message) => this.#record(chat.chatId, textOf(message)));
  }

  get latest(): Delivery | undefined {
    const [title = ""] = this.#latest.split("\n");
    return title === "" ? undefined : { title, chatIds: [...this.#chats.get(this.#latest) ?? []] };
  }

  /** How often a chat got a signal that it had already. */
  get duplicates(): number {
    return this.#duplicates;
  }

  #record(chatId: number, text: string): void {
    if (!isSignal(text)) return;
    const chats = this.#chats.get(text) ?? new Set();
    this.#chats.set(text, chats);
    if (chats.has(chatId)) this.#duplicates++;
    chats.add(chatId);
    this.#latest = text;
  }
}

function isSignal(text: string): boolean {
  return /^(🟢 LONG|🔴 SHORT) /u.test(text);
}

function textOf({ text, caption }: Message): string {
  return text ?? caption ?? "";
}
