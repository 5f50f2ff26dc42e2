/**
 * What is published: the tarball's contents, its documentation, and whether strangers' projects can use it.
 * Run by `npm test` as a step of its own, once, from Node.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { assert, suite } from "../harness.ts";
import { modules, root, run, succeeds } from "./support/program.ts";

interface Packed {
  readonly folder: string;
  readonly tarball: string;
  /** The tarball's files, unpacked. */
  readonly content: string;
}

async function pack(): Promise<Packed> {
  const folder = await mkdtemp(join(tmpdir(), "package-"));
  await succeeds(root, "npm", "pack", "--silent", "--pack-destination", folder);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "";
  await succeeds(folder, "tar", "-xzf", tarball);
  return { folder, tarball: join(folder, tarball), content: join(folder, "package") };
}

interface Manifest {
  readonly exports: Readonly<Record<string, { types: string; default: string } | string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

const manifestOf = ({ content }: Packed): Manifest =>
  JSON.parse(readFileSync(join(content, "package.json"), "utf8")) as Manifest;

/** A project that has installed the tarball: it finds what the package declares that it needs, and `others`. */
async function project(
  packed: Packed,
  files: Readonly<Record<string, string>>,
  others: readonly string[] = [],
): Promise<string> {
  const folder = await mkdtemp(join(packed.folder, "project-"));
  const installed = join(folder, "node_modules");
  await cp(packed.content, join(installed, "telegram-signals"), { recursive: true });
  for (const name of [...Object.keys(manifestOf(packed).dependencies), "@types/node", ...others]) {
    await mkdir(dirname(join(installed, name)), { recursive: true });
    await symlink(join(modules, name), join(installed, name), "junction");
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

let packed: Promise<Packed> | undefined;
const thePackage = (): Promise<Packed> => packed ??= pack();

const test = suite("package", undefined, 180_000);

test.after(async () => await rm((await thePackage()).folder, { recursive: true }));

test("everything public is documented", async () => {
  // Without npm, as what other packages declare is theirs to document.
  await succeeds(
    root,
    "deno",
    "doc",
    "--lint",
    "--no-npm",
    "mod.ts",
    "lib/signals/chart/mod.ts",
    "lib/live/mod.ts",
    "lib/local/mod.ts",
    "lib/signals/mod.ts",
    "lib/bot/storage.ts",
  );
});

test("deno publish --dry-run passes", async () => {
  assert.match(
    await succeeds(root, "deno", "publish", "--dry-run", "--allow-dirty"),
    "Dry run complete",
  );
});

test("the tarball has the compiled modules, their types, and maps to sources that are there", async () => {
  const { content, ...rest } = await thePackage();
  for (
    const file of ["README.md", "LICENSE", "mod.ts", "lib/local/mod.ts", "lib/signals/chart/font_licence.txt"]
  ) {
    assert.ok(existsSync(join(content, file)), file);
  }
  const files = readdirSync(content, { recursive: true, encoding: "utf8" });
  assert.equal(files.filter((file) => /^(test|examples|node_modules|\.)/.test(file)), []);
  for (const entry of Object.values(manifestOf({ content, ...rest }).exports)) {
    for (const file of typeof entry === "string" ? [entry] : [entry.types, entry.default]) {
      assert.ok(existsSync(join(content, file)), file);
    }
  }
  const maps = files.filter((file) => file.endsWith(".map"));
  assert.ok(maps.length > 60, `${maps.length} maps`);
  for (const map of maps) {
    const { sources } = JSON.parse(readFileSync(join(content, map), "utf8")) as { sources: string[] };
    for (const source of sources) {
      assert.ok(existsSync(join(content, dirname(map), source)), `${map}: ${source}`);
    }
  }
});

const denoProject = {
  "package.json": JSON.stringify({ type: "module", dependencies: { "telegram-signals": "*" } }),
  "deno.json": JSON.stringify({ nodeModulesDir: "manual" }),
};

/** Somebody else's project in which the command is run. */
const withCommand = (others: readonly string[] = []): Promise<string> =>
  thePackage().then((packed) => project(packed, denoProject, others));
const command = "node_modules/telegram-signals/dist/cli/main.js";
const trade = ["--direction", "long", "--symbol", "X", "--entry", "2", "--stop", "1", "--target", "4"];

for (const [runtime, program] of [["Node", [process.execPath]], ["Deno", ["deno", "run", "-A"]]] as const) {
  test(`the command works in ${runtime}, and names the packages that are missing`, async () => {
    const [name = "", ...before] = program;
    const folder = await withCommand();
    const call = (...args: string[]): ReturnType<typeof run> =>
      run(folder, name, ...before, command, ...args);
    assert.match((await call("--version")).output, /^\d+\.\d+\.\d+$/m);
    assert.match((await call("send", "--dry-run", ...trade)).output, /LONG X\n\nEntry: 2\n/);
    for (const [what, args] of [["sandbox", ["my.mjs"]], ["playground", []]] as const) {
      await writeFile(join(folder, "my.mjs"), "");
      const { code, output } = await call(what, ...args);
      assert.match(output, new RegExp(`^The ${what} needs .* not installed: npm install dynalite[^\n]*\n$`));
      assert.is(code, 1);
    }
  });

  test(`its sandbox runs the demonstration and scripts in ${runtime}`, async () => {
    const [name = "", ...before] = program;
    const folder = await withCommand(["dynalite", "trading-signals"]);
    const story = await succeeds(folder, name, ...before, command, "sandbox");
    assert.match(story, /Ada +subscribed +3 signals/);
    assert.match(story, "npx telegram-signals sandbox --fresh");
    await writeFile(join(folder, "my.mjs"), 'console.log("token", !!process.env.TELEGRAM_BOT_TOKEN);');
    assert.match(await succeeds(folder, name, ...before, command, "sandbox", "my.mjs"), "token true");
  });
}

test("publint finds nothing", async () => {
  const { tarball } = await thePackage();
  assert.match(await succeeds(root, "publint", tarball, "--strict"), "All good!");
});

test("the types resolve however they are asked for (attw)", async () => {
  // Not among our dependencies: it brings a compiler of its own.
  const { tarball } = await thePackage();
  const attw = ["--yes", "@arethetypeswrong/cli@0.18.5", tarball, "--profile", "esm-only"];
  await succeeds(root, "npx", ...attw);
});

/** The whole job in a few lines; runs and compiles as JavaScript and as TypeScript. */
const program = `import { MeanReversionTelegramBot } from "telegram-signals";
import { startBotApiServer } from "telegram-signals/local";

const telegram = await startBotApiServer();
const bot = new MeanReversionTelegramBot({
  botToken: telegram.token,
  apiRoot: telegram.apiRoot,
  useDynamoDB: false,
});
await bot.startBot();
const ada = telegram.user({ first_name: "Ada" });
ada.say("/start");
await ada.received("subscribed");
const report = await bot.sendSignal({ direction: "long", symbol: "X", entry: 2, stop: 1, target: 4 });
console.log(String(report));
await bot.stopBot();
await telegram.close();
`;
const done = "Sent to 1 of 1 chat in";

test("it works from JavaScript, as a module", async () => {
  const folder = await project(await thePackage(), { "main.mjs": program });
  assert.match(await succeeds(folder, process.execPath, "main.mjs"), done);
});

test("it works from JavaScript, by require()", async () => {
  const text = `const { TelegramDynamoDBStorage } = require("telegram-signals");
console.log(new TelegramDynamoDBStorage({ tableName: "of-mine" }).tableName);`;
  const folder = await project(await thePackage(), { "main.cjs": text });
  assert.match(await succeeds(folder, process.execPath, "main.cjs"), "of-mine");
});

/** The compiler complains of the line if it takes it. */
const wrong = `// @ts-expect-error No such direction.
await bot.sendSignal({ direction: "sideways", symbol: "X", entry: 2, stop: 1, target: 4 });
`;

for (const module of ["nodenext", "bundler"]) {
  test(`it works from TypeScript, resolved as ${module}`, async () => {
    const compilerOptions = {
      ...{ strict: true, skipLibCheck: true, target: "es2022", types: ["node"], noEmit: true },
      ...(module === "nodenext" ? { module } : { module: "esnext", moduleResolution: module }),
    };
    const folder = await project(await thePackage(), {
      "main.mts": program + wrong,
      "tsconfig.json": JSON.stringify({ compilerOptions, files: ["main.mts"] }),
    });
    await succeeds(folder, "tsc");
  });
}

test("it works from Deno", async () => {
  const folder = await project(await thePackage(), {
    "main.ts": program,
    "package.json": JSON.stringify({ dependencies: { "telegram-signals": "*" } }),
    "deno.json": JSON.stringify({ nodeModulesDir: "manual" }),
  });
  assert.match(await succeeds(folder, "deno", "run", "--check", "-A", "main.ts"), done);
});

/** Sends a signal with candles, and says how it has arrived. */
const charted = program.replace(
  /const report = [^]*report\)\);\n/,
  `
const candles = [1, 2, 3].map((time) => ({ time, open: 2, high: 3, low: 1, close: 2, volume: 1 }));
await bot.sendSignal({ direction: "long", symbol: "X", entry: 2, stop: 1, target: 4 }, { candles });
console.log(ada.inbox.at(-1)?.photo ? "a picture" : "a text");
`,
);
const forCharts = ["@resvg/resvg-wasm", "d3-scale", "d3-shape", "trading-signals"];
const runsOf: Readonly<Record<string, readonly [string, ...string[]]>> = {
  Node: [process.execPath, "main.mjs"],
  Deno: ["deno", "run", "-A", "main.mjs"],
};
for (const [runtime, command] of Object.entries(runsOf)) {
  test(`it draws charts in ${runtime}, and names the packages for them where they are missing`, async () => {
    const files = { "main.mjs": charted, ...denoProject };
    const without = await succeeds(await project(await thePackage(), files), ...command);
    assert.match(
      without,
      "goes out without its chart. A chart needs packages of which one could not be loaded",
    );
    assert.match(without, "npm install @resvg/resvg-wasm d3-scale d3-shape trading-signals");
    assert.match(without, "a text");
    const output = await succeeds(await project(await thePackage(), files, forCharts), ...command);
    assert.match(output, "a picture", output);
  });
}

test.run();
