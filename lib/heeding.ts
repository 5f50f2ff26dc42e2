/** A chat's /start or /stop counts from when it is heard, for as long as it is not kept. */
import type { Entry, Step } from "./entry.ts";
import { NotKeptError } from "./lanes.ts";
import type { Roster } from "./roster.ts";

/** The word counts until it is kept; what is not kept by the bot's end counts to the end. */
export function heedUntilKept(
  roster: Roster,
  { chatId, isActive, order }: {
    readonly chatId: number;
    readonly isActive: boolean;
    readonly order?: number;
  },
  kept: Promise<unknown>,
): void {
  const forget = roster.heed(chatId, isActive, order);
  kept.then(forget, (error) => error instanceof NotKeptError || forget());
}

/** The words of a queue that a process before this one has left: they have been confirmed, and count as ever. */
export function heedLeft(roster: Roster, left: readonly Entry[], kept: readonly Promise<Step>[]): void {
  const stopped = new Set<number>();
  for (const [index, entry] of left.entries()) {
    const done = kept[index] as Promise<Step>;
    if (entry.kind === "event") {
      const { chatId, event: { kind } } = entry;
      if (kind !== "start" && kind !== "stop") continue;
      if (kind === "stop") stopped.add(chatId);
      else stopped.delete(chatId);
      heedUntilKept(roster, { chatId, isActive: kind === "start" }, done);
    } else if (stopped.has(entry.from)) {
      // The supergroup may be in the table already, as another process may have heard of the move.
      stopped.add(entry.to);
      heedUntilKept(roster, { chatId: entry.to, isActive: false }, done);
    }
  }
}
