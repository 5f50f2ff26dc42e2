/** Scripts run as users run them, in the runtime of this test. */
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { searchText } from "./leaks.ts";
import { commandFor, type Loader } from "./runtime.ts";

export const root: string = fileURLToPath(new URL("../..", import.meta.url));

export interface Ended {
  readonly status: number | null;
  /** Standard output and standard error, as they came. */
  readonly output: string;
}

export interface Running {
  /** What it has printed so far. */
  readonly output: string;
  kill(signal: "SIGINT" | "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): void;
  readonly ended: Promise<Ended>;
  /** Resolves when the output holds the text. */
  printed(text: string): Promise<void>;
}

/**
 * `permissions` are Deno's, as of deno.json: `-P` or `-P=sandbox`. Nobody is at its terminal. `loader` is Node's:
 * see `commandFor`.
 */
export function startScript(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  permissions: string = "-P",
  loader: Loader = "none",
): Running {
  const [script = "", ...rest] = args;
  const [program, ...before] = commandFor(script, permissions, loader);
  const child = spawn(program, [...before, ...rest], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      for (const check of waiting) check();
    });
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => {
      searchText(output, `the output of ${script}`);
      resolve({ status, output });
    });
  });
  const printed = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = (): void => output.includes(text) ? resolve() : undefined;
      waiting.add(check);
      ended.then(() => reject(new Error(`It ended without ${JSON.stringify(text)}:\n${output}`)), reject);
      check();
    });
  // Deno takes a child that it has sent a signal for one that died of it; by its number it does not.
  const kill: Running["kill"] = (signal) => {
    if (child.pid && child.exitCode === null) process.kill(child.pid, signal);
  };
  return {
    get output() {
      return output;
    },
    kill,
    ended,
    printed,
  };
}

export async function runScript(...args: Parameters<typeof startScript>): Promise<Ended> {
  return await startScript(...args).ended;
}
