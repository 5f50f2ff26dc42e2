/** Candles and signals for charts, and how alike two pictures are. */
import { Buffer } from "node:buffer";
import pixelmatch from "pixelmatch";
import { PNG } from "pngjs";
import { syntheticFeed } from "../../lib/live/feeds/synthetic.ts";
import type { Candle, TradingSignal } from "../../mod.ts";

const midnight = Date.UTC(2026, 0, 5);

/** The first candles of a day of the scheduler's demonstration. */
export async function someCandles(count: number, price: number = 60_000): Promise<Candle[]> {
  const start = midnight + count * 300_000;
  const feed = syntheticFeed({ seed: 3547, start, intervalSeconds: 0, price });
  const { signal } = new AbortController();
  return [...await feed.history({ symbol: "BTC-USD", timeframe: "5m", count, signal })];
}

export interface Specimen {
  readonly theme: "light" | "dark";
  readonly candles: number;
  readonly signal: TradingSignal;
}

/** The golden pictures: signals of the example scheduler. */
export const specimens: readonly Specimen[] = [
  {
    theme: "light",
    candles: 108,
    signal: {
      ...{ direction: "long", symbol: "BTC-USD", timeframe: "5m" },
      ...{ entry: "57788.21", stop: "57683.66", target: "58023.11", time: "2026-01-05T09:00:00Z" },
    },
  },
  {
    theme: "dark",
    candles: 130,
    signal: {
      ...{ direction: "short", symbol: "BTC-USD", timeframe: "5m" },
      ...{ entry: "58269.61", stop: "58361.04", target: "58030.05", time: "2026-01-05T10:50:00Z" },
    },
  },
];

export function goldenFile(theme: string): URL {
  return new URL(`../signals/chart/golden/chart_${theme}.png`, import.meta.url);
}

/** How many pixels differ visibly; smoothed edges do not count. */
export function difference(one: Uint8Array, other: Uint8Array): number {
  const [a, b] = [pixelsOf(one), pixelsOf(other)];
  if (a.width !== b.width || a.height !== b.height) return Infinity;
  return pixelmatch(a.data, b.data, undefined, a.width, a.height, { threshold: 0.1 });
}

interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export function pixelsOf(png: Uint8Array): Pixels {
  return PNG.sync.read(Buffer.from(png));
}
