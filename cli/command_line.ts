/** The command line as the user typed it, so that what a program prints of itself can be copied. */
import { relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { isCompiled } from "./child_script.ts";

/** A set of Deno's permissions, as of deno.json. */
export type PermissionSet = "-P" | "-P=sandbox";

/** What starts this program, without its arguments: `npx tsx examples/sandbox.ts`, `deno run -P cli/main.ts`. */
export function commandLine(permissions: PermissionSet): string {
  const { deno, bun } = process.versions as { readonly deno?: string; readonly bun?: string };
  if (deno !== undefined) return `deno run ${denoProgram(permissions)}`;
  if (isCompiled) return `${bun === undefined ? "npx" : "bunx"} telegram-signals`;
  const script = quoted(relative(process.cwd(), process.argv[1] ?? ""));
  if (bun !== undefined) return `bun ${script}`;
  return npmRun(script) ??
    `${process.execArgv.some((arg) => arg.includes("tsx")) ? "npx tsx" : "node"} ${script}`;
}

/** A word as a shell reads it back. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Sets of permissions are in the deno.json beside a script, and not in that of somebody else's project. */
function denoProgram(permissions: PermissionSet): string {
  const { Deno } = globalThis as unknown as { Deno: { readonly mainModule: string } };
  const { mainModule } = Deno;
  const isInstalled = !mainModule.startsWith("file:") || mainModule.includes("/node_modules/");
  if (isInstalled) return "-A npm:telegram-signals";
  return `${permissions} ${quoted(relative(process.cwd(), fileURLToPath(mainModule)))}`;
}

/** `npm run sandbox --`, if a script of package.json has started this one. */
function npmRun(script: string): string | undefined {
  const { npm_command: command, npm_lifecycle_event: name, npm_lifecycle_script: line } = process.env;
  return command?.startsWith("run") && line?.endsWith(` ${script}`) ? `npm run ${name} --` : undefined;
}
