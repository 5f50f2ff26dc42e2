/** The scheduler's parts together: never a signal twice, and never an end because of Telegram. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../../examples/cli/arguments.ts";
import { stopOnSignals } from "../../examples/cli/stop_on_signals.ts";
import { chooseFeed, type ChosenFeed, resumeFeed } from "../../examples/strategy/choose_feed.ts";
import { type Candle, closeTime, timeframeMs } from "../../examples/strategy/feed.ts";
import { createMeanReversion } from "../../examples/strategy/mean_reversion.ts";
import {
  createNotifier,
  type Notifier,
  type SignalBot,
  type SignalOutcome,
  type SignalReport,
  type SignalRun,
} from "../../examples/strategy/notifier.ts";
import { createSignalSender } from "../../examples/strategy/send_signal.ts";
import { openSentLog } from "../../examples/strategy/sent_log.ts";
import { readSettings } from "../../examples/strategy/settings.ts";
import { trade } from "../../examples/strategy/trade.ts";
import { startBotApiServer } from "../../lib/local/mod.ts";
import {
  MeanReversionTelegramBot,
  type SignalOptions,
  StorageError,
  TelegramError,
  type TradingSignal,
} from "../../mod.ts";
import { assert, suite } from "../harness.ts";
import { deadAddress, Logs, said } from "../support/bot.ts";

const test = suite("live_scheduler");

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "scheduler-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface RunOptions {
  readonly onCandles?: (candles: readonly Candle[]) => void;
  readonly argv?: readonly string[];
  readonly send?: (signal: TradingSignal) => Promise<SignalOutcome>;
  readonly signal?: AbortSignal;
}

/** What the script does between its arguments and its bot, at one candle a millisecond. */
async function run(state: string, { argv = [], send, signal, onCandles }: RunOptions): Promise<string[]> {
  const settings = readSettings(["--interval", "0.001", "--state", state, ...argv]);
  if (!settings) throw new Error("asked for help");
  const series = chooseFeed(settings, { say: () => {} });
  const sent = await openSentLog(state, series.feed.name);
  const handedOn: string[] = [];
  const notifier = createNotifierOf(async (found, { candles }) => {
    onCandles?.(candles);
    handedOn.push(String((found.time as Date).toISOString()));
    return await send?.(found) ?? sentOne;
  });
  const deliver = createSignalSender({ sent, notifier, say: () => {} });
  const strategy = createMeanReversion(settings);
  const stopping = signal ? { signal } : {};
  await trade({
    ...resumeFeed(series, sent.last),
    strategy,
    send: deliver,
    limit: settings.signals,
    ...stopping,
  });
  return handedOn;
}

const sentOne: SignalOutcome = { kind: "sent", line: "sent 1" };
const unsent: SignalOutcome = { kind: "unsent", line: "Not sent: no list" };

function createNotifierOf(send: Notifier["send"]): Notifier {
  return { start: () => Promise.resolve(), stop: () => Promise.resolve(), send };
}

test("trade() a restart goes on where the last run ended and repeats nothing", () =>
  inFolder(async (folder) => {
    const whole = await run(join(folder, "whole.json"), { argv: ["--signals", "5"] });
    const first = await run(join(folder, "parts.json"), { argv: ["--signals", "2"] });
    const second = await run(join(folder, "parts.json"), { argv: ["--signals", "3"] });
    assert.is(new Set(whole).size, 5);
    assert.equal([...first, ...second], whole);
  }));

test("trade() hands on the candles that a signal was found in, up to its own, and no more than two days of them", () =>
  inFolder(async (folder) => {
    const seen: (readonly Candle[])[] = [];
    const onCandles = (candles: readonly Candle[]): void => void seen.push(candles);
    const times = await run(join(folder, "state.json"), { argv: ["--signals", "40"], onCandles });
    assert.equal(
      seen.map((candles) => closeTime(candles.at(-1) as Candle)),
      times.map((it) => Date.parse(it)),
    );
    assert.ok((seen[0]?.length ?? 0) > 70);
    assert.is(Math.max(...seen.map(({ length }) => length)), 576);
    const last = seen.at(-1) ?? [];
    assert.is((last.at(-1)?.time ?? 0) - (last[0]?.time ?? 0), 575 * timeframeMs);
  }));

