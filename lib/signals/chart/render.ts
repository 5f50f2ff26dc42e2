/** resvg's WebAssembly, wherever its package lies. */
import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import process from "node:process";
import { inflateSync } from "node:zlib";
import { initWasm, Resvg } from "@resvg/resvg-wasm";
import { bold, regular } from "./font.ts";

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

// An SVG's picture as a PNG, by resvg in WebAssembly, with the bundled font and no other.

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
    // WebAssembly's memory is nothing that JavaScript would tidy up.
    image.free();
    resvg.free();
  }
}

async function start(): Promise<Renderer> {
  try {
    await initWasm(await resvgWasm() as Parameters<typeof initWasm>[0]);
  } catch (error) {
    // By somebody else who uses it in this process, perhaps.
    const isStarted = error instanceof Error && error.message.startsWith("Already initialized");
    if (!isStarted) {
      renderer = undefined;
      throw error;
    }
  }
  return { fonts: [regular, bold].map((font) => inflateSync(Buffer.from(font, "base64"))) };
}
