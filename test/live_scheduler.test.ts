/** The scheduler's parts together: never a signal twice, and never an end because of Telegram. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readArguments } from "../examples/strategy/arguments.ts";
import { createDelivery } from "../examples/strategy/delivery.ts";
import { type Candle, closeTime, timeframeMs } from "../examples/strategy/feed.ts";
import { createMeanReversion } from "../examples/strategy/mean_reversion.ts";
import { createNotifier, type Notifier, type SignalBot } from "../examples/strategy/notifier.ts";
import { openSentSignals } from "../examples/strategy/sent_signals.ts";
import { chooseSeries, resumed, type Series } from "../examples/strategy/series.ts";
import { stopOnSignals } from "../examples/strategy/stop_on_signals.ts";
import { trade } from "../examples/strategy/trade.ts";
import { UsageError } from "../examples/strategy/usage_error.ts";
import type { SignalOptions, TradingSignal } from "../mod.ts";
import { assert, suite } from "./harness.ts";

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
  readonly send?: (signal: TradingSignal) => Promise<string>;
  readonly signal?: AbortSignal;
}

/** What the script does between its arguments and its bot, at one candle a millisecond. */
async function run(state: string, { argv = [], send, signal, onCandles }: RunOptions): Promise<string[]> {
  const settings = readArguments(["--interval", "0.001", "--state", state, ...argv]);
  if (!settings) throw new Error("asked for help");
  const series = chooseSeries(settings, { say: () => {} });
  const sent = await openSentSignals(state, series.feed.name);
  const handedOn: string[] = [];
  const notifier = createNotifierOf(async (found, candles) => {
    onCandles?.(candles);
    handedOn.push(String((found.time as Date).toISOString()));
    return await send?.(found) ?? "sent 1";
  });
  const deliver = createDelivery({ sent, notifier, say: () => {} });
  const strategy = createMeanReversion(settings);
  const stopping = signal ? { signal } : {};
  await trade({ ...resumed(series, sent.last), strategy, deliver, limit: settings.signals, ...stopping });
  return handedOn;
}

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
      send: () => Promise.resolve("never arrived"),
    });
    const [next] = await run(state, { argv: ["--signals", "1"] });
    assert.ok(lost !== undefined && next !== undefined && lost < next, `${lost}, then ${next}`);
  }));

test("trade() the time is on disk before the signal is sent", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    let written = "";
    const send = (): Promise<string> => Promise.resolve(written = readFileSync(state, "utf8"));
    const [time = "none"] = await run(state, { argv: ["--signals", "1"], send });
    assert.ok(written.includes(time), `${time} is not in ${written}`);
  }));

test("trade() aborting lets the signal that is being sent finish, and sends no further one", () =>
  inFolder(async (folder) => {
    const controller = new AbortController();
    let finished = 0;
    const send = async (): Promise<string> => {
      controller.abort();
      await new Promise((resolve) => setTimeout(resolve, 10));
      finished++;
      return "sent 1";
    };
    assert.is((await run(join(folder, "state.json"), { send, signal: controller.signal })).length, 1);
    assert.is(finished, 1);
  }));

test("trade() signals carry the feed's caution, and none is found in history", () =>
  inFolder(async (folder) => {
    const notes: string[] = [];
    const send = (found: TradingSignal): Promise<string> =>
      Promise.resolve(String(notes.push(found.note ?? "")));
    const [first = ""] = await run(join(folder, "state.json"), { argv: ["--signals", "1"], send });
    assert.match(notes[0] ?? "", /; synthetic data, not a market$/);
    assert.ok(first > "2026-01-05T06:00:00.000Z", first);
  }));

test("chooseSeries() a demonstration waits in trading hours only", async () => {
  const settings = readArguments(["--interval", "3600"]);
  if (!settings) throw new Error("asked for help");
  const { pace } = chooseSeries(settings, { say: () => {} });
  const controller = new AbortController();
  const candle = { open: 1, high: 1, low: 1, close: 1, volume: 1 };
  await pace({ ...candle, time: Date.UTC(2026, 0, 5, 16, 55) }, controller.signal);
  const waiting = pace({ ...candle, time: Date.UTC(2026, 0, 5, 16, 50) }, controller.signal);
  controller.abort();
  assert.is(await waiting.then(() => "at once", (error) => error.name), "AbortError");
});

