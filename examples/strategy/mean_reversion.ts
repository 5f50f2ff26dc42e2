/**
 * Mean reversion on five-minute candles: the re-entry rule.
 *
 * A candle that closes beyond both its outer Bollinger band and its outer VWAP band says that the price is far from
 * its mean, not that it will turn. So the trade waits for the very next candle: if that one closes back inside the
 * Bollinger bands, the entry is its close, the target the session's VWAP and the stop a multiple of the ATR away.
 * Only one trade at a time: the next waits until a candle has touched the stop or the target, or until the trading
 * hours are over. Everything is known at the candle's close; no later candle can change a signal.
 */
import type { TradingSignal } from "telegram-signals";
import { createVwapBands } from "telegram-signals/chart";
import { ATR, type BandsResult, BollingerBands } from "trading-signals";
import { type Candle, closeTime, timeframe, timeframeMs } from "./feed.ts";
import { positionSize, toTick } from "./position_size.ts";

export interface MeanReversionParameters {
  readonly symbol: string;
  /** The account's value, in `currency`. */
  readonly account: number;
  /** The currency the instrument is priced in. @default "USD" */
  readonly currency?: string;
  /** Percent of the account to lose at the stop. @default 1 */
  readonly riskPercent?: number;
  /** The market's smallest price step, in plain digits. @default "0.01" */
  readonly tickSize?: string;
  /** The market's smallest amount, in plain digits. @default "0.0001" */
  readonly sizeStep?: string;
  /** Candles in the Bollinger bands, and before a session's VWAP counts. @default 20 */
  readonly bollingerPeriod?: number;
  /** @default 2 */
  readonly bollingerDeviations?: number;
  /** @default 2 */
  readonly vwapDeviations?: number;
  /** Candles in the average true range. @default 14 */
  readonly atrPeriod?: number;
  /** The stop's distance from the entry, in ATRs. @default 1.5 */
  readonly atrMultiple?: number;
  /** A trade that promises less for each unit risked is refused. @default 1.5 */
  readonly minRewardRisk?: number;
  /** The first hour, UTC, at which a candle may close with a signal. @default 6 */
  readonly opensAtHour?: number;
  /** The hour, UTC, from which none may. @default 17 */
  readonly closesAtHour?: number;
}

export interface TradingHours {
  readonly opensAtHour: number;
  readonly closesAtHour: number;
}

/** The default: 06:00 inclusive to 17:00 exclusive, UTC. */
export const tradingHours: TradingHours = { opensAtHour: 6, closesAtHour: 17 };

/** A signal found at a candle's close. */
export interface FoundSignal extends TradingSignal {
  readonly time: Date;
}

export interface MeanReversion {
  /** Takes the next closed candle; one that is still forming, or no newer than the last, changes nothing. */
  update(candle: Candle): FoundSignal | undefined;
}

type Rules = Required<MeanReversionParameters>;
type Direction = TradingSignal["direction"];

/** What is known when a candle has closed; no bands and no ATR while there are too few candles. */
interface View {
  readonly candle: Candle;
  readonly bollinger: BandsResult | undefined;
  readonly vwap: BandsResult | undefined;
  readonly atr: number | undefined;
}

export function createMeanReversion(parameters: MeanReversionParameters): MeanReversion {
  const rules = withDefaults(parameters);
  const look = createView(rules);
  let before: View | undefined;
  let trade: FoundSignal | undefined;
  return {
    update(candle) {
      if (candle.closed === false || (before && candle.time <= before.candle.time)) return undefined;
      const view = look(candle);
      const direction = before && reentry(before, view);
      before = view;
      if (trade && (isOver(trade, candle) || !isOpen(candle, rules))) trade = undefined;
      if (trade || !direction || !isOpen(candle, rules)) return undefined;
      trade = ticket(direction, view, rules);
      return trade;
    },
  };
}

