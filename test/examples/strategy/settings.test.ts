/** The scheduler's settings, from the command line and from a file. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../../../cli/arguments.ts";
import { chooseFeed, paceOf } from "../../../examples/strategy/feed.ts";
import { meanReversion } from "../../../examples/strategy/mean_reversion.ts";
import { originalMeanReversion } from "../../../examples/strategy/original.ts";
import { help } from "../../../examples/strategy/help.ts";
import { readSettings, type Settings } from "../../../examples/strategy/settings.ts";
import { assert, suite } from "../../harness.ts";

const test = suite("settings");

function read(...argv: string[]): Settings {
  return readSettings(argv);
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
  const options = new Set(help("npx tsx examples/live_scheduler.ts").match(/--[a-z-]+/g));
  options.delete("--help");
  assert.ok(options.size > known, `${options.size} options for ${known} settings`);
  for (const option of options) {
    const value = { "--no-chart": [], "--verbose": [] }[option] ?? ["?"];
    try {
      readSettings([option, ...value]);
    } catch (error) {
      assert.not.match((error as Error).message, "Unknown option");
    }
  }
});

test("the market that is asked for", async () => {
  const nameOf = async (...argv: string[]): Promise<string> => (await chooseFeed(read(...argv))).name;
  assert.is(await nameOf(), "Coinbase");
  assert.is(await nameOf("--exchange", "http://127.0.0.1:8080"), "127.0.0.1:8080");
  assert.is(await nameOf("--seed", "7"), "synthetic, seed 7");
  assert.is(await nameOf("--interval", "1"), "synthetic, seed 3547");
  assert.is((await chooseFeed(read("--interval", "1"))).now?.(), Date.UTC(2026, 0, 5, 6));
});

test("how time passes there", () => {
  const pace = (...argv: string[]): string => paceOf(read(...argv)) ?? "";
  assert.match(pace(), "without an exchange: --interval 0.5");
  assert.match(
    pace("--seed", "7"),
    /synthetic, and each comes at its close, in real time\..* --interval 0\.5$/,
  );
  const words = "its time begins at 2026-01-05 06:00 UTC, with a synthetic candle every 0.5 s.";
  assert.match(pace("--interval", "0.5"), words);
  assert.match(pace("--interval", "0.5", "--seed", "7"), words);
  assert.match(help(""), /06:00 UTC of 5 January 2026/);
  assert.is(pace("--replay", "x.csv"), "");
});

test("candles come from one place", () => {
  for (
    const [one, other] of [
      [["--exchange", "kraken"], ["--seed", "1"]],
      [["--exchange", "coinbase"], ["--interval", "1"]],
      [["--exchange", "kraken"], ["--replay", "x.csv"]],
      [["--replay", "x.csv"], ["--seed", "1"]],
    ] as const
  ) {
    const message = refusal(...one, ...other);
    assert.match(message, `${one[0]} and ${other[0]} exclude each other`);
    const names = [one, other].map((
      [option, value],
    ) => [option.slice(2), /^\d/.test(value) ? Number(value) : value]);
    withFile(Object.fromEntries(names), (file) => {
      const [first, second] = names.map(([name]) => `"${name}"`);
      assert.match(refusal("--settings", file), `${first} and ${second} in ${file} exclude each other`);
    });
  }
  read("--replay", "x.csv", "--interval", "1");
  read("--seed", "1", "--interval", "1");
  assert.match(refusal("--exchange", "kraken", "--seed", "1", "--account", "0"), "--account must be");
});

test("a market on the command line takes the place of the file's", () => {
  const sourceOf = (content: object, ...argv: string[]): unknown[] => {
    let found: unknown[] = [];
    withFile(content, (file) => {
      const { exchange, replay, seed, intervalSeconds } = read("--settings", file, ...argv);
      found = [exchange, replay, seed, intervalSeconds];
    });
    return found;
  };
  const none = undefined;
  const live = { exchange: "kraken", symbol: "BTC/USD" };
  assert.equal(sourceOf(live), ["kraken", none, none, none]);
  assert.equal(sourceOf(live, "--replay", "day.csv"), ["coinbase", "day.csv", none, none]);
  assert.equal(sourceOf(live, "--seed", "7"), ["coinbase", none, 7, none]);
  assert.equal(sourceOf(live, "--interval", "0.5"), ["coinbase", none, 3547, 0.5]);
  const trial = { seed: 7, interval: 1 };
  assert.equal(sourceOf(trial, "--exchange", "kraken"), ["kraken", none, none, none]);
  assert.equal(sourceOf(trial, "--replay", "day.csv"), ["coinbase", "day.csv", none, 1]);
  assert.equal(sourceOf(trial, "--seed", "8"), ["coinbase", none, 8, 1]);
  assert.equal(sourceOf({ replay: "day.csv" }, "--interval", "2"), ["coinbase", "day.csv", none, 2]);
});

test("a file may begin with a byte order mark, and hold any number that JSON has", () => {
  withFile(
    `\uFEFF{"riskPercent": 0.5, "sizeStep": 0.00000001, "account": 1e4, "dryRun": -1001234567890}`,
    (file) => {
      const { riskPercent, sizeStep, account, dryRun } = read("--settings", file);
      assert.equal([riskPercent, sizeStep, account, dryRun], [0.5, "0.00000001", 10_000, -1001234567890]);
    },
  );
});

test("what is for the command line alone is no setting, and no name is like any other", () => {
  withFile({ help: true, settings: "x.json", foo: 1, Verbose: true }, (file) => {
    const message = refusal("--settings", file);
    for (const name of ["help", "settings"]) {
      assert.match(message, `"${name}" in ${file} is for the command line alone\n`);
    }
    assert.match(message, `"foo" in ${file} is no setting\n`);
    assert.match(message, `"Verbose" in ${file} is no setting (did you mean "verbose"?)`);
  });
});

test("a number is plain digits, on the command line and in a file's texts", () => {
  const options = { interval: "--interval", account: "--account", dryRun: "--dry-run", signals: "--signals" };
  for (const value of ["0x10", "1e3", "Infinity", " 12", "12 ", "1_000", "", "1,5", "+5", "0"]) {
    for (const [name, option] of Object.entries(options)) {
      assert.match(
        refusal(`${option}=${value}`),
        new RegExp(`^${option} must be .*, in plain digits: `),
        value,
      );
      withFile({ [name]: value }, (file) => {
        assert.match(refusal("--settings", file), `"${name}" in ${file} must be`);
      });
    }
  }
  assert.match(refusal(`--dry-run=${2 ** 52}`), "--dry-run must be nothing, or a chat's id");
  assert.match(refusal("--dry-run=1.5"), "--dry-run must be nothing, or a chat's id");
  withFile(
    { dryRun: 0 },
    (file) =>
      assert.match(refusal("--settings", file), `"dryRun" in ${file} must be nothing, or a chat's id`),
  );
  assert.equal([read("--interval", ".5").intervalSeconds, read("--account", "007").account], [0.5, 7]);
});

test("a symbol has room beside any strategy's name, and no text has control characters", () => {
  const longest = "X".repeat(55);
  for (const rules of ["reentry", "original"]) {
    const settings = read("--rules", rules, "--symbol", longest);
    const { name } = rules === "original" ? originalMeanReversion(settings) : meanReversion(settings);
    assert.ok(name.length + longest.length <= 80, `${name} is too long`);
  }
  for (const symbol of [`${longest}X`, "€".repeat(19)]) {
    assert.match(
      refusal("--symbol", symbol),
      '--symbol must be names such as "BTC-USD", of 55 bytes at most',
    );
  }
  for (
    const [option, name] of [["--symbol", "symbol"], ["--currency", "currency"], [
      "--replay",
      "replay",
    ]] as const
  ) {
    assert.match(refusal(option, "A\u001b[2J"), `${option} must have no control characters`);
    for (const value of ["A\u0000", "A\n", "A\ud800"]) {
      withFile({ [name]: value }, (file) => {
        assert.match(refusal("--settings", file), `"${name}" in ${file} must have no control characters`);
      });
    }
  }
});

test.run();
