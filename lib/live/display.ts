/** What notebooks show of strategies that run: which they are, what they have found and sent, and what fails at present. */
import type { MimeBundle } from "../util/display.ts";
import { block, count, factsTable, heading, plainLines, type SafeHtml, small, table } from "../util/html.ts";
import { safeText } from "../util/safe_text.ts";
import type { Strategy } from "./strategy.ts";

/** A run, as far as it is shown. */
export interface ShownRun {
  readonly strategies: readonly Pick<Strategy, "name" | "symbols" | "timeframes">[];
  /** The feed's name. */
  readonly market: string;
  readonly state: "running" | "stopping" | "ended";
  /** How many signals and alerts were found in new candles. */
  readonly found: number;
  /** How many were sent. */
  /** How many of them have reached somebody, by this run. */
  readonly sent: number;
  /** What fails at present, and why. */
  readonly troubles: readonly (readonly [what: string, reason: string])[];
}

const listedAtMost = 10;
const states = { running: "running", stopping: "stopping: what is under way is waited for", ended: "ended" };
const howToStop = "It goes on by itself. `await live.stop()`, where this is `live`, calls no strategy any " +
  "more, and waits for what is being sent.";

export function showStrategyRun({ strategies, market, state, found, sent, troubles }: ShownRun): MimeBundle {
  const title = `${strategies.length === 1 ? "1 strategy" : `${count(strategies.length)} strategies`} on ${
    safeText(market)
  }: ${states[state]}`;
  const rows = strategies.map(({ name, symbols, timeframes }) =>
    [name, listOf(symbols), listOf(timeframes)].map(safeText)
  );
  const facts = [["Found", count(found)], ["Sent", count(sent)]] as const;
  const fails = troubles.map(([what, reason]) => [safeText(what), safeText(reason)]);
  const note = state === "running" ? howToStop : "";
  const moreRows = moreOf(rows);
  const moreFails = moreOf(fails);
  return {
    "text/plain": plainLines(title, [
      ...firstOf(rows).map((row) => row.join("  ")),
      ...moreRows,
      ...facts.map(([name, value]) => `${name}: ${value}`),
      ...firstOf(fails).map(([what, reason]) => `Fails: ${what}: ${reason}`),
      ...moreFails,
      ...note === "" ? [] : [note],
    ]),
    "text/html": block([
      heading(title),
      table(["strategy", "symbols", "timeframes"], firstOf(rows)),
      ...moreRows.map(small),
      factsTable(facts),
      ...fails.length === 0 ? [] : failing(firstOf(fails), moreFails),
      small(note),
    ]),
  };
}

function failing(fails: readonly (readonly string[])[], more: readonly string[]): SafeHtml[] {
  return [table(["fails", "why"], fails), ...more.map(small)];
}

/** The first of them, and how many there are besides. */
function listOf(texts: readonly string[]): string {
  const all = [...new Set(texts)];
  return [...firstOf(all), ...moreOf(all)].join(", ");
}

const firstOf = <T>(all: readonly T[]): readonly T[] => all.slice(0, listedAtMost);

function moreOf(all: readonly unknown[]): string[] {
  return all.length > listedAtMost ? [`… and ${count(all.length - listedAtMost)} more`] : [];
}
