/**
 * The single file of `npm run bundle`, where nothing else is: it runs on Node, on Deno, on Bun where there is one, and
 * on AWS Lambda as examples/lambda has it; its types are checked by both compilers.
 * Run by `npm test` as a step of its own, once, from Node.
 */
import { CreateTableCommand } from "@aws-sdk/client-dynamodb";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { iamActions, ledgerActions } from "../../lib/local/dynamodb/iam.ts";
import { type BotApiServer, startBotApiServer, startDynamoDB, startFaultGate } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { said } from "../support/bot.ts";
import { clientAt } from "../support/client.ts";
import { environment, modules, root, run, succeeds } from "./support/program.ts";
import { type LambdaFunction, startFunction } from "../support/lambda_function.ts";
import { readTemplate, type Value } from "../support/template.ts";

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

const tableNames = { Chats: "stack-Chats-1", Broadcasts: "stack-Broadcasts-2" };
const secret = "0123456789abcdef";
const allow = [
  { actions: iamActions, table: tableNames.Chats },
  { actions: ledgerActions, table: tableNames.Broadcasts },
];

/** What CloudFormation does with the template. */
async function deploy({ token, apiRoot }: BotApiServer, endpoint: string): Promise<LambdaFunction> {
  const { Resources } = readTemplate();
  const client = clientAt(endpoint);
  for (const name of ["Chats", "Broadcasts"] as const) {
    const { Properties } = Resources[name];
    await client.send(new CreateTableCommand({ TableName: tableNames[name], ...Properties }));
  }
  client.destroy();
  const parameters: Record<string, string> = { ...tableNames, BotToken: token, WebhookSecret: secret };
  const valueOf = (value: Value): string =>
    typeof value === "string" ? value : parameters[value["Ref"] ?? ""] ?? "";
  const variables = Object.entries(Resources.Bot.Properties.Environment.Variables);
  return await startFunction(await place({}), {
    ...Object.fromEntries(variables.map(([name, value]) => [name, valueOf(value)])),
    TELEGRAM_API_ROOT: apiRoot,
    ...awsAt(endpoint),
  });
}

test("AWS Lambda: the template's function registers, refuses strangers, and sends once", async () => {
  await using telegram = await startBotApiServer();
  await using database = await startDynamoDB();
  await using gate = await startFaultGate({ target: database.endpoint, allow });
  await using bot = await deploy(telegram, gate.endpoint);
  const query = new URLSearchParams({ url: bot.url, secret_token: secret, allowed_updates: "[]" });
  assert.ok((await fetch(`${telegram.apiRoot}/bot${telegram.token}/setWebhook?${query}`)).ok);
  const ada = telegram.user({ first_name: "Ada" });
  ada.say("/start");
  await ada.received("subscribed");

  const body = JSON.stringify({ signal, update_id: 1 });
  assert.is((await fetch(bot.url, { method: "POST", body })).status, 401);
  assert.not.match(said(ada).join(), "BTC-USD");
  for (let time = 0; time < 2; time++) {
    assert.match(String(await bot.invoke({ signal, broadcastId: "1" })), "Sent to 1 of 1 chat in");
  }
  assert.is(said(ada).filter((text) => text.includes("BTC-USD")).length, 1);
  assert.equal([...new Set(telegram.deliveries.map(({ status }) => status))], [200]);
  assert.equal(gate.log.filter(({ status }) => status !== 200), [], "the policy allows all that is asked");
});

test.run();
