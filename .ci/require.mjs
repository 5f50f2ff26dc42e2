/**
 * What `require("telegram-signals")` finds: a file beside each entry point that loads it, or says why this runtime cannot, and
 * its types. They are those of the entry point, so that a signal is the same to a file that requires and to one that imports.
 */
import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";

const code = (file) =>
  `"use strict";
try {
  module.exports = require("./${file}");
} catch (error) {
  if (error.code === "ERR_VM_MODULE_LINK_FAILURE") {
    // Of tsx, in a .cts file under Node 20: this require() has not linked the module.
    module.exports = module.require("./${file}");
  } else if (error.code === "ERR_REQUIRE_ESM") {
    throw new Error(
      'telegram-signals is an ES module, and cannot be loaded by require() here. Give your file the ending .mts or .mjs, or ' +
        'write "type": "module" into your package.json, and use import; or take Node 20.19, 22.12 or later, which can ' +
        'require() it. Jest needs NODE_OPTIONS=--experimental-vm-modules.',
      { cause: error },
    );
  } else throw error;
}
`;

/** A value's own declaration hides the one that comes as a type only; a class is a type as well. */
function types(file, values) {
  const mode = `with { "resolution-mode": "import" }`;
  const module = `import("./${file}", { ${mode.replace("with", "with:")} })`;
  const isClass = (value) => typeof value === "function" && /^class\b/.test(String(value));
  const declarations = Object.entries(values).flatMap(([name, value]) => [
    `export declare const ${name}: typeof ${module}.${name};`,
    ...isClass(value) ? [`export type ${name} = ${module}.${name};`] : [],
  ]);
  return [`export type * from "./${file}" ${mode};`, ...declarations, ""].join("\n");
}

/** @param entries The compiled entry points, such as `dist/mod.js`, below the root. */
export async function addRequire(root, entries) {
  for (const entry of entries) {
    const path = join(root, entry);
    const values = await import(pathToFileURL(path).href);
    writeFileSync(path.replace(/\.js$/, ".cjs"), code(basename(path)));
    writeFileSync(path.replace(/\.js$/, ".d.cts"), types(basename(path), values));
  }
}
