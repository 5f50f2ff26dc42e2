/** The strategies of the scheduler that is killed, and what they find in a day, played without the runner. */
import type { Candle } from "../../lib/signals/candle.ts";
import type { Series } from "../../lib/live/found.ts";
import type { Strategy } from "../../lib/live/strategy.ts";
import { closeTime, type Timeframe, timeframeMs } from "../../lib/live/timeframe.ts";

const symbols: readonly string[] = ["BTC-USD", "ETH-USD", "SOL-USD"];
const timeframes: readonly Timeframe[] = ["5m", "15m"];

export const allSeries: readonly Series[] = symbols.flatMap((symbol) =>
  timeframes.map((timeframe) => ({ symbol, timeframe }))
);

/** Names a finding in its message, as the ledger has to name it: a process of another version would send it again. */
function idOf(strategy: string, { symbol, timeframe }: Series, time: number): string {
  return `${strategy} ${symbol} ${timeframe} ${new Date(time).toISOString()}`;
}

/** The id in a message; undefined where it has none. */
export function idIn(text: string): string | undefined {
  return /\[([^\]]+Z)\]/.exec(text)?.[1];
}

/** Signals where the price leaves the range of the candles before. */
const breakout: Strategy = {
  ...{ name: "Breakout", symbols, timeframes, warmUp: 31 },
  onCandle(candles, { symbol, timeframe, time }) {
    const { close } = candles.at(-1) as Candle;
    const before = candles.slice(0, -1);
    const [highest, lowest] = [
      Math.max(...before.map(({ high }) => high)),
      Math.min(...before.map(({ low }) => low)),
    ];
    if (close <= highest && close >= lowest) return undefined;
    const [direction, sign] = close > highest ? ["long", 1] as const : ["short", -1] as const;
    const risk = sign * (highest - lowest) / 4;
    const note = `[${idOf("Breakout", { symbol, timeframe }, time)}]`;
    return { direction, entry: close, stop: close - risk, target: close + 2 * risk, note };
  },
};

const closesInARow = 6;

/** Alerts where the price has gone one way for a while. */
const streak: Strategy = {
  ...{ name: "Streak", symbols, timeframes, warmUp: closesInARow + 1 },
  onCandle(candles, { symbol, timeframe, time }) {
    const ways = candles.slice(1).map(({ close }, index) =>
      Math.sign(close - (candles[index] as Candle).close)
    );
    const [way = 0] = ways;
    if (way === 0 || ways.some((each) => each !== way)) return undefined;
    return `${symbol} has gone one way. [${idOf("Streak", { symbol, timeframe }, time)}]`;
  },
};

export const strategies: readonly Strategy[] = [breakout, streak];

/** So many candles before a day let the strategies begin. */
export const candlesBefore: number = 2 * Math.max(...strategies.map(({ warmUp }) => warmUp));

/** What a strategy has found. */
export interface Finding {
  readonly id: string;
  /** When its candle closed, in milliseconds since 1970. */
  readonly time: number;
  /** From then on it is too old to be sent. */
  readonly staleAt: number;
}

/** What the strategies find in the candles of a series. */
export function findingsIn(series: Series, candles: readonly Candle[]): Finding[] {
  const { symbol, timeframe } = series;
  return strategies.flatMap((strategy) =>
    candles.slice(strategy.warmUp - 1).flatMap((candle, index): Finding[] => {
      const time = closeTime(candle, timeframe);
      const context = {
        symbol,
        timeframe,
        instrument: { symbol },
        time,
        openSignal: undefined,
        isLive: true,
      };
      const more = { signal: new AbortController().signal, explain: () => {} };
      const found = strategy.onCandle(candles.slice(index, index + strategy.warmUp), { ...context, ...more });
      if (found === undefined) return [];
      return [{ id: idOf(strategy.name, series, time), time, staleAt: time + timeframeMs(timeframe) }];
    })
  );
}