test("chooseSeries() in real time: history up to now, made up the same after a restart on the same day", async () => {
  const settings = readArguments(["--seed", "3547"]);
  if (!settings) throw new Error("asked for help");
  const say = (): void => {};
  const noon = Date.UTC(2026, 10, 23, 12);
  const firstOf = async (now: number): Promise<unknown> => {
    const { value } = await chooseSeries(settings, { say, now }).feed.candles()[Symbol.asyncIterator]()
      .next();
    return value;
  };
  assert.is(chooseSeries(settings, { say, now: noon }).liveFrom, noon);
  assert.equal(await firstOf(noon), await firstOf(noon + 3_600_000));
  assert.is((await firstOf(noon) as { time: number }).time, Date.UTC(2026, 10, 22));
});

test("chooseSeries() an exchange's candles, unless something else is asked for", () => {
  const seriesOf = (argv: string[]): Series => {
    const settings = readArguments(argv);
    if (!settings) throw new Error("asked for help");
    return chooseSeries(settings, { say: () => {}, now: 0 });
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
  const error = await trade({ feed, strategy, deliver: () => Promise.resolve(), liveFrom: 0 }).catch((e) =>
    e
  );
  assert.is(error, broken);
});

test("createDelivery() does not send what it cannot remember, and says so", async () => {
  const lines: string[] = [];
  const sent = { last: -Infinity, record: () => Promise.reject(new Error("disk full")) };
  const notifier = createNotifierOf(() => Promise.resolve(assert.unreachable("it was sent") as never));
  const deliver = createDelivery({ sent, notifier, say: (line) => lines.push(line) });
  const prices = { entry: "1.0850", stop: "1.0800", target: "1.1", size: "3" };
  await deliver(
    { direction: "long", symbol: "EURUSD", ...prices, time: new Date("2026-01-05T06:15:00Z") },
    [],
  );
  assert.equal(lines, [
    "2026-01-05 06:15 UTC  LONG 3 EURUSD at 1.0850, stop 1.0800, target 1.1. Not sent: disk full",
  ]);
});

test("openSentSignals() keeps the other feeds of the symbol, and leaves no other file", () =>
  inFolder(async (folder) => {
    const state = join(folder, "deep", "state.json");
    await (await openSentSignals(state, "one")).record(Date.UTC(2026, 0, 5));
    await (await openSentSignals(state, "two")).record(Date.UTC(2026, 0, 6));
    assert.is((await openSentSignals(state, "one")).last, Date.UTC(2026, 0, 5));
    assert.is((await openSentSignals(state, "two")).last, Date.UTC(2026, 0, 6));
    assert.is((await openSentSignals(state, "three")).last, -Infinity);
    assert.equal(readdirSync(join(folder, "deep")), ["state.json"]);
  }));

test("openSentSignals() loses nothing of another scheduler that shares the file, nor sends what that one sent", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    const [one, two] = [await openSentSignals(state, "one"), await openSentSignals(state, "two")];
    const twin = await openSentSignals(state, "one");
    const at = Date.UTC(2026, 0, 5);
    await one.record(at);
    await two.record(at + 1);
    await one.record(at + 2);
    assert.is((await openSentSignals(state, "two")).last, at + 1);
    const error = await twin.record(at + 2).catch((reason) => reason);
    assert.instance(error, UsageError);
    assert.match(error.message, /is sent already; does another scheduler trade "one"\?/);
    assert.is((await openSentSignals(state, "one")).last, at + 2);
  }));

test("openSentSignals() takes half a line for a signal that was not sent, wherever it was torn", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    const at = Date.UTC(2026, 0, 5);
    await (await openSentSignals(state, "one")).record(at);
    const whole = readFileSync(state, "utf8");
    for (let length = 1; length < whole.length - 1; length++) {
      writeFileSync(state, whole + whole.slice(0, length));
      const sent = await openSentSignals(state, "one");
      assert.is(sent.last, at);
      await sent.record(at + 1);
      assert.is((await openSentSignals(state, "one")).last, at + 1, `torn at ${length}`);
    }
  }));

test("openSentSignals() lets one of several schedulers send a signal, however close they are", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    const all = await Promise.all(Array.from({ length: 5 }, () => openSentSignals(state, "one")));
    const other = await openSentSignals(state, "other");
    for (let minute = 0; minute < 20; minute++) {
      const at = Date.UTC(2026, 0, 5, 0, minute);
      const [, ...outcomes] = await Promise.allSettled([other, ...all].map((sent) => sent.record(at)));
      assert.is(outcomes.filter(({ status }) => status === "fulfilled").length, 1, `minute ${minute}`);
    }
    assert.is((await openSentSignals(state, "other")).last, Date.UTC(2026, 0, 5, 0, 19));
  }));

test("openSentSignals() refuses a file that it cannot understand, instead of sending again", () =>
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
      const error = await openSentSignals(state, "one").catch((reason) => reason);
      assert.instance(error, UsageError, text);
      assert.match(error.message, /^Cannot tell from .*state\.json/);
      assert.is(readFileSync(state, "utf8"), text, "it is left as it was");
    }
    assert.instance(await openSentSignals(folder, "one").catch((reason) => reason), UsageError);
  }));

