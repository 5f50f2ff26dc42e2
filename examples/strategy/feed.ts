/** The market that the settings ask for. */
import { ConfigError } from "telegram-signals";
import { type CandleFeed, ccxtFeed, coinbaseFeed, replayFeed, syntheticFeed } from "telegram-signals/live";
import { permissionHint } from "../cli/permission_hint.ts";
import type { Settings } from "./settings.ts";

/** A Monday, 06:00 UTC. All demonstrations begin there, so that they can be compared. */
const demonstrationStart = Date.UTC(2026, 0, 5, 6);

/** @throws {ConfigError} If the file to replay is no file of candles. */
export function chooseFeed({ exchange, replay, seed, intervalSeconds }: Settings): CandleFeed {
  if (replay !== undefined) return replayOf(replay, intervalSeconds);
  if (seed !== undefined) {
    const demonstration = intervalSeconds === undefined ? {} : { start: demonstrationStart };
    return syntheticFeed({ seed, intervalSeconds, ...demonstration });
  }
  if (exchange === "coinbase") return coinbaseFeed();
  return exchange.includes("://") ? coinbaseFeed({ endpoint: exchange }) : ccxtFeed(exchange);
}

function replayOf(file: string, intervalSeconds: number | undefined): CandleFeed {
  try {
    return replayFeed({ file, intervalSeconds });
  } catch (error) {
    const { message, cause } = error as Error;
    throw new ConfigError(`${message}${permissionHint(cause)}`, { cause });
  }
}
