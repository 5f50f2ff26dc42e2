/**
 * The single file of `npm run bundle`, where nothing else is: it runs on Node, on Deno, and on Bun where there
 * is one; its types are checked by both compilers.
 * Run by `npm test` as a step of its own, once, from Node.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { startBotApiServer, startDynamoDB } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { environment, modules, root, run, succeeds } from "./support/program.ts";

const file = "telegram-signals.mjs";
let bundled: Promise<string> | undefined;

/** The folder with the bundle. */
function theBundle(): Promise<string> {
  return bundled ??= (async (): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), "bundle-"));
    await succeeds(root, process.execPath, ".ci/bundle.mjs", folder);
    return folder;
  })();
}

/** A folder with the bundle, these files, and nothing above it that could help. */
async function place(files: Readonly<Record<string, string>>): Promise<string> {
  const bundle = await theBundle();
  const folder = await mkdtemp(join(bundle, "place-"));
  for (const name of [file, file.replace(".mjs", ".d.mts")]) await cp(join(bundle, name), join(folder, name));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

const test = suite("the bundle", undefined, 120_000);

test.after(async () => await rm(await theBundle(), { recursive: true }));

test("there is one file of code and one of types, and neither asks for a package", async () => {
  const folder = await place({});
  assert.equal(readdirSync(folder).sort(), ["telegram-signals.d.mts", "telegram-signals.mjs"]);
});

/** As much of esbuild as is used here; Deno, which makes no bundles, does not have it. */
interface Esbuild {
  build(options: Readonly<Record<string, unknown>>): Promise<{ readonly metafile: Metafile }>;
}

interface Metafile {
  readonly outputs: Readonly<Record<string, { readonly inputs: Readonly<Record<string, Input>> }>>;
}

interface Input {
  readonly bytesInOutput: number;
}

/** The packages of which esbuild takes parts, as it tells itself. */
async function bundledPackages(): Promise<string[]> {
  const { build } = createRequire(import.meta.url)("esbuild") as Esbuild;
  const { metafile } = await build({
    ...{ absWorkingDir: root, entryPoints: ["mod.ts"], outfile: "none.mjs", write: false, metafile: true },
    ...{ bundle: true, format: "esm", platform: "node", target: "es2022" },
  });
  const inputs = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs));
  const files = inputs.flatMap(([file, { bytesInOutput }]) => bytesInOutput > 0 ? [file] : []);
  return [...new Set(files.flatMap((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? []))];
}

test("the licence of each package of which it has parts is beside it", async () => {
  const licences = readFileSync(join(await theBundle(), "THIRD_PARTY_LICENSES"), "utf8");
  const named = [...licences.matchAll(/^(@?[a-z][\w./-]*) \d\S* \(.*\)$/gm)].map(([, name = ""]) => name);
  const packages = await bundledPackages();
  assert.ok(packages.length > 30, `${packages.length} packages`);
  // The types are grammY's, too.
  const expected = [...packages, "telegram-signals", "@grammyjs/types"];
  assert.equal(expected.filter((name) => !named.includes(name)), []);
  assert.is(new Set(named).size, named.length, "each is named once");
  for (const folder of ["..", ...packages].map((name) => join(modules, name))) {
    const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
    const text = file === undefined ? "" : readFileSync(join(folder, file), "utf8").replaceAll("\r\n", "\n");
    assert.ok(licences.includes(text.trim()), folder);
  }
});

test("without a licence's text there is no bundle, unless the package's repository has it", async () => {
  const { licencesOf } = await import(pathToFileURL(join(root, ".ci", "licences.mjs")).href) as {
    licencesOf(root: string, files: readonly string[]): string;
  };
  const folder = await mkdtemp(join(await theBundle(), "licences-"));
  const add = async (name: string, manifest: object, licence?: string): Promise<string> => {
    const at = join(folder, "node_modules", name);
    await mkdir(at, { recursive: true });
    await writeFile(
      join(at, "package.json"),
      JSON.stringify({ name, version: "1.0.0", license: "MIT", ...manifest }),
    );
    if (licence !== undefined) await writeFile(join(at, "LICENSE"), licence);
    return `node_modules/${name}/index.js`;
  };
  const repository = { url: "git+https://host.invalid/a.git" };
  const files = [
    await add("a", { repository }, "Copyright A"),
    await add("b", { repository }),
    await add("c", {}),
  ];
  assert.is(licencesOf(folder, files.slice(0, 2)), "a 1.0.0 (MIT)\nb 1.0.0 (MIT)\n\nCopyright A\n");
  assert.throws(() => licencesOf(folder, files), /^c 1\.0\.0 has no licence text/);
  assert.throws(() => licencesOf(folder, files.slice(1, 2)), /^b 1\.0\.0 has no licence text/);
});

const signal = { direction: "long", symbol: "BTC-USD", entry: 67250.5, stop: 66980, target: 67800 };

/** The whole job; a subscriber's word starts and ends it. */
const program = (options: object, how: object): string =>
  `import { createTelegramBotFromEnv } from "../${file}";

const bot = createTelegramBotFromEnv(${JSON.stringify(options)});
const asked = new Promise((resolve) => bot.grammy.command("go", resolve));
bot.grammy.command("price", (ctx) => ctx.reply("67250.5"));
await bot.startBot();
await asked;
console.log(String(await bot.sendSignal(${JSON.stringify(signal)}, ${JSON.stringify(how)})));
await bot.stopBot();
`;