test("trade() a crash while sending loses that signal and does not repeat it", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    const [lost] = await run(state, {
      argv: ["--signals", "1"],
      send: () => Promise.resolve({ ...sentOne, line: "never arrived" }),
    });
    const [next] = await run(state, { argv: ["--signals", "1"] });
    assert.ok(lost !== undefined && next !== undefined && lost < next, `${lost}, then ${next}`);
  }));

test("trade() the time is on disk before the signal is sent", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    let written = "";
    const send = (): Promise<SignalOutcome> => {
      written = readFileSync(state, "utf8");
      return Promise.resolve(sentOne);
    };
    const [time = "none"] = await run(state, { argv: ["--signals", "1"], send });
    assert.ok(written.includes(time), `${time} is not in ${written}`);
  }));

test("trade() aborting lets the signal that is being sent finish, and sends no further one", () =>
  inFolder(async (folder) => {
    const controller = new AbortController();
    let finished = 0;
    const send = async (): Promise<SignalOutcome> => {
      controller.abort();
      await new Promise((resolve) => setTimeout(resolve, 10));
      finished++;
      return sentOne;
    };
    assert.is((await run(join(folder, "state.json"), { send, signal: controller.signal })).length, 1);
    assert.is(finished, 1);
  }));

test("trade() signals carry the feed's caution, and none is found in history", () =>
  inFolder(async (folder) => {
    const notes: string[] = [];
    const send = (found: TradingSignal): Promise<SignalOutcome> => {
      notes.push(found.note ?? "");
      return Promise.resolve(sentOne);
    };
    const [first = ""] = await run(join(folder, "state.json"), { argv: ["--signals", "1"], send });
    assert.match(notes[0] ?? "", /; synthetic data, not a market$/);
    assert.ok(first > "2026-01-05T06:00:00.000Z", first);
  }));

test("chooseFeed() a demonstration waits in trading hours only", async () => {
  const settings = readSettings(["--interval", "3600"]);
  if (!settings) throw new Error("asked for help");
  const { pace } = chooseFeed(settings, { say: () => {} });
  const controller = new AbortController();
  const candle = { open: 1, high: 1, low: 1, close: 1, volume: 1 };
  await pace({ ...candle, time: Date.UTC(2026, 0, 5, 16, 55) }, controller.signal);
  const waiting = pace({ ...candle, time: Date.UTC(2026, 0, 5, 16, 50) }, controller.signal);
  controller.abort();
  assert.is(await waiting.then(() => "at once", (error) => error.name), "AbortError");
});

test("chooseFeed() in real time: history up to now, made up the same after a restart on the same day", async () => {
  const settings = readSettings(["--seed", "3547"]);
  if (!settings) throw new Error("asked for help");
  const say = (): void => {};
  const noon = Date.UTC(2026, 10, 23, 12);
  const firstOf = async (now: number): Promise<unknown> => {
    const { value } = await chooseFeed(settings, { say, now }).feed.candles()[Symbol.asyncIterator]()
      .next();
    return value;
  };
  assert.is(chooseFeed(settings, { say, now: noon }).liveFrom, noon);
  assert.equal(await firstOf(noon), await firstOf(noon + 3_600_000));
  assert.is((await firstOf(noon) as { time: number }).time, Date.UTC(2026, 10, 22));
});

test("chooseFeed() an exchange's candles, unless something else is asked for", () => {
  const seriesOf = (argv: string[]): ChosenFeed => {
    const settings = readSettings(argv);
    if (!settings) throw new Error("asked for help");
    return chooseFeed(settings, { say: () => {}, now: 0 });
  };
  const nameOf = (...argv: string[]): string => seriesOf(argv).feed.name;
  assert.is(seriesOf([]).liveFrom, -Infinity, "the exchange's clock tells, not ours");
  assert.is(nameOf(), "coinbase BTC-USD");
  assert.is(nameOf("--symbol", "BTC-USD", "--exchange", "https://api.exchange.coinbase.com"), nameOf());
  assert.is(nameOf("--symbol", "ETH-EUR"), "coinbase ETH-EUR");
  assert.is(nameOf("--exchange", "http://127.0.0.1:8080"), "127.0.0.1:8080 BTC-USD");
  assert.is(nameOf("--seed", "7"), "synthetic, seed 7, in real time");
  assert.is(nameOf("--interval", "1"), "synthetic, seed 3547");
  assert.is(nameOf("--interval", "1", "--seed", "7"), "synthetic, seed 7");
});

