/** The scheduler's settings: from the command line and from a file, each checked before anything begins. */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import {
  type DailySummaryOptions,
  type RunStrategiesOptions,
  timeframes,
  type TradingHoursOptions,
} from "telegram-signals/live";
import { type DryRun, dryRunRule, joinDryRun, parseDryRun } from "../../cli/dry_run.ts";
import { nearestName, parseArguments, UsageError } from "../../cli/arguments.ts";
import { permissionHint } from "../../cli/permission_hint.ts";
import { defaultSeed } from "./help.ts";
import { meanReversionTimeframes } from "./mean_reversion.ts";
import type { MeanReversionSettings } from "./rules.ts";

export interface Settings extends MeanReversionSettings {
  /** `coinbase`, an address, or an exchange of ccxt. */
  readonly exchange: string;
  readonly replay: string | undefined;
  /** The seed of synthetic candles; undefined where other candles are wanted. */
  readonly seed: number | undefined;
  readonly intervalSeconds: number | undefined;
  readonly rules: "reentry" | "original";
  readonly similar: RunStrategiesOptions["similar"];
  readonly dailySummary: DailySummaryOptions | undefined;
  readonly hasCharts: boolean;
  /** The screen or a chat, which gets the signals alone. */
  readonly dryRun: DryRun;
  /** Whether signals of candles that are no market's are sent without asking. */
  readonly yes: boolean;
  readonly verbose: boolean;
  readonly signals: number;
}

type Given = Readonly<Record<string, readonly string[] | boolean>>;

/** A setting that is a text: its rule, and its value; `undefined` where the text breaks the rule. */
interface Setting<T> {
  readonly rule: string;
  readonly parse: (text: string) => T | undefined;
  /** Whether it may be a number in a file. Default: false. */
  readonly isNumber?: boolean;
}

const text = (rule: string, form: RegExp): Setting<string> => ({
  rule,
  parse: (given) => form.test(given) ? given : undefined,
});
/** JavaScript reads a number into `0x10`, too, and into blanks. */
const plainDigits = /^-?(\d+|\d*\.\d+)$/;
const number = (rule: string, isGood: (value: number) => boolean): Setting<number> => ({
  ...{ rule: `${rule}, in plain digits`, isNumber: true },
  parse: (given) => plainDigits.test(given) && isGood(Number(given)) ? Number(given) : undefined,
});
const oneOf = <T extends string>(...known: readonly T[]): Setting<T> => ({
  rule: `${known.slice(0, -1).join(", ")} or ${known.at(-1)}`,
  parse: (given) => known.find((each) => each === given),
});
const above0 = (most: number): Setting<number> =>
  number(`above 0 and at most ${most}`, (value) => value > 0 && value <= most);
const whole = (least: number, most: number): Setting<number> =>
  number(
    `a whole number from ${least} ${most === Number.MAX_SAFE_INTEGER ? "on" : `to ${most}`}`,
    (value) => Number.isInteger(value) && value >= least && value <= most,
  );
const step = {
  ...text('plain digits, such as "0.01"', /^(?=.*[1-9])\d{1,15}(\.\d{1,12})?$/),
  isNumber: true,
};

/** A symbol and the name of its strategy have 80 bytes together at most. */
const symbolBytesAtMost = 55;
const isSymbol = (given: string): boolean =>
  /\S/.test(given) && Buffer.byteLength(given) <= symbolBytesAtMost;

const table = {
  symbol: {
    rule: `names such as "BTC-USD", of ${symbolBytesAtMost} bytes at most`,
    parse: (given: string): string | undefined => isSymbol(given) ? given : undefined,
  },
  timeframe: {
    ...oneOf(...timeframes),
    rule: `${meanReversionTimeframes.join(", ")}, or with --rules original up to 1d`,
  },
  exchange: text(
    "coinbase, an exchange of ccxt, or an http or https address without a / at its end",
    /^([\w-]+|https?:\/\/\S*[^/\s])$/,
  ),
  replay: text("a file", /./),
  seed: whole(0, Number.MAX_SAFE_INTEGER),
  interval: above0(86_400),
  rules: oneOf("reentry", "original"),
  hours: { rule: 'two different times of day such as "06:00-17:00"', parse: hoursOf },
  timeZone: { rule: 'a time zone such as "Europe/London"', parse: timeZoneOf },
  bollingerPeriod: whole(2, 200),
  bollingerDeviations: above0(10),
  vwapDeviations: above0(10),
  atrPeriod: whole(1, 200),
  atrMultiple: above0(100),
  rewardRisk: above0(100),
  similar: above0(100),
  account: above0(1e15),
  riskPercent: above0(100),
  currency: text('a name such as "USD"', /^\S{1,20}$/),
  ...{ tickSize: step, sizeStep: step },
  dailySummary: text('a time of day such as "17:05"', /^([01]\d|2[0-3]):[0-5]\d$/),
  dryRun: {
    rule: dryRunRule,
    parse: parseDryRun,
    isNumber: true,
  },
  signals: whole(1, Number.MAX_SAFE_INTEGER),
};
type Texts = typeof table;
type Name = keyof Texts;
type Value<N extends Name> = Exclude<ReturnType<Texts[N]["parse"]>, undefined>;

