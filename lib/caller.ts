/** The calls of a broadcast to Telegram: a text, or a photo that is uploaded once. */
import { setMaxListeners } from "node:events";
import { type Api, InputFile } from "grammy/web";
import type { Message } from "grammy/types";
import type { Content, Part } from "./content.ts";
import { forGrammy } from "./for_grammy.ts";
import type { Gate } from "./gate.ts";
import type { Logger } from "./log.ts";
import { outcomeOf } from "./outcome.ts";

export interface CallerOptions {
  readonly api: Api;
  readonly gate: Gate;
  readonly content: Content;
  readonly logger: Logger;
}

export class Caller {
  readonly #options: CallerOptions;
  readonly #abandoned = new AbortController();

  constructor({ api, gate, content, logger }: CallerOptions) {
    this.#options = { api, gate, content, logger };
    setMaxListeners(0, this.#abandoned.signal);
  }

  /** Ends what is under way. */
  abandon(): void {
    this.#abandoned.abort();
  }

  async send(chat_id: number, part: Part, isPaid: boolean): Promise<Message> {
    const { content } = this.#options;
    if (part.hasPhoto && content.isUpload) await this.#knock(chat_id);
    const { api: { raw }, gate } = this.#options;
    const { text, hasPhoto } = part;
    const entities = [...part.entities];
    const signal = forGrammy(this.#abandoned.signal);
    const paid = isPaid ? { allow_paid_broadcast: true } : {};
    if (!hasPhoto || content.photo === undefined) {
      return await raw.sendMessage(gate.admit({ chat_id, text, entities, ...paid }), signal);
    }
    const photo = typeof content.photo === "object"
      ? new InputFile(content.photo, "chart.png")
      : content.photo;
    const caption = { caption: text, caption_entities: entities };
    try {
      return await raw.sendPhoto(gate.admit({ chat_id, photo, ...caption, ...paid }), signal);
    } catch (error) {
      if (!this.#doesWithout(error)) throw error;
      return await this.send(chat_id, part, isPaid);
    }
  }

  /** A picture that only adds to its text, and that Telegram does not take, holds nobody's text back. */
  #doesWithout(error: unknown): boolean {
    if (outcomeOf(error).kind !== "message" || !this.#options.content.dropPhoto()) return false;
    this.#options.logger.warn(`A signal goes out without its chart. ${(error as Error).message}`);
    return true;
  }

  /** A chat that takes nothing is found out before a picture is uploaded for it. */
  async #knock(chat_id: number): Promise<void> {
    try {
      await this.#options.api.raw.sendChatAction({ chat_id, action: "upload_photo" });
    } catch (error) {
      // Whatever else is wrong may be the action's own trouble: in channels there is none.
      if (["gone", "moved", "unreachable", "bot"].includes(outcomeOf(error).kind)) throw error;
    }
  }
}
