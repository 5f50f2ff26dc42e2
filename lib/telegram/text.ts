/** Text with entities. Nothing is ever parsed, so no name, symbol or error text can break or inject formatting. */
import type { MessageEntity } from "grammy/types";
import type { Names } from "../util/validate.ts";

/** A message's text; offsets and lengths of its entities count UTF-16 units, as JavaScript's strings do. */
export interface FormattedText {
  /** What is read. */
  readonly text: string;
  /** What is bold, monospaced and so on; offsets count from the text's beginning. */
  readonly entities: readonly MessageEntity[];
}

/**
 * Text, plain or formatted: any object with `text` and, where there are some, `entities`; both may be getters of a class,
 * as formatting libraries have them.
 */
export type TextPart = string | { readonly text: string; readonly entities?: readonly MessageEntity[] };

/** The names of a text's parts; an object that has them may have others, as Telegram's messages do. */
export const textNames: Names = { known: ["text", "entities"], what: "a part of a text", isOpen: true };

/** The parts one after another. */
export function format(...parts: readonly TextPart[]): FormattedText {
  let text = "";
  const entities: MessageEntity[] = [];
  for (const part of parts) {
    if (typeof part !== "string") {
      for (const entity of part.entities ?? []) {
        entities.push({ ...entity, offset: entity.offset + text.length });
      }
    }
    text += typeof part === "string" ? part : part.text;
  }
  return { text, entities };
}

/** The text with a replacement character for every half of an emoji: Telegram refuses text that is not valid Unicode. */
export function wellFormed(text: string): string {
  return text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
}

/** Whether it may be an entity of the text: it has a type, lies within the text, and can be sent as JSON. */
export function isEntityOf(text: string, entity: unknown): entity is MessageEntity {
  const { type, offset = -1, length = 0 } = (entity ?? {}) as Partial<MessageEntity>;
  const isWhole = Number.isInteger(offset) && Number.isInteger(length);
  const isWithin = isWhole && offset >= 0 && length > 0 && offset + length <= text.length;
  return typeof type === "string" && isWithin && isJson(entity);
}

/** grammY finds out too late that a value, such as a BigInt, is no JSON: its timer then ends the process. */
function isJson(value: unknown): boolean {
  try {
    return JSON.stringify(value) !== undefined;
  } catch {
    return false;
  }
}

/** A line for each part; `undefined` leaves its line out. */
export function lines(...parts: readonly (TextPart | undefined)[]): FormattedText {
  const present = parts.filter((part) => part !== undefined);
  return format(...present.flatMap((part, index) => index === 0 ? [part] : ["\n", part]));
}

/** Bold text. */
export function bold(text: string): FormattedText {
  return styled("bold", text);
}

/** Monospaced: copied by a tap. */
export function code(text: string): FormattedText {
  return styled("code", text);
}

function styled(type: "bold" | "code", text: string): FormattedText {
  return { text, entities: text === "" ? [] : [{ type, offset: 0, length: text.length }] };
}
