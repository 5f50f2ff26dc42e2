/** Candles and signals for charts, and how alike two pictures are. */
import { Buffer } from "node:buffer";
import pixelmatch from "pixelmatch";
import { PNG } from "pngjs";
import { syntheticFeed } from "../../examples/strategy/synthetic_feed.ts";
import type { Candle, TradingSignal } from "../../mod.ts";

const midnight = Date.UTC(2026, 0, 5);

/** The first of the scheduler's default series. */
export async function someCandles(count: number, price: number = 60_000): Promise<Candle[]> {
  const candles: Candle[] = [];
  for await (const candle of syntheticFeed({ seed: 3547, start: midnight, price }).candles()) {
    if (candles.push(candle) === count) break;
  }
  return candles;
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
    candles: 74,
    signal: {
      ...{ direction: "long", symbol: "BTC-USD", timeframe: "5m" },
      ...{ entry: "59689.33", stop: "59562.12", target: "59943.13", time: "2026-01-05T06:10:00Z" },
    },
  },
  {
    theme: "dark",
    candles: 130,
    signal: {
      ...{ direction: "short", symbol: "BTC-USD", timeframe: "5m" },
      ...{ entry: "60303.90", stop: "60407.12", target: "59952.12", time: "2026-01-05T10:50:00Z" },
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
