/** The calls of a broadcast to Telegram: a text, or a photo that is uploaded once. */
import { type Api, InputFile } from "grammy/web";
import type { Message } from "grammy/types";
import type { Content, Part } from "./content.ts";
import { forGrammy } from "./for_grammy.ts";
import type { Gate } from "./gate.ts";
import { outcomeOf } from "./outcome.ts";

export interface CallerOptions {
  readonly api: Api;
  readonly gate: Gate;
  readonly content: Content;
}

export class Caller {
  readonly #options: CallerOptions;
  readonly #calls = new Set<AbortController>();

  constructor({ api, gate, content }: CallerOptions) {
    this.#options = { api, gate, content };
  }

  /** Ends what is under way. */
  abandon(): void {
    for (const call of this.#calls) call.abort();
  }

  async send(chat_id: number, part: Part, isPaid: boolean): Promise<Message> {
    const { content } = this.#options;
    if (part.hasPhoto && content.isUpload) await this.#knock(chat_id);
    const call = new AbortController();
    this.#calls.add(call);
    try {
      return await this.#ask(chat_id, part, isPaid, forGrammy(call.signal));
    } finally {
      this.#calls.delete(call);
    }
  }

  #ask(
    chat_id: number,
    { text, entities, hasPhoto }: Part,
    isPaid: boolean,
    signal: ReturnType<typeof forGrammy>,
  ): Promise<Message> {
    const { api: { raw }, gate, content } = this.#options;
    const paid = isPaid ? { allow_paid_broadcast: true } : {};
    if (!hasPhoto) {
      return raw.sendMessage(gate.admit({ chat_id, text, entities: [...entities], ...paid }), signal);
    }
    const photo = typeof content.photo === "object"
      ? new InputFile(content.photo, "chart.png")
      : content.photo ?? "";
    const caption = { caption: text, caption_entities: [...entities] };
    return raw.sendPhoto(gate.admit({ chat_id, photo, ...caption, ...paid }), signal);
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
