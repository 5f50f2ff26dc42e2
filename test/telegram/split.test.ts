/** Long texts cut where a reader pauses, and nothing of them lost. */
import type { MessageEntity } from "grammy/types";
import { splitText } from "../../lib/telegram/split.ts";
import { bold, code, format, type FormattedText } from "../../lib/telegram/text.ts";
import { assert, suite } from "../harness.ts";

const telegram = { first: 1024, rest: 4096 };

function plain(text: string): FormattedText {
  return { text, entities: [] };
}

/** Cut to parts of at most so many units. */
function cut(message: string | FormattedText, limit: number): string[] {
  const content = typeof message === "string" ? plain(message) : message;
  return splitText(content, { first: limit, rest: limit }).map(({ text }) => text);
}

/** What the part's entities cover. */
function covered({ text, entities }: FormattedText): string[] {
  return entities.map(({ type, offset, length }) => `${type} ${text.slice(offset, offset + length)}`);
}

function entity(type: string, offset: number, length: number, more: object = {}): MessageEntity {
  return { type, offset, length, ...more } as MessageEntity;
}

const test = suite("splitText()");

test("what fits comes back as it is", () => {
  for (const text of ["", " ", "a".repeat(1024), `\n${"😀".repeat(511)} `]) {
    const message = plain(text);
    assert.is(splitText(message, telegram)[0], message);
    assert.is(splitText(message, telegram).length, 1);
  }
});

test("cuts at a paragraph's end, then a line's, a sentence's, a word's: in the last half of the room", () => {
  const places: [string, string[]][] = [
    ["One two now.\n\nSo.\nFour. Five", ["One two now.", "So.\nFour. Five"]],
    ["One. Two three\nFour five. six seven", ["One. Two three", "Four five.", "six seven"]],
    ["One two three. Four five six", ["One two three.", "Four five six"]],
    ['He said "Now!" and then he went away', ['He said "Now!"', "and then he went", "away"]],
    ["One two three four five six seven", ["One two three four", "five six seven"]],
    ["A.\n\nTwo three four five six", ["A.\n\nTwo three four", "five six"]],
    ["One\r\n\r\ntwo three\r\nfour five six", ["One\r\n\r\ntwo three", "four five six"]],
    ["At 67250.5 or 1.0850 or 1.2 now", ["At 67250.5 or", "1.0850 or 1.2 now"]],
  ];
  for (const [text, parts] of places) assert.equal(cut(text, 18), parts, text);
});

test("a caption is short, the texts after it are longer", () => {
  const text = "word ".repeat(2000).trim();
  const lengths = splitText(plain(text), telegram).map((part) => part.text.length);
  assert.equal(lengths, [1024, 4094, 4094, 784]);
});

test("a long word goes whole into the next part, unless it is longer than the whole room", () => {
  assert.equal(cut("so https://example.org/abc yes", 24), ["so", "https://example.org/abc", "yes"]);
  assert.equal(cut(`so ${"x".repeat(25)} yes`, 10), ["so", "x".repeat(10), "x".repeat(10), "xxxxx yes"]);
});

test("scripts without spaces are cut after a sentence, or between words", () => {
  assert.equal(cut("价格跌破下轨。我们买入比特币", 10), ["价格跌破下轨。", "我们买入比特币"]);
  assert.equal(cut("「价格跌破下轨。」我们买入比特币", 12), ["「价格跌破下轨。」", "我们买入比特币"]);
  assert.equal(cut("今天天气我们一起出去", 7), ["今天天气我们", "一起出去"]);
  assert.equal(cut("今天天气（我们）一起", 5), ["今天天气", "（我们）", "一起"]);
  assert.equal(cut("BTC 今天天气我们一起出去今天天气", 13)[0], "BTC 今天天气我们一起");
  assert.equal(cut("ราคาลดลงต่ำกว่าแถบล่าง", 20), ["ราคาลดลงต่ำกว่าแถบ", "ล่าง"]);
});

test("an emoji, a flag, a letter with its accents is never torn", () => {
  assert.equal(cut("👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦", 25), ["👩‍👩‍👧‍👦👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"]);
  assert.equal(cut("🇩🇪🇫🇷🇬🇧", 7), ["🇩🇪", "🇫🇷", "🇬🇧"]);
  assert.equal(cut("👍🏽👍🏽👍🏽", 6), ["👍🏽", "👍🏽", "👍🏽"]);
  assert.equal(cut("e\u0301".repeat(5), 5), ["e\u0301e\u0301", "e\u0301e\u0301", "e\u0301"]);
  assert.equal(cut("yes \u0301no", 5), ["yes \u0301", "no"], "an accent on a space");
  assert.equal(cut("😀😀ำ", 4), ["😀", "😀ำ"], "to dictionaries a word, to readers the emoji's vowel");
  assert.equal(cut("yes ำ", 4), ["yes", " ำ"]);
  assert.equal(cut("ab \u200d🎉🎉", 5)[0], "ab");
});

test("a single character that is longer than the room is cut between code points", () => {
  const zalgo = `a${"\u0301".repeat(9)}`;
  assert.equal(cut(`x ${zalgo} y`, 4).map((part) => part.length), [1, 4, 4, 4]);
  const family = cut("👩‍👩‍👧‍👦", 4);
  assert.is(family.join(""), "👩‍👩‍👧‍👦");
  for (const part of family) assert.not.match(part, /^[\udc00-\udfff]|[\ud800-\udbff]$/);
});

