/** The rules for texts: what Telegram finds in those of people, and refuses in those of bots. */
import type { MessageEntity } from "grammy/types";
import { badRequest } from "./errors.ts";
import type { Payload } from "./form.ts";
import { parseMarkup } from "./markup.ts";

const maxTextLength = 4096;
const maxCaptionLength = 1024;

/** A command stands alone: no letter, digit, `_`, `/`, `<` or `>` touches it. */
const command = /(?<![\p{L}\p{N}_/<>])\/[a-zA-Z0-9_]{1,64}(?:@[a-zA-Z0-9_]{3,32})?(?![\p{L}\p{N}_/<>])/gu;

/** The `bot_command` entities of a person's text. */
export function commandEntities(text: string): MessageEntity[] {
  return [...text.matchAll(command)].map((match) => ({
    type: "bot_command",
    offset: match.index,
    length: match[0].length,
  }));
}

export interface FormattedText {
  readonly text: string;
  readonly entities: MessageEntity[];
}

/** The text of a message as the bot gave it, with its markup turned into entities. */
export function readText(payload: Payload): FormattedText {
  const raw = payload["text"];
  if (raw === undefined || raw === "") throw badRequest("message text is empty");
  return formatted(String(raw), payload["parse_mode"], payload["entities"]);
}

/** The caption of a photo or a file; undefined if the call has none. */
export function readCaption(payload: Payload): FormattedText | undefined {
  const raw = payload["caption"];
  if (raw === undefined || raw === "") return undefined;
  return formatted(String(raw), payload["parse_mode"], payload["caption_entities"]);
}

/** The fields of a message of this text. */
export function textContent({ text, entities }: FormattedText): object {
  return entities.length > 0 ? { text, entities } : { text };
}

/** The fields of a message with this caption. */
export function captionContent(caption: FormattedText | undefined): object {
  if (caption === undefined) return {};
  const { text, entities } = caption;
  return entities.length > 0 ? { caption: text, caption_entities: entities } : { caption: text };
}

export function checkText(content: FormattedText): void {
  if (content.text.trim() === "") throw badRequest("text must be non-empty");
  if (lengthOf(content.text) > maxTextLength) throw badRequest("message is too long");
  checkEntities(content);
}

export function checkCaption(content: FormattedText | undefined): void {
  if (content === undefined) return;
  if (lengthOf(content.text) > maxCaptionLength) throw badRequest("message caption is too long");
  checkEntities(content);
}

/** Telegram counts characters (code points) for its limits, and UTF-16 units for entities. */
function lengthOf(text: string): number {
  return [...text].length;
}

function formatted(text: string, parseMode: unknown, entities: unknown): FormattedText {
  if (parseMode !== undefined && parseMode !== "") return parseMarkup(text, String(parseMode));
  return { text, entities: Array.isArray(entities) ? entities as MessageEntity[] : [] };
}

function checkEntities({ text, entities }: FormattedText): void {
  for (const { offset, length } of entities) {
    const inside = Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length > 0 &&
      offset + length <= text.length;
    if (!inside) throw badRequest("ENTITY_BOUNDS_INVALID");
  }
}
