/** Texts and captions: their limits, the commands in them, and the three parse modes. */
import type { MessageEntity } from "grammy/types";
import { assertValue, textRule } from "../../util/validate.ts";
import { required } from "../validate.ts";
import { badRequest } from "./errors.ts";
import type { Payload } from "./request_body.ts";

const maxTextLength = 4096;
const maxCaptionLength = 1024;

/** A command stands alone: no letter, digit, `_`, `/`, `<` or `>` touches it. */
const command = /(?<![\p{L}\p{N}_/<>])\/[a-zA-Z0-9_]{1,64}(?:@[a-zA-Z0-9_]{3,32})?(?![\p{L}\p{N}_/<>])/gu;

const textIsRequired = required(textRule("a text"));

/** The fields of a message in which a person writes this text: the text, and the entities of its commands. */
export function textFields(text: string): object {
  assertValue("write", "text", text, textIsRequired);
  const entities = [...text.matchAll(command)].map((match): MessageEntity => ({
    type: "bot_command",
    offset: match.index,
    length: match[0].length,
  }));
  return textContent({ text, entities });
}

export interface ParsedText {
  readonly text: string;
  readonly entities: MessageEntity[];
}

/** The text that a call gives, with its markup turned into entities. */
export function readText(payload: Payload): ParsedText {
  const raw = payload["text"];
  if (raw === undefined || raw === "") throw badRequest("message text is empty");
  return formatted(String(raw), payload["parse_mode"], payload["entities"]);
}

/** The caption that a call gives; undefined if it gives none. */
export function readCaption(payload: Payload): ParsedText | undefined {
  const raw = payload["caption"];
  if (raw === undefined || raw === "") return undefined;
  return formatted(String(raw), payload["parse_mode"], payload["caption_entities"]);
}

/** The fields of a message of this text. */
export function textContent({ text, entities }: ParsedText): object {
  return entities.length > 0 ? { text, entities } : { text };
}

/** The fields of a message with this caption. */
export function captionContent(caption: ParsedText | undefined): object {
  if (caption === undefined) return {};
  const { text, entities } = caption;
  return entities.length > 0 ? { caption: text, caption_entities: entities } : { caption: text };
}

export function checkText(content: ParsedText): void {
  if (content.text.trim() === "") throw badRequest("text must be non-empty");
  if (lengthOf(content.text) > maxTextLength) throw badRequest("message is too long");
  checkEntities(content);
}

export function checkCaption(content: ParsedText | undefined): void {
  if (content === undefined) return;
  if (lengthOf(content.text) > maxCaptionLength) throw badRequest("message caption is too long");
  checkEntities(content);
}

/** Telegram counts characters (code points) for its limits, and UTF-16 units for entities. */
function lengthOf(text: string): number {
  return [...text].length;
}

function formatted(text: string, parseMode: unknown, entities: unknown): ParsedText {
  if (parseMode !== undefined && parseMode !== "") return parseMarkup(text, String(parseMode));
  return { text, entities: Array.isArray(entities) ? entities as MessageEntity[] : [] };
}

function checkEntities({ text, entities }: ParsedText): void {
  for (const { offset, length } of entities) {
    const inside = Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length > 0 &&
      offset + length <= text.length;
    if (!inside) throw badRequest("ENTITY_BOUNDS_INVALID");
  }
}

// The parse modes HTML, Markdown and MarkdownV2.

/** @throws {ApiError} 400 "can't parse entities" if the markup is not balanced or not escaped. */
function parseMarkup(text: string, parseMode: string): ParsedText {
  switch (parseMode.toLowerCase()) {
    case "html":
      return parseHtml(text);
    case "markdown":
      return parseMarkdown(text, { markers: legacyMarkers, reserved: "", nests: false });
    case "markdownv2":
      return parseMarkdown(text, { markers: version2Markers, reserved: "_*[]()~`>#+-=|{}.!", nests: true });
    default:
      throw badRequest("unsupported parse_mode");
  }
}

/** An entity whose end has not come yet. */
interface OpenEntity {
  readonly marker: string;
  readonly type: string;
  readonly start: number;
  readonly sourceOffset: number;
  readonly url?: string;
}

const tags: Readonly<Record<string, string>> = {
  a: "text_link",
  b: "bold",
  blockquote: "blockquote",
  code: "code",
  del: "strikethrough",
  em: "italic",
  i: "italic",
  ins: "underline",
  pre: "pre",
  s: "strikethrough",
  span: "spoiler",
  strike: "strikethrough",
  strong: "bold",
  "tg-spoiler": "spoiler",
  u: "underline",
};

const characters: Readonly<Record<string, string>> = { amp: "&", gt: ">", lt: "<", quot: '"' };

