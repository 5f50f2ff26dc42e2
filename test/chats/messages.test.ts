/** What the bot says: every fact in it, digits as they were given, and formatting that no text can break. */
import fc from "fast-check";
import type { MessageEntity } from "grammy/types";
import { type AboutStatus, defaultMessages, menu } from "../../lib/chats/messages.ts";
import type { TradingSignal } from "../../lib/signals/signal.ts";
import { signalMessage } from "../../lib/signals/ticket.ts";
import { bold, code, format, type FormattedText, lines } from "../../lib/telegram/text.ts";
import { assert, suite } from "../harness.ts";

const now = Date.UTC(2026, 10, 23, 16, 5, 7);
const ticket: TradingSignal = {
  direction: "long",
  symbol: "BTC-USD",
  entry: 67250.5,
  stop: 66980,
  target: "67800.00",
  size: 0.25,
  risk: "67.60",
  currency: "USD",
  timeframe: "5m",
  strategy: "Mean reversion",
  parameters: { Bollinger: "20 × 2.0", "ATR stop": 1.5, live: true },
  note: "Below the lower band.",
  time: "2026-11-23T17:05:00+01:00",
};

function styled({ text, entities }: FormattedText, type?: MessageEntity["type"]): string[] {
  return entities.filter((entity) => type === undefined || entity.type === type)
    .map(({ offset, length }) => text.slice(offset, offset + length));
}

const test = suite("signalMessage()");

test("signalMessage() is a ticket with every fact", () => {
  const message = signalMessage(ticket, now);
  assert.is(
    message.text,
    [
      "🟢 LONG BTC-USD · 5m",
      "",
      "Entry: 67250.5",
      "Stop: 66980",
      "Target: 67800.00",
      "Risk/reward: 1 : 2.03",
      "Size: 0.25",
      "Risk: 67.60 USD",
      "",
      "Mean reversion",
      "Bollinger: 20 × 2.0 · ATR stop: 1.5 · live: true",
      "",
      "Below the lower band.",
      "",
      "2026-11-23 16:05:00 UTC",
    ].join("\n"),
  );
  assert.equal(styled(message, "bold"), ["🟢 LONG BTC-USD"]);
  assert.equal(styled(message, "code"), ["67250.5", "66980", "67800.00", "0.25", "67.60"]);
});

test("signalMessage() leaves out what was not given, and dates by now", () => {
  const { direction, symbol, entry } = ticket;
  const { text } = signalMessage({ direction, symbol, entry, stop: 1, target: 70000 }, now);
  for (const absent of ["Size", "Risk:", "undefined", "·", "NaN"]) assert.not.match(text, absent);
  assert.match(text, "2026-11-23 16:05:07 UTC");
});

test("signalMessage() tells a short from a long", () => {
  const { text } = signalMessage({ ...ticket, direction: "short", stop: 68000, target: 66000 }, now);
  assert.match(text, /^🔴 SHORT BTC-USD/);
  assert.match(text, "Risk/reward: 1 : 1.67");
});

const exact: [number | string, string][] = [
  ["1.0850", "1.0850"],
  ["0.00000100", "0.00000100"],
  ["67250", "67250"],
  ["100.0", "100.0"],
  [1e-7, "0.0000001"],
  [1.25e-9, "0.00000000125"],
  [0.1 + 0.2, "0.3"],
  [1e21, "1000000000000000000000"],
  [1.2345e25, "12345000000000000000000000"],
  [123456789.123, "123456789.123"],
  ["9007199254740993.12", "9007199254740993.12"],
];

for (const [given, shown] of exact) {
  test(`signalMessage() keeps the digits of ${typeof given} ${given}`, () => {
    const { text } = signalMessage({
      direction: "long",
      symbol: "X",
      entry: given,
      stop: 0,
      target: "9".repeat(27),
    }, 0);
    assert.match(text, `Entry: ${shown}\n`);
  });
}

test("signalMessage() shows every number as the same number to twelve digits, without an exponent", () => {
  const positive = fc.double({ min: 1e-300, max: 1e300, noNaN: true });
  fc.assert(fc.property(positive, (entry) => {
    const { text } = signalMessage({ direction: "short", symbol: "X", entry, stop: entry * 2, target: 0 }, 0);
    const [, shown = ""] = /^Entry: (.*)$/m.exec(text) ?? [];
    assert.match(shown, /^\d+(\.\d+)?$/);
    assert.is(Number(shown), Number.isInteger(entry) ? entry : Number(entry.toPrecision(12)));
  }));
});

