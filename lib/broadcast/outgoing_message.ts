/** The message of a broadcast: cut into parts that Telegram takes, kept in the ledger, and sent, its photo uploaded once. */
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
import { assertNames, shown } from "../util/validate.ts";
import type { Ledger } from "./ledger.ts";
import { assertMessage, type BroadcastMessage, type ChatText, type IllustratedMessage } from "./options.ts";

/** A message as a ledger keeps it: its name is a digest of its content, so that the same message is kept once. */
export interface StoredMessage {
  readonly message_name: `message-${string}`;
  readonly message_parts: number;
}

/** One of the messages that a chat is sent. */
export interface MessagePart extends FormattedText {
  /** Whether the photo goes with it. */
  readonly hasPhoto: boolean;
}

/** A chat, or a topic of it, as Telegram's methods have it. */
export interface Destination {
  readonly chat_id: number;
  readonly message_thread_id?: number;
}

/** What messages are sent with. */
export interface SendDeps {
  readonly api: Api;
  readonly rateLimiter: RateLimiter;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Texts of the chats' own. */
export interface PerChat {
  /** Gives the chat as it was read, and forgets it. */
  readonly take: (chatId: number) => Chat | undefined;
  readonly textFor: (chat: Chat) => ChatText | Promise<ChatText>;
}

export interface OutgoingOptions {
  /** Default: all chats are sent the same. */
  readonly texts?: PerChat | undefined;
  /** Whether it arrives without a sound. Default: false. */
  readonly disableNotification?: boolean | undefined;
}

/** Telegram's limits (https://core.telegram.org/bots/api#sendmessage, #sendphoto), counted as JavaScript counts. */
const textAtMost = 4096;
const captionAtMost = 1024;
/** After so many people have refused the photo with an unknown description, it is left out for all. */
const doubtsAtMost = 5;
/** How long the chat action before an upload may take; after that the photo is sent without its answer. */
const probeWithinMs = 5000;

export class OutgoingMessage {
  readonly #deps: SendDeps;
  readonly #perChat: PerChat | undefined;
  readonly #sound: { readonly disable_notification?: true };
  readonly #parts: readonly MessagePart[];
  readonly #message: IllustratedMessage;
  #photo: BroadcastMessage["photo"];
  /** People who have refused the photo with an unknown description, and these descriptions. */
  readonly #doubters = new Set<number>();
  readonly #unknownRefusals = new Set<string>();
  readonly #abandoned = new AbortController();

