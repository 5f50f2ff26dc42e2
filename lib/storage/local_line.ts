/** What a line of a local ledger's file says. */
import type { RunRecord, RunText, RunValue } from "./ledger.ts";
import { isRun } from "./run_item.ts";

export type Line =
  /** The whole run, as it is from now on. */
  | { readonly kind: "run"; readonly run: RunRecord }
  | { readonly kind: "text"; readonly broadcast_id: string; readonly name: RunText; readonly text: string }
  /** The ledger may have the run, too, from now on. */
  | { readonly kind: "shared"; readonly broadcast_id: string }
  /** The ledger has the run, and it is no longer kept here. */
  | { readonly kind: "forgotten"; readonly broadcast_id: string };

export function isLine(line: Line): boolean {
  if (line.kind === "run") return isRun(line.run as Record<string, RunValue>);
  if (typeof line.broadcast_id !== "string") return false;
  if (line.kind === "text") return typeof line.name === "string" && typeof line.text === "string";
  return line.kind === "shared" || line.kind === "forgotten";
}