test("trade() rejects with what went wrong in the feed", async () => {
  const broken = new Error("feed");
  const feed = {
    name: "broken",
    candles: (): AsyncIterable<never> => ({
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(broken) }),
    }),
  };
  const strategy = createMeanReversion({ symbol: "X", account: 1 });
  const error = await trade({ feed, strategy, send: () => Promise.resolve(true), liveFrom: 0 }).catch((
    e,
  ) => e);
  assert.is(error, broken);
});

test("createSignalSender() does not send what it cannot remember, and says so", async () => {
  const lines: string[] = [];
  const sent = { last: -Infinity, record: () => Promise.reject(new Error("disk full")) };
  const notifier = createNotifierOf(() => Promise.resolve(assert.unreachable("it was sent") as never));
  const deliver = createSignalSender({ sent, notifier, say: (line) => lines.push(line) });
  const prices = { entry: "1.0850", stop: "1.0800", target: "1.1", size: "3" };
  await deliver(
    { direction: "long", symbol: "EURUSD", ...prices, time: new Date("2026-01-05T06:15:00Z") },
    [],
  );
  assert.equal(lines, [
    "2026-01-05 06:15 UTC  LONG 3 EURUSD at 1.0850, stop 1.0800, target 1.1. Not sent: disk full",
  ]);
});

test("createSignalSender() gives a signal until the next candle's close, by the market's clock where there is one", async () => {
  const time = new Date("2026-01-05T06:15:00Z");
  const leftMs: number[] = [];
  const send: Notifier["send"] = (_, { expiresAt }) => {
    leftMs.push(expiresAt - Date.now());
    return Promise.resolve(sentOne);
  };
  const sent = { last: -Infinity, record: () => Promise.resolve({ undo: () => Promise.resolve() }) };
  const parts = { sent, notifier: createNotifierOf(send), say: () => {} };
  await createSignalSender(parts)({ ...found, time }, []);
  await createSignalSender({ ...parts, marketNow: () => time.getTime() + 60_000 })({ ...found, time }, []);
  const [demonstration = NaN, live = NaN] = leftMs;
  assert.ok(demonstration <= timeframeMs && demonstration > timeframeMs - 30_000, `${demonstration} ms`);
  assert.ok(live <= timeframeMs - 60_000 && live > timeframeMs - 90_000, `${live} ms`);
});

test("trade() a signal that nobody was sent does not count, and a restart sends it", () =>
  inFolder(async (folder) => {
    const [whole, state] = [join(folder, "whole.json"), join(folder, "state.json")];
    const all = await run(whole, { argv: ["--signals", "3"] });
    let calls = 0;
    const controller = new AbortController();
    const send = (): Promise<SignalOutcome> => {
      if (++calls < 2) return Promise.resolve(sentOne);
      controller.abort();
      return Promise.resolve(unsent);
    };
    const first = await run(state, { argv: ["--signals", "2"], send, signal: controller.signal });
    assert.equal(first, all.slice(0, 2));
    assert.equal(await run(state, { argv: ["--signals", "2"] }), all.slice(1));
    assert.equal(await run(state, { argv: ["--signals", "1"], send: () => Promise.resolve(sentOne) }), [
      (await run(whole, { argv: ["--signals", "1"] }))[0],
    ], "what was sent then is not sent again");
  }));

test("trade() goes on after a signal that nobody was sent, and ends after so many that were", () =>
  inFolder(async (folder) => {
    let calls = 0;
    const send = (): Promise<SignalOutcome> => Promise.resolve(++calls % 2 === 1 ? unsent : sentOne);
    assert.is((await run(join(folder, "state.json"), { argv: ["--signals", "2"], send })).length, 4);
  }));

test("trade() a signal that somebody may have got does not count, and is not sent again", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    const controller = new AbortController();
    const send = (): Promise<SignalOutcome> => {
      controller.abort();
      return Promise.resolve({ kind: "unknown", line: "Failed" });
    };
    const [doubtful = ""] = await run(state, { argv: ["--signals", "1"], send, signal: controller.signal });
    const [next = ""] = await run(state, { argv: ["--signals", "1"] });
    assert.ok(doubtful < next, `${doubtful}, then ${next}`);
  }));

