import fc from "fast-check";
import {
  type Decimal,
  decimalText,
  priceText,
  riskReward,
  signalTime,
  type TradingSignal,
  validateSignal,
} from "../../lib/signals/signal.ts";
import { assert, suite } from "../harness.ts";

const long: TradingSignal = { direction: "long", symbol: "BTC-USD", entry: 100, stop: 95, target: 110 };
const short: TradingSignal = {
  direction: "short",
  symbol: "EURUSD",
  entry: "1.0850",
  stop: "1.0900",
  target: "1.0750",
};

/** Loosely typed, as a script without types may call it. */
const changed = (base: TradingSignal, change: Record<string, unknown>): TradingSignal =>
  ({ ...base, ...change }) as TradingSignal;

function refused(signal: TradingSignal, kind: typeof TypeError | typeof RangeError, message: RegExp): void {
  assert.throws(
    () => validateSignal(signal),
    (error: Error) => error instanceof kind && message.test(error.message),
    `${message} for ${JSON.stringify(signal)}`,
  );
}

const decimals = suite("decimalText()");

decimals("decimalText() keeps a string's digits", () => {
  for (const text of ["1.0850", "0", "-0.10", "100000000000000000000000.5", "0.00000001", "007"]) {
    assert.is(decimalText(text, "entry"), text);
  }
});

decimals("decimalText() prints a number in full", () => {
  const numbers: [number, string][] = [
    [1e-7, "0.0000001"],
    [-1e-7, "-0.0000001"],
    [1.5e-7, "0.00000015"],
    [1.25e-10, "0.000000000125"],
    [1e21, "1000000000000000000000"],
    [1.5e21, "1500000000000000000000"],
    [-1.234e22, "-12340000000000000000000"],
    [0.1, "0.1"],
    [-0, "0"],
    [123456.789, "123456.789"],
    [Number.MAX_SAFE_INTEGER, "9007199254740991"],
  ];
  for (const [value, text] of numbers) assert.is(decimalText(value, "entry"), text);
});

decimals("decimalText() says of any finite number what the number says, to twelve digits", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const text = decimalText(value, "entry");
      assert.match(text, /^-?\d+(\.\d+)?$/);
      const isWhole = Number.isInteger(value);
      assert.is(Number(text), value === 0 ? 0 : isWhole ? value : Number(value.toPrecision(12)));
    }),
    { numRuns: 2000 },
  );
});

decimals("decimalText() shows no noise of floating point", () => {
  assert.is(decimalText(0.1 + 0.2, "entry"), "0.3");
  assert.is(decimalText(1.1 * 3, "entry"), "3.3");
  assert.is(decimalText(67250.1 + 0.2, "entry"), "67250.3");
  const cents = fc.integer({ min: 1, max: 10_000_000 });
  fc.assert(fc.property(cents, cents, (one, other) => {
    assert.is(decimalText(one / 100 + other / 100, "entry"), String((one + other) / 100));
  }));
});

decimals("priceText() rounds numbers to the instrument's step, and leaves texts as they are", () => {
  const prices: [Decimal, number, string][] = [
    [0.25, 100.1 + 0.2, "100.25"],
    ["0.0001", 1.08504, "1.0850"],
    [0.5, 67250, "67250.0"],
    ["0.50", 67250.2, "67250.00"],
    [5, 67252.6, "67255"],
    [1e-8, 0.1 + 0.2, "0.30000000"],
  ];
  for (const [tickSize, entry, text] of prices) {
    assert.is(priceText({ ...long, tickSize, entry }, "entry"), text);
    assert.is(priceText({ ...long, tickSize, entry: String(entry) }, "entry"), String(entry));
  }
  refused({ ...long, tickSize: 0 }, RangeError, /"tickSize" must be above 0/);
  refused(
    { ...long, tickSize: 100, entry: 67240, stop: 67210, target: 68_000 },
    RangeError,
    /"stop" must be below "entry"/,
  );
});

decimals("decimalText() refuses what is no finite decimal, by name and value", () => {
  const values = [
    NaN,
    Infinity,
    -Infinity,
    "",
    " ",
    "1e5",
    "1,5",
    "1.",
    ".5",
    "+1",
    "0x10",
    "1 ",
    "NaN",
    "1_000",
  ];
  for (const value of [...values, "9".repeat(400), null, undefined, true, {}, [1], 5n]) {
    assert.throws(
      () => decimalText(value as number, "entry"),
      (error: Error) =>
        error instanceof TypeError && error.message.includes('"entry" must be a finite number'),
      String(value),
    );
  }
  assert.throws(() => decimalText("1e5", "stop"), /"stop".*"1e5"/);
});

decimals.run();

const validation = suite("validateSignal()");

validation("validateSignal() takes a long and a short, in numbers and in strings", () => {
  validateSignal(long);
  validateSignal(short);
  validateSignal({ ...long, size: "0.001", risk: 1e-9, time: "2026-11-20T12:00:00Z", parameters: { n: 1 } });
});

validation("validateSignal() refuses words that would not print as they are", () => {
  const circular: Record<string, unknown> = {};
  circular["self"] = circular;
  const odd: Record<string, unknown>[] = [
    ...["currency", "timeframe", "strategy", "note"].flatMap((name) => [{ [name]: {} }, { [name]: null }]),
    ...[null, "x", { ATR: {} }, { ATR: undefined }, circular, [1], new Map([["a", 1]]), { ATR: NaN }].map((
      parameters,
    ) => ({ parameters })),
  ];
  for (const part of odd) {
    const [name] = Object.keys(part);
    assert.throws(
      () => validateSignal({ ...long, ...part }),
      (error: Error) => error instanceof TypeError && error.message.includes(`"${name}" must be`),
      name,
    );
  }
  const message =
    /"parameters" must be texts, numbers and booleans by name: current value is \{ ATR: \{\} \}/;
  assert.throws(() => validateSignal({ ...long, parameters: { ATR: {} as string } }), message);
});

