/** A /start or /stop takes effect when it is heard; until it is kept, the list in memory remembers it. */
import type { Entry, Step } from "./entry.ts";
import { NotKeptError } from "./lanes.ts";
import type { Roster, WordOptions } from "./roster.ts";

/** Remembers the word until it is kept; one that is not kept before the bot ends is remembered to the end. */
export function heedUntilKept(
  roster: Roster,
  { chatId, isActive, ...options }: WordOptions & { readonly chatId: number; readonly isActive: boolean },
  kept: Promise<unknown>,
): void {
  const forget = roster.heed(chatId, isActive, options);
  kept.then(forget, (error) => error instanceof NotKeptError || forget());
}

/** Remembers the words of a queue that an earlier process has left: they were confirmed, and still hold. */
export function heedLeft(roster: Roster, left: readonly Entry[], kept: readonly Promise<Step>[]): void {
  const stopped = new Set<number>();
  for (const [index, entry] of left.entries()) {
    const done = kept[index] as Promise<Step>;
    if (entry.kind === "event") {
      const { chatId, event } = entry;
      const { kind } = event;
      if (kind !== "start" && kind !== "stop") continue;
      if (kind === "stop") stopped.add(chatId);
      else stopped.delete(chatId);
      heedUntilKept(roster, { chatId, isActive: kind === "start", threadId: event.threadId }, done);
    } else if (stopped.has(entry.from)) {
      // The supergroup may be in the table already, as another process may have heard of the move.
      stopped.add(entry.to);
      heedUntilKept(roster, { chatId: entry.to, isActive: false }, done);
    }
  }
}