test("createSignalSender() says so where what was not sent cannot be forgotten", async () => {
  const lines: string[] = [];
  const record = { undo: () => Promise.reject(new Error("disk full")) };
  const sent = { last: -Infinity, record: () => Promise.resolve(record) };
  const notifier = createNotifierOf(() => Promise.resolve(unsent));
  const deliver = createSignalSender({ sent, notifier, say: (line) => lines.push(line) });
  assert.is(await deliver({ ...found, time: new Date("2026-01-05T06:15:00Z") }, []), false);
  assert.match(lines[0] ?? "", /Not sent: no list \(Remembered as sent all the same: disk full\)$/);
});

test("openSentLog() what is taken back may be sent by whoever comes next, by one of them", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    const at = Date.UTC(2026, 0, 5);
    const one = await openSentLog(state, "one");
    await one.record(at - 1);
    const record = await one.record(at);
    const twin = await openSentLog(state, "one");
    assert.instance(await twin.record(at).catch((reason) => reason), UsageError);
    await record.undo();
    assert.is((await openSentLog(state, "one")).last, at - 1, "the twin's try is forgotten, too");
    await twin.record(at);
    assert.instance(await one.record(at).catch((reason) => reason), UsageError);
    assert.is((await openSentLog(state, "one")).last, at);
  }));

test("openSentLog() half a line that takes back is none: that signal may have been sent", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    const at = Date.UTC(2026, 0, 5);
    const record = await (await openSentLog(state, "one")).record(at);
    const before = readFileSync(state, "utf8");
    await record.undo();
    const line = readFileSync(state, "utf8").slice(before.length);
    for (let length = 1; length < line.length - 1; length++) {
      writeFileSync(state, before + line.slice(0, length));
      assert.is((await openSentLog(state, "one")).last, at, `torn at ${length}`);
    }
  }));

test("openSentLog() keeps the other feeds of the symbol, and leaves no other file", () =>
  inFolder(async (folder) => {
    const state = join(folder, "deep", "state.json");
    await (await openSentLog(state, "one")).record(Date.UTC(2026, 0, 5));
    await (await openSentLog(state, "two")).record(Date.UTC(2026, 0, 6));
    assert.is((await openSentLog(state, "one")).last, Date.UTC(2026, 0, 5));
    assert.is((await openSentLog(state, "two")).last, Date.UTC(2026, 0, 6));
    assert.is((await openSentLog(state, "three")).last, -Infinity);
    assert.equal(readdirSync(join(folder, "deep")), ["state.json"]);
  }));

test("openSentLog() loses nothing of another scheduler that shares the file, nor sends what that one sent", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    const [one, two] = [await openSentLog(state, "one"), await openSentLog(state, "two")];
    const twin = await openSentLog(state, "one");
    const at = Date.UTC(2026, 0, 5);
    await one.record(at);
    await two.record(at + 1);
    await one.record(at + 2);
    assert.is((await openSentLog(state, "two")).last, at + 1);
    const error = await twin.record(at + 2).catch((reason) => reason);
    assert.instance(error, UsageError);
    assert.match(error.message, /is sent already; does another scheduler trade "one"\?/);
    assert.is((await openSentLog(state, "one")).last, at + 2);
  }));

test("openSentLog() takes half a line for a signal that was not sent, wherever it was torn", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    const at = Date.UTC(2026, 0, 5);
    await (await openSentLog(state, "one")).record(at);
    const whole = readFileSync(state, "utf8");
    for (let length = 1; length < whole.length - 1; length++) {
      writeFileSync(state, whole + whole.slice(0, length));
      const sent = await openSentLog(state, "one");
      assert.is(sent.last, at);
      await sent.record(at + 1);
      assert.is((await openSentLog(state, "one")).last, at + 1, `torn at ${length}`);
    }
  }));

test("openSentLog() lets one of several schedulers send a signal, however close they are", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    const all = await Promise.all(Array.from({ length: 5 }, () => openSentLog(state, "one")));
    const other = await openSentLog(state, "other");
    for (let minute = 0; minute < 20; minute++) {
      const at = Date.UTC(2026, 0, 5, 0, minute);
      const [, ...outcomes] = await Promise.allSettled([other, ...all].map((sent) => sent.record(at)));
      assert.is(outcomes.filter(({ status }) => status === "fulfilled").length, 1, `minute ${minute}`);
    }
    assert.is((await openSentLog(state, "other")).last, Date.UTC(2026, 0, 5, 0, 19));
  }));

