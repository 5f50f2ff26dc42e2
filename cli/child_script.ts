/** Runs scripts in child processes, with the runtime of this program. */
import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

/**
 * The runtime's arguments before a script; `permissions` are Deno's, as of deno.json: `-P` or `-P=sandbox`.
 * @throws {Error} If it is TypeScript, which this Node does not run, and tsx is not installed.
 */
export function runtimeArguments(script: string, permissions: string): readonly string[] {
  const { deno, bun } = process.versions as { readonly deno?: string; readonly bun?: string };
  // Somebody else's deno.json has no such sets.
  if (deno !== undefined) return ["run", "--quiet", isCompiled ? "-A" : permissions];
  // Bun reads `.env` by itself.
  if (bun !== undefined) return withoutEnvFiles(process.execArgv).concat("--no-env-file");
  return [...withoutEnvFiles(process.execArgv), ...loaderFor(script)];
}

/** Whether this is the package that somebody has installed. */
export const isCompiled: boolean = import.meta.url.endsWith(".js");

/** Node runs TypeScript by itself from 22.18 on; before, by tsx. */
function loaderFor(script: string): readonly string[] {
  const { features, execArgv } = process as {
    features: { readonly typescript?: unknown };
    execArgv: string[];
  };
  if (!/\.[mc]?tsx?$/.test(script) || features.typescript || execArgv.some((arg) => arg.includes("tsx"))) {
    return [];
  }
  try {
    const { resolve } = createRequire(join(process.cwd(), "script.js"));
    return ["--import", pathToFileURL(resolve("tsx")).href];
  } catch (cause) {
    throw new Error(
      `${script} is TypeScript, which Node ${process.versions.node} does not run: npm install --save-dev tsx`,
      { cause },
    );
  }
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
  const child = spawn(process.execPath, [...runtimeArguments(script, "-P"), script, ...args], {
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
