/**
 * Makes `bundle/`: the whole package, and all that it needs, as one file for Node, Deno and Bun, its types as one more,
 * and the licences of all that is in them. Run by `npm run bundle`; `npm run bundle -- FOLDER` puts them elsewhere.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { rolldown } from "rolldown";
import { dts } from "rolldown-plugin-dts";
import { licencesOf } from "./licences.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = resolve(process.argv[2] ?? join(root, "bundle"));
const name = "telegram-signals";

/** Types of others that ours and grammY's name: what is needed of them is written there by hand. */
const standIns = join(root, ".ci", "stand_ins.d.ts");
const stoodInFor = ["@aws-sdk/client-dynamodb", "node-fetch", "fs", "node:http"];

/** Packages that are no modules call `require`, for what the runtime has. */
const requireBanner =
  `import { createRequire as createRequireOfBundle } from "node:module";\nconst require = createRequireOfBundle(import.meta.url);`;

/** `await using` is in none of TypeScript's usual libraries. */
const typesHead = `/// <reference lib="esnext.disposable" />\n`;

/** Deno knows the modules of Node's own by their prefix only. */
const prefixed = {
  name: "node-prefix",
  setup({ onResolve }) {
    const filter = new RegExp(`^(${builtinModules.join("|")})$`);
    onResolve({ filter }, ({ path }) => ({ path: `node:${path}`, external: true }));
  },
};

/** Gives the files that it has parts of. */
async function bundleCode() {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ["mod.ts"],
    outfile: join(folder, `${name}.mjs`),
    bundle: true,
    format: "esm",
    platform: "node",
    target: "es2022",
    plugins: [prefixed],
    // Names stay as they are, for whoever reads a stack.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "eof",
    // Deno finds the types by this, TypeScript by the file's name.
    banner: { js: `// @ts-self-types="./${name}.d.mts"\n${requireBanner}` },
    logLevel: "warning",
    metafile: true,
  });
  const [{ inputs }] = Object.values(metafile.outputs);
  return Object.entries(inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => file);
}

/** Gives the files that it has parts of. */
async function bundleTypes() {
  const bundle = await rolldown({
    input: { [name]: join(root, "mod.ts") },
    cwd: root,
    plugins: [
      {
        name: "stand-ins",
        resolveId: { order: "pre", handler: (id) => stoodInFor.includes(id) ? standIns : undefined },
      },
      dts({ oxc: true, emitDtsOnly: true, sourcemap: false }),
    ],
    logLevel: "warn",
  });
  const { output: [{ code, moduleIds }] } = await bundle.generate();
  await bundle.close();
  writeFileSync(join(folder, `${name}.d.mts`), typesHead + code);
  return moduleIds;
}

mkdirSync(folder, { recursive: true });
const files = await Promise.all([bundleCode(), bundleTypes()]);
writeFileSync(join(folder, "THIRD_PARTY_LICENSES"), licencesOf(root, files.flat()));
