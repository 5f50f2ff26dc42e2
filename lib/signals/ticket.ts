/** A trader's ticket: the text of a signal, as it is sent. Change its words here. */
import { utcText } from "../util/clock.ts";
import { bold, code, format, type FormattedText, lines, wellFormed } from "../telegram/text.ts";
import {
  decimalText,
  numberText,
  priceText,
  riskReward,
  signalTime,
  type TradingSignal,
  validateSignal,
} from "./signal.ts";
import { assertValue, numberRule, type Rule } from "../util/validate.ts";

const nowRule: Rule = {
  ...numberRule("milliseconds since 1970", (value) => !Number.isNaN(new Date(value).getTime())),
  isRequired: true,
};

/**
 * Writes a signal as a trader's ticket: direction and symbol, the prices, risk and reward, then what the strategy says.
 * @param now Milliseconds since 1970: the ticket's time where the signal has none.
 * @throws {TypeError | RangeError} If the signal is not one, see `validateSignal`; or `now` no time.
 */
export function signalMessage(signal: TradingSignal, now: number): FormattedText {
  validateSignal(signal);
  assertValue("use the signal", "now", now, nowRule);
  const { direction, symbol, timeframe, currency, strategy, parameters = {}, note } = signal;
  const price = (name: "entry" | "stop" | "target"): FormattedText => code(priceText(signal, name));
  const amount = (name: "size" | "risk"): FormattedText => code(decimalText(signal[name] ?? "", name));
  const heading = `${direction === "long" ? "🟢 LONG" : "🔴 SHORT"} ${symbol}`;
  const parameterTexts = Object.entries(parameters).map(([name, value]) =>
    `${name}: ${typeof value === "number" ? numberText(value) : value}`
  );
  const ticket = lines(
    format(bold(heading), timeframe === undefined ? "" : ` · ${timeframe}`),
    "",
    format("Entry: ", price("entry")),
    format("Stop: ", price("stop")),
    format("Target: ", price("target")),
    `Risk/reward: 1 : ${riskReward(signal).toFixed(2)}`,
    signal.size === undefined ? undefined : format("Size: ", amount("size")),
    signal.risk === undefined ? undefined : format("Risk: ", amount("risk"), currency ? ` ${currency}` : ""),
    strategy === undefined ? undefined : `\n${strategy}`,
    parameterTexts.length === 0 ? undefined : parameterTexts.join(" · "),
    note === undefined ? undefined : `\n${note}`,
    `\n${utcText(signalTime(signal, now))}`,
  );
  return { ...ticket, text: wellFormed(ticket.text) };
}
