/** Renders an SVG as a PNG, with resvg in WebAssembly and the bundled font alone. */
import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import process from "node:process";
import { inflateSync } from "node:zlib";
import { initWasm, Resvg } from "@resvg/resvg-wasm";
import { bold, regular } from "./font.ts";

let loadedFonts: Promise<Uint8Array[]> | undefined;

export async function render(svg: string): Promise<Uint8Array> {
  const fonts = await (loadedFonts ??= start());
  const resvg = new Resvg(svg, {
    font: { fontBuffers: fonts, defaultFontFamily: "Inter Medium", sansSerifFamily: "Inter Medium" },
  });
  const image = resvg.render();
  try {
    return image.asPng();
  } finally {
    // JavaScript's garbage collector does not free memory of WebAssembly.
    image.free();
    resvg.free();
  }
}

/** Starts resvg, and gives the fonts. */
async function start(): Promise<Uint8Array[]> {
  try {
    await initWasm(await resvgWasm() as Parameters<typeof initWasm>[0]);
  } catch (error) {
    // Other code of this process may have started it.
    const isStarted = error instanceof Error && error.message.startsWith("Already initialized");
    if (!isStarted) {
      loadedFonts = undefined;
      throw error;
    }
  }
  return [regular, bold].map((font) => inflateSync(Buffer.from(font, "base64")));
}

/** Reads resvg's WebAssembly from its package; Deno imports it if it can, which needs no permission. */
async function resvgWasm(): Promise<object> {
  const imported = process.versions["deno"] === undefined ? undefined : await importedWasm();
  return imported ??
    await readFile(createRequire(import.meta.url).resolve("@resvg/resvg-wasm/index_bg.wasm"));
}

/** Shared with other copies of this module: a second source phase import of one file ends the process of Deno 2.9. */
const sharedImports = globalThis as { [key: symbol]: Promise<object | undefined> | undefined };
const name = Symbol.for("telegram-signals: resvg's WebAssembly");

function importedWasm(): Promise<object | undefined> {
  return sharedImports[name] ??= import("./wasm_source.mjs").then(
    (module) => module.default,
    () => undefined,
  );
}
