/** Runs a script in a child process, with the runtime of this program. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import process from "node:process";

/** Resolves with its exit status, as a shell gives it. It shares the terminal; the settings are added to its environment. */
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
  // By its number: a ChildProcess of Deno that was sent a signal counts as killed by it, whatever it does.
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
