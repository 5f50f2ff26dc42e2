/** What holds of every text that is split. */
import fc from "fast-check";
import type { MessageEntity } from "grammy/types";
import { type SplitLimits, splitText } from "../../lib/telegram/split.ts";
import type { FormattedText } from "../../lib/telegram/text.ts";
import { assert, suite } from "../harness.ts";

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
const words = new Intl.Segmenter("en", { granularity: "word" });

const test = suite("splitText() of any text", undefined, 60_000);

const pieces = fc.constantFrom(
  ...["word", "don't", "3.14", "a", "Привет", "x".repeat(30), `z${"\u0301".repeat(30)}`, "https://e.org/a-b"],
  ...[
    " ",
    " ",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\r\n",
    "\t",
    "\u00a0",
    "\u3000",
    ". ",
    "! ",
    "…",
    ",",
    '"',
    "(",
    ")",
    "。",
  ],
  ...["😀", "👍🏽", "👩‍👩‍👧‍👦", "🇩🇪", "1️⃣", "e\u0301", "\u0301", "\u200d", "한국어", "नमस्ते", "مرحبا"],
);
const ranges = fc.array(
  fc.record({
    type: fc.constantFrom(
      "bold",
      "italic",
      "code",
      "pre",
      "text_link",
      "custom_emoji",
      "mention",
      "blockquote",
    ),
    offset: fc.nat(150),
    length: fc.integer({ min: 1, max: 60 }),
    url: fc.nat(9).map((digit) => `https://example.org/${digit}`),
  }),
  { maxLength: 8 },
);
const messages = fc.record({
  text: fc.array(pieces, { maxLength: 60 }).map((all) => all.join("")),
  entities: ranges,
})
  .map(({ text, entities }) => ({
    text,
    entities: entities.sort((a, b) => a.offset - b.offset) as unknown as MessageEntity[],
  }));
const someLimits = fc.record({
  first: fc.integer({ min: 8, max: 40 }),
  rest: fc.integer({ min: 8, max: 80 }),
});

interface Placed {
  readonly part: FormattedText;
  readonly start: number;
  readonly end: number;
  readonly limit: number;
}

/** The parts, and where in the text they were; fails where something but white space lies between them. */
function placed(message: FormattedText, limits: SplitLimits): Placed[] {
  let end = 0;
  const skip = (isThere: () => boolean): void => {
    for (; !isThere(); end++) assert.match(message.text.charAt(end), /^\s$/, `lost at ${end}`);
  };
  const parts = splitText(message, limits).map((part, index) => {
    skip(() => message.text.startsWith(part.text, end));
    const start = end;
    end += part.text.length;
    return { part, start, end, limit: index === 0 ? limits.first : limits.rest };
  });
  skip(() => end === message.text.length);
  return parts;
}

/** The segment that the place is within, if it is within one. */
function torn(segments: Intl.Segments, at: number): Intl.SegmentData | undefined {
  const segment = segments.containing(at);
  return segment?.index === at ? undefined : segment;
}

/** Everything that holds of every text. */
function property(holds: (message: FormattedText, limits: SplitLimits) => void): void {
  fc.assert(fc.property(messages, someLimits, holds), { numRuns: 500 });
}

test("nothing but white space is lost, no part is too long or empty", () => {
  property((message, limits) => {
    for (const { part, limit } of placed(message, limits)) {
      assert.ok(part.text.length <= limit);
      assert.ok(message.text.length <= limits.first || part.text.trim() !== "");
    }
  });
});

test("no grapheme and no word is torn that the room could hold", () => {
  property((message, limits) => {
    const [characters, wordsOf] = [graphemes.segment(message.text), words.segment(message.text)];
    for (const { end, limit } of placed(message, limits)) {
      const character = torn(characters, end)?.segment ?? "";
      assert.ok(character === "" || character.length > limit, JSON.stringify(character));
      assert.not.match(message.text.slice(end - 1, end + 1), /[\ud800-\udbff][\udc00-\udfff]/);
      const word = torn(wordsOf, end);
      assert.ok(!word?.isWordLike || word.segment.length > limit, JSON.stringify(word?.segment));
    }
  });
});

test("each entity covers what it did, in the same order, with the same fields", () => {
  property((message, limits) => {
    if (message.text.length <= limits.first) return;
    for (const { part, start, end } of placed(message, limits)) {
      const expected = message.entities
        .map(({ offset, length, ...more }) => {
          const [from, to] = [Math.max(offset, start), Math.min(offset + length, end)];
          return { ...more, offset: from - start, length: to - from };
        })
        .filter(({ length }) => length > 0);
      assert.equal(part.entities, expected);
    }
  });
});

test("what comes out is not cut any further", () => {
  property((message, limits) => {
    for (const { part, limit } of placed(message, limits)) {
      assert.is(splitText(part, { first: limit, rest: 8 })[0], part);
    }
  });
});

test("of words and lines without entities every part but the last is at least half full", () => {
  const short = fc.constantFrom("word", "two", "three.", "sixteen", "é", "😀");
  const gaps = fc.constantFrom(" ", "\n", "\n\n");
  const texts = fc.array(fc.tuple(short, gaps), { minLength: 20 }).map((all) => all.flat().join(""));
  fc.assert(fc.property(texts, someLimits, (text, { first, rest }) => {
    const limits = { first: first + 10, rest: rest + 10 };
    const parts = placed({ text, entities: [] }, limits);
    for (const { part, limit } of parts.slice(0, -1)) assert.ok(part.text.length >= limit / 2, part.text);
  }));
});

test.run();