function parseHtml(source: string): ParsedText {
  const open: OpenEntity[] = [];
  const entities: MessageEntity[] = [];
  let text = "";
  for (const match of source.matchAll(/<(\/?)([^\s>]*)([^>]*)>|&(\w+|#\d+);|[^<&]+|[<&]/g)) {
    const [whole, slash, tag, attributes = "", character] = match;
    const at = `at byte offset ${byteOffset(source, match.index)}`;
    if (character !== undefined) text += htmlCharacter(character) ?? whole;
    else if (whole === "<") throw cannotParse(`Unclosed start tag ${at}`);
    else if (tag === undefined) text += whole;
    else if (slash === "/") closeTag(open.pop(), tag, at, text, entities);
    else open.push(openTag(tag, attributes, text.length, match.index, at));
  }
  const last = open.pop();
  if (last !== undefined) throw cannotParse(`Can't find end tag corresponding to start tag "${last.marker}"`);
  return { text, entities: sorted(entities) };
}

function htmlCharacter(name: string): string | undefined {
  return name.startsWith("#") ? String.fromCodePoint(Number(name.slice(1))) : characters[name];
}

function openTag(
  tag: string,
  attributes: string,
  start: number,
  sourceOffset: number,
  at: string,
): OpenEntity {
  const marker = tag.toLowerCase();
  const type = tags[marker];
  if (type === undefined) throw cannotParse(`Unsupported start tag "${marker}" ${at}`);
  const url = /href\s*=\s*["']?([^"'\s>]+)/i.exec(attributes)?.[1];
  return { marker, type, start, sourceOffset, ...(url === undefined ? {} : { url }) };
}

function closeTag(
  opened: OpenEntity | undefined,
  tag: string,
  at: string,
  text: string,
  entities: MessageEntity[],
): void {
  if (opened === undefined) throw cannotParse(`Unexpected end tag ${at}`);
  if (tag !== "" && tag.toLowerCase() !== opened.marker) {
    throw cannotParse(`Unmatched end tag ${at}, expected "</${opened.marker}>", found "</${tag}>"`);
  }
  close(opened, text, entities);
}

interface MarkdownDialect {
  /** The entity that each marker begins and ends; longer markers first. */
  readonly markers: Readonly<Record<string, string>>;
  readonly reserved: string;
  readonly nests: boolean;
}

const legacyMarkers = { "```": "pre", "`": "code", "*": "bold", "_": "italic" };
const version2Markers = {
  "```": "pre",
  "`": "code",
  "||": "spoiler",
  "__": "underline",
  "*": "bold",
  "_": "italic",
  "~": "strikethrough",
};

function parseMarkdown(source: string, dialect: MarkdownDialect): ParsedText {
  const open: OpenEntity[] = [];
  const entities: MessageEntity[] = [];
  let text = "";
  for (let index = 0; index < source.length;) {
    const rest = source.slice(index, index + 3);
    const top = open.at(-1);
    const marker = markerAt(rest, top, dialect);
    if (rest[0] === "\\" && rest.length > 1 && isEscapable(rest[1] ?? "", dialect)) {
      text += rest[1];
      index += 2;
    } else if (marker !== undefined && marker === top?.marker) {
      const [url, length] = linkAfter(source, index, marker);
      close({ ...top, ...(url === undefined ? {} : { url }) }, text, entities);
      open.pop();
      index += length;
    } else if (marker !== undefined && marker !== "]") {
      open.push({ ...opening(marker, dialect), start: text.length, sourceOffset: index });
      index += marker.length;
    } else {
      refuseReserved(rest, top, dialect);
      text += rest[0];
      index += 1;
    }
  }
  const last = open.pop();
  if (last === undefined) return { text, entities: sorted(entities) };
  const offset = byteOffset(source, last.sourceOffset);
  throw cannotParse(`Can't find end of the entity starting at byte offset ${offset}`);
}

/** The marker at this place, if it is one here: within code only the end of the code is. */
function markerAt(rest: string, top: OpenEntity | undefined, dialect: MarkdownDialect): string | undefined {
  if (top !== undefined && rest.startsWith(top.marker)) return top.marker;
  if (top !== undefined && (!dialect.nests || isCode(top))) return undefined;
  if (rest.startsWith("[")) return "[";
  return Object.keys(dialect.markers).find((marker) => rest.startsWith(marker));
}

function opening(marker: string, dialect: MarkdownDialect): { marker: string; type: string } {
  return marker === "["
    ? { marker: "]", type: "text_link" }
    : { marker, type: dialect.markers[marker] ?? "bold" };
}

/** The URL behind the `]` of a link, and how many characters the end of the entity takes. */
function linkAfter(source: string, index: number, marker: string): [url: string | undefined, length: number] {
  if (marker !== "]") return [undefined, marker.length];
  const [target, url] = /^\]\(([^)]*)\)/.exec(source.slice(index)) ?? ["]"];
  return [url, target.length];
}

function isEscapable(character: string, { reserved, nests }: MarkdownDialect): boolean {
  return nests ? reserved.includes(character) || character === "\\" : "_*`[".includes(character);
}

function refuseReserved(rest: string, top: OpenEntity | undefined, { reserved }: MarkdownDialect): void {
  const character = rest[0] ?? "";
  if (!reserved.includes(character) || (top !== undefined && isCode(top))) return;
  throw cannotParse(`Character '${character}' is reserved and must be escaped with the preceding '\\'`);
}

function isCode({ type }: OpenEntity): boolean {
  return type === "code" || type === "pre";
}

function close({ type, start, url }: OpenEntity, text: string, entities: MessageEntity[]): void {
  const length = text.length - start;
  if (length === 0 || (type === "text_link" && url === undefined)) return;
  const entity = { type, offset: start, length, ...(type === "text_link" ? { url } : {}) };
  entities.push(entity as MessageEntity);
}

/** Telegram lists entities by where they begin, the outer one first. */
function sorted(entities: MessageEntity[]): MessageEntity[] {
  return entities.sort((a, b) => a.offset - b.offset || b.length - a.length);
}

function byteOffset(source: string, index: number): number {
  return new TextEncoder().encode(source.slice(0, index)).length;
}

function cannotParse(detail: string): Error {
  return badRequest(`can't parse entities: ${detail}`);
}
