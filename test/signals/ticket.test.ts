/** A signal's ticket: every fact in it, digits as they were given, and formatting that no text can break. */
import fc from "fast-check";
import type { TradingSignal } from "../../lib/signals/signal.ts";
import { signalMessage } from "../../lib/signals/ticket.ts";
import { assert, suite } from "../harness.ts";
import { hostileTexts, styled, ticket, whole } from "../support/texts.ts";

const now = Date.UTC(2026, 10, 23, 16, 5, 7);

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

test("signalMessage() styles the heading and the numbers, whatever else is in it", () => {
  const signals = fc.record({
    symbol: hostileTexts.filter((symbol) => symbol.trim() !== ""),
    timeframe: fc.option(hostileTexts, { nil: undefined }),
    currency: fc.option(hostileTexts, { nil: undefined }),
    strategy: fc.option(hostileTexts, { nil: undefined }),
    note: fc.option(hostileTexts, { nil: undefined }),
    parameters: fc.option(fc.dictionary(hostileTexts, hostileTexts), { nil: undefined }),
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

test("signalMessage() refuses a time that is none", () => {
  for (const none of [NaN, Infinity, 8.64e15 + 1, "x", undefined]) {
    assert.throws(
      () => signalMessage(ticket, none as never),
      /^Cannot use the signal as "now" must be milliseconds/,
    );
  }
});

test("signalMessage() is text that Telegram takes: no half of a pair stands alone", () => {
  fc.assert(fc.property(hostileTexts.filter((text) => text.trim() !== ""), (text) => {
    const message = signalMessage({ ...ticket, symbol: text, note: text, strategy: text }, now);
    assert.is(message.text, whole(message.text));
  }));
});

test.run();