  constructor(message: IllustratedMessage, deps: SendDeps, options: OutgoingOptions = {}) {
    const { texts, disableNotification = false } = options;
    this.#message = message;
    this.#deps = deps;
    this.#photo = message.photo;
    this.#perChat = texts;
    this.#sound = disableNotification ? { disable_notification: true } : {};
    this.#parts = this.#split({ entities: [], ...message });
    setMaxListeners(0, this.#abandoned.signal);
  }

  /** Whether the photo is yet to be uploaded: bytes are, until Telegram has them; then its file_id is sent. */
  get isUpload(): boolean {
    return typeof this.#photo === "object";
  }

  /** Whether chats have texts of their own, of which one may be refused where others are not. */
  get isPerChat(): boolean {
    return this.#perChat !== undefined;
  }

  /** How many messages so many chats are sent, as far as that is known beforehand. */
  priceFor(chats: number): number {
    return chats * this.#parts.length;
  }

  /**
   * Keeps it in the ledger if that is possible: functions cannot be kept, nor can a photo that is yet to be uploaded. An
   * optional photo is left out until it is uploaded.
   */
  async persist(ledger: Ledger, broadcastId: string): Promise<StoredMessage | undefined> {
    const { isPhotoOptional } = this.#message;
    if (this.isPerChat || (this.isUpload && !isPhotoOptional)) return undefined;
    const kept = keptOf(this.#message, this.#photo);
    const message_name = nameOf(kept);
    return { message_name, message_parts: await ledger.writeText(broadcastId, message_name, kept) };
  }

  /** What the chat is sent, one part after another. */
  async partsFor(chatId: number): Promise<readonly MessagePart[]> {
    const chat = this.#perChat?.take(chatId);
    const own = chat && await this.#perChat?.textFor(chat);
    if (own === undefined) return this.#parts;
    const { text, entities = [] } = typeof own === "string" ? { text: own } : assertText(own);
    assertMessage({ text, entities, ...this.#photo !== undefined && { photo: this.#photo } });
    return this.#split({ text, entities });
  }

  /** Sends a part; without the photo where that is optional, and Telegram or the chat refuses it. */
  async send(to: Destination, part: MessagePart, isPaid: boolean): Promise<void> {
    const photo = part.hasPhoto ? this.#photo : undefined;
    if (photo === undefined) return await this.#sendText(to, part, isPaid);
    try {
      await this.#sendPhoto(to, photo, part, isPaid);
    } catch (error) {
      if (!this.#fallsBackToText(to.chat_id, error as Error)) throw error;
      await this.#sendText(to, part, isPaid);
    }
  }

  /** Ends the requests that are under way. */
  abandon(): void {
    this.#abandoned.abort();
  }

  async #sendText(to: Destination, { text, entities }: MessagePart, isPaid: boolean): Promise<void> {
    const { api: { raw }, rateLimiter } = this.#deps;
    const payload = { ...to, text, entities: [...entities], ...this.#sound, ...paidFor(isPaid) };
    await raw.sendMessage(rateLimiter.admit(payload), asGrammySignal(this.#abandoned.signal));
  }

  async #sendPhoto(
    to: Destination,
    photo: Uint8Array | string,
    { text: caption, entities }: MessagePart,
    isPaid: boolean,
  ): Promise<void> {
    const { api: { raw }, rateLimiter } = this.#deps;
    if (this.isUpload) await this.#probeUpload(to);
    const payload = {
      ...{ ...to, caption, caption_entities: [...entities] },
      photo: typeof photo === "object" ? new InputFile(photo, "chart.png") : photo,
      ...this.#sound,
      ...paidFor(isPaid),
    };
    const sent = await raw.sendPhoto(rateLimiter.admit(payload), asGrammySignal(this.#abandoned.signal));
    this.#cacheFileId(sent);
  }

  /** The chats that follow get the photo by the id that Telegram has given it. */
  #cacheFileId({ photo }: Message): void {
    const fileId = photo?.at(-1)?.file_id;
    if (fileId !== undefined && this.isUpload) this.#photo = fileId;
  }

  /** An optional photo that Telegram or a chat refuses does not hold back the text. */
  #fallsBackToText(chatId: number, error: Error): boolean {
    if (!this.#message.isPhotoOptional) return false;
    // A group's own rule, which says nothing of other chats.
    if (isPhotoRefused(error)) return true;
    const { kind } = outcomeOf(error);
    if (kind === "unclear") this.#doubtPhoto(chatId, error);
    if (kind === "badMessage") this.#dropPhoto(error);
    return kind === "unclear" || kind === "badMessage";
  }

  /** Only people are counted, as one person can register any number of groups. */
  #doubtPhoto(chatId: number, error: Error): void {
    const refusal = wordsOf(error);
    if (!this.#unknownRefusals.has(refusal)) {
      this.#deps.logger.warn(`A chat gets its signal without the chart. ${error.message}`);
    }
    this.#unknownRefusals.add(refusal);
    if (chatId > 0 && this.#doubters.add(chatId).size >= doubtsAtMost) this.#dropPhoto(error);
  }

  /** Goes on without the photo, unless a chat has taken it: then there is nothing wrong with it. */
  #dropPhoto({ message }: Error): void {
    if (!this.isUpload) return;
    this.#photo = undefined;
    this.#deps.logger.warn(`A signal goes out without its chart. ${message}`);
  }

  /** Finds out that a chat takes no messages before the photo is uploaded for it. */
  async #probeUpload(to: Destination): Promise<void> {
    const { api, clock } = this.#deps;
    try {
      const probe = api.raw.sendChatAction({ ...to, action: "upload_photo" });
      await deadline(probe, { ms: probeWithinMs, clock, signal: this.#abandoned.signal });
    } catch (error) {
      // Any other error may concern the chat action alone: channels have none.
      if (["gone", "moved", "unreachable", "bot"].includes(outcomeOf(error).kind)) throw error;
    }
  }

  #split(message: FormattedText): MessagePart[] {
    const hasPhoto = this.#photo !== undefined;
    const limits = { first: hasPhoto ? captionAtMost : textAtMost, rest: textAtMost };
    const whole = { text: wellFormed(message.text), entities: message.entities };
    const parts = whole.text.length <= limits.first ? [whole] : splitText(whole, limits);
    // White space that is longer than the limit leaves no part, but there may be a photo.
    return (parts.length > 0 ? parts : [{ text: "", entities: [] }])
      .map((part, index) => ({ ...part, hasPhoto: hasPhoto && index === 0 }));
  }
}

/** @throws {TypeError} Naming what is given in place of a text, or the part that is misspelt. */
function assertText<T>(text: T): T {
  if (typeof text === "object" && text !== null) {
    assertNames("use what perChat gives", text, textNames);
    return text;
  }
  throw new TypeError(`perChat must give a text, { text, entities } or undefined: it gave ${shown(text)}`);
}

function paidFor(isPaid: boolean): { allow_paid_broadcast?: true } {
  return isPaid ? { allow_paid_broadcast: true } : {};
}

/** The Stars of a paid broadcast: sets aside what a message may cost, and never more than there is. */
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

/** The message as a ledger keeps it; a photo that is yet to be uploaded is left out. */
function keptOf(
  { text, entities, isPhotoOptional }: IllustratedMessage,
  photo: BroadcastMessage["photo"],
): string {
  return JSON.stringify({
    text,
    entities,
    photo: typeof photo === "string" ? photo : undefined,
    isPhotoOptional,
  });
}

function nameOf(kept: string): StoredMessage["message_name"] {
  return `message-${createHash("sha256").update(kept).digest("hex").slice(0, 16)}`;
}

/** The name that a ledger gives to the message before its photo is uploaded. */
export function messageNameOf(message: IllustratedMessage): string {
  return nameOf(keptOf(message, message.photo));
}