test("white space at a cut is dropped, and a part of nothing else never comes out", () => {
  assert.equal(cut("  one   \n\n \n  two  ", 8), ["one", "two"]);
  assert.equal(cut(`one${" ".repeat(50)}two`, 8), ["one", "two"]);
  assert.equal(cut(" ".repeat(50), 8), []);
  assert.equal(cut("\u00a0".repeat(20), 8), []);
  assert.equal(cut("12\u00a0345 km", 8), ["12\u00a0345", "km"]);
  assert.equal(cut("so 12\u00a0345\u202f678 km", 12), ["so", "12\u00a0345\u202f678", "km"]);
});

test("entities keep their place and all their fields on both sides of a cut", () => {
  const message: FormattedText = {
    text: "one two 😀 three four",
    entities: [
      entity("bold", 0, 21),
      entity("text_link", 4, 12, { url: "https://example.org" }),
      entity("custom_emoji", 8, 2, { custom_emoji_id: "5" }),
      entity("italic", 10, 1),
    ],
  };
  const parts = splitText(message, { first: 10, rest: 12 });
  assert.equal(parts, [
    { text: "one", entities: [entity("bold", 0, 3)] },
    {
      text: "two 😀 three",
      entities: [
        entity("bold", 0, 12),
        entity("text_link", 0, 12, { url: "https://example.org" }),
        entity("custom_emoji", 4, 2, { custom_emoji_id: "5" }),
        entity("italic", 6, 1),
      ],
    },
    { text: "four", entities: [entity("bold", 0, 4)] },
  ]);
});

test("cuts outside of a link, a mention or a code, if there is a place nearby; in a block, if there is none", () => {
  const linked = format("One two three ", code("four five six"), " seven");
  assert.equal(cut(linked, 22), ["One two three", "four five six seven"]);
  assert.equal(splitText(linked, { first: 22, rest: 22 }).flatMap(covered), ["code four five six"]);
  assert.equal(cut(format("One two three ", bold("four five six"), " seven"), 22)[0], "One two three four");
  assert.equal(cut(format("One ", code("two three four five six")), 22)[0], "One two three four");
  const block: FormattedText = { text: "Look: one. Two\nthree\nfour", entities: [entity("pre", 11, 14)] };
  assert.equal(cut(block, 20), ["Look: one.", "Two\nthree\nfour"]);
  assert.equal(cut(block.text, 20), ["Look: one. Two\nthree", "four"]);
  const spaced = format("One two ", code("three "), "four");
  assert.equal(cut(spaced, 15), ["One two three", "four"], "only the space within it is lost");
  assert.equal(cut(format("A\n", code("two three four")), 12), ["A\ntwo three", "four"]);
  const mention = { text: "今天天气我们@channel一起出去", entities: [entity("mention", 6, 8)] };
  assert.equal(cut(mention, 10)[0], "今天天气我们");
});

test("indentation within code stays", () => {
  const text = "def f():\n    if x:\n        return y\n    return z";
  const parts = (type: string): string[] => cut({ text, entities: [entity(type, 0, text.length)] }, 20);
  assert.equal(parts("pre"), ["def f():\n    if x:", "        return y", "    return z"]);
  const before = { text: "x = 1\n    y = 2", entities: [entity("code", 0, 5)] };
  assert.equal(cut(before, 10), ["x = 1", "y = 2"], "none after it");
  assert.equal(parts("bold"), ["def f():\n    if x:", "return y\n    return", "z"]);
});

test("a part has at most a hundred entities, where a word ends in time", () => {
  const many = format(...Array.from({ length: 450 }, (_, index) => format(bold(`w${index}`), " ")));
  const parts = splitText(many, { first: 1024, rest: 4096 });
  assert.equal(parts.map(({ entities }) => entities.length), [100, 100, 100, 100, 50]);
  assert.is(splitText(many, telegram).map(({ text }) => text).join(" "), many.text.trim());
  const oneWord = format(...Array.from("x".repeat(3000), bold));
  assert.equal(splitText(oneWord, telegram).map(({ text }) => text.length), [1024, 1976]);
});

test("entities out of order, empty, or beyond the text do no harm", () => {
  const entities = [entity("bold", 8, 5), entity("italic", 0, 3), entity("code", 3, 0), entity("pre", 50, 9)];
  const parts = splitText({ text: "one two three", entities }, { first: 8, rest: 8 });
  assert.equal(parts.map(covered), [["italic one"], ["bold three"]]);
});

test("much of anything is cut in one go", () => {
  const all = ["a", " ", "a. ", "!", "😀", "\u0301", "价格", "ราคา", "https://a/b?c=d&", "!)))", "\n", "👩‍👩‍👧‍👦"];
  for (const piece of all) {
    const text = `a${piece.repeat(200_000 / piece.length)}b`;
    const entities = Array.from(
      { length: 50 },
      (_, index) => entity("text_link", index, text.length - 2 * index),
    );
    const parts = splitText({ text, entities }, telegram);
    assert.is(parts.map((part) => part.text).join("").replace(/\s/g, ""), text.replace(/\s/g, ""), piece);
  }
});

test.run();
