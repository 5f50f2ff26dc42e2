/**
 * Alerts of TradingView as signals. It gives up after three seconds, may send an alert again, and can send no header: the
 * secret is in the message, which TradingView sends as JSON or, where it takes it for none, as plain text.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { Decimal, TradingSignal } from "../signals/signal.ts";
import {
  assertClassOptions,
  assertValue,
  isObject,
  numberRule,
  oneOfRule,
  type Rule,
  textRule,
} from "../util/validate.ts";
import type { MappedSignal } from "./signal_body.ts";

/** What an alert's message does not say. */
export interface TradingViewOptions {
  /** The stop's distance from the entry in percent, where the message has no `stop`: above 0, below 100. */
  readonly stopPercent?: number | undefined;
  /** The target's distance from the entry in percent, where the message has no `target`: above 0, for shorts below 100. */
  readonly targetPercent?: number | undefined;
}

/**
 * The message of an alert of a strategy, for the alert's dialogue, with your secret and your strategy's name in it. For an
 * alert of an indicator write `"action": "buy"` or `"sell"`, and leave `position` out. It may also have `stop` and `target`,
 * such as `"{{plot_0}}"`; or nothing but `secret` and `text`, which is sent as it is.
 */
export const tradingViewMessage: string = `{
  "secret": "YOUR SECRET",
  "strategy": "My strategy",
  "ticker": "{{ticker}}",
  "interval": "{{interval}}",
  "action": "{{strategy.order.action}}",
  "position": "{{strategy.market_position}}",
  "price": "{{close}}",
  "time": "{{time}}",
  "timenow": "{{timenow}}"
}`;

const percentRule = (most: number): Rule =>
  numberRule(
    `a number of percent above 0${most < Infinity ? `, below ${most}` : ""}`,
    (value) => value > 0 && value < most,
  );

/**
 * Options of `signalCallback()` for TradingView's alerts: `signalCallback(bot, { secret, ...tradingView() })`. A buy is a long,
 * a sell a short; an order that closes a position, or makes it smaller, is no signal. A strategy gives one signal a bar, symbol
 * and direction, however often its alert comes.
 * @throws {ConfigError} If an option is unknown or malformed.
 */
export function tradingView(options: TradingViewOptions = {}): {
  readonly map: (body: unknown) => MappedSignal;
  readonly broadcastId: (body: unknown) => string | undefined;
} {
  assertClassOptions<TradingViewOptions>(options, {
    rules: { stopPercent: percentRule(100), targetPercent: percentRule(Infinity) },
  });
  return { map: (body) => mapped(body, options), broadcastId: idOf };
}

type Fields = Readonly<Record<string, unknown>>;

const action = "take TradingView's alert";
const textOf = (field: unknown): string | undefined =>
  typeof field === "string" ? field.trim() || undefined : undefined;

function mapped(body: unknown, { stopPercent, targetPercent }: TradingViewOptions): MappedSignal {
  if (!isObject(body) || Array.isArray(body)) {
    throw new TypeError(`Cannot ${action} as its message must be JSON, as tradingViewMessage is`);
  }
  const fields = body as Fields;
  if (fields["text"] !== undefined && fields["action"] === undefined) {
    return { text: fields["text"] as string };
  }
  for (const [name, value] of Object.entries(fields)) assertValue(action, name, value, filledRule(name));
  const direction = directionOf(fields);
  if (direction === undefined) return undefined;
  assertValue(action, "ticker", fields["ticker"], {
    ...textRule("a symbol, such as {{ticker}} gives", /\S/),
    isRequired: true,
  });
  const entry = priceOf(fields, "price");
  const level = (name: "stop" | "target", percent: number | undefined): Decimal =>
    fields[name] === undefined ? away(entry, name, direction, percent) : priceOf(fields, name);
  const [timeframe, strategy, time] = [timeframeOf(fields), textOf(fields["strategy"]), timeOf(fields)];
  return {
    ...{ direction, symbol: fields["ticker"] as string, entry },
    ...{ stop: level("stop", stopPercent), target: level("target", targetPercent) },
    ...timeframe === undefined ? {} : { timeframe },
    ...strategy === undefined ? {} : { strategy },
    ...time === undefined ? {} : { time },
  };
}

const ofStrategies = "which knows {{strategy...}} in alerts of strategies alone:";
const byHand = "in an alert's message; to try it by hand,";

