/** Prices and amounts in steps, and the size of a position by its risk. */
import fc from "fast-check";
import { positionSize, stepText, toTick } from "../../lib/live/instrument.ts";
import { assert, suite } from "../harness.ts";

const test = suite("instrument");

test("positionSize() known answers", () => {
  const question = { account: 10_000, riskPercent: 1, entry: 100, stop: 98, sizeStep: "0.0001" };
  assert.equal(positionSize(question), { size: "50.0000", risk: "100.00" });
  assert.equal(positionSize({ ...question, stop: 103, sizeStep: "1" }), { size: "33", risk: "99.00" });
  assert.equal(positionSize({ ...question, account: 30, riskPercent: 1, stop: 99, sizeStep: "0.1" }), {
    size: "0.3",
    risk: "0.30",
  });
  assert.is(positionSize({ ...question, stop: 100 }), undefined);
  assert.is(positionSize({ ...question, sizeStep: "51" }), undefined);
  const tiny = { account: 1e6, entry: 0.02, stop: 0.0199, sizeStep: "0.00000001" };
  assert.match(positionSize({ ...question, ...tiny })?.size ?? "", /^(100000000\.|99999999\.9)\d+$/);
});

test("positionSize() loses at the stop what was meant, less one step at most", () => {
  const money = fc.integer({ min: 100, max: 10_000_000 });
  const prices = fc.tuple(fc.integer({ min: 1, max: 1e7 }), fc.integer({ min: 1, max: 1e7 }));
  const percent = fc.integer({ min: 1, max: 1000 });
  fc.assert(fc.property(money, percent, prices, (account, tenths, [entryCents, stopCents]) => {
    fc.pre(entryCents !== stopCents);
    const [entry, stop, riskPercent] = [entryCents / 100, stopCents / 100, tenths / 10];
    const position = positionSize({ account, riskPercent, entry, stop, sizeStep: "0.001" });
    const meant = account * riskPercent / 100;
    const oneStep = 0.001 * Math.abs(entry - stop);
    if (!position) return assert.ok(meant < oneStep + 0.005);
    const loss = Number(position.size) * Math.abs(entry - stop);
    assert.ok(Math.abs(loss - Number(position.risk)) <= 0.0051);
    assert.ok(loss <= meant * (1 + 1e-9) + oneStep * 1e-6, `loses ${loss}, meant ${meant}`);
    assert.ok(loss > meant - oneStep * 1.001, `loses ${loss}, meant ${meant}`);
  }));
});

test("toTick() keeps the tick's decimals", () => {
  assert.is(toTick(1.084996, "0.0001"), "1.0850");
  assert.is(toTick(60123.456, "0.5"), "60123.5");
  assert.is(toTick(60123.456, "1"), "60123");
  assert.is(toTick(1.3, "0.25"), "1.25");
});

test("steps are numbers or texts, prices of a position too", () => {
  const question = { account: 10_000, riskPercent: 1, entry: "100.00", stop: "98.0", sizeStep: 0.0001 };
  assert.equal(positionSize(question), { size: "50.0000", risk: "100.00" });
  assert.equal(positionSize({ ...question, stop: 98, sizeStep: 1e-8 }), {
    size: "50.00000000",
    risk: "100.00",
  });
  assert.equal([toTick(60123.456, 0.5), toTick(60123.456, "0.50"), toTick(1.084996, 1e-4)], [
    ...["60123.5", "60123.50", "1.0850"],
  ]);
});

test("stepText() gives plain digits, and nothing for what is no step", () => {
  const steps = [
    [0.01, "0.01"],
    ["0.00010000", "0.0001"],
    [1e-8, "0.00000001"],
    ["1e-7", "0.0000001"],
    [10, "10"],
    [0.5, "0.5"],
    [100, "100"],
    [1 / 3 * 0.3, "0.1"],
  ];
  for (const [step, text] of steps) assert.is(stepText(step), text);
  for (const none of [0, -1, NaN, Infinity, "", null, undefined, "x", {}, 1e-30]) {
    assert.is(stepText(none), undefined, String(none));
  }
});

test("what is no step, no price and no amount is refused", () => {
  const good = { account: 10_000, riskPercent: 1, entry: 100, stop: 98, sizeStep: "0.01" };
  for (
    const wrong of [
      { account: -1 },
      { account: NaN },
      { riskPercent: 0 },
      { riskPercent: 500 },
      { entry: Infinity },
      { stop: 0 },
      { sizeStep: "1e-8" },
      { sizeStep: "-0.01" },
      { sizeStep: -0.01 },
      { sizeStep: 0 },
      { entry: "1e2" },
      { entry: "0.0" },
      { stop: true },
      { stop: [98] },
    ]
  ) {
    const name = Object.keys(wrong)[0] as string;
    assert.throws(() => positionSize({ ...good, ...wrong } as typeof good), new RegExp(`"${name}" must be`));
  }
  assert.is(positionSize({ ...good, account: 1e30 }), undefined);
  for (
    const [price, tick] of [[1, "1e-8"], [1, "0"], [1, "0,01"], [1, 0], [1, NaN], [NaN, "1"], [
      1e21,
      "1",
    ]] as const
  ) {
    assert.throws(() => toTick(price, tick as string), /Cannot round the price/);
  }
});

test.run();
