/** Programs at a terminal, with somebody who answers. */
import { execFile, spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { searchText } from "./leaks.ts";
import { type Ended, root } from "./script.ts";

const script = fileURLToPath(new URL("terminal.py", import.meta.url));

/** Whether this machine can make terminals. */
export const hasTerminals: boolean = spawnSync("python3", ["-c", "import pty"]).status === 0;

export interface Dialogue {
  /** A part of each question. */
  readonly question: string;
  readonly answer: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the command from the root, and gives what its terminal showed. */
export function runAtTerminal(
  command: readonly string[],
  { question, answer, env = {} }: Dialogue,
): Promise<Ended> {
  const options = { cwd: root, env: { ...process.env, ...env } };
  return new Promise((resolve) => {
    execFile("python3", [script, question, answer, ...command], options, (error, out, err) => {
      searchText(out + err, `the terminal of ${command.join(" ")}`);
      resolve({ status: Number(error?.code ?? 0), output: out + err });
    });
  });
}