validation("validateSignal() refuses a direction or a symbol that says nothing", () => {
  for (const direction of ["buy", "LONG", "", undefined, null, 1]) {
    refused(changed(long, { direction }), TypeError, /"direction" must be "long" or "short"/);
  }
  for (const symbol of ["", "  ", undefined, null, 7]) {
    refused(changed(long, { symbol }), TypeError, /"symbol"/);
  }
});

validation("validateSignal() refuses prices that are missing or no finite number", () => {
  for (const name of ["entry", "stop", "target"]) {
    for (const value of [undefined, null, NaN, Infinity, -Infinity, "", "abc", "1e3", {}, true]) {
      refused(changed(long, { [name]: value }), TypeError, new RegExp(`"${name}" must be a finite number`));
    }
  }
});

validation("validateSignal() refuses an entry, a size or a risk that is not above 0", () => {
  for (const name of ["entry", "size", "risk"]) {
    for (const value of [0, -1, "0", "-0.5", "0.000"]) {
      refused(changed(long, { [name]: value }), RangeError, new RegExp(`"${name}" must be above 0`));
    }
    refused(changed(long, { [name]: NaN }), TypeError, new RegExp(`"${name}"`));
  }
});

validation("validateSignal() refuses a stop or a target that is on the wrong side, or at the entry", () => {
  refused({ ...long, stop: 100 }, RangeError, /"stop" must be below "entry" \(100\) for a long.*100/);
  refused({ ...long, stop: 105 }, RangeError, /"stop" must be below "entry"/);
  refused({ ...long, target: 100 }, RangeError, /"target" must be above "entry" \(100\) for a long/);
  refused({ ...long, target: 90 }, RangeError, /"target" must be above "entry"/);
  refused({ ...short, stop: "1.0800" }, RangeError, /"stop" must be above "entry" \("1.0850"\) for a short/);
  refused({ ...short, stop: "1.085" }, RangeError, /"stop" must be above "entry"/);
  refused({ ...short, target: "1.0900" }, RangeError, /"target" must be below "entry"/);
});

validation("validateSignal() says where only rounding puts a price on the wrong side", () => {
  const signal = { ...long, entry: 67250.5, stop: 66980, target: 67800, tickSize: 1000 };
  refused(
    signal,
    RangeError,
    /"stop" must be below "entry" \(67250.5\) for a long: current value is 66980, and after rounding to tickSize 1000 "stop" is 67000 and "entry" 67000$/,
  );
  refused({ ...signal, stop: 67300 }, RangeError, /current value is 67300$/);
  refused(
    { ...signal, tickSize: 1e6 },
    RangeError,
    /"entry" .* 67250.5, which rounding to tickSize 1000000 makes 0$/,
  );
  const { tickSize: _left, ...plain } = signal;
  refused(
    { ...plain, entry: 0.1 + 0.2, stop: 0.3, target: 1 },
    RangeError,
    /current value is 0.3, and after rounding to 12 significant digits "stop" is 0.3 and "entry" 0.3$/,
  );
});

validation("validateSignal() tells prices in digits as they are, not as text", () => {
  validateSignal({ ...long, entry: "100", stop: "9", target: "1000" });
  validateSignal({ ...short, entry: "100", stop: "1000", target: "9" });
});

validation("validateSignal() refuses a time that is none", () => {
  for (const time of ["yesterday", "", new Date(NaN)]) {
    refused({ ...long, time }, TypeError, /"time" must be a Date/);
  }
  refused({ ...long, time: new Date(1_767_571_200) }, TypeError, /looks like seconds: multiply it by 1000/);
});

validation("signalTime() is the signal's own, or now", () => {
  assert.is(signalTime(long, 5).getTime(), 5);
  assert.is(
    signalTime({ ...long, time: "2026-11-20T13:00:00+01:00" }, 5).toISOString(),
    "2026-11-20T12:00:00.000Z",
  );
  assert.is(signalTime({ ...long, time: new Date(7) }, 5).getTime(), 7);
});

validation("signalTime() refuses a time without a zone, which every machine would read as another", () => {
  refused({ ...long, time: "2026-11-20T13:00:00" }, TypeError, /"time"/);
});

validation("riskReward() is the gain for each unit risked, above 0 for every valid signal", () => {
  assert.is(riskReward(long), 2);
  assert.ok(Math.abs(riskReward(short) - 2) < 1e-9);
  const price = fc.double({ min: 0.001, max: 1e6, noNaN: true });
  fc.assert(
    fc.property(price, price, price, fc.constantFrom("long", "short"), (entry, stop, target, direction) => {
      const signal = { ...long, entry, stop, target, direction } as TradingSignal;
      const side = direction === "long" ? 1 : -1;
      // Prices that look the same are the same.
      const [one = 0, two = 0, three = 0] = [entry, stop, target].map((each) =>
        Number(decimalText(each, ""))
      );
      const isValid = Math.sign(one - two) === side && Math.sign(three - one) === side;
      let accepted = true;
      try {
        validateSignal(signal);
      } catch {
        accepted = false;
      }
      assert.is(accepted, isValid);
      if (isValid) assert.ok(riskReward(signal) > 0);
    }),
  );
});

validation.run();