const deno = ["deno", "run", "--no-config", "--no-lock", "--no-remote", "--no-npm", "-A"] as const;
const runtimes: Readonly<Record<string, readonly [string, ...string[]]>> = {
  Node: [process.execPath],
  Deno: deno,
  Bun: ["bun", "--no-install"],
};

const isThere = (program: string): boolean =>
  spawnSync(program, ["--version"], { env: environment }).status === 0;

for (const [runtime, [command, ...args]] of Object.entries(runtimes)) {
  if (!isThere(command)) {
    console.log(`${runtime} is not on this machine, and so not tried.`);
    continue;
  }
  test(`${runtime}: a bot registers, answers, sends once, and ends`, async () => {
    const folder = await place({ "main.mjs": program({}, { broadcastId: "1" }) });
    await using telegram = await startBotApiServer();
    await using database = await startDynamoDB();
    const ada = telegram.user({ first_name: "Ada" });
    const env = {
      TELEGRAM_BOT_TOKEN: telegram.token,
      TELEGRAM_API_ROOT: telegram.apiRoot,
      ...awsAt(database.endpoint),
      DENO_DIR: join(folder, "deno"),
    };
    const ended = run({ folder, env }, command, ...args, "main.mjs");
    ada.say("/start");
    await ada.received("subscribed");
    ada.say("/price");
    await ada.received("67250.5");
    ada.say("/go");
    await ada.received("BTC-USD");
    const { code, output } = await ended;
    assert.match(output, "Sent to 1 of 1 chat in");
    assert.is(code, 0, output);
    assert.equal(output.match(/warn|deprecat/gi), null, output);
  });
}

test("a signal with candles goes out as text, as charts are not in the bundle, and the log says why", async () => {
  const candles = [0, 1, 2].map((time) => ({
    time: time * 60_000,
    open: 2,
    high: 3,
    low: 1,
    close: 2,
    volume: 1,
  }));
  const folder = await place({ "main.mjs": program({ useDynamoDB: false }, { candles }) });
  await using telegram = await startBotApiServer();
  const ada = telegram.user({ first_name: "Ada" });
  const env = { TELEGRAM_BOT_TOKEN: telegram.token, TELEGRAM_API_ROOT: telegram.apiRoot };
  const ended = run({ folder, env }, process.execPath, "main.mjs");
  ada.say("/go");
  await ada.received("BTC-USD");
  const { output } = await ended;
  assert.match(output, "A signal goes out without its chart. The chart's module could not be loaded");
  assert.match(output, "Sent to 1 of 1 chat in");
});

function awsAt(endpoint: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL_DYNAMODB: endpoint,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
  };
}

/** What a script's types have to know: our own, grammY's, and those of `await using`. */
const typed = `import { createTelegramBotFromEnv, type TradingSignal, webhookCallback } from "../${file}";

await using bot = createTelegramBotFromEnv({ autoRegisterChats: false });
bot.grammy.on("message:text", async (ctx) => {
  const text: string = ctx.msg.text;
  await ctx.reply(text);
});
const signal: TradingSignal = { direction: "long", symbol: "X", entry: 2, stop: 1, target: 4 };
export const sent: number = (await bot.sendSignal(signal)).sent;
export const answer: Promise<Response> = webhookCallback(bot)(new Request("http://127.0.0.1/"));
// @ts-expect-error No such direction; types that take it would take anything.
export const wrong: TradingSignal = { direction: "sideways", symbol: "X", entry: 2, stop: 1, target: 4 };
`;

const strict = {
  ...{ strict: true, skipLibCheck: false, exactOptionalPropertyTypes: true, noEmit: true },
  ...{ target: "es2022", module: "nodenext", types: [] },
};

/** With their own way to the types: the compiler by the file's name, Deno by what the code says of them. */
const checks: Readonly<Record<string, readonly [string, ...string[]]>> = {
  "tsc": ["tsc"],
  "deno check": ["deno", "check", "--no-lock", "--no-remote", "--no-npm", "main.mts"],
};

for (const [title, [command, ...args]] of Object.entries(checks)) {
  test(`its types are sound, and no more than types (${title})`, async () => {
    const tsconfig = JSON.stringify({ compilerOptions: strict, files: ["main.mts"] });
    const folder = await place({ "main.mts": typed, ...title === "tsc" && { "tsconfig.json": tsconfig } });
    await succeeds(folder, command, ...args);
  });
}

test("its types take Node's requests and AWS's client", async () => {
  const folder = await place({
    "main.mts": `import { createServer } from "node:http";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { createTelegramBotFromEnv, webhookCallback } from "../${file}";
const client = new DynamoDBClient({});
createServer(webhookCallback(createTelegramBotFromEnv({ client })));
`,
    "tsconfig.json": JSON.stringify({
      compilerOptions: { ...strict, skipLibCheck: true, types: ["node"] },
      files: ["main.mts"],
    }),
  });
  for (const name of ["@aws-sdk/client-dynamodb", "@types/node"]) {
    await mkdir(dirname(join(folder, "node_modules", name)), { recursive: true });
    await symlink(join(modules, name), join(folder, "node_modules", name), "junction");
  }
  await succeeds(folder, "tsc");
});

test.run();
