/** Runs scripts in child processes, with the runtime of this program. */
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import process from "node:process";

/** The runtime's arguments before a script; `permissions` are Deno's, as of deno.json: `-P` or `-P=sandbox`. */
export function runtimeArguments(permissions: string): readonly string[] {
  const { deno, bun } = process.versions as { readonly deno?: string; readonly bun?: string };
  if (deno !== undefined) return ["run", "--quiet", permissions];
  // Bun reads `.env` by itself.
  return [...bun === undefined ? [] : ["--no-env-file"], ...withoutEnvFiles(process.execArgv)];
}

/** A script's environment comes from this program, not from a file. */
function withoutEnvFiles(args: readonly string[]): readonly string[] {
  const isBare = (arg = ""): boolean => /^--env-file(-if-exists)?$/.test(arg);
  return args.filter((arg, index) => !arg.startsWith("--env-file") && !isBare(args[index - 1]));
}

/** By the process id: under Deno, `child.kill()` reports every later exit of the child as a death by that signal. */
export function sendSignal({ pid }: ChildProcess, signal: "SIGTERM" | "SIGKILL"): void {
  if (pid !== undefined) process.kill(pid, signal);
}

/** Resolves with the exit status, as a shell gives it. The script shares the terminal; `env` is added to its environment. */
export function runScript(
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const child = spawn(process.execPath, [...runtimeArguments("-P"), script, ...args], {
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  const terminate = (): void => sendSignal(child, "SIGTERM");
  process.on("SIGTERM", terminate);
  // It does not outlive this program, whatever ends that.
  process.once("exit", terminate);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      process.off("SIGTERM", terminate);
      process.off("exit", terminate);
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
