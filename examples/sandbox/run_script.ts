/** Runs a script as a user would, in the runtime that this program runs in. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import process from "node:process";

/** Resolves with its exit status, as a shell gives it. Its terminal is ours; the settings go into its environment. */
export function runScript(
  script: string,
  args: readonly string[],
  settings: Readonly<Record<string, string>>,
): Promise<number> {
  const runtime = process.versions["deno"] ? ["run", "--quiet", "-P"] : process.execArgv;
  const child = spawn(process.execPath, [...runtime, script, ...args], {
    stdio: "inherit",
    env: { ...process.env, ...settings },
  });
  // Deno takes a child that it has sent a signal for one that died of it; by its number it does not.
  const terminate = (): unknown => child.pid && process.kill(child.pid, "SIGTERM");
  process.on("SIGTERM", terminate);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      process.off("SIGTERM", terminate);
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
