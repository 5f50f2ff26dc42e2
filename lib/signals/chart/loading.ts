/** Loads the part of the chart that needs packages. */
type Drawing = typeof import("./draw.ts");

/**
 * Imported with the first chart, so that an error can say which packages to install.
 * @param load For tests.
 */
export async function loadDrawing(load = (): Promise<Drawing> => import("./draw.ts")): Promise<Drawing> {
  try {
    return await load();
  } catch (cause) {
    const packages = ["@resvg/resvg-wasm", "d3-scale", "d3-shape", "trading-signals"];
    const [reason] = (cause as Error).message.split("\n");
    throw new Error(
      `A chart needs packages of which one could not be loaded: npm install ${packages.join(" ")} ` +
        `(with Deno: deno add ${packages.map((name) => `npm:${name}`).join(" ")}). ${reason}`,
      { cause },
    );
  }
}
