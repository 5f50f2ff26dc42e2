/** Texts that try to break formatting, and what becomes of them; a signal with every fact. */
import fc from "fast-check";
import type { MessageEntity } from "grammy/types";
import type { TradingSignal } from "../../lib/signals/signal.ts";
import type { FormattedText } from "../../lib/telegram/text.ts";

export const ticket: TradingSignal = {
  direction: "long",
  symbol: "BTC-USD",
  entry: 67250.5,
  stop: 66980,
  target: "67800.00",
  size: 0.25,
  risk: "67.60",
  currency: "USD",
  timeframe: "5m",
  strategy: "Mean reversion",
  parameters: { Bollinger: "20 × 2.0", "ATR stop": 1.5, live: true },
  note: "Below the lower band.",
  time: "2026-11-23T17:05:00+01:00",
};

/** Names and symbols by people who mean no good, or who only like emoji. */
export const hostileTexts: fc.Arbitrary<string> = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary" }),
  fc.constantFrom(
    "<b>bold</b>",
    "*a* _b_ `c` [d](http://e)",
    "&lt;&amp;",
    "👨‍👩‍👧‍👦",
    "🇩🇪🇫🇷",
    "\ud83d",
    "\ude00",
    "a\u0301\u200f\u202e",
    "\u0000\u0007",
    "\n\n",
    "/stop@bot",
    "@everyone",
    "tg://user?id=1",
  ),
);

/** The parts of the text that have an entity, or one of that type. */
export function styled({ text, entities }: FormattedText, type?: MessageEntity["type"]): string[] {
  return entities.filter((entity) => type === undefined || entity.type === type)
    .map(({ offset, length }) => text.slice(offset, offset + length));
}

/** As it is after a journey in UTF-8: halves of pairs become one replacement character each. */
export function whole(text: string): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(new TextEncoder().encode(text));
}
