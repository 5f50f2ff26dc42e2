/** Renders an SVG as a PNG, with resvg in WebAssembly and the bundled font alone. */
import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import process from "node:process";
import { inflateSync } from "node:zlib";
import { initWasm, Resvg } from "@resvg/resvg-wasm";
import { bold, regular } from "./font.ts";

interface Renderer {
  readonly fonts: Uint8Array[];
}

let renderer: Promise<Renderer> | undefined;

export async function render(svg: string): Promise<Uint8Array> {
  const { fonts } = await (renderer ??= start());
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

async function start(): Promise<Renderer> {
  try {
    await initWasm(await resvgWasm() as Parameters<typeof initWasm>[0]);
  } catch (error) {
    // Other code of this process may have started it.
    const isStarted = error instanceof Error && error.message.startsWith("Already initialized");
    if (!isStarted) {
      renderer = undefined;
      throw error;
    }
  }
  return { fonts: [regular, bold].map((font) => inflateSync(Buffer.from(font, "base64"))) };
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
