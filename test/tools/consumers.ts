/**
 * Strangers' projects, in which the tarball is really installed: modules and CommonJS, each way in which TypeScript resolves,
 * bundlers, Deno, Bun, Vitest and Jest. Run by `npm run test:consumers`, and by `npm test` as a step of its own.
 * What is no dependency of ours comes from the registry.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { assert, suite } from "../harness.ts";
import { done, type Files, place, program, project, removePackage, thePackage } from "./support/packed.ts";
import { root, run, succeeds } from "./support/program.ts";

const strangers = [
  // grammY's types name node-fetch's and the DOM's; only `skipLibCheck` does without.
  ...["@types/node@20", "@types/node-fetch@2"],
  ...["rollup@4", "@rollup/plugin-node-resolve@16", "vitest@4", "jest@30"],
];
const quietly = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"];

let installed: Promise<string> | undefined;

/** A folder that `npm init` has made, with the tarball and the strangers' tools; the projects are folders in it. */
function theFolder(): Promise<string> {
  return installed ??= (async (): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), "consumers-"));
    await succeeds(folder, "npm", "init", "-y");
    await succeeds(folder, "npm", "install", ...quietly, (await thePackage()).tarball, ...strangers);
    return folder;
  })();
}

const projectOf = async (files: Files): Promise<string> => await place(await theFolder(), files);

const test = suite("consumers", undefined, 180_000);

test.before(async () => void await theFolder());
test.after(async () => {
  await rm(await theFolder(), { recursive: true });
  await removePackage();
});

const asModule = { "package.json": JSON.stringify({ type: "module" }) };

test("JavaScript modules: main.mjs, and main.js where the project is of type module", async () => {
  const folder = await projectOf({ ...asModule, "main.mjs": program, "main.js": program });
  for (const file of ["main.mjs", "main.js"]) {
    assert.match(await succeeds(folder, process.execPath, file), done);
  }
});

/** As `program`, without `await` at the top. */
const inMain = program.replace(/^const telegram =[^]*/m, (body) => `(async () => {\n${body}})();\n`);
const required = inMain.replace(/^import (.*) from (.*);/gm, "const $1 = require($2);");

test("CommonJS, as npm init makes it: require() gives what import gives", async () => {
  const same = `import("telegram-signals").then((it) => console.log(it.SignalBot === SignalBot));`;
  const folder = await projectOf({ "main.js": `${required}${same}\n` });
  const output = await succeeds(folder, process.execPath, "main.js");
  assert.match(output, done);
  assert.match(output, /^true$/m);
});

test("CommonJS where require() takes no module: the error says what to do", async () => {
  const folder = await projectOf({ "main.js": required });
  const { code, output } = await run(folder, process.execPath, "--no-experimental-require-module", "main.js");
  assert.is(code, 1);
  assert.match(output, /Error: telegram-signals is an ES module/);
  assert.match(output, /\.mts or \.mjs/);
  assert.match(output, /"type": "module"/);
});

test("TypeScript by tsx in a CommonJS project: the ending .mts will do", async () => {
  const folder = await projectOf({ "main.mts": program });
  assert.match(await succeeds(folder, "tsx", "main.mts"), done);
});

test("TypeScript by tsx, as CommonJS: main.cts, on Node 20, too", async () => {
  const folder = await projectOf({ "main.cts": inMain });
  assert.match(await succeeds(folder, "tsx", "main.cts"), done);
});

/** The compiler complains of the comment where types are lost. */
const wrong = `// @ts-expect-error No such direction.
export const wrong = () => bot.sendSignal({ direction: "sideways", symbol: "X", entry: 2, stop: 1, target: 4 });
`;

interface Resolution {
  readonly options: Readonly<Record<string, unknown>>;
  readonly file: "main.mts" | "main.cts";
}

/** Every entry point, types and classes, as CommonJS. */
const typedCommonJs =
  `import { ConfigError, MeanReversionTelegramBot, SignalBot, type TradingSignal } from "telegram-signals";
import { drawChart } from "telegram-signals/chart";
import { runStrategies, type Strategy } from "telegram-signals/live";
import { startBotApiServer } from "telegram-signals/local";
import { riskReward } from "telegram-signals/signals";
import { ChatStorage } from "telegram-signals/storage";

export const entryPoints: readonly unknown[] = [drawChart, runStrategies, startBotApiServer, ChatStorage, ConfigError];
export type Mine = Pick<Strategy, "name">;
class Bot extends SignalBot {
  readonly signal: TradingSignal = { direction: "long", symbol: "X", entry: 2, stop: 1, target: 4 };
}
const bot: MeanReversionTelegramBot = new Bot({ botToken: "123456:AA-of-the-tests", useDynamoDB: false });
export const theirs: import("telegram-signals", { with: { "resolution-mode": "import" } }).SignalBot = bot;
const ratio: number = riskReward((bot as Bot).signal);
console.log(ratio, bot instanceof Bot);
`;

