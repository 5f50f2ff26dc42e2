/**
 * What is published: the tarball's contents, its documentation, and whether strangers' projects can use it.
 * Run by `npm test` as a step of its own, once, from Node.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { assert, suite } from "../harness.ts";
import { brokenLinks } from "../support/markdown.ts";
import { done, manifestOf, program, project, removePackage, thePackage } from "./support/packed.ts";
import { root, run, succeeds } from "./support/program.ts";

const test = suite("package", undefined, 180_000);

test.after(removePackage);

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

test("npm run docs makes the reference, with each entry point and with the errors", async () => {
  await succeeds(root, "npm", "run", "--silent", "docs");
  const page = (name: string): string => readFileSync(join(root, "docs", name), "utf8");
  for (const entry of ["chart", "live", "local", "signals", "storage"]) {
    assert.match(page(`${entry}/index.html`), entry);
  }
  for (const name of ["ConfigError", "StorageError", "TelegramError"]) {
    assert.match(page("index.html"), `>${name}<`);
    assert.match(page(`~/${name}.html`), "For telling it from other errors");
  }
  for (const name of ["SignalBot", "MeanReversionTelegramBot"]) assert.ok(page(`~/${name}.html`));
});

test("deno publish --dry-run passes", async () => {
  assert.match(
    await succeeds(root, "deno", "publish", "--dry-run", "--allow-dirty"),
    "Dry run complete",
  );
});

test("the tarball has the compiled modules, their types, and maps to sources that are there", async () => {
  const { content, ...rest } = await thePackage();
  const named: readonly string[] = [
    ...[".env.example", ".github", ".github/SECURITY.md", ".github/playground.png"],
    ...["test/README.md", "test/bench/RESULTS.md", "test/signals/chart/golden/chart_light.png"],
  ];
  const others = ["README.md", "CHANGELOG.md", "LICENSE", "mod.ts", "lib/local/mod.ts"];
  for (const file of [...named, ...others, "lib/signals/chart/font_licence.txt"]) {
    assert.ok(existsSync(join(content, file)), file);
  }
  const files = readdirSync(content, { recursive: true, encoding: "utf8" });
  const foreign = files.filter((file) => /^(test|node_modules|\.)/.test(file) && !named.includes(file));
  assert.equal(foreign.filter((file) => !named.some((one) => one.startsWith(`${file}/`))), []);
  for (const entry of Object.values(manifestOf({ content, ...rest }).exports)) {
    const named = typeof entry === "string"
      ? [entry]
      : [entry.types, entry.default, entry.require.types, entry.require.default];
    for (const file of named) {
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

test("every link of its documents leads to a file of it, or to a heading of one", async () => {
  const { content } = await thePackage();
  const files = readdirSync(content, { recursive: true, encoding: "utf8" }).map((file) =>
    file.replaceAll("\\", "/")
  );
  const documents = files.filter((file) => file.endsWith(".md"));
  for (const file of ["README.md", "lib/live/README.md", "examples/README.md", "test/README.md"]) {
    assert.ok(documents.includes(file), file);
  }
  assert.equal(documents.flatMap((file) => brokenLinks(content, file)), []);
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
    const typed = runtime === "Node" ? "npx telegram-signals" : "deno run -A npm:telegram-signals";
    assert.match(story, `${typed} sandbox --fresh`);
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
  const attw = ["--yes", "@arethetypeswrong/cli@0.18.5", tarball, "--profile", "node16"];
  await succeeds(root, "npx", ...attw);
});

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

test("it works from Deno", async () => {
  const folder = await project(await thePackage(), {
    "main.ts": program,
    "package.json": JSON.stringify({ dependencies: { "telegram-signals": "*" } }),
    "deno.json": JSON.stringify({ nodeModulesDir: "manual" }),
  });
  assert.match(await succeeds(folder, "deno", "run", "--check", "-A", "main.ts"), done);
});

const throwing = `import { riskReward } from "telegram-signals/signals";
riskReward({ direction: "long", symbol: "X", entry: 2, stop: 3, target: 4 });
`;

test("an error that nobody catches shows a readable line, and the sources' if Node is asked to", async () => {
  const folder = await project(await thePackage(), { "main.mjs": throwing });
  const { output } = await run(folder, process.execPath, "main.mjs");
  assert.match(output, /dist\/[\w-]+\.js:\d+\n +throw new \w+\(/);
  assert.ok(Math.max(...output.split("\n").map(({ length }) => length)) < 200, output);
  assert.match(output, /at riskReward \(.*dist\/lib\/signals\/mod\.js:\d+:\d+\)/);
  const { output: mapped } = await run(folder, process.execPath, "--enable-source-maps", "main.mjs");
  assert.match(mapped, /at riskReward \(.*telegram-signals\/lib\/signals\/signal\.ts:\d+:\d+\)/);
});

const mistakes = `import { ConfigError } from "telegram-signals";
import { ccxtFeed } from "telegram-signals/live";
try {
  ccxtFeed("kraken", { lode: 1 });
} catch (error) {
  console.log(error instanceof ConfigError, error.name);
}
console.log(new Error("another") instanceof ConfigError);
`;

test("an error's class is the same for all entry points", async () => {
  const folder = await project(await thePackage(), { "main.mjs": mistakes });
  assert.is(await succeeds(folder, process.execPath, "main.mjs"), "true ConfigError\nfalse\n");
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
