/** The runtime of this process, and how it runs a script of this folder. */
import process from "node:process";
import { bundleOf } from "../tools/support/bundle.ts";

export type Runtime = "Node" | "Deno" | "Bun";

export const runtime: Runtime = process.versions["deno"] ? "Deno" : process.versions["bun"] ? "Bun" : "Node";

/** Node's way to TypeScript: `"tsx"` is what users have, a bundle (`"none"`) starts in a third of the time. */
export type Loader = "tsx" | "none";

/** The program and its arguments, the script included; `permissions` are Deno's, as of deno.json: `-P` or `-P=sandbox`. */
export function commandFor(
  script: string,
  permissions: string,
  loader: Loader = "none",
): [program: string, ...args: string[]] {
  const { execPath } = process;
  if (runtime === "Deno") return [execPath, "run", "--quiet", permissions, script];
  if (runtime === "Bun") return [execPath, "--no-install", script];
  return loader === "tsx" ? [execPath, "--import", "tsx", script] : [execPath, bundleOf(script)];
}
