/** Scripts made quick to start, for tests that start many. */
import { rmSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** As much of it as is used here; Deno, which needs no bundles, does not have it. */
interface Esbuild {
  buildSync(options: Readonly<Record<string, unknown>>): void;
}

const root = fileURLToPath(new URL("../../..", import.meta.url));
const folder = join(root, ".sandbox");
const bundles = new Map<string, string>();

/**
 * A TypeScript file of this tree as one of JavaScript, made once for this process. Node 20 would need tsx to run it as
 * it is, and that takes three times as long to start as the rest.
 */
export function bundleOf(file: string): string {
  const known = bundles.get(file);
  if (known !== undefined) return known;
  if (bundles.size === 0) process.on("exit", removeAll);
  // Within the tree, so that packages are found.
  const bundle = join(folder, `${basename(file, ".ts")}-${process.pid}.mjs`);
  bundles.set(file, bundle);
  const { buildSync } = createRequire(import.meta.url)("esbuild") as Esbuild;
  buildSync({
    entryPoints: [file],
    outfile: bundle,
    absWorkingDir: root,
    bundle: true,
    packages: "external",
    format: "esm",
    platform: "node",
    target: "es2022",
    // For Deno alone, which has them.
    supported: { "import-source": true },
    logOverride: { "ignored-bare-import": "silent" },
  });
  return bundle;
}

function removeAll(): void {
  for (const bundle of bundles.values()) rmSync(bundle, { force: true });
}
