/** What a script that uses a bot does first. Packages read the environment while they are loaded, so it is in its first import. */
import process from "node:process";
import { commandLine } from "./command_line.ts";
import { requirePermissions } from "./permissions.ts";

/**
 * With `--help` prints the usage and ends the program; else asks for Deno's permissions, if need be.
 * @param usage Gets what the user typed before the arguments.
 */
export function beginBotScript(usage: (self: string) => string): void {
  if (!process.argv.slice(2).includes("--help")) return requirePermissions("-P");
  console.log(usage(commandLine("-P")));
  process.exit(0);
}
