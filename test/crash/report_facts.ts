import type { BroadcastReport } from "../../mod.ts";

/** What all reports of a broadcast agree on, whatever their calls. */
export function factsOf({ wasAlreadySent: _, differs: __, ...facts }: BroadcastReport): string {
  return JSON.stringify(facts);
}
