/** The scheduler as it is run: whom it writes to, what it says, and how it ends. */
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { meanReversion } from "../../examples/strategy/mean_reversion.ts";
import { readSettings, type Settings } from "../../examples/strategy/settings.ts";
import { backtest, syntheticFeed } from "../../lib/live/mod.ts";
import { type LocalUser, startBotApiServer, startDynamoDB } from "../../lib/local/mod.ts";
import type { Candle } from "../../mod.ts";
import { assert, suite } from "../harness.ts";
import { startExchange } from "../support/exchange.ts";
import { rm } from "../support/leaks.ts";
import { commandFor } from "../support/runtime.ts";
import { type Ended, runScript, startScript } from "../support/script.ts";
import { realToken, withSubscribers } from "../support/subscribers.ts";
import { hasTerminals, runAtTerminal } from "../support/terminal.ts";

const test = suite("live_scheduler", undefined, 120_000);
const script = "examples/live_scheduler.ts";
const dayMs = 86_400_000;
const [today, tomorrow] = [Date.UTC(2026, 0, 5), Date.UTC(2026, 0, 6)];

/** How often somebody got a signal. */
const signalsOf = ({ inbox }: LocalUser): number =>
  inbox.filter(({ text, caption }) => /(LONG|SHORT) BTC-USD/.test(caption ?? text ?? "")).length;

interface Stack {
  readonly ada: LocalUser;
  readonly ben: LocalUser;
  /** Runs the scheduler to its end. */
  run(...args: string[]): Promise<Ended>;
}

/** A Telegram with two subscribers, and a DynamoDB. */
async function withStack(body: (stack: Stack) => Promise<void>): Promise<void> {
  await using telegram = await startBotApiServer();
  await using database = await startDynamoDB();
  const [ada, ben] = [telegram.user({ first_name: "Ada" }), telegram.user({ first_name: "Ben" })];
  const env = {
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_API_ROOT: telegram.apiRoot,
    AWS_ENDPOINT_URL_DYNAMODB: database.endpoint,
    AWS_REGION: database.region,
    AWS_ACCESS_KEY_ID: database.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: database.credentials.secretAccessKey,
  };
  for (const user of [ada, ben]) user.say("/start");
  await body({ ada, ben, run: (...args) => runScript([script, ...args], env, "-P=sandbox") });
}

/** A made-up market's candles of two days, and when today's first signal comes. */
async function eventful(): Promise<{ candleAt: (time: number) => Candle | undefined; found: number }> {
  const feed = syntheticFeed({ seed: 3547, start: tomorrow, intervalSeconds: 0 });
  const { signal } = new AbortController();
  const count = 4 * dayMs / 300_000;
  const all = await feed.history({ symbol: "BTC-USD", timeframe: "5m", count, signal });
  const candles = new Map(all.map((candle) => [candle.time, candle]));
  const strategy = meanReversion(readSettings([]) as Settings);
  const { trades: [first] } = await backtest({ strategy, feed, from: today });
  return { candleAt: (time) => candles.get(time), found: first?.openedAt ?? NaN };
}

test("an exchange's signal goes to whoever is subscribed, though DynamoDB is down; then it ends", async () => {
  const { candleAt, found } = await eventful();
  await using telegram = await startBotApiServer();
  // The candle closes when those before are there, and the bot has been heard.
  let startedAt = Infinity;
  const now = (): number => found - 500 + Math.max(0, performance.now() - startedAt);
  await using exchange = await startExchange({ now, candleAt });
  exchange.mishaps.push({ status: 503, headers: { "retry-after": "1" } });
  const ada = telegram.user({ first_name: "Ada" });
  const running = startScript([script, "--exchange", exchange.endpoint, "--signals", "1"], {
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_API_ROOT: telegram.apiRoot,
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_REGION: "us-east-1",
    // The discard port: nobody listens there.
    AWS_ENDPOINT_URL_DYNAMODB: "http://127.0.0.1:9",
  });
  try {
    ada.say("/start");
    await ada.received("subscribed");
    // The steps of prices are asked for once the history is there.
    while (!exchange.asked.some(({ url }) => url.pathname === "/products/BTC-USD")) await sleep(50);
    startedAt = performance.now();
    await ada.received("BTC-USD", 60_000);
    // It would wait for the list of the others, for as long as the signal is of use.
    running.kill("SIGTERM");
    const { status, output } = await running.ended;
    assert.is(status, 0, output);
    assert.match(output, /^Running Mean reversion on BTC-USD \(5m\), with candles from 127\.0\.0\.1:\d+\.$/m);
    assert.match(output, /cannot be had from 127\.0\.0\.1:\d+: status 503\. Trying again\.\n/);
    assert.match(output, /^Candles come from 127\.0\.0\.1:\d+ again\.$/m);
    assert.match(output, /LONG .* (1 chat has it by now|Sent to 1 of 1 chat)/);
    assert.is(signalsOf(ada), 1);
  } finally {
    running.kill("SIGKILL");
  }
});

