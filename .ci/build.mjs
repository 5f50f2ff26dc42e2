/**
 * Compiles the package into `dist`: declarations by tsc, one module an entry point by esbuild. Every further file
 * would cost each start of a program about half a millisecond. Run by `npm run build`, which finds the two. Then the
 * command, which imports the package by its name, file by file.
 */
import { execFileSync } from "node:child_process";
import { cpSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { addRequire } from "./require.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

rmSync(join(root, "dist"), { recursive: true, force: true });
compile("build");

function compile(name) {
  execFileSync("tsc", ["-p", `.ci/tsconfig.${name}.json`], {
    ...{ cwd: root, stdio: "inherit", shell: process.platform === "win32" },
  });
}

/** What the package loads when it is first needed, as one module: apart, each pair of them would share a further one. */
const lazyModules = [
  "lib/bot/wiring.ts",
  "lib/broadcast/display.ts",
  "lib/chats/display.ts",
  "lib/chats/middleware.ts",
  "lib/chats/registration.ts",
  "lib/chats/registry.ts",
  "lib/live/signal_intake.ts",
  "lib/telegram/rate_limit/rate_limiter.ts",
  "lib/telegram/webhook_adapters.ts",
];
/** Stays apart, as it imports packages that few need. */
const apart = "lib/util/http/proxy_agent.ts";

/** Makes each dynamic import of a lazy module one of the module that has them all. */
const lazy = {
  name: "lazy",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\..*\.ts$/ }, ({ kind, path, resolveDir }) => {
      if (kind !== "dynamic-import") return;
      const name = relative(root, join(resolveDir, path)).replaceAll("\\", "/");
      if (lazyModules.includes(name)) return { path: "lazy", namespace: "lazy" };
      if (name !== apart) {
        throw new Error(`${name} is imported dynamically: add it to the lists of .ci/build.mjs.`);
      }
    });
    onLoad({ filter: /^/, namespace: "lazy" }, () => ({
      contents: lazyModules.map((name) => `export * from "./${name}";`).join("\n"),
      resolveDir: root,
    }));
  },
};

/** Together they share what they need, and what is imported later is a module of its own. */
async function bundle(entryPoints, plugins = []) {
  await build({
    ...{
      absWorkingDir: root,
      entryPoints,
      plugins,
      outbase: ".",
      outdir: "dist",
      bundle: true,
      splitting: true,
    },
    ...{ packages: "external", format: "esm", platform: "node", target: "es2022", logLevel: "warning" },
    // Not minified: Node shows the line that has thrown. The maps, which it reads when asked to, lead to the sources.
    ...{ sourcemap: true, sourcesContent: false },
    // For Deno alone, which has them.
    supported: { "import-source": true },
  });
}

// Apart, as what all shared would be many small modules, and the package itself is to be loaded quickly.
await bundle(["mod.ts"], [lazy]);
await bundle(["lib/bot/storage.ts", "lib/signals/mod.ts"]);
await bundle(["lib/live/mod.ts"]);
await bundle(["lib/signals/chart/mod.ts", "lib/local/mod.ts"]);

const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
await addRequire(root, Object.values(exports).flatMap((entry) => entry.default ?? []));

compile("cli");
cpSync(join(root, "cli/playground/page"), join(root, "dist/cli/playground/page"), { recursive: true });
