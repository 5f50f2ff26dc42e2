/** The scheduler's command-line options. */
import { UsageError } from "../../../examples/cli/arguments.ts";
import { readSettings } from "../../../examples/strategy/settings.ts";
import { assert, suite } from "../../harness.ts";

const test = suite("settings");

test("readSettings() defaults, and what was asked for", () => {
  const plain = readSettings([]);
  assert.equal([plain?.symbol, plain?.state, plain?.signals], [
    "BTC-USD",
    ".signals/BTC-USD.jsonl",
    Infinity,
  ]);
  assert.equal([plain?.intervalSeconds, plain?.seed], [undefined, undefined]);
  assert.is(plain?.exchange, "https://api.exchange.coinbase.com");
  const argv = [
    "--symbol",
    "BTC/USD",
    "--interval",
    "0.5",
    "--signals",
    "3",
    "--risk-percent",
    "0.5",
    "--seed",
    "7",
  ];
  const asked = readSettings(argv);
  assert.equal([asked?.state, asked?.intervalSeconds, asked?.signals], [".signals/BTC-USD.jsonl", 0.5, 3]);
  assert.equal([asked?.riskPercent, asked?.seed], [0.5, 7]);
  assert.is(readSettings(["--help"]), undefined);
});

test("readSettings() refuses a mistake in one line that names it", () => {
  const mistakes = [
    ["--interval", "0"],
    ["--interval", "soon"],
    ["--interval=-1"],
    ["--signals", "0"],
    ["--signals", "1.5"],
    ["--seed", "x"],
    ["--account", ""],
    ["--risk-percent", "101"],
    ["--tick-size", "0"],
    ["--symbol", " "],
    ["--exchange", "api.exchange.coinbase.com"],
    ["--exchange", "ftp://127.0.0.1"],
    ["--exchange", "http://127.0.0.1/"],
    ["--signal", "3"],
    ["--seed"],
  ];
  for (const argv of mistakes) {
    try {
      readSettings(argv);
      assert.unreachable(`${argv} was accepted`);
    } catch (error) {
      assert.instance(error, UsageError);
      const name = /^--[a-z-]+/.exec(argv[0] ?? "")?.[0] ?? "";
      assert.ok((error as Error).message.includes(name) && !(error as Error).message.includes("\n"), name);
    }
  }
  assert.throws(() => readSettings(["file.csv"]), (error: Error) => !error.message.includes("\n"));
});

test.run();
