/** resvg's WebAssembly, wherever its package lies. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import process from "node:process";

/** Read from the package's folder; Deno imports it, which needs no permission, where it can. */
export async function resvgWasm(): Promise<object> {
  const imported = process.versions["deno"] === undefined ? undefined : await importedWasm();
  return imported ??
    await readFile(createRequire(import.meta.url).resolve("@resvg/resvg-wasm/index_bg.wasm"));
}

/** Shared with other copies of this module: a second source phase import of one file ends the process of Deno 2.9. */
const shared = globalThis as { [key: symbol]: Promise<object | undefined> | undefined };
const name = Symbol.for("telegram-signals: resvg's WebAssembly");

function importedWasm(): Promise<object | undefined> {
  return shared[name] ??= import("./wasm_source.mjs").then((module) => module.default, () => undefined);
}
