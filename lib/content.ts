/** What each chat is sent: the message in as many parts as it needs, its photo uploaded once. */
import { createHash } from "node:crypto";
import type { Message } from "grammy/types";
import { assertMessage, type BroadcastMessage, type IllustratedMessage } from "./broadcast_message.ts";
import type { ChatText } from "./broadcast_options.ts";
import type { Chat } from "./chat.ts";
import { assertNames } from "./option_names.ts";
import type { Ledger } from "./storage/ledger.ts";
import { splitText } from "./split.ts";
import { type FormattedText, textNames, wellFormed } from "./text.ts";

/** Telegram's limits (https://core.telegram.org/bots/api#sendmessage, #sendphoto), counted as JavaScript counts. */
const textAtMost = 4096;
const captionAtMost = 1024;

/** A message as a ledger keeps it: named by what it says, so that the same text has one place, and no two share one. */
export interface KeptMessage {
  readonly message_name: `message-${string}`;
  readonly message_parts: number;
}

/** One message to one chat. */
export interface Part extends FormattedText {
  /** Whether the photo goes with it. */
  readonly hasPhoto: boolean;
}

export interface PerChat {
  /** The chat as it was read; forgotten once it was asked for. */
  readonly take: (chatId: number) => Chat | undefined;
  readonly textFor: (chat: Chat) => ChatText | Promise<ChatText>;
}

export class Content {
  readonly #perChat: PerChat | undefined;
  readonly #parts: readonly Part[];
  readonly #message: IllustratedMessage;
  #photo: BroadcastMessage["photo"];

  constructor(message: IllustratedMessage, perChat?: PerChat) {
    this.#message = message;
    this.#photo = message.photo;
    this.#perChat = perChat;
    this.#parts = this.#split({ entities: [], ...message });
  }

  /** A photo's bytes, until Telegram has them; then its file_id. */
  get photo(): BroadcastMessage["photo"] {
    return this.#photo;
  }

  /** Whether the photo is yet to be uploaded. */
  get isUpload(): boolean {
    return typeof this.#photo === "object";
  }

  /** Whether the text may go out without the photo. */
  get isPhotoOptional(): boolean {
    return this.#message.isPhotoOptional === true;
  }

  /** Whether chats have texts of their own, of which one may be refused where others are not. */
  get isPerChat(): boolean {
    return this.#perChat !== undefined;
  }

  /** Messages that each chat is sent, where it has no text of its own. */
  get length(): number {
    return this.#parts.length;
  }

  /**
   * Keeps it in the ledger, where that is possible: functions are not, nor is a photo that is yet to be uploaded. One that
   * only adds to its text is left out until then.
   */
  async keepIn(ledger: Ledger, broadcastId: string): Promise<KeptMessage | undefined> {
    const { text, entities, isPhotoOptional } = this.#message;
    if (this.isPerChat || (this.isUpload && !this.isPhotoOptional)) return undefined;
    const photo = this.isUpload ? undefined : this.#photo;
    const kept = JSON.stringify({ text, entities, photo, isPhotoOptional });
    const message_name = `message-${createHash("sha256").update(kept).digest("hex").slice(0, 16)}` as const;
    return { message_name, message_parts: await ledger.writeText(broadcastId, message_name, kept) };
  }

  /** What the chat is sent, one after another. */
  async partsFor(chatId: number): Promise<readonly Part[]> {
    const chat = this.#perChat?.take(chatId);
    const own = chat && await this.#perChat?.textFor(chat);
    if (own === undefined) return this.#parts;
    const { text, entities = [] } = typeof own === "string" ? { text: own } : assertText(own);
    assertMessage({ text, entities, ...this.#photo !== undefined && { photo: this.#photo } });
    return this.#split({ text, entities });
  }

  /** Telegram has taken it: whoever comes later gets the photo by the id that it was given. */
  remember({ photo }: Message): void {
    const fileId = photo?.at(-1)?.file_id;
    if (fileId !== undefined && this.isUpload) this.#photo = fileId;
  }

  /** Goes on without the photo if nobody has it yet; gives whether it does. */
  dropPhoto(): boolean {
    const isDropped = this.isUpload;
    if (isDropped) this.#photo = undefined;
    return isDropped;
  }

  #split({ text, entities }: FormattedText): Part[] {
    const hasPhoto = this.#photo !== undefined;
    const limits = { first: hasPhoto ? captionAtMost : textAtMost, rest: textAtMost };
    const parts = splitText({ text: wellFormed(text), entities }, limits);
    // Nothing is left of so much white space, but there may be a photo.
    return (parts.length > 0 ? parts : [{ text: "", entities: [] }])
      .map((part, index) => ({ ...part, hasPhoto: hasPhoto && index === 0 }));
  }
}

/** @throws {TypeError} What is no text is named as what it is, and a misspelt part by its name. */
function assertText<T>(text: T): T {
  if (typeof text === "object" && text !== null) {
    assertNames("use what perChat gives", text, textNames);
    return text;
  }
  throw new TypeError(`perChat must give a text, { text, entities } or undefined: it gave ${String(text)}`);
}