test("openSentLog() refuses a file that it cannot understand, instead of sending again", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    const line = '{"feed":"one","time":"2026-01-05T00:00:00.000Z","id":"1"}\n';
    const wrong = [
      "[]",
      "null",
      '{"one": "yesterday"}',
      '{"feed":"one","time":"yesterday"}',
      "five",
      `${line}x\n`,
    ];
    for (const text of wrong) {
      writeFileSync(state, text);
      const error = await openSentLog(state, "one").catch((reason) => reason);
      assert.instance(error, UsageError, text);
      assert.match(error.message, /^Cannot tell from .*state\.json/);
      assert.is(readFileSync(state, "utf8"), text, "it is left as it was");
    }
    assert.instance(await openSentLog(folder, "one").catch((reason) => reason), UsageError);
  }));

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

const found: TradingSignal = { direction: "long", symbol: "X", entry: 2, stop: 1, target: 4 };

const options = {
  candles: [],
  get expiresAt(): number {
    return Date.now() + timeframeMs;
  },
};

/** A report of these counts; it prints as `sent 2`. */
function reportOf(counts: Partial<SignalReport>): SignalReport {
  const { sent = 0, failed = 0, unknown = 0, skips = { expired: 0, stopped: 0 } } = counts;
  return { sent, failed, unknown, skips, toString: () => `sent ${sent}` };
}

/** A broadcast to so many; `recipients` is 0 where they are not read. */
function runOf(report: SignalReport | Promise<SignalReport>, recipients: number = 2): SignalRun {
  return Object.assign(Promise.resolve(report), { progress: { recipients, done: 0 } });
}

/** A bot that starts, sends and stops; `changes` say what it does otherwise. */
function botOf(changes: Partial<SignalBot> = {}): SignalBot {
  return {
    initialize: () => Promise.resolve(),
    startBot: () => Promise.resolve(),
    finished: new Promise(() => {}),
    sendSignal: () => runOf(reportOf({ sent: 2 })),
    stopBot: () => Promise.resolve(),
    ...changes,
  };
}

function notifierOf(
  bots: SignalBot[],
  fatal?: Error,
  stopping: AbortSignal = new AbortController().signal,
): { notifier: Notifier; lines: string[] } {
  const lines: string[] = [];
  const createBot = (): SignalBot => bots.shift() ?? assert.unreachable("one bot too many") as never;
  const isFatal = (error: unknown): boolean => error === fatal;
  return {
    notifier: createNotifier({
      ...{ createBot, isFatal, hasCharts: true, stopping, retryAfterMs: 1 },
      isBeforeSending: (error) => error instanceof StorageError,
      say: (line) => lines.push(line),
    }),
    lines,
  };
}

const sentTwo: SignalOutcome = { kind: "sent", line: "sent 2" };

test("createNotifier() starts the bot once and sends through it", async () => {
  const { notifier, lines } = notifierOf([botOf()]);
  await notifier.start();
  assert.equal(await notifier.send(found, options), sentTwo);
  assert.equal(await notifier.send(found, options), sentTwo);
  await notifier.stop();
  assert.equal(lines, []);
});

test("createNotifier() sends the candles, or none where no charts are wanted", async () => {
  const asked: SignalOptions[] = [];
  const sendSignal: SignalBot["sendSignal"] = (_, options) => runOf(reportOf({ sent: asked.push(options) }));
  const candles = [{ time: 0, open: 1, high: 1, low: 1, close: 1, volume: 1 }];
  for (const argv of [[], ["--no-chart"]]) {
    const { hasCharts = true } = readSettings(argv) ?? {};
    const parts = { isFatal: () => false, isBeforeSending: () => false, hasCharts, say: () => {} };
    const notifier = createNotifier({ createBot: () => botOf({ sendSignal }), ...parts });
    await notifier.send(found, { ...options, candles });
  }
  assert.equal(asked.map((options) => options.candles), [candles, undefined]);
});

