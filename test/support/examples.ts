/** What several tests of the examples use. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TradingSignal } from "../../mod.ts";
import { removeSync } from "./leaks.ts";

export const found: TradingSignal = { direction: "long", symbol: "X", entry: 2, stop: 1, target: 4 };

/** Runs the body in a temporary folder. */
export async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "scheduler-"));
  try {
    await body(folder);
  } finally {
    removeSync(folder, { recursive: true });
  }
}