test("a second start sends what the first one did not, to everyone, and nothing again", () =>
  withStack(async ({ ada, ben, run }) => {
    const demonstration = ["--interval", "0.02", "--no-chart", "--signals", "1"];
    const [first, second] = [await run(...demonstration), await run(...demonstration)];
    for (const { status, output } of [first, second]) {
      assert.is(status, 0, output);
      assert.match(output, /\n1 signal; stopping\.\n$/);
    }
    assert.match(second.output, /Nothing was sent now: it was sent at .* UTC, to 2 of 2 chats/);
    for (const user of [ada, ben]) assert.is(signalsOf(user), 2);
  }));

test("--dry-run writes to one chat, and takes nothing from the others", () =>
  withStack(async ({ ada, ben, run }) => {
    const args = ["--interval", "0.02", "--no-chart", "--signals", "1"];
    const dry = await run(...args, "--dry-run", String(ada.chatId));
    assert.is(dry.status, 0, dry.output);
    assert.match(dry.output, `; signals go to the chat ${ada.chatId} alone.`);
    assert.equal([signalsOf(ada), signalsOf(ben)], [1, 0]);
    await run(...args);
    assert.equal([signalsOf(ada), signalsOf(ben)], [2, 1]);
  }));

test("--dry-run to a chat that is not subscribed says so at the start, and why", () =>
  withStack(async ({ run }) => {
    const { status, output } = await run(
      "--interval",
      "0.02",
      "--no-chart",
      "--signals",
      "1",
      "--dry-run",
      "99",
    );
    assert.is(status, 0, output);
    assert.match(
      output,
      /^Nobody gets the signals as yet: the table "telegram-chats" has no chat 99: send \/start/m,
    );
  }));

test("--dry-run alone shows signals on the screen: nobody is written to, and no settings are needed", async () => {
  const args = ["--interval", "0.02", "--no-chart", "--signals", "1", "--dry-run"];
  const { status, output } = await runScript([script, ...args], {
    ...{ TELEGRAM_BOT_TOKEN: "", AWS_ENDPOINT_URL_DYNAMODB: "http://127.0.0.1:9" },
    ...{ AWS_ACCESS_KEY_ID: "local", AWS_SECRET_ACCESS_KEY: "local" },
  });
  assert.is(status, 0, output);
  assert.match(output, /\n🟢 LONG BTC-USD · 5m\n\nEntry: [^]*; synthetic data, not a market\n/);
  assert.match(output, /\n1 signal; stopping\.\n$/);
});

test("candles that are no market's are asked for where people may get their signals", () =>
  withSubscribers({ count: 2, token: realToken }, async ({ telegram, users, ledgerEnv }) => {
    const args = [script, "--interval", "0.02", "--no-chart", "--signals", "1"];
    const unasked = await runScript(args, ledgerEnv);
    assert.is(unasked.status, 2, unasked.output);
    assert.match(unasked.output, /there is no terminal to ask at, so --yes has to be given\n$/);
    assert.is(telegram.countCalls("getMe"), 0);
    if (hasTerminals) {
      const command = [...commandFor(script, "-P"), ...args.slice(1)];
      const dialogue = { question: "[y/N]", answer: "n", env: ledgerEnv };
      const refused = await runAtTerminal(command, dialogue);
      assert.is(refused.status, 1, refused.output);
      assert.match(
        refused.output,
        "The candles are synthetic data, not a market. Send their signals to 2 chats? [y/N]",
      );
      assert.equal(users.map(signalsOf), [0, 0]);
    }
    const { status, output } = await runScript([...args, "--yes"], ledgerEnv);
    assert.is(status, 0, output);
    for (const { inbox } of users) assert.match(inbox[0]?.text ?? "", "; synthetic data, not a market");
  }));

