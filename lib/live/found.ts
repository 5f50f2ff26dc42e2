/** What a strategy has found in a candle, checked, and with what is known of it filled in. */
import { assertMessage, type BroadcastMessage, messageNames } from "../broadcast/options.ts";
import type { Candle } from "../signals/candle.ts";
import { numberText, priceText, type TradingSignal, validateSignal } from "../signals/signal.ts";
import { assertNames, assertSubject, isObject, type Rule } from "../util/validate.ts";
import type { Instrument } from "./feed.ts";
import type { Strategy, StrategySignal } from "./strategy.ts";
import { closeTime, type Timeframe } from "./timeframe.ts";

/** The candles of one instrument and timeframe. */
export interface Series {
  readonly symbol: string;
  readonly timeframe: Timeframe;
}

export type Found =
  | { readonly kind: "signal"; readonly signal: TradingSignal }
  | { readonly kind: "alert"; readonly message: BroadcastMessage };

/**
 * Completes what `onCandle` has given: a signal's `symbol`, `timeframe`, `strategy`, `time` (the close of its candle) and
 * `tickSize` are those of the strategy, the series and its instrument where it does not say others; its numbers are rounded
 * as the ticket shows them. `undefined` where it has found nothing.
 * @throws {TypeError | RangeError} If it is neither a signal, nor an alert, nor nothing; or one that breaks a rule.
 */
export function completed(
  strategy: Pick<Strategy, "name">,
  { symbol, timeframe, instrument }: Series & { readonly instrument: Instrument },
  candle: Pick<Candle, "time">,
  found: unknown,
): Found | undefined {
  if (found === undefined || found === null) return undefined;
  assertSubject(`use what the strategy ${JSON.stringify(strategy.name)} gives`, "it", found, foundRule);
  if (typeof found === "string" || isMessage(found)) return { kind: "alert", message: alertOf(found) };
  const given = found as StrategySignal;
  const signal: TradingSignal = {
    ...given,
    symbol: given.symbol ?? symbol,
    timeframe: given.timeframe ?? timeframe,
    strategy: given.strategy ?? strategy.name,
    time: given.time ?? new Date(closeTime(candle, timeframe)),
    ...given.tickSize === undefined && instrument.tickSize !== undefined && { tickSize: instrument.tickSize },
  };
  validateSignal(signal);
  return { kind: "signal", signal: { ...signal, ...roundedIn(signal) } };
}

/** Numbers as a ticket shows them, without what calculating has left: prices in the instrument's steps. */
function roundedIn(signal: TradingSignal): Partial<TradingSignal> {
  const { entry, stop, target, size, risk } = signal;
  return {
    ...typeof entry === "number" && { entry: Number(priceText(signal, "entry")) },
    ...typeof stop === "number" && { stop: Number(priceText(signal, "stop")) },
    ...typeof target === "number" && { target: Number(priceText(signal, "target")) },
    ...typeof size === "number" && { size: Number(numberText(size)) },
    ...typeof risk === "number" && { risk: Number(numberText(risk)) },
  };
}

const foundRule: Rule = {
  isGood: (found) => typeof found === "string" || isObject(found) && !(Symbol.iterator in found),
  rule: "a signal { direction, entry, stop, target }, an alert (a text, or { text }), or nothing (undefined)",
  hint: (found) => Array.isArray(found) ? ", a list: a candle gives one signal at most" : "",
};

/** A signal may have a `text` among facts of its own. */
export function isMessage(found: unknown): found is BroadcastMessage {
  const has = (name: string): boolean => (found as Readonly<Record<string, unknown>>)[name] !== undefined;
  return (has("text") || has("photo")) && !["direction", "entry", "stop", "target"].some(has);
}

/** The message of an alert. @throws {TypeError | RangeError} If it is none. */
export function alertOf(found: string | BroadcastMessage): BroadcastMessage {
  const message = typeof found === "string" ? { text: found } : found;
  assertNames("send the alert", message, messageNames);
  assertMessage(message);
  return message;
}
