/** The scheduler's parts together: it sends no signal twice, and goes on while Telegram is out of reach. */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chooseFeed, resumeFeed } from "../../examples/strategy/choose_feed.ts";
import { type Candle, closeTime, timeframeMs } from "../../examples/strategy/feed.ts";
import { createMeanReversion } from "../../examples/strategy/mean_reversion.ts";
import { createNotifier, type Notifier, type SignalOutcome } from "../../examples/strategy/notifier.ts";
import { createSignalSender } from "../../examples/strategy/send_signal.ts";
import { openSentLog } from "../../examples/strategy/sent_log.ts";
import { readSettings } from "../../examples/strategy/settings.ts";
import { trade } from "../../examples/strategy/trade.ts";
import { startBotApiServer } from "../../lib/local/mod.ts";
import { MeanReversionTelegramBot, StorageError, TelegramError, type TradingSignal } from "../../mod.ts";
import { assert, suite } from "../harness.ts";
import { deadAddress, Logs, said } from "../support/bot.ts";
import { found, inFolder } from "../support/examples.ts";
import { startScript } from "../support/script.ts";

const test = suite("live_scheduler");

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

test("createSignalSender() does not send a signal that it cannot record, and says so", async () => {
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

test("createSignalSender() says so where the record of an unsent signal cannot be undone", async () => {
  const lines: string[] = [];
  const record = { undo: () => Promise.reject(new Error("disk full")) };
  const sent = { last: -Infinity, record: () => Promise.resolve(record) };
  const notifier = createNotifierOf(() => Promise.resolve(unsent));
  const deliver = createSignalSender({ sent, notifier, say: (line) => lines.push(line) });
  assert.is(await deliver({ ...found, time: new Date("2026-01-05T06:15:00Z") }, []), false);
  assert.match(lines[0] ?? "", /Not sent: no list \(Remembered as sent all the same: disk full\)$/);
});

test("nothing that is in a file of candles is obeyed by the terminal", () =>
  inFolder(async (folder) => {
    const candles = join(folder, "candles.csv");
    for (const line of ["\u001b[2J,1,1,1,1,1", "\u009b2J,1,1,1,1,1", "{\u202e"]) {
      await writeFile(candles, `${line}\n`);
      const args = ["examples/live_scheduler.ts", "--replay", candles, "--state", join(folder, "state.json")];
      const { status, output } = await startScript(args, {}, "-A").ended;
      assert.is(status, 2, output);
      assert.match(output, /line 1: /);
      assert.not.match(output.replaceAll("\n", ""), /[\p{Cc}\u202a-\u202e]/u, JSON.stringify(line));
    }
  }));

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

test.run();
