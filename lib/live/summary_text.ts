/** The text of a day's summary: its signals and what became of them, then what was silent, and why. */
import { priceText } from "../signals/signal.ts";
import { bold, type FormattedText, lines } from "../telegram/text.ts";
import { messageOf } from "../util/errors.ts";
import { safeLine } from "../util/safe_text.ts";
import type { SeriesFacts, SignalFact } from "./series_diary.ts";

/** A day's facts, and how its times are written. */
export interface DaySummary {
  /** `Summary of 2026-01-05, 17:05 UTC` */
  readonly title: string;
  readonly series: readonly SeriesFacts[];
  /** A time of the day: `06:10`; with its date where it is of an earlier one. */
  readonly clock: (time: number) => string;
}

const signalsAtMost = 50;
const reasonsAtMost = 20;
const namesAtMost = 10;
const longestText = 100;

export function summaryText({ title, series, clock }: DaySummary): FormattedText {
  const members = series.flatMap((facts) => facts.members.map((member) => ({ ...member, facts })));
  const inOrder = (one: SignalFact, other: SignalFact): number => one.note.time - other.note.time;
  const signals = members.flatMap((member) => member.signals).sort(inOrder);
  const earlier = members.flatMap((member) => member.earlier).sort(inOrder);
  const isOne = new Set(members.map(({ strategy }) => strategy)).size === 1;
  const [silent, failed, missing] = [
    new Reasons("No signal"),
    new Reasons("Failed"),
    new Reasons("No candles"),
  ];
  for (const { strategy, facts, mistake, ...member } of members) {
    const name = nameOf(facts.series);
    if (mistake !== undefined) {
      failed.add(`${cut(mistake.reason)}, last at ${clock(mistake.time)}`, name, strategy);
    } else if (member.signals.length === 0 && facts.gap === undefined) {
      silent.add(reasonOf(member), name, strategy);
    }
  }
  for (const { gap, series: each } of series) {
    if (gap === undefined) continue;
    const since = gap.since === undefined ? "" : ` since ${clock(gap.since)}`;
    missing.add(cut(gap.reason ?? ""), nameOf(each), undefined, since);
  }
  const factLines = (facts: readonly SignalFact[]): string[] => [
    ...facts.slice(0, signalsAtMost).map((fact) => signalLine(fact, clock, isOne)),
    ...facts.length > signalsAtMost ? [`… and ${facts.length - signalsAtMost} more`] : [],
  ];
  return lines(
    bold(title),
    ...signals.length === 0 ? [] : [countsOf(signals)],
    ...factLines(signals),
    ...earlier.length === 0 ? [] : ["Of earlier days:", ...factLines(earlier)],
    ...[silent, failed, missing].flatMap((reasons) => reasons.lines),
  );
}

const nameOf = ({ symbol, timeframe }: SeriesFacts["series"]): string => `${cut(symbol)} ${timeframe}`;

function reasonOf(
  { explained, alerts, isWarmingUp }: Pick<
    SeriesFacts["members"][number],
    "explained" | "alerts" | "isWarmingUp"
  >,
): string {
  if (explained !== undefined) return cut(messageOf(explained));
  if (alerts > 0) return plural(alerts, "alert");
  return isWarmingUp ? "too few candles yet" : "";
}

/** `3 signals: +2.0 R, −1.0 R, 1 open`: what was gained, and what was lost, in all. */
function countsOf(signals: readonly SignalFact[]): string {
  const sent = signals.filter(({ note }) => note.unsent === undefined);
  const sumOf = (end: SignalFact["end"]): string[] => {
    const ended = sent.filter((signal) => signal.end === end);
    return ended.length === 0 ? [] : [`${signed(ended.reduce((sum, { r }) => sum + r, 0))} R`];
  };
  const countOf = (count: number, what: string): string[] => count === 0 ? [] : [`${count} ${what}`];
  const parts = [
    ...sumOf("target"),
    ...sumOf("stop"),
    ...countOf(sent.filter(({ end }) => end === "open").length, "open"),
    ...countOf(signals.length - sent.length, "not sent"),
  ];
  return `${plural(signals.length, "signal")}: ${parts.join(", ")}`;
}

/** `06:10 LONG BTC-USD at 59689.33, 5m: target, +2.0 R` */
function signalLine(
  { strategy, series, signal, note, end, r }: SignalFact,
  clock: DaySummary["clock"],
  isOneStrategy: boolean,
): string {
  const from = isOneStrategy ? series.timeframe : `${strategy} ${series.timeframe}`;
  const trade = `${signal.direction.toUpperCase()} ${cut(signal.symbol)} at ${
    cut(priceText(signal, "entry"))
  }`;
  const result = note.unsent === undefined
    ? `${end}, ${signed(r)} R${end === "open" ? " so far" : ""}`
    : `not sent (${note.unsent})`;
  return `${clock(note.time)} ${trade}, ${from}: ${result}`;
}

/** Those of which the same is to be said, together in a line. */
class Reasons {
  readonly #what: string;
  readonly #groups = new Map<
    string,
    { readonly reason: string; readonly since: string; readonly names: Names }
  >();

  constructor(what: string) {
    this.#what = what;
  }

  /** @param since Behind the names. */
  add(reason: string, series: string, strategy?: string, since: string = ""): void {
    const key = JSON.stringify([reason, since]);
    const group = this.#groups.get(key) ?? { reason, since, names: new Map() };
    this.#groups.set(key, group);
    group.names.set(strategy, [...group.names.get(strategy) ?? [], series]);
  }

  get lines(): string[] {
    const groups = [...this.#groups.values()];
    const shown = groups.slice(0, reasonsAtMost).map(({ reason, since, names }) =>
      `${this.#what}: ${listed(names)}${since}${reason === "" ? "" : ` (${reason})`}`
    );
    const left = groups.slice(reasonsAtMost).reduce((sum, { names }) => sum + countOf(names), 0);
    return left === 0 ? shown : [...shown, `${this.#what}: ${left} more`];
  }
}

/** Series by the strategy that wants them. */
type Names = Map<string | undefined, readonly string[]>;

const countOf = (names: Names): number => [...names.values()].reduce((sum, { length }) => sum + length, 0);

/** `Mean reversion BTC-USD 5m, ETH-USD 5m, Breakout BTC-USD 1h` */
function listed(names: Names): string {
  const all = [...names].flatMap(([strategy, series]) =>
    series.map((name, index) => index > 0 || strategy === undefined ? name : `${strategy} ${name}`)
  );
  const more = all.length - namesAtMost;
  return [...all.slice(0, namesAtMost), ...more > 0 ? [`${more} more`] : []].join(", ");
}

/** One decimal, with its sign: `+2.0`. */
function signed(r: number): string {
  const text = Math.abs(r).toFixed(1);
  return Number(text) === 0 ? text : `${r < 0 ? "−" : "+"}${text}`;
}

const plural = (count: number, name: string): string => `${count} ${name}${count === 1 ? "" : "s"}`;

/** What others have written, in one line and not too long. */
function cut(text: string): string {
  const letters = [...safeLine(text).replace(/\.$/, "")];
  return letters.length <= longestText ? letters.join("") : `${letters.slice(0, longestText - 1).join("")}…`;
}