const refusals: [string, Record<string, unknown>, "TypeError" | "RangeError"][] = [
  ["direction", { direction: "buy" }, "TypeError"],
  ["symbol", { symbol: " " }, "TypeError"],
  ["symbol", { symbol: 5 }, "TypeError"],
  ["entry", { entry: NaN }, "TypeError"],
  ["entry", { entry: undefined }, "TypeError"],
  ["entry", { entry: "67,250" }, "TypeError"],
  ["entry", { entry: "1e5" }, "TypeError"],
  ["entry", { entry: "" }, "TypeError"],
  ["entry", { entry: 0 }, "RangeError"],
  ["stop", { stop: Infinity }, "TypeError"],
  ["stop", { stop: null }, "TypeError"],
  ["stop", { stop: 67250.5 }, "RangeError"],
  ["stop", { stop: 67251 }, "RangeError"],
  ["stop", { direction: "short", target: 60000, stop: 67000 }, "RangeError"],
  ["target", { target: 67250.5 }, "RangeError"],
  ["target", { target: 67000 }, "RangeError"],
  ["target", { direction: "short", stop: 68000, target: 68000 }, "RangeError"],
  ["target", { target: "９９９９９" }, "TypeError"],
  ["size", { size: 0 }, "RangeError"],
  ["size", { size: -1 }, "RangeError"],
  ["size", { size: "many" }, "TypeError"],
  ["risk", { risk: NaN }, "TypeError"],
  ["risk", { risk: "-5" }, "RangeError"],
  ["time", { time: "yesterday" }, "TypeError"],
  ["time", { time: new Date(NaN) }, "TypeError"],
  ["time", { time: "2026-11-23T16:05:00" }, "TypeError"],
  ["time", { time: "5" }, "TypeError"],
  ["time", { time: null }, "TypeError"],
];

for (const [name, change, type] of refusals) {
  const shown = JSON.stringify(change, (_, value) => typeof value === "number" ? String(value) : value);
  test(`signalMessage() refuses ${shown}, naming "${name}"`, () => {
    try {
      signalMessage({ ...ticket, ...change } as TradingSignal, now);
    } catch (error) {
      assert.is((error as Error).name, type);
      assert.match((error as Error).message, `"${name}" must be`);
      return;
    }
    assert.unreachable("it was taken");
  });
}

test.run();

const entities = suite("entities of messages");

/** Names and symbols by people who mean no good, or who only like emoji. */
const hostile = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary" }),
  fc.constantFrom(
    "<b>bold</b>",
    "*a* _b_ `c` [d](http://e)",
    "&lt;&amp;",
    "👨‍👩‍👧‍👦",
    "🇩🇪🇫🇷",
    "\ud83d",
    "\ude00",
    "a\u0301\u200f\u202e",
    "\u0000\u0007",
    "\n\n",
    "/stop@bot",
    "@everyone",
    "tg://user?id=1",
  ),
);

entities("signalMessage() styles the heading and the numbers, whatever else is in it", () => {
  const signals = fc.record({
    symbol: hostile.filter((symbol) => symbol.trim() !== ""),
    timeframe: fc.option(hostile, { nil: undefined }),
    currency: fc.option(hostile, { nil: undefined }),
    strategy: fc.option(hostile, { nil: undefined }),
    note: fc.option(hostile, { nil: undefined }),
    parameters: fc.option(fc.dictionary(hostile, hostile), { nil: undefined }),
  });
  fc.assert(fc.property(signals, (facts) => {
    const given = Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
    const message = signalMessage({ ...ticket, ...given } as TradingSignal, now);
    assert.equal(styled(message, "bold").map(whole), [whole(`🟢 LONG ${facts.symbol}`)]);
    assert.equal(styled(message, "code"), ["67250.5", "66980", "67800.00", "0.25", "67.60"]);
    assert.is(message.entities.length, 6);
    for (const fact of [facts.strategy, facts.note, facts.timeframe, facts.currency]) {
      assert.ok(whole(message.text).includes(whole(fact ?? "")));
    }
  }));
});

