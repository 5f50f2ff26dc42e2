/** A question before an action that cannot be undone. */
import process from "node:process";
import { createInterface } from "node:readline/promises";
import { UsageError } from "./arguments.ts";

/**
 * Asks, and waits for the answer. After Ctrl-C or Ctrl-D it is no.
 * @param nothing What is said where there is nobody to ask: `Nothing was sent`.
 * @throws {UsageError} If there is no terminal.
 */
export async function isConfirmed(question: string, nothing: string): Promise<boolean> {
  assertTerminal(nothing);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const left = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
  const answer = await Promise.race([terminal.question(`${question} [y/N] `).catch(() => ""), left]);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

/** @throws {UsageError} If there is nobody to ask. */
export function assertTerminal(nothing: string): void {
  if (hasTerminal()) return;
  throw new UsageError(`${nothing}: there is no terminal to ask at, so --yes has to be given`);
}

/** Whether there is somebody to ask. */
export function hasTerminal(): boolean {
  return process.stdin.isTTY === true;
}
