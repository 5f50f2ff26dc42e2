/** The options of a full run, from its command line. */
import { parseArgs } from "node:util";
import type { suite } from "../harness.ts";

export interface RunOptions {
  /** Everything is drawn from it. Points in time are drawn, too, but no machine keeps them exactly. */
  readonly seed: number;
  /** How many histories, or outages of each kind. Default: the part's own. */
  readonly count?: number;
  /** How many of these run at the same time. Default: the part's own. */
  readonly atOnce?: number;
  /** Runs only the scenarios with this text in their title. @default all */
  readonly row?: string;
}

export type Test = ReturnType<typeof suite>;

/** Names of the options, as they stand on the command line. */
const text = { type: "string" } as const;
const options = { seed: text, count: text, "at-once": text, row: text, only: text } as const;

/** @throws {RangeError} If a number is not one. */
export function parseRunOptions(): RunOptions & { readonly only?: string; readonly args: string[] } {
  const { values } = parseArgs({ options, allowPositionals: true });
  const number = (name: "seed" | "count" | "at-once", least: number): number | undefined => {
    const value = values[name] === undefined ? undefined : Number(values[name]);
    if (value === undefined || Number.isSafeInteger(value) && value >= least) return value;
    throw new RangeError(
      `--${name} must be a whole number from ${least} on: current value is ${values[name]}`,
    );
  };
  const seed = number("seed", 0) ?? Date.now() % 1_000_000;
  const [count, atOnce] = [number("count", 1), number("at-once", 1)];
  const { row, only } = values;
  return {
    seed,
    ...count !== undefined && { count },
    ...atOnce !== undefined && { atOnce },
    ...row !== undefined && { row },
    ...only !== undefined && { only },
    args: [
      `--seed=${seed}`,
      ...(["count", "at-once", "row"] as const)
        .flatMap((name) => values[name] === undefined ? [] : [`--${name}=${values[name]}`]),
    ],
  };
}
