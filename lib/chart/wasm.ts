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

async function importedWasm(): Promise<object | undefined> {
  try {
    return (await import("./wasm_source.mjs")).default;
  } catch {
    return undefined;
  }
}
