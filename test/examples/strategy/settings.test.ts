/** The scheduler's settings, from the command line and from a file. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../../../examples/cli/arguments.ts";
import { chooseFeed } from "../../../examples/strategy/feed.ts";
import { help, readSettings, type Settings } from "../../../examples/strategy/settings.ts";
import { assert, suite } from "../../harness.ts";

const test = suite("settings");

function read(...argv: string[]): Settings {
  const settings = readSettings(argv);
  if (settings === undefined) throw new Error("asked for help");
  return settings;
}

function refusal(...argv: string[]): string {
  try {
    readSettings(argv);
  } catch (error) {
    assert.instance(error, UsageError);
    return (error as Error).message;
  }
  throw new Error(`${argv.join(" ")} was accepted`);
}

function withFile(content: unknown, body: (file: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "settings-"));
  const file = join(folder, "settings.json");
  try {
    writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
    body(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("defaults", () => {
  const { symbols, timeframes, exchange, hours, signals, seed, hasCharts, verbose, dryRun } = read();
  assert.equal([symbols, timeframes, exchange], [["BTC-USD"], ["5m"], "coinbase"]);
  assert.equal(hours, { from: "06:00", to: "17:00", timeZone: "UTC" });
  assert.equal([signals, seed, hasCharts, verbose, dryRun], [Infinity, undefined, true, false, undefined]);
  const stops = ["reentry", "original"].map((rules) => {
    const { atrMultiple, rewardRisk } = read("--rules", rules);
    return [atrMultiple, rewardRisk];
  });
  assert.equal(stops, [[1.5, 1.5], [1.2, 2.5]]);
  assert.is(readSettings(["--help"]), undefined);
});

test("what is asked for; a name twice is one", () => {
  const symbols = ["--symbol", "BTC-USD", "--symbol", "ETH-USD", "--symbol", "BTC-USD"];
  assert.equal(read(...symbols).symbols, ["BTC-USD", "ETH-USD"]);
  const hours = ["--hours", "22:00-24:00", "--time-zone", "Europe/London"];
  assert.equal(read(...hours).hours, { from: "22:00", to: "24:00", timeZone: "Europe/London" });
  const found = read("--risk-percent", "0.5", "--dry-run=-1001234", "--similar", "0.05", "--no-chart");
  assert.equal([found.riskPercent, found.dryRun, found.similar?.percent, found.hasCharts], [
    0.5,
    -1001234,
    0.05,
    false,
  ]);
  const summary = read("--daily-summary", "17:05", "--time-zone", "Europe/London").dailySummary;
  assert.equal(summary, { at: "17:05", timeZone: "Europe/London" });
  assert.is(read("--interval", "0.5").seed, 3547);
  assert.is(read("--rules", "original", "--timeframe", "1d").timeframes[0], "1d");
});

test("a file's settings are as on the command line, which beats them", () => {
  withFile({ symbol: ["BTC-USD", "ETH-USD"], timeframe: "15m", riskPercent: 0.5, noChart: true }, (file) => {
    const settings = read("--settings", file, "--timeframe", "5m");
    const { symbols, timeframes, riskPercent, hasCharts } = settings;
    assert.equal([symbols, timeframes, riskPercent, hasCharts], [["BTC-USD", "ETH-USD"], ["5m"], 0.5, false]);
  });
});

test("a file is checked whole, and each mistake named", () => {
  withFile({ riskPercent: "much", hours: "6-17", timeZone: "Mars" }, (file) => {
    const message = refusal("--settings", file);
    for (const name of ["riskPercent", "hours", "timeZone"]) {
      assert.match(message, `"${name}" in ${file} must be`);
    }
  });
  withFile({ symbols: ["BTC-USD"], verbose: "yes", account: [1, 2] }, (file) => {
    const message = refusal("--settings", file);
    assert.match(message, `"symbols" in ${file} is no setting (did you mean "symbol"?)`);
    assert.match(message, `"verbose" in ${file} must be true or false`);
    assert.match(message, `"account" in ${file} must be a number: current value is [1,2]`);
  });
  withFile({ symbol: ["BTC-USD", 7], timeframe: [], hours: 6, riskPercent: 0 }, (file) => {
    const message = refusal("--settings", file, "--account", "0");
    for (const name of ["symbol", "timeframe", "hours", "riskPercent"]) {
      assert.match(message, `"${name}" in ${file} must be`);
    }
    assert.match(message, "--account must be");
  });
  withFile(
    "{ symbol: 1 }",
    (file) => assert.match(refusal("--settings", file), `The settings in ${file} cannot`),
  );
  withFile([], (file) => assert.match(refusal("--settings", file), `${file} must hold an object`));
  assert.match(refusal("--settings", "/nowhere.json"), "The settings in /nowhere.json cannot be read");
});

test("a mistake is named with its rule", () => {
  for (
    const argv of [
      ["--interval", "0"],
      ["--interval", "soon"],
      ["--interval=-1"],
      ["--signals", "0"],
      ["--signals", "1.5"],
      ["--seed", "x"],
      ["--account", ""],
      ["--risk-percent", "101"],
      ["--tick-size", "0"],
      ["--size-step", "1e-8"],
      ["--symbol", " "],
      ["--timeframe", "7m"],
      ["--timeframe", "1h"],
      ["--exchange", "ftp://127.0.0.1"],
      ["--exchange", "http://127.0.0.1/"],
      ["--hours", "06:00"],
      ["--hours", "06:00-06:00"],
      ["--hours", "24:00-06:00"],
      ["--time-zone", "Mars"],
      ["--rules", "mine"],
      ["--dry-run", "me"],
      ["--daily-summary", "17"],
      ["--bollinger-period", "1"],
      ["--signal", "3"],
      ["--state", "x"],
      ["--seed"],
    ]
  ) {
    const message = refusal(...argv);
    const name = /^--[a-z-]+/.exec(argv[0] ?? "")?.[0] ?? "";
    assert.ok(message.includes(name) && !message.includes("\n"), message);
  }
  assert.not.match(refusal("file.csv"), "\n");
  assert.match(refusal("--symbl", "BTC-USD"), "Unknown option '--symbl' (did you mean --symbol?)");
  assert.match(
    refusal("--risk-percent", "-1"),
    "A value that begins with a dash is written --risk-percent=-1",
  );
  assert.match(refusal("--replay", "x.csv", "--seed", "1"), "exclude each other");
});

test("the help names every option", () => {
  const known = Object.keys(read()).length;
  const options = new Set(help.match(/--[a-z-]+/g));
  assert.ok(options.size > known, `${options.size} options for ${known} settings`);
  for (const option of options) {
    const value = { "--help": [], "--no-chart": [], "--verbose": [] }[option] ?? ["?"];
    try {
      readSettings([option, ...value]);
    } catch (error) {
      assert.not.match((error as Error).message, "Unknown option");
    }
  }
});

test("the market that is asked for", () => {
  const nameOf = (...argv: string[]): string => chooseFeed(read(...argv)).name;
  assert.is(nameOf(), "Coinbase");
  assert.is(nameOf("--exchange", "http://127.0.0.1:8080"), "127.0.0.1:8080");
  assert.is(nameOf("--exchange", "kraken"), "kraken");
  assert.is(nameOf("--seed", "7"), "synthetic, seed 7");
  assert.is(nameOf("--interval", "1"), "synthetic, seed 3547");
  assert.is(chooseFeed(read("--interval", "1")).now?.(), Date.UTC(2026, 0, 5, 6));
});

test.run();