/** What to do where a placeholder has come as it is, by the field that it is in. */
const advice: Readonly<Record<string, string>> = {
  action: `${ofStrategies} in one of an indicator write "buy" or "sell"`,
  position: `${ofStrategies} in one of an indicator leave it out`,
  ticker: `which knows {{ticker}} ${byHand} write a symbol such as "BTCUSD"`,
  interval: `which knows {{interval}} ${byHand} write minutes such as "5"`,
  price: `which knows {{close}} ${byHand} write a price such as 67250.5`,
  stop: `which knows plots such as {{plot_0}} ${byHand} write a price such as 66980`,
  target: `which knows plots such as {{plot_0}} ${byHand} write a price such as 67800`,
  time: `which knows {{time}} ${byHand} write a time such as "2026-11-25T14:00:00Z"`,
  timenow: `which knows {{timenow}} ${byHand} write a time such as "2026-11-25T14:04:59Z"`,
};

const filledRule = (name: string): Rule => ({
  isGood: (value) => typeof value !== "string" || !value.includes("{{"),
  rule: `filled in by TradingView, ${
    Object.hasOwn(advice, name)
      ? advice[name]
      : "which does not know this placeholder: correct it, or leave it out"
  }`,
  isData: true,
});

const actions: Readonly<Record<string, TradingSignal["direction"]>> = {
  ...{ buy: "long", long: "long", sell: "short", short: "short" },
};

/** `undefined` where the order ends a position, or a part of it. */
function directionOf(fields: Fields): TradingSignal["direction"] | undefined {
  const [given, position] = [fields["action"], fields["position"]].map((each) => textOf(each)?.toLowerCase());
  assertValue(action, "action", given, { ...oneOfRule("buy", "sell", "long", "short"), isRequired: true });
  assertValue(action, "position", position, oneOfRule("long", "short", "flat"));
  const direction = actions[given as string];
  return position === undefined || position === direction ? direction : undefined;
}

/** Texts keep their digits. */
function priceOf(fields: Fields, name: string): Decimal {
  const value = textOf(fields[name]) ?? fields[name];
  assertValue(action, name, value, {
    isGood: (price) => /^\d+(\.\d+)?$/.test(String(price)),
    rule: "a price, as a number or a text of plain digits",
    isRequired: true,
    isData: true,
  });
  return value as Decimal;
}

const precisionAtLeast = 6;

/** The entry's digits, six at least, are enough for what is so far away from it. */
function away(
  entry: Decimal,
  name: "stop" | "target",
  direction: TradingSignal["direction"],
  percent: number | undefined,
): Decimal {
  if (percent === undefined) {
    throw new TypeError(
      `Cannot ${action} as it has no "${name}": put one into the message, or give tradingView({ ${name}Percent })`,
    );
  }
  const sign = (direction === "long") === (name === "target") ? 1 : -1;
  const digits = String(entry).replace(/^0*\.?0*|\./g, "").length;
  const price = Number(entry) * (1 + sign * percent / 100);
  return Number(price.toPrecision(Math.min(15, Math.max(precisionAtLeast, digits))));
}

/** TradingView's: minutes as `"5"` or `"60"`, else `"D"`, `"1W"`, `"30S"`. Ours: `5m`, `1h`, `1d`. */
function timeframeOf({ interval }: Fields): string | undefined {
  const text = typeof interval === "number" ? String(interval) : textOf(interval);
  const [, count = "", unit = ""] = /^(\d*)([SDWM]?)$/i.exec(text ?? "") ?? [];
  if (text === undefined || count + unit === "") return text;
  if (unit !== "") return `${count || 1}${unit.toUpperCase() === "M" ? "M" : unit.toLowerCase()}`;
  const minutes = Number(count);
  if (minutes % 1440 === 0) return `${minutes / 1440}d`;
  return minutes % 60 === 0 ? `${minutes / 60}h` : `${minutes}m`;
}

/** When the alert was raised, as a signal has it. */
function timeOf({ time, timenow }: Fields): string | undefined {
  return textOf(timenow) ?? textOf(time);
}

/** The same for all alerts of a bar. */
function idOf(body: unknown): string | undefined {
  const { strategy, ticker, time, id, ...fields } = body as Fields;
  if (typeof id === "string" && id !== "") return id;
  const bar = textOf(time);
  if (bar === undefined || fields["action"] === undefined) return undefined;
  const parts = [
    "TradingView",
    textOf(strategy),
    textOf(ticker),
    timeframeOf(fields),
    directionOf(fields),
    bar,
  ];
  const name = parts.filter((each) => each !== undefined).join(" ");
  const isShort = Buffer.byteLength(name) <= 128 && !/\p{Cc}/u.test(name);
  return isShort ? name : `TradingView ${createHash("sha256").update(name).digest("hex").slice(0, 32)}`;
}
