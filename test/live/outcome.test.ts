/** How a candle ends a trade. */
import { exitAt, exitOf, levelsOf } from "../../lib/live/outcome.ts";
import type { Candle } from "../../lib/signals/candle.ts";
import type { TradingSignal } from "../../lib/signals/signal.ts";
import { assert, suite } from "../harness.ts";
import { candlesOf, long, type Prices, short } from "../support/backtests.ts";

const test = suite("exitOf()");

const candle = (prices: Prices): Candle => candlesOf([prices])[0] as Candle;
const signals: Readonly<Record<"long" | "short", TradingSignal>> = {
  long: { ...long, symbol: "BTC-USD" },
  short: { ...short, symbol: "BTC-USD" },
};

const cases: readonly [
  what: string,
  long: Prices,
  short: Prices,
  reason?: "stop" | "target",
  prices?: [number, number],
][] = [
  ["a candle between ends nothing", [100, 119, 91, 105], [100, 109, 81, 95]],
  ["a touch of the stop", [100, 101, 90, 95], [100, 110, 99, 105], "stop", [90, 110]],
  ["a touch of the target", [100, 120, 99, 110], [100, 101, 80, 90], "target", [120, 80]],
  ["both: the stop", [100, 121, 89, 100], [100, 111, 79, 100], "stop", [90, 110]],
  ["an open beyond the stop", [85, 95, 84, 90], [115, 116, 105, 110], "stop", [85, 115]],
  ["an open beyond the stop, and the target later", [85, 125, 84, 90], [115, 116, 75, 110], "stop", [
    85,
    115,
  ]],
  ["an open at the stop", [90, 95, 89, 93], [110, 111, 105, 107], "stop", [90, 110]],
  ["an open beyond the target pays the target", [125, 130, 121, 125], [75, 79, 70, 75], "target", [120, 80]],
  ["an open beyond the target comes before the stop", [125, 126, 80, 85], [75, 120, 74, 115], "target", [
    120,
    80,
  ]],
];

for (const [what, forLong, forShort, reason, prices] of cases) {
  test(what, () => {
    for (const [side, given, index] of [["long", forLong, 0], ["short", forShort, 1]] as const) {
      const expected = reason === undefined ? undefined : { reason, price: prices?.[index] };
      assert.equal(exitOf(signals[side], candle(given)), expected, side);
    }
  });
}

test("by the best rule the target counts where a candle spans both, and only there", () => {
  const best = (prices: Prices) => exitAt(levelsOf(signals.long), candle(prices), "best");
  assert.equal(best([100, 121, 89, 100]), { reason: "target", price: 120 });
  assert.equal(best([85, 125, 84, 90]), { reason: "stop", price: 85 });
  assert.equal(best([100, 101, 90, 95]), { reason: "stop", price: 90 });
});

test("prices are compared as they are shown: rounded to the tick", () => {
  const signal = { ...signals.long, stop: 90.3, tickSize: 0.5 };
  assert.equal(exitOf(signal, candle([100, 101, 90.4, 95])), { reason: "stop", price: 90.5 });
});

test.run();