test("readArguments() defaults, and what was asked for", () => {
  const plain = readArguments([]);
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
  const asked = readArguments(argv);
  assert.equal([asked?.state, asked?.intervalSeconds, asked?.signals], [".signals/BTC-USD.jsonl", 0.5, 3]);
  assert.equal([asked?.riskPercent, asked?.seed], [0.5, 7]);
  assert.is(readArguments(["--help"]), undefined);
});

test("readArguments() refuses a mistake in one line that names it", () => {
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
      readArguments(argv);
      assert.unreachable(`${argv} was accepted`);
    } catch (error) {
      assert.instance(error, UsageError);
      const name = /^--[a-z-]+/.exec(argv[0] ?? "")?.[0] ?? "";
      assert.ok((error as Error).message.includes(name) && !(error as Error).message.includes("\n"), name);
    }
  }
  assert.throws(() => readArguments(["file.csv"]), (error: Error) => !error.message.includes("\n"));
});

const found: TradingSignal = { direction: "long", symbol: "X", entry: 2, stop: 1, target: 4 };

/** A bot that starts, sends and stops; `changes` say what it does otherwise. */
function botOf(changes: Partial<SignalBot> = {}): SignalBot {
  return {
    initialize: () => Promise.resolve(),
    startBot: () => Promise.resolve(),
    finished: new Promise(() => {}),
    sendSignal: () => Promise.resolve("sent 2"),
    stopBot: () => Promise.resolve(),
    ...changes,
  };
}

function notifierOf(bots: SignalBot[], fatal?: Error): { notifier: Notifier; lines: string[] } {
  const lines: string[] = [];
  const createBot = (): SignalBot => bots.shift() ?? assert.unreachable("one bot too many") as never;
  const isFatal = (error: unknown): boolean => error === fatal;
  return {
    notifier: createNotifier({ createBot, isFatal, hasCharts: true, say: (line) => lines.push(line) }),
    lines,
  };
}

test("createNotifier() starts the bot once and sends through it", async () => {
  const { notifier, lines } = notifierOf([botOf()]);
  await notifier.start();
  assert.is(await notifier.send(found, []), "sent 2");
  assert.is(await notifier.send(found, []), "sent 2");
  await notifier.stop();
  assert.equal(lines, []);
});

test("createNotifier() sends the candles, or none where no charts are wanted", async () => {
  const asked: SignalOptions[] = [];
  const sendSignal: SignalBot["sendSignal"] = (_, options) => Promise.resolve(asked.push(options));
  const candles = [{ time: 0, open: 1, high: 1, low: 1, close: 1, volume: 1 }];
  for (const argv of [[], ["--no-chart"]]) {
    const { hasCharts = true } = readArguments(argv) ?? {};
    const options = { isFatal: () => false, hasCharts, say: () => {} };
    await createNotifier({ createBot: () => botOf({ sendSignal }), ...options }).send(found, candles);
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
  assert.equal(lines, ["no route. The bot tries again with the next signal."]);
  assert.is(await notifier.send(found, []), "Not sent: still not");
  assert.is(await notifier.send(found, []), "sent 2");
});

test("createNotifier() stops a bot that did not come up, before the next attempt", async () => {
  const events: string[] = [];
  const half = botOf({
    startBot: () => Promise.reject(new Error("conflict")),
    stopBot: () => Promise.reject(new Error(String(events.push("stopped")))),
  });
  const { notifier } = notifierOf([half, botOf()]);
  await notifier.start();
  assert.equal(events, ["stopped"]);
  assert.is(await notifier.send(found, []), "sent 2");
});

test("createNotifier() a failed send and a failed stop are lines, not ends", async () => {
  const failing = botOf({
    sendSignal: () => Promise.reject(new Error("table gone")),
    stopBot: () => Promise.reject(new Error("slow")),
  });
  const { notifier, lines } = notifierOf([failing]);
  await notifier.start();
  assert.is(await notifier.send(found, []), "Not sent: table gone");
  await notifier.stop();
  assert.match(lines.at(-1) ?? "", /did not stop cleanly: slow/);
});

test("createNotifier() says once that polling ended, and goes on sending", async () => {
  const { notifier, lines } = notifierOf([botOf({ finished: Promise.reject(new Error("another poller")) })]);
  await notifier.start();
  assert.is(await notifier.send(found, []), "sent 2");
  assert.is(await notifier.send(found, []), "sent 2");
  assert.equal(lines, ["No longer listening to Telegram (another poller); signals are still sent."]);
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
