/**
 * A trading signal's facts and its ticket, for who checks signals early or sends them elsewhere.
 *
 * ```ts
 * import { riskReward, signalMessage } from "telegram-signals/signals";
 *
 * const { text } = signalMessage(signal, Date.now());
 * ```
 *
 * @module
 */
export { decimalText, riskReward, validateSignal } from "./signal.ts";
export type { Decimal, TradingSignal } from "./signal.ts";
export { signalMessage } from "./ticket.ts";
export type { FormattedText } from "../telegram/text.ts";
