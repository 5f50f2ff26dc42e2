/** What is broadcast under an id: whoever knows the id knows what has to arrive, to the last letter. */
import type { FormattedText } from "../../mod.ts";

/** Every third is a long one, which no single item of the ledger would hold; its emoji are two UTF-16 units each. */
export function announcement(broadcastId: string): FormattedText {
  const head = `Broadcast ${broadcastId}\n`;
  const number = Number(/\d+/.exec(broadcastId)?.[0] ?? 0);
  const text = head +
    (number % 3 === 0 ? '📈 up, é, 漢, "quoted" \\ and 📉 down. '.repeat(90) : "Long BTC-USD at 67250");
  return { text, entities: [{ type: "bold", offset: 0, length: head.length - 1 }] };
}

/** The id of the broadcast that a text belongs to. */
export function broadcastIdIn(text: string): string | undefined {
  return /^Broadcast (\S+)\n/.exec(text)?.[1];
}
