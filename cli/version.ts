/** As in package.json, which Deno may not read under `-P`. */
export const version = "0.1.0";
