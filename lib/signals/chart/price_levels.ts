/** Price levels: entry, stop and target, their labels, and the places of these so that none hides another. */
import { priceText, type TradingSignal } from "../signal.ts";

export interface PriceLevel {
  readonly kind: "entry" | "stop" | "target";
  readonly price: number;
  readonly name: string;
  /** The price, with as many digits as the others. */
  readonly text: string;
}

export function priceLevelsOf(signal: TradingSignal): PriceLevel[] {
  const kinds = ["target", "entry", "stop"] as const;
  const decimals = decimalsOf(signal);
  const entry = Number(priceText(signal, "entry"));
  return kinds.map((kind) => {
    const price = Number(priceText(signal, kind));
    const name = `${kind.slice(0, 1).toUpperCase()}${kind.slice(1)}`;
    const percent = kind === "entry" ? "" : percentText(price / entry - 1);
    const text = price.toFixed(decimals);
    // From 1e21 on JavaScript writes an exponent.
    return { kind, price, name: name + percent, text: text.includes("e") ? price.toPrecision(6) : text };
  });
}

/** Whether a level is above or below the range that is drawn. */
export function beyond(
  { price }: PriceLevel,
  [lowest, highest]: readonly [number, number],
): "above" | "below" | undefined {
  return price > highest ? "above" : price < lowest ? "below" : undefined;
}

/** The name, with an arrow if the line is beyond the range. */
export function labelName(level: PriceLevel, prices: readonly [number, number]): string {
  const arrows = { above: "↑ ", below: "↓ " };
  const place = beyond(level, prices);
  return `${place ? arrows[place] : ""}${level.name}`;
}

/** As many decimals as the prices have, without those that are noise of floating point. */
function decimalsOf(signal: TradingSignal): number {
  const texts = (["entry", "stop", "target"] as const).map((name) => priceText(signal, name));
  const given = texts.map((text) => text.split(".")[1]?.length ?? 0);
  const [entry, stop, target] = texts.map(Number);
  const distance = Math.min(Math.abs(Number(entry) - Number(stop)), Math.abs(Number(entry) - Number(target)));
  const useful = Math.max(2, 4 + Math.ceil(-Math.log10(distance)));
  return Math.min(Math.max(...given), useful, 100);
}

/** ` +0.82 %`; empty where the percentage is too small or too large to be read. */
function percentText(part: number): string {
  const percent = Math.abs(part) * 100;
  if (percent >= 10_000 || percent < 0.005) return "";
  return ` ${part < 0 ? "−" : "+"}${percent.toFixed(percent < 10 ? 2 : percent < 100 ? 1 : 0)} %`;
}

/**
 * Centres as near to the wanted ones as there is room for, in the same order: each at least `distance` from the next,
 * all between `top` and `bottom`. `wanted` is ascending.
 */
export function spread(wanted: readonly number[], distance: number, top: number, bottom: number): number[] {
  const centres: number[] = [];
  for (const [index, centre] of wanted.entries()) {
    centres.push(Math.max(centre, (centres[index - 1] ?? -Infinity) + distance, top));
  }
  for (let index = centres.length - 1, limit = bottom; index >= 0; index--, limit -= distance) {
    const centre = Math.min(centres[index] ?? limit, limit);
    centres[index] = centre;
    limit = centre;
  }
  return centres;
}
