/** Data in messages: written as a console writes it, and never longer than it can be read. */
import process from "node:process";
import { inspect } from "node:util";
import fc from "fast-check";
import { dataText } from "../../lib/util/data_text.ts";
import { assert, suite } from "../harness.ts";

const test = suite("dataText()");

const shown = (value: unknown): string => inspect(value, { depth: 1, breakLength: Infinity });

const leaves = fc.oneof(
  ...[fc.integer(), fc.double(), fc.boolean(), fc.bigInt()],
  fc.string({ unit: "binary", maxLength: 8 }),
  fc.constantFrom(null, undefined, -0, "it's", `it's "so"`, "`'\"", "${`'\"", "\u007f\u009f", new Date(0)),
);
/** A console lays out longer lists in columns. */
const data = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "medium" },
    leaves,
    fc.array(tie("value"), { maxLength: 6 }),
    fc.dictionary(fc.string({ maxLength: 5 }), tie("value"), { maxKeys: 5, noNullPrototype: true }),
  ),
})).value;

test("is what Node's console shows of data", () => {
  // Deno's differs in details.
  if (process.versions["deno"] !== undefined) return;
  fc.assert(fc.property(data, (value) => assert.is(dataText(value), shown(value))), { numRuns: 2000 });
});

class Price {
  readonly amount = 1;
}

test("is what a console shows of other objects, whose getters are not called", () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const values = [
    ...[new Price(), [new Price()], { a: { b: new Price() } }, Object.create(null), Symbol("a")],
    ...[
      {
        get price() {
          throw new Error("asked");
        },
      },
      { set price(_: number) {/* Nobody sets it. */} },
      () => 1,
      /a/,
      [[[]]],
    ],
    { "a-b": 1, $a: 2, 1: 3 },
  ];
  for (const value of values) assert.is(dataText(value), shown(value));
  assert.throws(() => dataText(proxy), undefined, "as whoever asks for it catches it");
});

test("is no longer than can be read, and ends in a circle", () => {
  assert.match(dataText(Array(200_000).fill(1)), /, 1, \.\.\. 199900 more items \]$/);
  assert.match(dataText("a".repeat(20_000)), /^'a{10000}'\.\.\. 10000 more characters$/);
  const circle: unknown[] = [1];
  circle.push(circle);
  assert.is(dataText(circle), "[ 1, [Circular] ]");
});

test.run();
