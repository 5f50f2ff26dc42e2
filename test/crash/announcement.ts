/** The content of a broadcast, derived from its id, so that a check knows exactly what has to arrive. */
import type { BroadcastMessage, FormattedText } from "../../mod.ts";

/** In one message; in several, as it is too long for one; or a photo by its bytes, with a caption that may be too long. */
export type Kind = "text" | "parts" | "photo";

const filling: Readonly<Record<string, (number: number) => readonly number[]>> = {
  // Every third is too long for a single item of the ledger.
  text: (number) => [number % 3 === 0 ? 90 : 1],
  // Two of these paragraphs are too long for one message, so each is one of its own.
  parts: () => [80, 90, 70],
  photo: (number) => number % 2 === 0 ? [1] : [20, 90],
};
/** An emoji is two UTF-16 units. */
const sentence = '📈 up, é, 漢, "quoted" \\ and 📉 down. ';
const between = "\n\n";

/** The messages that each chat is to get, in this order. */
export function messagesOf(broadcastId: string): FormattedText[] {
  const [, kind = "", number = ""] = /^([a-z]+)(\d+)$/.exec(broadcastId) ?? [];
  return (filling[kind]?.(Number(number)) ?? []).map((sentences, index) => {
    const head = headOf(broadcastId, index);
    const bold = { type: "bold", offset: 0, length: head.length - 1 } as const;
    return { text: (head + sentence.repeat(sentences)).trimEnd(), entities: [bold] };
  });
}

/** The argument of `broadcast()`: all messages as one text, and perhaps a photo. */
export function announcement(broadcastId: string): BroadcastMessage {
  const messages = messagesOf(broadcastId);
  const text = messages.map((message) => message.text).join(between);
  const entities = messages.flatMap((message, index) => {
    const before = messages.slice(0, index).map((earlier) => earlier.text + between).join("").length;
    return message.entities.map((entity) => ({ ...entity, offset: entity.offset + before }));
  });
  return { text, entities, ...broadcastId.startsWith("photo") && { photo: pictureOf(broadcastId) } };
}

/** Not large enough for Telegram to slow its uploads down. */
export function pictureOf(broadcastId: string): Uint8Array {
  return new TextEncoder().encode(`${broadcastId} `.repeat(500));
}

/** Which of the broadcast's messages a text is; -1 where it is of another one. */
export function indexOf(broadcastId: string, text: string): number {
  const [, id, number] = /^Broadcast (\S+), (\d+)\n/.exec(text) ?? [];
  return id === broadcastId ? Number(number) - 1 : -1;
}

function headOf(broadcastId: string, index: number): string {
  return `Broadcast ${broadcastId}, ${index + 1}\n`;
}