test("createNotifier() start() rejects with a fatal error and survives every other", async () => {
  const refused = new Error("token refused");
  const down = (error: Error): SignalBot => botOf({ initialize: () => Promise.reject(error) });
  assert.is(await notifierOf([down(refused)], refused).notifier.start().catch((error) => error), refused);
  const { notifier, lines } = notifierOf([
    down(new Error("no route")),
    down(new Error("still not")),
    botOf(),
  ]);
  await notifier.start();
  assert.equal(lines, ["no route. The bot tries again until it is up."]);
  assert.equal(await notifier.send(found, options), sentTwo, "the signal waits for the bot");
  assert.equal(await notifier.send(found, options), sentTwo);
  await notifier.stop();
});

test("createNotifier() a signal waits for the bot no longer than until it is over, or the scheduler ends", async () => {
  const down = (): SignalBot => botOf({ initialize: () => Promise.reject(new Error("no route")) });
  const stopping = new AbortController();
  const { notifier } = notifierOf(Array.from({ length: 100 }, down), undefined, stopping.signal);
  await notifier.start();
  const unsent = { kind: "unsent", line: "Not sent: no route" } as const;
  assert.equal(await notifier.send(found, { ...options, expiresAt: Date.now() - 1 }), unsent);
  const waiting = notifier.send(found, options);
  stopping.abort();
  assert.equal(await waiting, unsent);
  await notifier.stop();
});

test("createNotifier() stops a bot that did not come up, before the next attempt", async () => {
  const events: string[] = [];
  const half = botOf({
    startBot: () => Promise.reject(new Error("no route")),
    stopBot: () => Promise.reject(new Error(String(events.push("stopped")))),
  });
  const { notifier } = notifierOf([half, botOf()]);
  await notifier.start();
  assert.equal(events, ["stopped"]);
  assert.equal(await notifier.send(found, options), sentTwo);
});

test("createNotifier() a failed send and a failed stop are lines, not ends", async () => {
  const failing = botOf({
    sendSignal: () => runOf(Promise.reject(new Error("no such luck"))),
    stopBot: () => Promise.reject(new Error("slow")),
  });
  const { notifier, lines } = notifierOf([failing]);
  await notifier.start();
  assert.equal(await notifier.send(found, options), {
    kind: "unknown",
    line: "Failed: no such luck. Somebody may have got it, so it is not sent again.",
  });
  await notifier.stop();
  assert.match(lines.at(-1) ?? "", /did not stop cleanly: slow/);
});

test("createNotifier() tells what was not sent from what somebody may have", async () => {
  const skips = (expired: number, stopped: number): Partial<SignalReport> => ({
    skips: { expired, stopped },
  });
  const kinds = new Map<Partial<SignalReport>, SignalOutcome["kind"]>([
    [{ sent: 1, failed: 5 }, "sent"],
    [{}, "sent"],
    [{ failed: 3 }, "unsent"],
    [skips(3, 0), "unsent"],
    [skips(0, 3), "unsent"],
    [{ unknown: 1, failed: 2 }, "unknown"],
    [{ unknown: 1, ...skips(0, 3) }, "unknown"],
    [{ sent: 1, ...skips(0, 3) }, "sent"],
  ]);
  for (const [counts, kind] of kinds) {
    const { notifier } = notifierOf([botOf({ sendSignal: () => runOf(reportOf(counts)) })]);
    const outcome = await notifier.send(found, options);
    assert.is(outcome.kind, kind, JSON.stringify(counts));
    assert.is(outcome.line.startsWith("Not sent"), kind === "unsent");
  }
});

test("createNotifier() a list of chats that cannot be read is a signal that is not sent", async () => {
  const unread = new StorageError("unreachable", "DynamoDB cannot be reached.");
  const { notifier } = notifierOf([botOf({ sendSignal: () => runOf(Promise.reject(unread), 0) })]);
  assert.equal(await notifier.send(found, options), {
    kind: "unsent",
    line: "Not sent: DynamoDB cannot be reached.",
  });
});

