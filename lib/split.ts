/** A text that is too long for one message, in as many as it needs. Pure. */
import type { MessageEntity } from "grammy/types";
import { characterCut, cleanCut, type Room, white } from "./cut.ts";
import type { FormattedText } from "./text.ts";

/** How many UTF-16 units a part may have: the first, which may be a photo's caption, and each after it. */
export interface SplitLimits {
  /** From 2 on. */
  readonly first: number;
  /** From 2 on. */
  readonly rest: number;
}

/** Telegram ignores the formatting of whatever comes after (https://core.telegram.org/api/entities). */
const entitiesAtMost = 100;
/** What is longer is no indentation that anybody would miss. */
const indentAtMost = 64;
const whiteHere = new RegExp(white, "uy");

/**
 * Cuts at the ends of paragraphs, lines, sentences or words, in this order, so that each part is at least half full
 * where that can be. White space at a cut is dropped, and so is it around the whole; indentation within code stays.
 * Entities keep their place: one that a cut goes through is in both parts. A text within the limit comes back as it is;
 * nothing comes back of white space that is longer than the limit.
 */
export function splitText(message: FormattedText, { first, rest }: SplitLimits): FormattedText[] {
  const { text } = message;
  if (text.length <= first) return [message];
  const ordered = [...message.entities].sort((a, b) => a.offset - b.offset);
  const last = text.trimEnd().length;
  const parts: FormattedText[] = [];
  let taken = 0;
  let open: MessageEntity[] = [];
  let start = afterWhite(text, 0, ordered);
  while (start < last) {
    const end = start + (parts.length === 0 ? first : rest);
    for (let next; (next = ordered[taken]) && next.offset < end; taken++) open.push(next);
    const cut = cutAt({ text, start, end, entities: open }, last);
    if (text.slice(start, cut).trim() !== "") parts.push(partOf(text, start, cut, open));
    start = afterWhite(text, cut, open);
    open = open.filter((entity) => entity.offset + entity.length > start);
  }
  return parts;
}

function cutAt(room: Room, last: number): number {
  const { start, end, entities } = room;
  const crowd = entities[entitiesAtMost]?.offset ?? end;
  const crowded = crowd > start && crowd < end ? cleanCut({ ...room, end: crowd }) : undefined;
  if (crowded !== undefined) return crowded;
  return last <= end ? last : cleanCut(room) ?? characterCut(room);
}

function partOf(text: string, start: number, end: number, open: readonly MessageEntity[]): FormattedText {
  const entities = open.map((entity) => {
    const offset = Math.max(entity.offset, start);
    return {
      ...entity,
      offset: offset - start,
      length: Math.min(entity.offset + entity.length, end) - offset,
    };
  });
  return { text: text.slice(start, end), entities: entities.filter(({ length }) => length > 0) };
}

/** Where the next part begins: Telegram drops white space, but not within an entity. */
function afterWhite(text: string, at: number, entities: readonly MessageEntity[]): number {
  whiteHere.lastIndex = at;
  const [skipped = ""] = whiteHere.exec(text) ?? [];
  const line = at + skipped.lastIndexOf("\n") + 1;
  const next = at + skipped.length;
  const isIndent = line > at && next - line <= indentAtMost;
  const isCode = ({ type, offset, length }: MessageEntity): boolean =>
    (type === "pre" || type === "code") && offset <= line && line < offset + length;
  return isIndent && entities.some(isCode) ? line : next;
}
