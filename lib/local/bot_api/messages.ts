/** Messages of text, and of several parts. */
import type { Message } from "grammy/types";
import { deliver, writableRoom } from "./deliver.ts";
import { badRequest } from "./errors.ts";
import type { Form } from "./form.ts";
import { checkText, readText, textContent } from "./text.ts";
import type { World } from "./world.ts";

export function sendMessage(world: World, { payload }: Form): Message {
  const content = readText(payload);
  const room = writableRoom(world, payload);
  checkText(content);
  return deliver(world, room, payload, () => textContent(content));
}

/** Blocks are kept as they are. Of HTML and Markdown each line becomes a paragraph of plain text, markup included. */
export function sendRichMessage(world: World, { payload }: Form): Message {
  const rich_message = readRichMessage(payload["rich_message"]);
  const room = writableRoom(world, payload);
  return deliver(world, room, payload, () => ({ rich_message }));
}

function readRichMessage(value: unknown): object {
  if (typeof value !== "object" || value === null) throw badRequest("object expected as rich message");
  const { blocks, html, markdown, is_rtl } = value as Record<string, unknown>;
  const source = html ?? markdown;
  const content = Array.isArray(blocks) ? blocks : source === undefined ? [] : paragraphs(String(source));
  if (content.length === 0) throw badRequest("message text is empty");
  return { blocks: content, ...is_rtl === true && { is_rtl } };
}

function paragraphs(source: string): object[] {
  const lines = source.split("\n").filter((line) => line.trim() !== "");
  return lines.map((text) => ({ type: "paragraph", text }));
}
