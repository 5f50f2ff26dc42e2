/** Splits a text that is too long for one message at the places that are best for readers. Pure. */
import type { MessageEntity } from "grammy/types";
import type { FormattedText } from "./text.ts";

/** The longest text of a broadcast, in UTF-16 units: ten messages. */
export const maxBroadcastLength = 40_960;

/** How many UTF-16 units a part may have: the first, which may be a photo's caption, and each after it. */
export interface SplitLimits {
  /** From 2 on. */
  readonly first: number;
  /** From 2 on. */
  readonly rest: number;
}

/** Telegram ignores further entities of a message (https://core.telegram.org/api/entities). */
const entitiesAtMost = 100;
/** Longer white space is not kept as indentation. */
const indentAtMost = 64;

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

function cutAt(segment: Segment, last: number): number {
  const { start, end, entities } = segment;
  const crowd = entities[entitiesAtMost]?.offset ?? end;
  const crowded = crowd > start && crowd < end ? cleanCut({ ...segment, end: crowd }) : undefined;
  if (crowded !== undefined) return crowded;
  return last <= end ? last : cleanCut(segment) ?? characterCut(segment);
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

/** The stretch of a text that one part is cut from. */
interface Segment {
  readonly text: string;
  /** Where the part begins: between graphemes. */
  readonly start: number;
  /** Where it has to end. */
  readonly end: number;
  /** Those that begin before `end`. */
  readonly entities: readonly MessageEntity[];
}

/** A place between words, lines or paragraphs. */
interface BreakPoint {
  readonly at: number;
  /** Where the text goes on. */
  readonly next: number;
  readonly grade: number;
}

/** Where the text goes on decides, too, whether a word or a grapheme ends. */
const lookAhead = 256;
/** Made when they are first needed: the first one of a process takes about ten milliseconds. */
const segmenters: Partial<Record<"grapheme" | "word", Intl.Segmenter>> = {};

function segmentsOf(text: string, granularity: "grapheme" | "word"): Intl.Segments {
  const segmenter = segmenters[granularity] ??= new Intl.Segmenter("en", { granularity });
  return segmenter.segment(text);
}

/** Entities that are useless when they are cut. */
const whole: ReadonlySet<string> = new Set<MessageEntity["type"]>([
  ...["mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number"] as const,
  ...["code", "text_link", "text_mention", "custom_emoji", "date_time"] as const,
]);
/** Entities that are cut only where no other place is nearly as good. */
const blocks: ReadonlySet<string> = new Set<MessageEntity["type"]>([
  "pre",
  "blockquote",
  "expandable_blockquote",
]);
const cutInBlock = 1.5;

const joining = String.raw`[\p{Grapheme_Extend}\p{Mc}\p{Emoji_Modifier}\u200d\u0e33\u0eb3]`;
/** White space that a line may be broken at, as a regular expression's source; with a combining mark it is a character. */
const white: string = String.raw`(?:[^\S\u00a0\u2007\u202f\ufeff](?!${joining}))+`;
const whiteHere = new RegExp(white, "uy");
const closing = String.raw`[\p{Pe}\p{Pf}"']*`;
/** The end of a sentence, and white space after it; languages without spaces between words have none there either. */
const pause = new RegExp(
  String.raw`(?:[\p{Sentence_Terminal}…]${closing})?(${white})|[。！？｡]${closing}`,
  "gu",
);

/** Letters of scripts without spaces between words, brackets before such, and emoji. */
const unspacedScripts = ["Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar"];
const unspaced = new RegExp(
  String.raw`[\p{Extended_Pictographic}（「『《〈【${
    unspacedScripts.map((name) => `\\p{Script=${name}}`).join("")
  }]`,
  "u",
);
const opening = /[\p{Ps}\p{Pi}]/u;

/**
 * The best place in the segment that is within no word: in its last half where there is one there, and in no entity that is
 * better whole, where there is one outside.
 */
function cleanCut(segment: Segment): number | undefined {
  const { start, end } = segment;
  const [half, quarter] = [start + (end - start) / 2, start + (end - start) / 4];
  const points = breakPointsIn(segment);
  const outside = ({ at, next }: BreakPoint): boolean => !cutsEntity(segment, at, next);
  const isOutside = (at: number): boolean => !cutsEntity(segment, at, at);
  const isOutsideUnspaced = (at: number): boolean => isBetweenUnspaced(segment.text, at) && isOutside(at);
  return best(segment, points, half, outside) ??
    (unspaced.test(segment.text.slice(half, end)) ? wordCut(segment, half, isOutsideUnspaced) : undefined) ??
    best(segment, points, quarter, outside) ??
    best(segment, points, half) ??
    best(segment, points, start) ??
    wordCut(segment, start, isOutside) ??
    wordCut(segment, start);
}

/** The last place between two graphemes, or between two code points if there is one grapheme only. */
function characterCut({ text, start, end }: Segment): number {
  const ahead = text.slice(start, end + lookAhead);
  const at = start + (segmentsOf(ahead, "grapheme").containing(end - start)?.index ?? 0);
  if (at > start) return at;
  const isPair = (text.codePointAt(end - 1) ?? 0) > 0xffff;
  return isPair && end - 1 > start ? end - 1 : isPair ? end + 1 : end;
}

function breakPointsIn({ text, start, end, entities }: Segment): BreakPoint[] {
  const inBlocks = entities.filter(({ type }) => blocks.has(type));
  const points: BreakPoint[] = [];
  for (const { index, 0: { length }, 1: gap = "" } of text.slice(start, end + lookAhead).matchAll(pause)) {
    const next = start + index + length;
    const at = next - gap.length;
    if (at > end) break;
    const penalty = inBlocks.some((entity) => goesThrough(entity, at, next)) ? cutInBlock : 0;
    if (at > start) points.push({ at, next, grade: gradeOf(gap, length > gap.length) - penalty });
  }
  return points;
}

/** 4: a paragraph's end; 3: a line's; 2: a sentence's; 1: a word's. */
function gradeOf(gap: string, isSentence: boolean): number {
  const line = gap.indexOf("\n");
  if (line >= 0) return gap.indexOf("\n", line + 1) >= 0 ? 4 : 3;
  return isSentence ? 2 : 1;
}

/** The best from there on; the last among equals. */
function best(
  segment: Segment,
  points: readonly BreakPoint[],
  from: number,
  isWanted = (_: BreakPoint): boolean => true,
): number | undefined {
  return points.filter(({ at }) => at >= from)
    .sort((a, b) => b.grade - a.grade || b.at - a.at)
    .find((point) => isWanted(point) && isBetweenGraphemes(segment, point.at))?.at;
}

/** The last place between words from there on. */
function wordCut(
  segment: Segment,
  from: number,
  isWanted = (_: number): boolean => true,
): number | undefined {
  const { text, start, end } = segment;
  const segments = segmentsOf(text.slice(start, end + lookAhead), "word");
  for (let at = end; at >= from && at > start; at--) {
    at = start + (segments.containing(at - start)?.index ?? 0);
    if (at >= from && at > start && isWanted(at) && isBetweenGraphemes(segment, at)) return at;
  }
  return undefined;
}

function isBetweenUnspaced(text: string, at: number): boolean {
  return unspaced.test(String.fromCodePoint(text.codePointAt(at) ?? 0)) && !opening.test(text.charAt(at - 1));
}

function isBetweenGraphemes({ text, start, end }: Segment, at: number): boolean {
  const ahead = text.slice(start, end + lookAhead);
  return segmentsOf(ahead, "grapheme").containing(at - start)?.index === at - start;
}

function cutsEntity({ entities }: Segment, at: number, next: number): boolean {
  return entities.some((entity) => whole.has(entity.type) && goesThrough(entity, at, next));
}

function goesThrough({ offset, length }: MessageEntity, at: number, next: number): boolean {
  return offset < at && next < offset + length;
}
