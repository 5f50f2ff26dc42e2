/** For Deno alone: a source phase import, of which TypeScript and Node know nothing yet. */
export default await import.source("@resvg/resvg-wasm/index_bg.wasm");
