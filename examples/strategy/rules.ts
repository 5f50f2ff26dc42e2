/** What the two strategies of mean reversion share: their settings, and a ticket's prices and size. */
import type { TradingSignal } from "telegram-signals";
import {
  type Instrument,
  positionSize,
  type StrategySignal,
  type Timeframe,
  toTick,
  type TradingHoursOptions,
} from "telegram-signals/live";

export interface MeanReversionSettings {
  readonly symbols: readonly string[];
  readonly timeframes: readonly Timeframe[];
  /** The account's value, in the currency of the prices. */
  readonly account: number;
  /** Percent of the account to lose at the stop. */
  readonly riskPercent: number;
  /** Default: the market's, else USD. */
  readonly currency?: string | undefined;
  /** The smallest price step, in plain digits. Default: the market's, else a cent, or six digits of a small price. */
  readonly tickSize?: string | undefined;
  /** The smallest amount, in plain digits. Default: the market's, else 0.0001. */
  readonly sizeStep?: string | undefined;
  /** When signals may come. */
  readonly hours: TradingHoursOptions;
  /** Candles in the Bollinger bands. */
  readonly bollingerPeriod: number;
  /** The bands' distance, in standard deviations. */
  readonly bollingerDeviations: number;
  /** The same for the bands around the VWAP. */
  readonly vwapDeviations: number;
  /** Candles in the average true range. */
  readonly atrPeriod: number;
  /** The stop's distance from the entry, in ATRs. */
  readonly atrMultiple: number;
  /** What a trade promises for each unit that it risks: at least, or for the original's rules exactly. */
  readonly rewardRisk: number;
}

export type Direction = TradingSignal["direction"];

export interface TicketRequest {
  readonly direction: Direction;
  readonly settings: MeanReversionSettings;
  readonly instrument: Instrument;
  readonly entry: number;
  readonly stop: number;
  readonly target: number;
}

/** What a trade's prices, size and risk are in the market's steps; `undefined` where not one step is affordable. */
export function ticketOf(request: TicketRequest): StrategySignal | undefined {
  const { direction, settings, instrument } = request;
  const { account, riskPercent, currency = instrument.currency ?? "USD" } = settings;
  const { tickSize = instrument.tickSize ?? usualTick(request.entry) } = settings;
  const { sizeStep = instrument.sizeStep ?? "0.0001" } = settings;
  const [entry, stop, target] = [request.entry, request.stop, request.target].map((price) =>
    toTick(price, tickSize)
  ) as [string, string, string];
  const position = positionSize({ account, riskPercent, entry, stop, sizeStep });
  if (position === undefined || Number(stop) <= 0 || Number(target) <= 0) return undefined;
  return { direction, entry, stop, target, ...position, currency };
}

/** A cent; where a price is small, its sixth digit. */
function usualTick(price: number): string {
  return (10 ** -decimalsFor(price)).toFixed(decimalsFor(price));
}

const decimalsFor = (price: number): number => price >= 10 ? 2 : 5 - Math.floor(Math.log10(price));

/** The settings that a ticket shows. */
export function shownSettings(settings: MeanReversionSettings): Record<string, string> {
  const { bollingerPeriod, bollingerDeviations, vwapDeviations, atrPeriod, atrMultiple, riskPercent } =
    settings;
  const { from, to, timeZone = "UTC" } = settings.hours;
  return {
    "Bollinger": `${bollingerPeriod} × ${bollingerDeviations}σ`,
    "VWAP bands": `${vwapDeviations}σ`,
    "ATR stop": `${atrPeriod} × ${atrMultiple}`,
    "Risk": `${riskPercent} %`,
    "Hours": `${from} to ${to} ${timeZone}`,
  };
}
