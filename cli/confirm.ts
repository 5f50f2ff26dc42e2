/** A question before an action that cannot be undone. */
import process from "node:process";
import { createInterface } from "node:readline/promises";

/** Asks, and waits for the answer. Without a terminal, or after Ctrl-C or Ctrl-D, the answer is no. */
export async function isConfirmed(question: string, withYes: string): Promise<boolean> {
  if (!hasTerminal()) {
    console.log(`Nobody to ask here: --yes ${withYes}.`);
    return false;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const left = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
  const answer = await Promise.race([terminal.question(`${question} [y/N] `).catch(() => ""), left]);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

/** Whether there is somebody to ask. */
export function hasTerminal(): boolean {
  return process.stdin.isTTY === true;
}