test("createNotifier() a stop ends a signal that waits for the list of chats, and no other", async () => {
  for (const recipients of [0, 2]) {
    const stopping = new AbortController();
    const sendSignal: SignalBot["sendSignal"] = (_, { signal }) => {
      const report = new Promise<SignalReport>((resolve, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason));
        setTimeout(() => resolve(reportOf({ sent: recipients })), 20);
      });
      setTimeout(() => stopping.abort());
      return runOf(report, recipients);
    };
    const { notifier } = notifierOf([botOf({ sendSignal })], undefined, stopping.signal);
    const outcome = await notifier.send(found, options);
    if (recipients === 0) assert.equal(outcome, { kind: "unsent", line: "Not sent: stopped meanwhile" });
    else assert.equal(outcome, sentTwo);
  }
});

test("createNotifier() a stop while a message is on its way ends the signal as soon as it waits for the list", async () => {
  const stopping = new AbortController();
  const progress = { recipients: 1, done: 0 };
  const sendSignal: SignalBot["sendSignal"] = (_, { signal }) => {
    const report = new Promise<SignalReport>((resolve) =>
      signal?.addEventListener("abort", () => resolve(reportOf({ sent: progress.done })))
    );
    setTimeout(() => stopping.abort());
    setTimeout(() => progress.done = 1, 20);
    return Object.assign(report, { progress });
  };
  const { notifier } = notifierOf([botOf({ sendSignal })], undefined, stopping.signal);
  assert.equal(await notifier.send(found, options), { kind: "sent", line: "sent 1" });
});

test("a signal that finds Telegram out of reach is sent by the next run, to all and once", () =>
  inFolder(async (folder) => {
    await using telegram = await startBotApiServer();
    const { token: botToken } = telegram;
    const state = join(folder, "state.json");
    const time = new Date("2026-01-05T06:15:00Z");
    const lines: string[] = [];
    const logger = new Logs();
    const user = telegram.user();
    const deliver = async (
      apiRoot: string,
      inTheMeantime: () => Promise<unknown>,
      stopping: AbortSignal = new AbortController().signal,
    ): Promise<boolean> => {
      const notifier = createNotifier({
        stopping,
        createBot: () => new MeanReversionTelegramBot({ botToken, apiRoot, useDynamoDB: false, logger }),
        isFatal: () => false,
        isBeforeSending: (error) => error instanceof StorageError || error instanceof TelegramError,
        hasCharts: false,
        say: (line) => lines.push(line),
      });
      await notifier.start();
      await inTheMeantime();
      const sent = await openSentLog(state, "one");
      const isNew = sent.last < time.getTime();
      const isSent = isNew && await createSignalSender({ sent, notifier, say: (line) => lines.push(line) })(
        { ...found, time },
        [],
      );
      await notifier.stop();
      return isSent;
    };
    const stopped = AbortSignal.abort();
    assert.is(await deliver(await deadAddress(), () => Promise.resolve(), stopped), false);
    assert.match(lines.at(-1) ?? "", /Not sent: Telegram cannot be reached/);
    user.say("/start");
    const subscribed = (): Promise<unknown> => user.received("Welcome! You are subscribed.");
    assert.is(await deliver(telegram.apiRoot, subscribed), true);
    assert.match(lines.at(-1) ?? "", /Sent to 1 of 1 chat/);
    assert.is(await deliver(telegram.apiRoot, () => Promise.resolve()), false, "it is remembered");
    assert.is(said(user).filter((line) => line.includes("LONG X")).length, 1);
  }));

test("createNotifier() says once that polling ended, and goes on sending", async () => {
  const { notifier, lines } = notifierOf([botOf({ finished: Promise.reject(new Error("token refused")) })]);
  await notifier.start();
  assert.equal(await notifier.send(found, options), sentTwo);
  assert.equal(await notifier.send(found, options), sentTwo);
  assert.equal(lines, ["No longer listening to Telegram (token refused); signals are still sent."]);
});

test("stopOnSignals() aborts at the first signal and exits with 130 at the second", () => {
  const listeners = new Map<string, () => void>();
  const codes: number[] = [];
  const source = {
    on: (event: string, listener: () => void) => listeners.set(event, listener),
    exit: (code: number) => codes.push(code),
  };
  const signal = stopOnSignals(() => {}, source);
  assert.is(signal.aborted, false);
  listeners.get("SIGINT")?.();
  assert.equal([signal.aborted, codes.length], [true, 0]);
  listeners.get("SIGTERM")?.();
  assert.equal(codes, [130]);
});

test.run();
