/** What a measurement reports: rows of figures with their targets, shown as a table. */
import process from "node:process";
import { textTable } from "../support/table.ts";
import { medianOf, ratioOf, type Spread } from "./sampling.ts";

/** A figure of ours, what it is compared with, and what it has to reach. */
export interface Row {
  readonly measure: string;
  /** What follows the figures, its space included: `" µs"`. */
  readonly unit: string;
  readonly ours: number;
  readonly other?: { readonly name: string; readonly value: number };
  /** Ours to the other's. */
  readonly ratio?: Spread;
  /** Left out where a figure only explains another one. */
  readonly target?: Target;
}

export interface Target {
  readonly of: "ours" | "ratio";
  readonly is: "at least" | "at most" | "exactly";
  readonly value: number;
}

/** A row of medians: ours and another's, turn by turn, with their ratio. */
export function comparison(
  measure: string,
  unit: string,
  ours: readonly number[],
  other: { readonly name: string; readonly values: readonly number[] },
  target?: Target,
): Row {
  return {
    measure,
    unit,
    ours: medianOf(ours),
    other: { name: other.name, value: medianOf(other.values) },
    ratio: ratioOf(ours, other.values),
    ...target && { target },
  };
}

/** `undefined` where there is no target. A figure that is missing or not a number meets no target. */
export function isMet({ ours, ratio, target }: Row): boolean | undefined {
  if (target === undefined) return undefined;
  const value = target.of === "ours" ? ours : ratio?.median ?? NaN;
  if (target.is === "exactly") return value === target.value;
  return target.is === "at least" ? value >= target.value : value <= target.value;
}

export const headings: readonly string[] = ["measure", "ours", "compared with", "ratio", "target", ""];

/** The row as texts, in the order of the headings. */
export function cells(row: Row): string[] {
  const { measure, unit, ours, other, ratio, target } = row;
  const met = isMet(row);
  return [
    measure,
    `${figure(ours)}${unit}`,
    other ? `${other.name}: ${figure(other.value)}${unit}` : "",
    ratio ? `${ratio.median.toFixed(2)} (${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)})` : "",
    target ? targetText(target, unit) : "",
    met === undefined ? "" : met ? "met" : "MISSED",
  ];
}

const signs = { "at least": "≥ ", "at most": "≤ ", exactly: "" } as const;

function targetText({ of, is, value }: Target, unit: string): string {
  return of === "ratio" ? `${signs[is]}${value} times` : `${signs[is]}${value}${unit}`;
}

/** With three digits at most, as a shared machine is not more exact. */
function figure(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString("en-US");
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Prints rows as a table, or as JSON for `all.ts`. Sets the exit status to 1 if a target was missed. */
export function show(rows: readonly Row[], asJson: boolean): void {
  if (asJson) return console.log(JSON.stringify(rows));
  console.log(textTable([headings, ...rows.map(cells)]));
  if (rows.some((row) => isMet(row) === false)) process.exitCode = 1;
}