const lists: readonly string[] = ["symbol", "timeframe"];
const switches = ["noChart", "verbose"] as const;
type Switch = typeof switches[number] | "yes";
const commandLineOnly: readonly string[] = ["help", "settings", "yes"];
/** Candles come from one place. */
const exclusive: readonly (readonly [Name, Name])[] = [
  ...[["exchange", "replay"], ["exchange", "seed"], ["exchange", "interval"], ["replay", "seed"]] as const,
];

/** @throws {UsageError} Naming each setting that is wrong. */
export function readSettings(argv: readonly string[]): Settings {
  const given = fromCommandLine(argv);
  const [file] = given["settings"] as readonly string[] | undefined ?? [];
  const mistakes: string[] = [];
  const fromFile = file === undefined ? {} : withoutBeaten(readFile(file, mistakes), given);
  const all = <N extends Name>(name: N): readonly Value<N>[] => {
    const isHere = given[name] !== undefined;
    const texts = (isHere ? given : fromFile)[name] as readonly string[] | undefined ?? [];
    const { rule, parse } = table[name];
    return texts.flatMap((each): Value<N>[] => {
      const isPlain = !/[\p{Cc}\p{Cs}]/u.test(each);
      const value = isPlain ? parse(each) : undefined;
      if (value !== undefined) return [value as Value<N>];
      const what = isHere ? optionOf(name) : `${JSON.stringify(name)} in ${file}`;
      const broken = isPlain ? `be ${rule}` : "have no control characters";
      mistakes.push(`${what} must ${broken}: current value is ${JSON.stringify(each)}`);
      return [];
    });
  };
  const one = <N extends Name>(name: N): Value<N> | undefined => all(name).at(-1);
  const isOn = (name: Switch): boolean => (given[name] ?? fromFile[name]) === true;
  const settings = settingsOf(all, one, isOn);
  mistakes.push(...mistakesBetween(settings));
  mistakes.push(
    ...together(given).map((names) => `${names.map(optionOf).join(" and ")} exclude each other`),
    ...together(fromFile).map((names) => `"${names.join('" and "')}" in ${file} exclude each other`),
  );
  if (mistakes.length > 0) throw new UsageError(`${mistakes.join("\n")}; --help lists the options`);
  return settings;
}

function settingsOf(
  all: <N extends Name>(name: N) => readonly Value<N>[],
  one: <N extends Name>(name: N) => Value<N> | undefined,
  isOn: (name: Switch) => boolean,
): Settings {
  const [rules = "reentry", replay, intervalSeconds] = [one("rules"), one("replay"), one("interval")];
  const [symbols, lengths] = [[...new Set(all("symbol"))], [...new Set(all("timeframe"))]];
  const [percent, at] = [one("similar"), one("dailySummary")];
  const isDemonstration = intervalSeconds !== undefined && replay === undefined;
  const [{ from, to } = { from: "06:00", to: "17:00" }, timeZone = "UTC"] = [one("hours"), one("timeZone")];
  return {
    ...{ rules, replay, intervalSeconds, hours: { from, to, timeZone } },
    symbols: symbols.length > 0 ? symbols : ["BTC-USD"],
    timeframes: lengths.length > 0 ? lengths : ["5m"],
    exchange: one("exchange") ?? "coinbase",
    seed: one("seed") ?? (isDemonstration ? defaultSeed : undefined),
    ...{ account: one("account") ?? 10_000, riskPercent: one("riskPercent") ?? 1 },
    ...{ currency: one("currency"), tickSize: one("tickSize"), sizeStep: one("sizeStep") },
    bollingerPeriod: one("bollingerPeriod") ?? 20,
    bollingerDeviations: one("bollingerDeviations") ?? 2,
    vwapDeviations: one("vwapDeviations") ?? 2,
    atrPeriod: one("atrPeriod") ?? 14,
    atrMultiple: one("atrMultiple") ?? (rules === "original" ? 1.2 : 1.5),
    rewardRisk: one("rewardRisk") ?? (rules === "original" ? 2.5 : 1.5),
    similar: percent === undefined ? undefined : { percent, hours: 24 },
    dailySummary: at === undefined ? undefined : { at, timeZone },
    ...{ dryRun: one("dryRun"), yes: isOn("yes") },
    ...{ hasCharts: !isOn("noChart"), verbose: isOn("verbose"), signals: one("signals") ?? Infinity },
  };
}