function withDefaults(parameters: MeanReversionParameters): Rules {
  const { symbol, account, currency = "USD", riskPercent = 1, tickSize = "0.01", sizeStep = "0.0001" } =
    parameters;
  const { bollingerPeriod = 20, bollingerDeviations = 2, vwapDeviations = 2 } = parameters;
  const { atrPeriod = 14, atrMultiple = 1.5, minRewardRisk = 1.5 } = parameters;
  const { opensAtHour = tradingHours.opensAtHour, closesAtHour = tradingHours.closesAtHour } = parameters;
  return {
    ...{ symbol, account, currency, riskPercent, tickSize, sizeStep },
    ...{ bollingerPeriod, bollingerDeviations, vwapDeviations },
    ...{ atrPeriod, atrMultiple, minRewardRisk, opensAtHour, closesAtHour },
  };
}

function createView(rules: Rules): (candle: Candle) => View {
  const bollinger = new BollingerBands(rules.bollingerPeriod, rules.bollingerDeviations);
  const vwap = createVwapBands(rules.vwapDeviations, rules.bollingerPeriod);
  const atr = new ATR(rules.atrPeriod);
  return (candle) => ({
    candle,
    bollinger: bollinger.add(candle.close) ?? undefined,
    vwap: vwap.add(candle),
    atr: atr.add(candle) ?? undefined,
  });
}

/** The direction of a trade whose candle closed outside and whose next one, without a gap, closed back inside. */
function reentry(before: View, now: View): Direction | undefined {
  if (now.candle.time !== before.candle.time + timeframeMs || !now.bollinger) return undefined;
  const stretched = stretch(before);
  const { close } = now.candle;
  if (stretched === "long" && close > now.bollinger.lower) return "long";
  if (stretched === "short" && close < now.bollinger.upper) return "short";
  return undefined;
}

function stretch({ candle: { close }, bollinger, vwap }: View): Direction | undefined {
  if (!bollinger || !vwap) return undefined;
  if (close < bollinger.lower && close < vwap.lower) return "long";
  if (close > bollinger.upper && close > vwap.upper) return "short";
  return undefined;
}

/** Trading hours apply to the moment of the signal, which is the candle's close. */
export function isOpen(candle: Candle, { opensAtHour, closesAtHour }: TradingHours = tradingHours): boolean {
  const hour = new Date(closeTime(candle)).getUTCHours();
  return hour >= opensAtHour && hour < closesAtHour;
}

function isOver({ direction, stop, target }: TradingSignal, { high, low }: Candle): boolean {
  if (direction === "long") return low <= Number(stop) || high >= Number(target);
  return high >= Number(stop) || low <= Number(target);
}

/** The trade in full, or `undefined` where it is not worth its risk. */
function ticket(direction: Direction, view: View, rules: Rules): FoundSignal | undefined {
  const { candle, vwap, atr } = view;
  if (!vwap || !atr) return undefined;
  const side = direction === "long" ? 1 : -1;
  const entry = toTick(candle.close, rules.tickSize);
  const stop = toTick(candle.close - side * rules.atrMultiple * atr, rules.tickSize);
  const target = toTick(vwap.middle, rules.tickSize);
  // Of differences with the same sign: negative where the mean has already been passed.
  const rewardRisk = (Number(target) - Number(entry)) / (Number(entry) - Number(stop));
  const position = positionSize({ ...rules, entry: Number(entry), stop: Number(stop) });
  if (!position || Number(stop) <= 0 || rewardRisk < rules.minRewardRisk) return undefined;
  return {
    ...{ direction, symbol: rules.symbol, entry, stop, target, ...position, currency: rules.currency },
    ...{ timeframe, strategy: "Mean reversion", parameters: shown(rules), time: new Date(closeTime(candle)) },
    note: `Closed back ${side > 0 ? "above the lower" : "below the upper"} Bollinger band, far from the VWAP`,
  };
}

function shown(rules: Rules): Record<string, string | number> {
  return {
    "Bollinger": `${rules.bollingerPeriod} × ${rules.bollingerDeviations}σ`,
    "VWAP bands": `${rules.vwapDeviations}σ`,
    "ATR stop": `${rules.atrPeriod} × ${rules.atrMultiple}`,
    "Risk": `${rules.riskPercent} %`,
    "Hours": `${rules.opensAtHour}:00 to ${rules.closesAtHour}:00 UTC`,
  };
}
