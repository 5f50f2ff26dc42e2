/** The visitor's chat with the bot, as a phone shows it. */
import type { BotApiServer, LocalUser } from "telegram-signals/local";

type Message = LocalUser["inbox"][number];

/** One message; a second one with the same id takes its place. */
export interface ChatEntry {
  readonly id: number;
  readonly from: "bot" | "you";
  readonly text: string;
  /** Telegram's own, by UTF-16 units. */
  readonly entities: readonly { readonly type: string; readonly offset: number; readonly length: number }[];
  /** The picture's file_id. */
  readonly photo?: string;
  /** Milliseconds since 1970. */
  readonly date: number;
}

/** The lowest of all ids: broadcasts begin with the visitor. */
const visitorId = 1001;
const maxEntries = 200;

export class VisitorChat {
  readonly user: LocalUser;
  readonly #entries = new Map<number, ChatEntry>();
  readonly #onEntry: (entry: ChatEntry) => void;

  constructor(telegram: BotApiServer, onEntry: (entry: ChatEntry) => void) {
    this.user = telegram.user({ id: visitorId, first_name: "You", username: "you" });
    this.#onEntry = onEntry;
    this.user.onMessage((message) => this.#add(entryOf("bot", message)));
  }

  /** The latest messages, oldest first. */
  get entries(): readonly ChatEntry[] {
    return [...this.#entries.values()];
  }

  say(text: string): void {
    this.#add(entryOf("you", this.user.say(text)));
  }

  #add(entry: ChatEntry): void {
    this.#entries.set(entry.id, entry);
    for (const id of this.#entries.keys()) {
      if (this.#entries.size <= maxEntries) break;
      this.#entries.delete(id);
    }
    this.#onEntry(entry);
  }
}

function entryOf(from: ChatEntry["from"], message: Message): ChatEntry {
  const photo = message.photo?.at(-1)?.file_id;
  return {
    id: message.message_id,
    from,
    text: message.text ?? message.caption ?? "",
    entities: (message.entities ?? message.caption_entities ?? []).map(({ type, offset, length }) => ({
      type,
      offset,
      length,
    })),
    ...(photo === undefined ? {} : { photo }),
    date: message.date * 1000,
  };
}