function mistakesBetween({ rules, timeframes: chosen }: Settings): string[] {
  const tooLong = chosen.find((each) => !meanReversionTimeframes.includes(each));
  const mistakes: string[] = [];
  if (rules === "reentry" && tooLong !== undefined) {
    mistakes.push(
      `--timeframe must be one of ${
        meanReversionTimeframes.join(", ")
      } for the rules "reentry", whose VWAP begins anew ` +
        `each day: current value is "${tooLong}"`,
    );
  }
  return mistakes;
}

/** Settings that exclude each other, and are given together. */
function together(given: Given): (readonly [Name, Name])[] {
  return exclusive.filter((names) => names.every((name) => given[name] !== undefined));
}

/** A market on the command line takes the place of the file's, as for a trial. */
function withoutBeaten(fromFile: Given, given: Given): Given {
  const beaten: readonly string[] = exclusive.flatMap(([one, other]) => [
    ...given[one] === undefined ? [] : [other],
    ...given[other] === undefined ? [] : [one],
  ]);
  return Object.fromEntries(Object.entries(fromFile).filter(([name]) => !beaten.includes(name)));
}

// Where they come from.

function fromCommandLine(argv: readonly string[]): Given {
  const options = Object.fromEntries([
    ...[...Object.keys(table), "settings"].map((name) => [name, { type: "string", multiple: true }] as const),
    ...[...switches, "yes"].map((name) => [name, { type: "boolean" }] as const),
  ].map(([name, option]) => [optionOf(name).slice(2), option]));
  const { values } = parseArguments({ args: joinDryRun(argv), options });
  const known = [...Object.keys(table), "settings", ...switches, "yes"];
  const entries = known.map((name) => [name, values[optionOf(name).slice(2)]] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as Given;
}

/** The file's settings, in which texts, numbers and lists are as on the command line. */
function readFile(file: string, mistakes: string[]): Given {
  const content = parsed(file);
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw new UsageError(`${file} must hold an object such as { "symbol": "BTC-USD" }`);
  }
  const names = [...Object.keys(table), ...switches];
  const entries = Object.entries(content).flatMap(([name, value]) => {
    if (!names.includes(name)) {
      const meant = nearestName(name, names);
      const hint = meant === undefined ? "" : ` (did you mean ${JSON.stringify(meant)}?)`;
      const what = commandLineOnly.includes(name) ? "is for the command line alone" : `is no setting${hint}`;
      mistakes.push(`${JSON.stringify(name)} in ${file} ${what}`);
      return [];
    }
    const rule = ruleBrokenBy(name, value);
    if (rule === undefined) return [[name, typeof value === "boolean" ? value : [value].flat().map(textOf)]];
    mistakes.push(
      `${JSON.stringify(name)} in ${file} must be ${rule}: current value is ${JSON.stringify(value)}`,
    );
    return [];
  });
  return Object.fromEntries(entries) as Given;
}

/** What a value in the file must be; `undefined` where it is. Its content is checked with that of the command line. */
function ruleBrokenBy(name: string, value: unknown): string | undefined {
  if ((switches as readonly string[]).includes(name)) {
    return typeof value === "boolean" ? undefined : "true or false";
  }
  const { isNumber = false }: Setting<unknown> = table[name as Name];
  if (lists.includes(name) && Array.isArray(value)) {
    const isGood = value.length > 0 && value.every((each) => typeof each === "string");
    return isGood ? undefined : "a text, or a list of texts";
  }
  if (typeof value === "string" || typeof value === "number" && isNumber) return undefined;
  return isNumber ? "a number" : "a text";
}

/** JSON's `1e-8` and `0.00000001` are the same number, which is written in plain digits here. */
function textOf(value: unknown): string {
  if (typeof value !== "number") return String(value);
  return value.toLocaleString("en", { useGrouping: false, maximumFractionDigits: 20 });
}

function parsed(file: string): unknown {
  try {
    // Some editors begin a file with a mark of its encoding.
    return JSON.parse(readFileSync(file, "utf8").replace(/^\uFEFF/, ""));
  } catch (cause) {
    const { message } = cause as Error;
    throw new UsageError(`The settings in ${file} cannot be read: ${message}${permissionHint(cause)}`, {
      cause,
    });
  }
}

/** `--risk-percent` for `riskPercent`. */
function optionOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function hoursOf(given: string): Pick<TradingHoursOptions, "from" | "to"> | undefined {
  const [, from, to] = /^(\d\d:\d\d)-(\d\d:\d\d)$/.exec(given) ?? [];
  const isTime = (time: string | undefined): time is string => /^([01]\d|2[0-3]):[0-5]\d$/.test(time ?? "");
  return isTime(from) && (isTime(to) || to === "24:00") && from !== to ? { from, to } : undefined;
}

function timeZoneOf(given: string): string | undefined {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: given }).resolvedOptions().timeZone && given;
  } catch {
    return undefined;
  }
}