const strict = {
  ...{ strict: true, skipLibCheck: false, target: "es2022", lib: ["es2023", "esnext.disposable", "dom"] },
  ...{ types: ["node"], outDir: "out" },
};
const resolutions: Readonly<Record<string, Resolution>> = {
  "nodenext": { options: { module: "nodenext" }, file: "main.mts" },
  "bundler": { options: { module: "esnext", moduleResolution: "bundler" }, file: "main.mts" },
  "node16 to CommonJS": { options: { module: "node16" }, file: "main.cts" },
  "nodenext to CommonJS": { options: { module: "nodenext" }, file: "main.cts" },
};
for (const [title, { options, file }] of Object.entries(resolutions)) {
  test(`TypeScript resolved as ${title}, with libraries' types checked`, async () => {
    const isModule = file === "main.mts";
    const folder = await projectOf({
      [file]: isModule ? `${program}${wrong}` : `${typedCommonJs}${wrong}`,
      "tsconfig.json": JSON.stringify({ compilerOptions: { ...strict, ...options }, files: [file] }),
    });
    await succeeds(folder, "tsc");
    if (isModule) return;
    assert.match(await succeeds(folder, process.execPath, "out/main.cjs"), "2 true");
  });
}

const checked = (more: Readonly<Record<string, unknown>>): Files => ({
  "main.mts": program,
  "tsconfig.json": JSON.stringify({
    compilerOptions: { ...strict, module: "nodenext", lib: ["es2022", "esnext.disposable"], ...more },
    files: ["main.mts"],
  }),
});