entities("signalMessage() is text that Telegram takes: no half of a pair stands alone", () => {
  fc.assert(fc.property(hostile.filter((text) => text.trim() !== ""), (text) => {
    const message = signalMessage({ ...ticket, symbol: text, note: text, strategy: text }, now);
    assert.is(message.text, whole(message.text));
  }));
});

/** As it is after a journey in UTF-8: halves of pairs become one replacement character each. */
function whole(text: string): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(new TextEncoder().encode(text));
}

const parts: fc.Arbitrary<string | FormattedText> = fc.oneof(
  hostile,
  hostile.map(bold),
  hostile.map(code),
  fc.tuple(hostile, hostile).map(([a, b]) => format(a, bold(b))),
);

entities("format() puts its parts one after another, and their entities with them", () => {
  fc.assert(fc.property(fc.array(parts), (list) => {
    const message = format(...list);
    assert.is(message.text, list.map(textOf).join(""));
    assert.equal(styled(message), list.flatMap(styledOf));
    checkBounds(message);
  }));
});

entities("lines() puts each part on its own line, and leaves out what is absent", () => {
  fc.assert(fc.property(fc.array(fc.option(parts, { nil: undefined })), (list) => {
    const message = lines(...list);
    const present = list.filter((part) => part !== undefined);
    assert.is(message.text, present.map(textOf).join("\n"));
    assert.equal(styled(message), present.flatMap(styledOf));
    checkBounds(message);
  }));
});

entities("bold() and code() of nothing have no entity, which Telegram would refuse", () => {
  assert.equal(bold("").entities, []);
  assert.equal(code("").entities, []);
});

entities("texts and the menu are as Telegram takes them", () => {
  const about = {
    ...{ chatId: -1001234567890, languageCode: undefined, chat: undefined, isDurable: true, isActive: true },
    ...{ signal: ticket, time: new Date(now) },
  };
  const { channelGreeting, ...others } = defaultMessages;
  assert.is(channelGreeting(about).text, "", "nothing is said");
  for (const message of Object.values(others)) {
    const { text, entities } = message(about);
    checkBounds({ text, entities });
    assert.ok(text.length <= 1024, text);
    assert.not.match(text, /undefined|\[object/);
  }
  for (const { command, description } of menu) {
    assert.match(command, /^[a-z0-9_]{1,32}$/);
    assert.ok(description.length >= 1 && description.length <= 256);
  }
});

function status(chat: AboutStatus["chat"], kind: string): FormattedText {
  return defaultMessages.status({ chatId: 1, languageCode: undefined, chat, isDurable: kind === "dynamodb" });
}

entities("/status says how the chat stands, since when, and how safely that is kept", () => {
  const chat = { chat_id: 1, message_count: 3, user_info: {}, removed_at: null };
  const active = status({ ...chat, is_active: true, added_at: "2024-01-15T10:30:00Z" }, "dynamodb");
  assert.equal(styled(active, "bold"), ["This chat is subscribed."]);
  for (const fact of ["2024-01-15", "3", "durably"]) assert.match(active.text, fact);
  const inactive = status({ ...chat, is_active: false }, "memory");
  assert.match(inactive.text, /not subscribed.*\/start/);
  assert.match(inactive.text, "in memory, until the bot restarts");
  assert.not.match(inactive.text, "undefined");
  assert.match(status(undefined, "dynamodb").text, /not subscribed.*\/start/);
});

entities("/status shows a time of another program's as it is", () => {
  fc.assert(fc.property(hostile, (added_at) => {
    const chat = { chat_id: 1, is_active: true, message_count: 3, user_info: {}, removed_at: null, added_at };
    checkBounds(status(chat, "dynamodb"));
  }));
});

function textOf(part: string | FormattedText): string {
  return typeof part === "string" ? part : part.text;
}

function styledOf(part: string | FormattedText): string[] {
  return typeof part === "string" ? [] : styled(part);
}

function checkBounds({ text, entities }: FormattedText): void {
  for (const { offset, length } of entities) {
    assert.ok(Number.isInteger(offset) && offset >= 0 && length > 0 && offset + length <= text.length);
  }
}

entities.run();
