/**
 * Compiles the package into `dist`: declarations by tsc, one module an entry point by esbuild. Every further file
 * would cost each start of a program about half a millisecond. Run by `npm run build`, which finds the two.
 */
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

function run(program, ...parameters) {
  execFileSync(program, parameters, { cwd: root, stdio: "inherit", shell: process.platform === "win32" });
}

rmSync(`${root}dist`, { recursive: true, force: true });
run("tsc", "-p", ".ci/tsconfig.build.json");

/** Together they share what they need, and what is imported later is a module of its own. */
function bundle(...entryPoints) {
  run(
    "esbuild",
    ...[...entryPoints, "--outbase=.", "--outdir=dist", "--bundle", "--packages=external", "--splitting"],
    // Less to read; names stay as they are, for whoever reads a stack.
    "--minify-whitespace",
    "--minify-syntax",
    // For Deno alone, which has them.
    "--supported:import-source=true",
    ...["--format=esm", "--platform=node", "--target=es2022", "--log-level=warning"],
    // The sources lie beside it.
    ...["--sourcemap", "--sources-content=false"],
  );
}

// Apart, as what all shared would be many small modules, and the package itself is to be loaded quickly.
bundle("mod.ts");
bundle("lib/bot/storage.ts", "lib/signals/mod.ts");
bundle("lib/signals/chart/mod.ts", "lib/local/mod.ts");
