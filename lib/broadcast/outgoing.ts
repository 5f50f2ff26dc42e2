/** What each chat is sent: the message in as many parts as it needs, its photo uploaded once. */
import { createHash } from "node:crypto";
import { setMaxListeners } from "node:events";
import type { Message } from "grammy/types";
import { type Api, InputFile } from "grammy/web";
import type { Chat } from "../chats/events.ts";
import { asGrammySignal } from "../telegram/client.ts";
import { isPhotoRefused, outcomeOf, wordsOf } from "../telegram/outcome.ts";
import type { RateLimiter } from "../telegram/rate_limit/rate_limiter.ts";
import { splitText } from "../telegram/split.ts";
import { type FormattedText, textNames, wellFormed } from "../telegram/text.ts";
import { deadline } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { assertNames } from "../util/validate.ts";
import type { Ledger } from "./ledger.ts";
import { assertMessage, type BroadcastMessage, type ChatText, type IllustratedMessage } from "./options.ts";

/** Telegram's limits (https://core.telegram.org/bots/api#sendmessage, #sendphoto), counted as JavaScript counts. */
const textAtMost = 4096;
const captionAtMost = 1024;

/** A message as a ledger keeps it: named by what it says, so that the same text has one place, and no two share one. */
export interface StoredMessage {
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

export class OutgoingMessage {
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
  async persist(ledger: Ledger, broadcastId: string): Promise<StoredMessage | undefined> {
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
  cacheFileId({ photo }: Message): void {
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

/** The Stars of a paid broadcast: what is set aside for a message that may be charged for, and never more than there is. */
export interface StarBudget {
  /** Whether the next message is to be paid for. */
  reserve(): boolean;
  /** How many more may be paid for; 0 where nothing is paid for. */
  readonly left: number;
  /** The message was not sent after all. */
  refund(wasPaid: boolean): void;
}

/** 0.1 Star a message (Bot API, `allow_paid_broadcast`). */
const messagesPerStar = 10;

/** `atMost` is how many messages may be paid for by now, whatever the budget is. */
export function createStarBudget(
  isPaid: boolean,
  starBudget: number,
  counters: { paid: number },
  atMost: () => number = () => Infinity,
): StarBudget {
  const most = starBudget * messagesPerStar;
  return {
    get left() {
      return isPaid ? Math.max(0, most - counters.paid) : 0;
    },
    reserve() {
      if (!isPaid || counters.paid + 1 > Math.min(most, atMost())) return false;
      counters.paid++;
      return true;
    },
    refund(wasPaid) {
      if (wasPaid) counters.paid--;
    },
  };
}

// The calls of a broadcast to Telegram: a text, or a photo that is uploaded once.

export interface MessageSenderOptions {
  readonly api: Api;
  readonly rateLimiter: RateLimiter;
  readonly outgoing: OutgoingMessage;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** A chat, or a topic of it, as Telegram's methods have it. */
export interface Destination {
  readonly chat_id: number;
  readonly message_thread_id?: number;
}

/** After so many people have refused the photo in unknown words, it is left out for all. */
const doubtsAtMost = 5;
/** How long the chat action may take; after that the picture is sent without its answer. */
const knockWithinMs = 5000;

export class MessageSender {
  readonly #options: MessageSenderOptions;
  readonly #inDoubt = new Set<number>();
  readonly #strangeWords = new Set<string>();
  readonly #abandoned = new AbortController();

  constructor({ api, rateLimiter, outgoing, logger, clock }: MessageSenderOptions) {
    this.#options = { api, rateLimiter, outgoing, logger, clock };
    setMaxListeners(0, this.#abandoned.signal);
  }

  /** Ends what is under way. */
  abandon(): void {
    this.#abandoned.abort();
  }

  async send(to: Destination, part: Part, isPaid: boolean): Promise<Message> {
    const { photo } = this.#options.outgoing;
    if (!part.hasPhoto || photo === undefined) return await this.#sendText(to, part, isPaid);
    try {
      return await this.#sendPhoto(to, photo, part, isPaid);
    } catch (error) {
      if (!this.#doesWithout(to.chat_id, error as Error)) throw error;
      return await this.#sendText(to, part, isPaid);
    }
  }

  async #sendText(to: Destination, { text, entities }: Part, isPaid: boolean): Promise<Message> {
    const { api: { raw }, rateLimiter } = this.#options;
    const message = { ...to, text, entities: [...entities], ...paidFor(isPaid) };
    return await raw.sendMessage(rateLimiter.admit(message), asGrammySignal(this.#abandoned.signal));
  }

  async #sendPhoto(
    to: Destination,
    photo: Uint8Array | string,
    { text: caption, entities }: Part,
    isPaid: boolean,
  ): Promise<Message> {
    const { api: { raw }, rateLimiter, outgoing } = this.#options;
    if (outgoing.isUpload) await this.#knock(to);
    const message = {
      ...{ ...to, caption, caption_entities: [...entities] },
      photo: typeof photo === "object" ? new InputFile(photo, "chart.png") : photo,
      ...paidFor(isPaid),
    };
    return await raw.sendPhoto(rateLimiter.admit(message), asGrammySignal(this.#abandoned.signal));
  }

  /** A picture that only adds to its text, and that Telegram or a chat does not take, holds nobody's text back. */
  #doesWithout(chatId: number, error: Error): boolean {
    if (!this.#options.outgoing.isPhotoOptional) return false;
    // A group's own rule, and no other's.
    if (isPhotoRefused(error)) return true;
    const { kind } = outcomeOf(error);
    if (kind === "unclear") this.#doubt(chatId, error);
    if (kind === "badMessage") this.#drop(error);
    return kind === "unclear" || kind === "badMessage";
  }

  /** Only people are counted, as one person can register any number of groups. */
  #doubt(chatId: number, error: Error): void {
    const words = wordsOf(error);
    if (!this.#strangeWords.has(words)) {
      this.#options.logger.warn(`A chat gets its signal without the chart. ${error.message}`);
    }
    this.#strangeWords.add(words);
    if (chatId > 0 && this.#inDoubt.add(chatId).size >= doubtsAtMost) this.#drop(error);
  }

  /** Goes on without the photo, unless a chat has taken it: then there is nothing wrong with it. */
  #drop({ message }: Error): void {
    const { outgoing, logger } = this.#options;
    if (outgoing.dropPhoto()) logger.warn(`A signal goes out without its chart. ${message}`);
  }

  /** A chat that takes nothing is found out before a picture is uploaded for it. */
  async #knock(to: Destination): Promise<void> {
    const { api, clock } = this.#options;
    try {
      const knocking = api.raw.sendChatAction({ ...to, action: "upload_photo" });
      await deadline(knocking, { ms: knockWithinMs, clock, signal: this.#abandoned.signal });
    } catch (error) {
      // Whatever else is wrong may be the action's own trouble: in channels there is none.
      if (["gone", "moved", "unreachable", "botBlocked"].includes(outcomeOf(error).kind)) throw error;
    }
  }
}

function paidFor(isPaid: boolean): { allow_paid_broadcast?: true } {
  return isPaid ? { allow_paid_broadcast: true } : {};
}
