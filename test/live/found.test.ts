/** What a strategy has found, completed and checked. */
import { completed } from "../../lib/live/found.ts";
import type { TradingSignal } from "../../lib/signals/signal.ts";
import { assert, suite } from "../harness.ts";

const test = suite("completed()");

const strategy = { name: "Breakout" };
const series = { symbol: "BTC-USD", timeframe: "5m" } as const;
const candle = { time: Date.UTC(2026, 0, 5, 10) };
const trade = { direction: "long", entry: 100, stop: 90, target: 120 } as const;
const complete = (found: unknown): ReturnType<typeof completed> =>
  completed(strategy, { ...series, instrument: {} }, candle, found);

test("nothing is nothing", () => {
  assert.is(complete(undefined), undefined);
  assert.is(complete(null), undefined);
});

test("a signal gets its symbol, timeframe and strategy, and the close of its candle", () => {
  assert.equal(complete(trade), {
    kind: "signal",
    signal: {
      ...trade,
      ...{ symbol: "BTC-USD", timeframe: "5m", strategy: "Breakout" },
      time: new Date(Date.UTC(2026, 0, 5, 10, 5)),
    },
  });
});

test("what a signal says itself stays, facts of its own included; undefined says nothing", () => {
  const own = {
    ...trade,
    ...{ symbol: "Bitcoin", timeframe: "5 min", strategy: "Mine", time: "2026-01-05T10:05:00Z" },
    ...{ text: "seen twice", score: 7 },
  };
  assert.equal(complete(own), { kind: "signal", signal: own });
  assert.equal(complete({ ...trade, symbol: undefined, time: undefined }), complete(trade));
});

test("numbers are rounded as the ticket shows them: prices in the instrument's steps; texts keep their digits", () => {
  const dusty = { ...trade, entry: 67250.3 + 0.1, stop: "66980.00", target: 67799.99999, size: 0.1 + 0.2 };
  const found = (tickSize?: string): unknown => {
    const instrument = tickSize === undefined ? {} : { tickSize };
    const { signal } = completed(strategy, { ...series, instrument }, candle, dusty) as {
      signal: TradingSignal;
    };
    return [signal.entry, signal.stop, signal.target, signal.size];
  };
  assert.equal(found("0.50"), [67250.5, "66980.00", 67800, 0.3]);
  assert.equal(found(), [67250.4, "66980.00", 67799.99999, 0.3]);
});

test("a text is an alert, and so is a message", () => {
  assert.equal(complete("Volatility doubled"), { kind: "alert", message: { text: "Volatility doubled" } });
  const photo = { text: "", photo: new Uint8Array([1]) };
  assert.equal(complete(photo), { kind: "alert", message: photo });
});

const wrong: readonly [what: string, found: unknown, words: RegExp][] = [
  [
    "a boolean",
    false,
    /^Cannot use what the strategy "Breakout" gives as it must be a signal .*: current value is false$/,
  ],
  ["a number", 7, /current value is 7$/],
  ["a list", [trade], /must be a signal .*, a list: a candle gives one signal at most$/],
  ["a stop on the wrong side", { ...trade, stop: 110 }, /"stop" must be below "entry" \(100\) for a long/],
  [
    "a misspelt signal",
    { ...trade, stop: undefined, stopLoss: 90 },
    /stopLoss is not a fact .* mean stop\?$/,
  ],
  ["a price that is none", { ...trade, target: NaN }, /"target" must be a finite number.*NaN$/],
  ["an empty text", " ", /"text" must have 1 to/],
  [
    "a misspelt part of a message",
    { text: "a", entitis: [] },
    /entitis is not a part of .* mean entities\?$/,
  ],
  ["an object that is neither", {}, /"direction" must be "long" or "short": current value is undefined/],
];

for (const [what, found, words] of wrong) {
  test(`${what} is a clear error`, () => {
    assert.throws(
      () => complete(found),
      (error: Error) => words.test(error.message) || assert.is(error.message, ""),
    );
  });
}

test.run();
