/** A `WebAssembly.Module`, which not every library of types knows. */
declare const module: object;
export default module;