/** Each file in which the compiler finds a mistake, and what it misses there. */
const missed = (output: string): string[] => [
  ...new Set(
    [...output.matchAll(/(\w+\.[\w.]+)\(\d.* error \w+: .*?'([\w-]+)'/g)].map(([, ...found]) =>
      found.join(" ")
    ),
  ),
];

test("TypeScript that checks libraries' types: grammY's need the DOM's, and node-fetch's", async () => {
  const withDom = { lib: ["es2022", "dom"] };
  await succeeds(await projectOf(checked(withDom)), "tsc");
  const noDom = await run(await projectOf(checked({})), "tsc");
  assert.equal(missed(noDom.output), ["frameworks.d.ts Body", "frameworks.d.ts BodyInit"]);
  const noFetch = await run(await project(await thePackage(), checked(withDom)), "tsc");
  assert.equal(missed(noFetch.output), ["shim.node.d.ts node-fetch"]);
  await succeeds(await project(await thePackage(), checked({ skipLibCheck: true })), "tsc");
});

type Command = readonly [string, ...string[]];

const forRequire =
  `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);`;
const toFile = ["--outfile=out/main.mjs"];
const toFolder = ["-d", "out", "--entryFileNames", "[name].mjs", "--chunkFileNames", "[name].mjs"];
const esbuild = ["esbuild", "main.mjs", "--bundle", "--platform=node", "--format=esm", ...toFile] as const;
const rolldown = ["rolldown", "main.mjs", "--platform", "node", ...toFolder] as const;
const rollup = [process.execPath, "../node_modules/rollup/dist/bin/rollup", "main.mjs", ...toFolder] as const;
const resolve = "@rollup/plugin-node-resolve={exportConditions:['node'],preferBuiltins:true}";

const bundlers: Readonly<Record<string, Command>> = {
  "esbuild": [...esbuild, `--banner:js=${forRequire}`],
  "esbuild, packages apart": [...esbuild, "--packages=external"],
  "rolldown": rolldown,
  "rollup, packages apart": [...rollup, "--external", "/^telegram-signals/"],
};
for (const [title, [bundler, ...args]] of Object.entries(bundlers)) {
  test(`a bundle by ${title} runs`, async () => {
    const folder = await projectOf({ "main.mjs": program });
    await succeeds(folder, bundler, ...args);
    assert.match(await succeeds(folder, process.execPath, "out/main.mjs"), done);
  });
}

test("a bundle by esbuild as CommonJS, around a main(), runs without a banner", async () => {
  const folder = await projectOf({ "main.mjs": inMain });
  const asCommonJs = ["--bundle", "--platform=node", "--format=cjs", "--outfile=out/main.cjs"];
  await succeeds(folder, "esbuild", "main.mjs", ...asCommonJs);
  assert.match(await succeeds(folder, process.execPath, "out/main.cjs"), done);
});

const ratio = `import { riskReward } from "telegram-signals/signals";
console.log(riskReward({ direction: "long", symbol: "X", entry: 2, stop: 1, target: 4 }));
`;
/** Rollup itself does not minify. */
const small: Readonly<Record<string, Command>> = {
  esbuild: [...esbuild, "--minify"],
  rolldown: [...rolldown, "--minify"],
  rollup: [...rollup, "-p", resolve],
};
for (const [title, [bundler, ...args]] of Object.entries(small)) {
  test(`riskReward alone is less than 50 kB, and needs no package (${title})`, async () => {
    const folder = await projectOf({ "main.mjs": ratio });
    await succeeds(folder, bundler, ...args);
    const code = await readFile(join(folder, "out", "main.mjs"));
    assert.ok(code.length < 50_000, `${code.length} bytes`);
    const alone = await mkdtemp(join(tmpdir(), "alone-"));
    try {
      await writeFile(join(alone, "main.mjs"), code);
      assert.is(await succeeds(alone, process.execPath, "main.mjs"), "2\n");
    } finally {
      await rm(alone, { recursive: true });
    }
  });
}

const ticketed = `import { riskReward, signalMessage, validateSignal } from "telegram-signals/signals";
const signal = { direction: "long", symbol: "X", entry: 2, stop: 1, target: 4 };
console.log(riskReward(signal), signalMessage(signal, 0).text.split("\\n")[0]);
try {
  validateSignal({ ...signal, entry: { price: [2] } });
} catch (error) {
  console.log(error.message);
}
`;

test("telegram-signals/signals works in a browser: its bundle for one has nothing of Node's", async () => {
  const folder = await projectOf({ "main.mjs": ticketed });
  await succeeds(folder, "esbuild", "main.mjs", "--bundle", "--platform=browser", "--format=esm", ...toFile);
  const asBrowser = "for (const name of ['process', 'Buffer', 'global']) delete globalThis[name];";
  const output = await succeeds(
    folder,
    process.execPath,
    ...["--input-type=module", "--eval", `${asBrowser} await import("./out/main.mjs");`],
  );
  assert.match(output, /^2 🟢 LONG X\n.*current value is \{ price: \[ 2 \] \}\n$/);
});

test("Deno, by npm:, from what npm has installed", async () => {
  const folder = await projectOf({ "main.ts": program.replaceAll('from "', 'from "npm:') });
  const config = join(await theFolder(), "deno.json");
  await writeFile(config, JSON.stringify({ nodeModulesDir: "manual" }));
  try {
    assert.match(await succeeds(folder, "deno", "run", "--check", "-A", "main.ts"), done);
  } finally {
    await rm(config);
  }
});

test("Deno, by the path of a clone, which type-checks by Deno's own compiler options", async () => {
  const jsr = "jsr:@telegram-signals/telegram-signals@^0.1.0";
  const { exports } = JSON.parse(await readFile(join(root, "deno.json"), "utf8")) as { exports: Files };
  const paths = Object.keys(exports).map((path) => path.slice(1));
  const imports = Object.fromEntries(paths.map((path) => [`telegram-signals${path}`, `${jsr}${path}`]));
  const outside = await place((await thePackage()).folder, {
    "main.ts": program,
    "all.ts": paths.map((path, index) => `export * as part${index} from "telegram-signals${path}";\n`).join(
      "",
    ),
    "deno.json": JSON.stringify({ links: [root], imports }),
  });
  await succeeds(outside, "deno", "check", "--quiet", "main.ts", "all.ts");
  assert.match(await succeeds(outside, "deno", "run", "--quiet", "-A", "main.ts"), done);
});

test("Bun, by import and by require()", async () => {
  const folder = await projectOf({ "main.ts": program, "main.cjs": required });
  for (const file of ["main.ts", "main.cjs"]) {
    assert.match(
      await succeeds(folder, "npx", "--yes", "--package=bun@1", "--", "bun", "--no-install", file),
      done,
    );
  }
});

const spec = (imports: string, head = ""): string =>
  program.replace(
    /^(import.*\n)+/,
    (ours) => `${imports}${ours}${head}\ntest("a signal arrives", async () => {`,
  )
    .replace("console.log(String(report));", `expect(String(report)).toMatch("${done}");`) + "});\n";

test("Vitest", async () => {
  const folder = await projectOf({ "main.test.ts": spec('import { expect, test } from "vitest";\n') });
  const vitest = ["../node_modules/vitest/vitest.mjs", "run", "--root", "."];
  assert.match(await succeeds(folder, process.execPath, ...vitest), /Tests +1 passed/);
});

const jest = "../node_modules/jest/bin/jest.js";
const jestConfig = JSON.stringify({ transform: {}, testMatch: ["**/*.test.*js"] });

test("Jest, as modules", async () => {
  const folder = await projectOf({ "main.test.mjs": spec(""), "jest.config.json": jestConfig });
  const env = { NODE_OPTIONS: "--experimental-vm-modules" };
  assert.match(await succeeds({ folder, env }, process.execPath, jest), /Tests: +1 passed/);
});

test("Jest by require(): the error says what to do", async () => {
  const text = `test("it", () => void require("telegram-signals"));\n`;
  const folder = await projectOf({ "main.test.js": text, "jest.config.json": jestConfig });
  const { code, output } = await run(folder, process.execPath, jest);
  assert.is(code, 1);
  assert.match(output, "telegram-signals is an ES module");
  assert.match(output, "NODE_OPTIONS=--experimental-vm-modules");
});

test.run();
