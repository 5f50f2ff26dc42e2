/** The position size with which a trade loses a given part of the account at its stop. */

export interface PositionSizeOptions {
  /** The account's value, in the currency that the instrument is priced in. */
  readonly account: number;
  /** The part of the account to lose at the stop, in percent. */
  readonly riskPercent: number;
  readonly entry: number;
  readonly stop: number;
  /** The smallest amount the market trades, in plain digits: `"0.0001"`. */
  readonly sizeStep: string;
}

export interface Position {
  /** In units of the instrument, a whole number of steps. */
  readonly size: string;
  /** Money lost at the stop with this size, to the cent: never more than was asked for. */
  readonly risk: string;
}

/**
 * Account × risk % / |entry − stop|, rounded down to a whole step; `undefined` if not one step is affordable.
 * The position's value may exceed the account: leverage is not limited here, nor are fees and slippage counted.
 */
export function positionSize(
  { account, riskPercent, entry, stop, sizeStep }: PositionSizeOptions,
): Position | undefined {
  const lossPerUnit = Math.abs(entry - stop);
  const affordable = (account * riskPercent) / 100 / lossPerUnit;
  // 1e-9 makes up for binary fractions: 0.3 / 0.1 is below 3.
  const steps = Math.floor(affordable / Number(sizeStep) + 1e-9);
  const size = steps * Number(sizeStep);
  const risk = (size * lossPerUnit).toFixed(2);
  if (!Number.isFinite(size) || size <= 0 || Number(risk) <= 0) return undefined;
  return { size: size.toFixed(decimalsOf(sizeStep)), risk };
}

/** The nearest price that the market quotes, with the tick's own number of decimals: `"1.0850"`. */
export function toTick(price: number, tickSize: string): string {
  return (Math.round(price / Number(tickSize)) * Number(tickSize)).toFixed(decimalsOf(tickSize));
}

function decimalsOf(step: string): number {
  return (step.split(".")[1] ?? "").length;
}
