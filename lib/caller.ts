/** The calls of a broadcast to Telegram: a text, or a photo that is uploaded once. */
import { setMaxListeners } from "node:events";
import { type Api, InputFile } from "grammy/web";
import type { Message } from "grammy/types";
import type { Content, Part } from "./content.ts";
import type { Clock } from "./clock.ts";
import { forGrammy } from "./for_grammy.ts";
import type { Gate } from "./gate.ts";
import type { Logger } from "./log.ts";
import { isPhotoRefused, outcomeOf, wordsOf } from "./outcome.ts";
import { inTime } from "./patience.ts";

export interface CallerOptions {
  readonly api: Api;
  readonly gate: Gate;
  readonly content: Content;
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

export class Caller {
  readonly #options: CallerOptions;
  readonly #inDoubt = new Set<number>();
  readonly #strangeWords = new Set<string>();
  readonly #abandoned = new AbortController();

  constructor({ api, gate, content, logger, clock }: CallerOptions) {
    this.#options = { api, gate, content, logger, clock };
    setMaxListeners(0, this.#abandoned.signal);
  }

  /** Ends what is under way. */
  abandon(): void {
    this.#abandoned.abort();
  }

  async send(to: Destination, part: Part, isPaid: boolean): Promise<Message> {
    const { photo } = this.#options.content;
    if (!part.hasPhoto || photo === undefined) return await this.#sendText(to, part, isPaid);
    try {
      return await this.#sendPhoto(to, photo, part, isPaid);
    } catch (error) {
      if (!this.#doesWithout(to.chat_id, error as Error)) throw error;
      return await this.#sendText(to, part, isPaid);
    }
  }

  async #sendText(to: Destination, { text, entities }: Part, isPaid: boolean): Promise<Message> {
    const { api: { raw }, gate } = this.#options;
    const message = { ...to, text, entities: [...entities], ...paidFor(isPaid) };
    return await raw.sendMessage(gate.admit(message), forGrammy(this.#abandoned.signal));
  }

  async #sendPhoto(
    to: Destination,
    photo: Uint8Array | string,
    { text: caption, entities }: Part,
    isPaid: boolean,
  ): Promise<Message> {
    const { api: { raw }, gate, content } = this.#options;
    if (content.isUpload) await this.#knock(to);
    const message = {
      ...{ ...to, caption, caption_entities: [...entities] },
      photo: typeof photo === "object" ? new InputFile(photo, "chart.png") : photo,
      ...paidFor(isPaid),
    };
    return await raw.sendPhoto(gate.admit(message), forGrammy(this.#abandoned.signal));
  }

  /** A picture that only adds to its text, and that Telegram or a chat does not take, holds nobody's text back. */
  #doesWithout(chatId: number, error: Error): boolean {
    if (!this.#options.content.isPhotoOptional) return false;
    // A group's own rule, and no other's.
    if (isPhotoRefused(error)) return true;
    const { kind } = outcomeOf(error);
    if (kind === "unclear") this.#doubt(chatId, error);
    if (kind === "message") this.#drop(error);
    return kind === "unclear" || kind === "message";
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
    const { content, logger } = this.#options;
    if (content.dropPhoto()) logger.warn(`A signal goes out without its chart. ${message}`);
  }

  /** A chat that takes nothing is found out before a picture is uploaded for it. */
  async #knock(to: Destination): Promise<void> {
    const { api, clock } = this.#options;
    try {
      const knocking = api.raw.sendChatAction({ ...to, action: "upload_photo" });
      await inTime(knocking, { ms: knockWithinMs, clock, signal: this.#abandoned.signal });
    } catch (error) {
      // Whatever else is wrong may be the action's own trouble: in channels there is none.
      if (["gone", "moved", "unreachable", "bot"].includes(outcomeOf(error).kind)) throw error;
    }
  }
}

function paidFor(isPaid: boolean): { allow_paid_broadcast?: true } {
  return isPaid ? { allow_paid_broadcast: true } : {};
}
