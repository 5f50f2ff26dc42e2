/** Long texts in items under 1 KB, of which each costs one unit to write. */
import { StorageError } from "./storage_error.ts";
import type { RunText } from "./ledger.ts";

const itemBytes = 1000;
const partBytes = 900;

const encoder = new TextEncoder();

/** The sort key of a part. */
export function partKey(name: RunText, index: number): string {
  return `${name}#${index}`;
}

/** The text in pieces, none of which makes an item of 1 KB; a character is never cut. */
export function partsOf(broadcastId: string, name: RunText, text: string): string[] {
  const keys = "broadcast_id" + broadcastId + "record" + partKey(name, 9999) + "text";
  return cut(text, Math.min(partBytes, itemBytes - encoder.encode(keys).length));
}

function cut(text: string, limit: number): string[] {
  const parts: string[] = [];
  let from = 0;
  let size = 0;
  let at = 0;
  for (const character of text) {
    const bytes = bytesOf(character.codePointAt(0) ?? 0);
    if (size + bytes > limit) {
      parts.push(text.slice(from, at));
      from = at;
      size = 0;
    }
    size += bytes;
    at += character.length;
  }
  if (at > from) parts.push(text.slice(from));
  return parts;
}

/** What UTF-8 takes for it. */
function bytesOf(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
}

/** The pieces as one text again. */
export function textOf(broadcastId: string, name: RunText, parts: readonly (string | undefined)[]): string {
  const missing = parts.findIndex((part) => part === undefined);
  if (missing === -1) return parts.join("");
  throw new StorageError(
    "failed",
    `The ledger has lost "${
      partKey(name, missing)
    }" of the broadcast "${broadcastId}", one of ${parts.length} ` +
      `parts. Look for an item of this key: nobody but the bot may write to the table.`,
  );
}