test("several symbols and timeframes from a settings file; --verbose says why there is no signal", () =>
  withStack(async ({ run }) => {
    const folder = await mkdtemp(join(tmpdir(), "scheduler-"));
    try {
      const file = join(folder, "settings.json");
      const settings = {
        symbol: ["BTC-USD", "ETH-USD"],
        timeframe: ["5m", "15m"],
        verbose: true,
        interval: 0.02,
      };
      await writeFile(file, JSON.stringify({ ...settings, noChart: true }));
      const { status, output } = await run("--settings", file, "--signals", "2");
      assert.is(status, 0, output);
      assert.match(
        output,
        "its time begins at 2026-01-05 06:00 UTC, with a synthetic candle every 0.02 s.\n",
      );
      assert.match(
        output,
        "Running Mean reversion on BTC-USD, ETH-USD (5m, 15m), with candles from synthetic",
      );
      for (const series of ["BTC-USD 5m", "ETH-USD 5m", "BTC-USD 15m", "ETH-USD 15m"]) {
        assert.match(output, `Mean reversion ${series}: one candle ago it closed inside of its bands\n`);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  }));

test("--daily-summary: what became of the signals, at its time", () =>
  withStack(async ({ ada, run }) => {
    const args = ["--interval", "0.02", "--no-chart", "--daily-summary", "12:00", "--signals", "4"];
    const { status, output } = await run(...args);
    assert.is(status, 0, output);
    const summaries = ada.inbox.filter(({ text }) => text?.startsWith("Summary of 2026-01-05, 12:00 UTC"));
    assert.is(summaries.length, 1, output);
    assert.match(summaries[0]?.text ?? "", /\nyesterday 13:55 SHORT BTC-USD .*: target/);
    assert.match(summaries[0]?.text ?? "", /\n08:15 LONG BTC-USD .*: stop/);
  }));

test("nothing that is in a file of candles is obeyed by the terminal", async () => {
  const folder = await mkdtemp(join(tmpdir(), "scheduler-"));
  try {
    const candles = join(folder, "candles.csv");
    for (const line of ["\u001b[2J,1,1,1,1,1", "\u009b2J,1,1,1,1,1", "{\u202e"]) {
      await writeFile(candles, `${line}\n`);
      const { status, output } = await startScript([script, "--replay", candles], {}, "-A").ended;
      assert.is(status, 2, output);
      assert.match(output, /line 1: /);
      assert.not.match(output.replaceAll("\n", ""), /[\p{Cc}\u202a-\u202e]/u, JSON.stringify(line));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("an exchange that ccxt has not, or without ccxt any, is told before the bot connects", () =>
  withStack(async ({ ada, run }) => {
    const { status, output } = await run("--exchange", "krakn");
    assert.is(status, 2, output);
    assert.match(
      output,
      /^(The exchange must be one of .* \(did you mean "kraken"\?\)|.* npm install ccxt )/,
    );
    assert.not.match(output, /^\s+at /m);
    assert.equal(ada.inbox, []);
  }));

test("every mistake in the arguments is named before anything begins", async () => {
  const { status, output } = await runScript([
    script,
    "--hours",
    "6-17",
    "--timeframe",
    "1h",
    ...[
      "--account",
      "0",
      "--dry-run",
      "0",
      "--symbol",
      "X".repeat(67),
      "--exchange",
      "kraken",
      "--seed",
      "1",
    ],
  ]);
  assert.is(status, 2, output);
  for (
    const name of [
      "--hours must be",
      "--timeframe must be one of 1m",
      "--account must be",
      "--dry-run must be",
      "--symbol must be",
      "--exchange and --seed exclude each other",
    ]
  ) {
    assert.match(output, name);
  }
  assert.not.match(output, /^\s+at /m);
});

test.run();
