/** Many strategies on many symbols: what a candle costs, beside a bare loop that calls the same functions. */
import process from "node:process";
import timers from "node:timers";
import { runStrategies } from "../../lib/live/runner.ts";
import type { SignalPublisher } from "../../lib/live/signal_sender.ts";
import type { Strategy, StrategyContext } from "../../lib/live/strategy.ts";
import { timeframeMs } from "../../lib/live/timeframe.ts";
import type { Candle } from "../../lib/signals/candle.ts";
import { randomOf } from "../support/histories.ts";
import { HandFeed } from "../support/hand_feed.ts";
import { comparison, type Row } from "./report.ts";
import { collectGarbage, quantileOf } from "./sampling.ts";

const symbols = Array.from({ length: 20 }, (_, index) => `SYMBOL-${index}`);
const strategyCount = 50;
const warmUp = 300;
const day = 288;
const rounds = 3;

/** An average of closes, and a signal for one candle in fifty, each strategy at other ones. */
function strategyOf(index: number, onCall: () => void): Strategy {
  return {
    ...{ name: `Strategy ${index}`, symbols, timeframes: ["5m"], warmUp },
    onCandle(candles) {
      onCall();
      let sum = 0;
      for (const { close } of candles) sum += close;
      const { close, time } = candles.at(-1) as Candle;
      if ((time / timeframeMs("5m")) % strategyCount !== index || sum <= 0) return undefined;
      return { direction: "long", entry: close, stop: close - 1, target: close + 2 };
    },
  };
}

function candlesOf(seed: number, from: number): Candle[] {
  const random = randomOf(seed);
  return Array.from({ length: warmUp + day }, (_, index) => {
    const open = 100 + random();
    return {
      time: from + index * timeframeMs("5m"),
      open,
      high: open + 1,
      low: open - 1,
      close: open,
      volume: 1,
    };
  });
}

interface Measured {
  /** CPU a candle of one symbol, in microseconds. */
  readonly cpuUs: number;
  /** From the candle to `sendSignal()`, in milliseconds. */
  readonly latenciesMs: readonly number[];
  readonly heapMb: number;
}

async function measureOurs(all: readonly Candle[][]): Promise<Measured> {
  let calls = 0;
  let givenAt = 0;
  const latenciesMs: number[] = [];
  const sent = (): object =>
    Object.assign(Promise.resolve({ sent: 1 }), { begun: Promise.resolve({ isRepeated: false }) });
  const bot = {
    sendSignal: () => {
      latenciesMs.push(performance.now() - givenAt);
      return sent();
    },
    broadcast: sent,
  } as unknown as SignalPublisher;
  const feed = new HandFeed();
  for (const [index, symbol] of symbols.entries()) feed.give(all[index]?.slice(0, warmUp) ?? [], { symbol });
  const strategies = Array.from({ length: strategyCount }, (_, index) => strategyOf(index, () => calls++));
  const silent = { info: () => {}, warn: () => {}, error: () => {} };
  const run = runStrategies({
    ...{ bot, feed, logger: silent },
    // All candles of the day are new.
    strategies: strategies.map((strategy) => ({ ...strategy, maxAgeMs: 3 * day * timeframeMs("5m") })),
  });
  await untilCalled(() => calls, symbols.length * strategyCount);
  calls = 0;
  latenciesMs.length = 0;
  const before = process.cpuUsage();
  for (let index = warmUp; index < warmUp + day; index++) {
    givenAt = performance.now();
    for (const [at, symbol] of symbols.entries()) feed.give([all[at]?.[index] as Candle], { symbol });
    await untilCalled(() => calls, (index - warmUp + 1) * symbols.length * strategyCount);
  }
  const { user, system } = process.cpuUsage(before);
  collectGarbage();
  const heapMb = process.memoryUsage().heapUsed / 1e6;
  await run.stop();
  return { cpuUs: (user + system) / day / symbols.length, latenciesMs, heapMb };
}

async function untilCalled(calls: () => number, wanted: number): Promise<void> {
  while (calls() < wanted) await new Promise((resolve) => timers.setImmediate(resolve));
}

/** Keeps the same windows, and calls the same functions. */
function measureLoop(all: readonly Candle[][]): number {
  const strategies = Array.from({ length: strategyCount }, (_, index) => strategyOf(index, () => {}));
  const before = process.cpuUsage();
  for (let index = warmUp; index < warmUp + day; index++) {
    for (const candles of all) {
      for (const { onCandle } of strategies) {
        void onCandle(candles.slice(index + 1 - warmUp, index + 1), {} as StrategyContext);
      }
    }
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / day / symbols.length;
}

export async function measure(): Promise<Row[]> {
  const from = Math.floor(Date.now() / timeframeMs("5m") - warmUp - day) * timeframeMs("5m");
  const all = symbols.map((_, index) => candlesOf(index, from));
  const ours: Measured[] = [];
  const loop: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const [one, other] = [await measureOurs(all), measureLoop(all)];
    if (round >= 0) {
      ours.push(one);
      loop.push(other);
    }
  }
  const what = `${strategyCount} strategies on ${symbols.length} symbols`;
  const latencies = ours.flatMap(({ latenciesMs }) => latenciesMs);
  return [
    comparison(`${what}: CPU a candle`, " µs", ours.map(({ cpuUs }) => cpuUs), {
      name: "a bare loop",
      values: loop,
    }),
    {
      measure: `${what}: from the candle to sendSignal(), the last of ${latencies.length}`,
      unit: " ms",
      ours: quantileOf(latencies, 1),
      target: { of: "ours", is: "at most", value: 200 },
    },
    { measure: `${what}: heap`, unit: " MB", ours: Math.max(...ours.map(({ heapMb }) => heapMb)) },
  ];
}
