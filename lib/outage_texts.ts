/** What is said of an outage: at its beginning, at its end, and where it outlasts the bot. Pure. */
import type { Entry } from "./entry.ts";
import type { Pending } from "./queue.ts";

const shownAtMost = 20;

/** Said once, with what to check. */
export function outageText({ message }: Error, spoolPath: string | undefined): string {
  const where = spoolPath === undefined ? "in memory" : `in the file ${spoolPath}`;
  return `${message}\nThe bot goes on: what chats say waits ${where} until DynamoDB can be used again.`;
}

export function overText(replayed: number, dropped: number): string {
  const kept = replayed === 0
    ? "DynamoDB is back."
    : `DynamoDB is back; ${count(replayed, "update")} that waited for it ${
      replayed === 1 ? "is" : "are"
    } kept.`;
  return dropped === 0
    ? kept
    : `${kept} ${count(dropped, "message")} found no room in the queue, and was not counted.`;
}

export function spoolFailedText(error: unknown, path: string | undefined): string {
  return `The spool file ${path} cannot be written (${(error as Error).message}). Check the disk. ` +
    "Meanwhile updates are left at Telegram.";
}

/** What becomes of that which could not be kept before the end. */
export function leftTexts(
  left: { readonly waiting: readonly Pending[]; readonly queued: readonly Pending[] },
  spoolPath: string | undefined,
): { readonly lost: string | undefined; readonly later: string | undefined } {
  const { queued, waiting } = left;
  const confirmed = queued.filter(({ isConfirmed }) => isConfirmed);
  const onDisk = spoolPath === undefined ? [] : confirmed;
  const lost = spoolPath === undefined ? confirmed.map(({ entry }) => entry) : [];
  const atTelegram = queued.length - confirmed.length + waiting.length;
  const later = [
    onDisk.length > 0 && `${count(onDisk.length, "update")} in the file ${spoolPath}`,
    atTelegram > 0 && `${count(atTelegram, "update")} at Telegram`,
  ].filter((part) => part !== false);
  return {
    lost: lost.length === 0 ? undefined : lostText(lost),
    later: later.length === 0
      ? undefined
      : `DynamoDB could not be used until the end: for the next start there wait ${later.join(" and ")}.`,
  };
}

function lostText(lost: readonly Entry[]): string {
  const chats = [...new Set(lost.map((entry) => entry.kind === "event" ? entry.chatId : entry.to))];
  const more = chats.length > shownAtMost ? `, and ${chats.length - shownAtMost} more` : "";
  return `DynamoDB could not be used until the end, and the queue in memory ends with the bot: ` +
    `${count(lost.length, "update")} lost (${kindsOf(lost)}), of the chats ` +
    `${chats.slice(0, shownAtMost).join(", ")}${more}. TELEGRAM_SPOOL_FILE keeps the queue on disk.`;
}

/** `2 start, 1 stop, 40 message` */
function kindsOf(entries: readonly Entry[]): string {
  const counts = new Map<string, number>();
  for (const entry of entries) {
    const kind = entry.kind === "event" ? entry.event.kind : entry.kind;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(([kind, number]) => `${number} ${kind}`).join(", ");
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
