/**
 * Compiles the package into `dist`: declarations by tsc, one module an entry point by esbuild. Every further file
 * would cost each start of a program about half a millisecond.
 */
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");

rmSync(join(root, "dist"), { recursive: true, force: true });
execFileSync(process.execPath, [tsc, "-p", ".ci/tsconfig.build.json"], { cwd: root, stdio: "inherit" });
await build({
  absWorkingDir: root,
  entryPoints: ["mod.ts", "lib/local/mod.ts"],
  outbase: ".",
  outdir: "dist",
  bundle: true,
  // What both entry points need is loaded once.
  splitting: true,
  packages: "external",
  format: "esm",
  platform: "node",
  target: "es2022",
  sourcemap: true,
  // The sources lie beside it.
  sourcesContent: false,
});
