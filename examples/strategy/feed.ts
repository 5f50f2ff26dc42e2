/** The market that the settings ask for. */
import { type CandleFeed, ccxtFeed, coinbaseFeed, replayFeed, syntheticFeed } from "telegram-signals/live";
import type { Settings } from "./settings.ts";

/** A Monday, 06:00 UTC. All demonstrations begin there, so that they can be compared. */
const demonstrationStart = Date.UTC(2026, 0, 5, 6);

/**
 * Nothing is asked of an exchange yet, which may be out of reach.
 * @throws {ConfigError} If the file to replay is no file of candles, or ccxt is not installed, or has no such exchange.
 */
export async function chooseFeed(
  { exchange, replay, seed, intervalSeconds }: Settings,
): Promise<CandleFeed> {
  if (replay !== undefined) return replayFeed({ file: replay, intervalSeconds });
  if (seed !== undefined) {
    const demonstration = intervalSeconds === undefined ? {} : { start: demonstrationStart };
    return syntheticFeed({ seed, intervalSeconds, ...demonstration });
  }
  if (exchange === "coinbase") return coinbaseFeed();
  if (exchange.includes("://")) return coinbaseFeed({ endpoint: exchange });
  const feed = ccxtFeed(exchange);
  await feed.load();
  return feed;
}

/** How time passes in the market, as far as the feed's name does not say it. */
export function paceOf({ replay, seed, intervalSeconds }: Settings): string | undefined {
  if (replay !== undefined) return undefined;
  if (seed === undefined) return "For a synthetic day in minutes, without an exchange: --interval 0.5";
  if (intervalSeconds === undefined) {
    return "The candles are synthetic, and each comes at its close, in real time. For a day in minutes: --interval 0.5";
  }
  const start = new Date(demonstrationStart).toISOString().slice(0, 16).replace("T", " ");
  return `A demonstration: its time begins at ${start} UTC, with a synthetic candle every ${intervalSeconds} s.`;
}
