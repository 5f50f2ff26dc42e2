/** An SVG's picture as a PNG, by resvg in WebAssembly, with the bundled font and no other. */
import { Buffer } from "node:buffer";
import { inflateSync } from "node:zlib";
import { initWasm, Resvg } from "@resvg/resvg-wasm";
import { bold, regular } from "./font.ts";
import { resvgWasm } from "./wasm.ts";

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
