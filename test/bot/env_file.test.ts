/** What a file `.env` may do, which may have come with a folder of somebody else's. */
import { writeFile } from "node:fs/promises";
import process from "node:process";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { config } from "dotenv";
import { ConfigError, createTelegramBotFromEnv, loadEnvFile } from "../../mod.ts";
import { assert, suite } from "../harness.ts";
import { mistakes, token, withEnvironment } from "../support/environment.ts";
import { withProgramFolder } from "../support/program_folder.ts";
import { runtime } from "../support/runtime.ts";

const test = suite("the file .env");

type Variables = Readonly<Record<string, string>>;

const other = "222222:AAanother-token-of-the-tests-";
const own = `TELEGRAM_BOT_TOKEN=${token}\n`;
const keys = "AWS_ACCESS_KEY_ID=local\nAWS_SECRET_ACCESS_KEY=local\n";
const callersKeys = { AWS_ACCESS_KEY_ID: "caller", AWS_SECRET_ACCESS_KEY: "callers" };
const evil = "https://evil.test";
const notOwn = /^TELEGRAM_API_ROOT in \.env counts only for a TELEGRAM_BOT_TOKEN in \.env, .*: set both/;
const notOwnKeys =
  /^AWS_ENDPOINT_URL(_DYNAMODB)? in \.env counts only for an AWS_ACCESS_KEY_ID and an AWS_SECRET_ACCESS_KEY in \.env/;
const inTheClear =
  /^[A-Z_]+ in \.env must be an https address, or one of this machine: else set it in the environment\.$/;
const misplaced = /^[A-Z_]+ in \.env does not count: set it in the environment alone\.$/i;

const cases: readonly (readonly [what: string, environment: Variables, file: string, mistake?: RegExp])[] = [
  ["the address for its own token", {}, `${own}TELEGRAM_API_ROOT=https://bots.test\n`],
  ["the address for its own token, on this machine", {}, `${own}TELEGRAM_API_ROOT=http://127.0.0.1:1\n`],
  [
    "the address for the same token",
    { TELEGRAM_BOT_TOKEN: token },
    `${own}TELEGRAM_API_ROOT=https://bots.test\n`,
  ],
  [
    "an address for the environment's token",
    { TELEGRAM_BOT_TOKEN: token },
    `TELEGRAM_API_ROOT=${evil}`,
    notOwn,
  ],
  [
    "an address for the environment's token, though it has another one",
    { TELEGRAM_BOT_TOKEN: token },
    "TELEGRAM_BOT_TOKEN=1:x\nTELEGRAM_API_ROOT=http://127.0.0.1:1\n",
    notOwn,
  ],
  ["an address for its own token in the clear", {}, `${own}TELEGRAM_API_ROOT=http://bots.test\n`, inTheClear],
  [
    "an address beside the environment's own",
    { TELEGRAM_BOT_TOKEN: token, TELEGRAM_API_ROOT: "http://bots.test" },
    `TELEGRAM_API_ROOT=${evil}\n`,
  ],
  ["connections that are not checked", {}, `${own}NODE_TLS_REJECT_UNAUTHORIZED=0\n`, misplaced],
  ...["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"].map(
    (name) => [`${name}`, {}, `${own}${name}=here\n`, misplaced] as const,
  ),
  ["an endpoint of STS", {}, `${own}${keys}AWS_ENDPOINT_URL_STS=${evil}\n`, misplaced],
  ["a variable of AWS that is to come", {}, `${own}AWS_LATER_CREDENTIALS_FILE=1\n`, misplaced],
  [
    "a variable of AWS beside the environment's own",
    { AWS_CONFIG_FILE: "mine" },
    `${own}AWS_CONFIG_FILE=x\n`,
  ],
  ["a variable of AWS without a value", {}, `${own}AWS_CONFIG_FILE=\n`],
  [
    "a variable that a loader has read before",
    { AWS_CONFIG_FILE: "x" },
    `${own}AWS_CONFIG_FILE=x\n`,
    misplaced,
  ],
  [
    "what the environment has of the machine's own, too",
    { NODE_OPTIONS: "-r x", HTTP_PROXY: "http://proxy.test:3128", PATH: "/bin" },
    `${own}NODE_OPTIONS=-r x\nHTTP_PROXY=http://proxy.test:3128\nPATH=/bin\n`,
  ],
  [
    "what a larger project keeps there",
    {},
    `${own}DATABASE_URL=postgres://a:b@db.test/x\nPORT=80\nNODE_ENV=production\nAWS_DEFAULT_REGION=eu-west-1\n` +
    "AWS_S3_BUCKET=charts\nAWS_BUCKET_NAME=charts\nAWS_SDK_LOAD_CONFIG=1\n",
  ],
  [
    "an address that a loader has read before",
    {
      TELEGRAM_BOT_TOKEN: token,
      TELEGRAM_API_ROOT: evil,
    },
    `TELEGRAM_API_ROOT=${evil}\n`,
    notOwn,
  ],
  [
    "its region, keys and profile",
    {},
    `${own}${keys}AWS_SESSION_TOKEN=s\nAWS_REGION=us-east-1\nAWS_PROFILE=org/dev\n`,
  ],
  [
    "a profile that is none",
    {},
    `${own}AWS_PROFILE="$(id)"\n`,
    /^AWS_PROFILE in \.env must be the name of a profile/,
  ],
  ["an endpoint for its own keys", {}, `${own}${keys}AWS_ENDPOINT_URL=https://db.test\n`],
  [
    "an endpoint for its own keys in the clear",
    {},
    `${own}${keys}AWS_ENDPOINT_URL_DYNAMODB=http://db.test\n`,
    inTheClear,
  ],
  ["an endpoint on this machine", callersKeys, `${own}AWS_ENDPOINT_URL_DYNAMODB=http://localhost:8000\n`],
  [
    "every service's on this machine",
    callersKeys,
    `${own}AWS_ENDPOINT_URL=http://localhost:8000\n`,
    notOwnKeys,
  ],
  [
    "an endpoint for the environment's keys",
    callersKeys,
    `${own}AWS_ENDPOINT_URL_DYNAMODB=${evil}\n`,
    notOwnKeys,
  ],
  ["an endpoint for no keys", {}, `${own}AWS_ENDPOINT_URL=${evil}\n`, notOwnKeys],
  [
    "an endpoint for the environment's session",
    { AWS_SESSION_TOKEN: "caller's" },
    `${own}${keys}AWS_ENDPOINT_URL_DYNAMODB=${evil}\n`,
    notOwnKeys,
  ],
  ["an endpoint for a profile", {}, `${own}${keys}AWS_PROFILE=admin\nAWS_ENDPOINT_URL=${evil}\n`, notOwnKeys],
  [
    "an endpoint for the environment's profile",
    { AWS_PROFILE: "x" },
    `${own}${keys}AWS_ENDPOINT_URL=${evil}\n`,
    notOwnKeys,
  ],
  ["a proxy", {}, `${own}HTTPS_PROXY=http://evil.test:3128\n`, misplaced],
  ["a proxy in small letters", {}, `${own}all_proxy=http://evil.test:3128\n`, misplaced],
  ["what bypasses a proxy", {}, `${own}NO_PROXY=127.0.0.1\n`],
];

for (const [what, environment, file, mistake] of cases) {
  test(`.env ${mistake === undefined ? "may" : "may not"} have ${what}`, () =>
    withEnvironment(environment, () => {
      if (mistake === undefined) return void createTelegramBotFromEnv();
      const before = { ...process.env };
      for (const times of [1, 2]) assert.match(mistakes(), mistake, `asked ${times} times`);
      assert.throws(() => loadEnvFile(), (error: Error) => error instanceof ConfigError, "the loader, too");
      assert.equal({ ...process.env }, before, "nothing was loaded");
    }, file));
}

test("an address in .env is not for a token that is given as an option", () =>
  withEnvironment({}, () => {
    assert.match(mistakes({ botToken: token }), notOwn);
    void createTelegramBotFromEnv({ botToken: token, apiRoot: "https://bots.test" });
    assert.is(process.env["TELEGRAM_API_ROOT"], undefined);
    assert.match(mistakes({ botToken: token }), notOwn);
  }, `TELEGRAM_API_ROOT=${evil}\n`));

test("an address that was loaded for .env's own token is not for another bot's, also from another folder", async () => {
  await withEnvironment({}, async () => {
    void createTelegramBotFromEnv();
    assert.match(mistakes({ botToken: other }), notOwn);
    await writeFile(".env", "");
    assert.match(mistakes({ botToken: other }), notOwn);
    assert.is(createTelegramBotFromEnv().grammy.token, token);
    process.env["TELEGRAM_API_ROOT"] = "https://later.test";
    assert.is(createTelegramBotFromEnv({ botToken: other }).grammy.token, other);
  }, `${own}TELEGRAM_API_ROOT=https://own.test\n`);
});

test("an address that was loaded without a token is not for one that comes later", () =>
  withEnvironment({}, () => {
    loadEnvFile();
    assert.match(mistakes({ botToken: other }), notOwn);
  }, `TELEGRAM_API_ROOT=${evil}\n`));

test("an endpoint in .env is not for a client with credentials of its own", () =>
  withEnvironment({}, () => {
    const client = new DynamoDBClient({ region: "us-east-1" });
    assert.match(mistakes({ client }), notOwnKeys);
    client.destroy();
  }, `${own}${keys}AWS_ENDPOINT_URL=${evil}\n`));

test("what dotenv has put into the environment before is .env's", () =>
  withEnvironment({ TELEGRAM_BOT_TOKEN: token }, () => {
    config({ quiet: true });
    assert.match(mistakes(), notOwn);
  }, `TELEGRAM_API_ROOT=${evil}\n`));

test("a .env that names another one hides nothing", () =>
  withEnvironment({ TELEGRAM_BOT_TOKEN: token }, () => {
    config({ quiet: true });
    const said = mistakes().split("\n");
    assert.match(said.join("\n"), notOwn);
    assert.match(said.join("\n"), "DOTENV_PATH in .env does not count");
  }, `TELEGRAM_API_ROOT=${evil}\nDOTENV_PATH=elsewhere\n`));

test("all mistakes of .env are one error", () =>
  withEnvironment({ ...callersKeys, TELEGRAM_BOT_TOKEN: token }, () => {
    const names = mistakes().split("\n").map((line) => line.split(" ")[0]).sort();
    assert.equal(names, ["AWS_CONFIG_FILE", "AWS_ENDPOINT_URL", "HTTP_PROXY", "TELEGRAM_API_ROOT"]);
  }, `AWS_CONFIG_FILE=x\nHTTP_PROXY=x\nAWS_ENDPOINT_URL=${evil}\nTELEGRAM_API_ROOT=${evil}\n`));

test("what a runtime, a shell or a loader reads is left out; a user's own settings are loaded", () => {
  const left = [
    "NODE_OPTIONS",
    "NODE_EXTRA_CA_CERTS_2",
    "DENO_CERT_2",
    "BUN_INSPECT",
    "LD_PRELOAD",
    "DYLD_INSERT_LIBRARIES",
  ];
  const more = [
    "npm_config_script_shell",
    "BASH_ENV",
    "PYTHONPATH",
    "ESBUILD_BINARY_PATH",
    "SSLKEYLOGFILE",
    "DOTENV_PATH",
  ];
  const names = [...left, ...more].filter((name) => process.env[name] === undefined);
  const settings = ["MY_SETTING", "NODE_ENV", "ENV", "LOG_LEVEL"].filter((name) =>
    process.env[name] === undefined
  );
  assert.ok(names.length > 6 && settings.includes("MY_SETTING"));
  return withEnvironment({}, () => {
    void createTelegramBotFromEnv();
    for (const name of names) assert.is(process.env[name], undefined, name);
    for (const name of settings) assert.is(process.env[name], "x", name);
  }, own + [...names, ...settings].map((name) => `${name}=x\n`).join(""));
});

test("HOME and PATH stay the environment's", () => {
  const { HOME, PATH } = process.env;
  return withEnvironment({}, () => {
    for (const name of ["HOME", "PATH"]) delete process.env[name];
    loadEnvFile();
    assert.equal([process.env["HOME"], process.env["PATH"]], [undefined, undefined]);
    Object.assign(process.env, { HOME, PATH });
  }, "HOME=.\nPATH=.\n");
});

test("loadEnvFile() passes over what it is told to", () =>
  withEnvironment({}, () => {
    loadEnvFile({ except: /^(AWS|TELEGRAM)_/ });
    assert.equal([process.env["AWS_CONFIG_FILE"], process.env["MY_SETTING"]], [undefined, "x"]);
    assert.is(process.env["TELEGRAM_API_ROOT"], undefined);
  }, `AWS_CONFIG_FILE=x\nTELEGRAM_API_ROOT=${evil}\nMY_SETTING=x\n`));

const program = "test/support/env_visit.ts";
const callers = { TELEGRAM_BOT_TOKEN: token };

const filesOfPrograms: readonly (readonly [what: string, files: Variables, says: RegExp])[] = [
  ["an address", { ".env": `TELEGRAM_API_ROOT=${evil}\n` }, notOwn],
  ["its own token and address", { ".env": `${own}TELEGRAM_API_ROOT=${evil}\n` }, /^https:\/\/evil\.test$/m],
];

/** Bun reads these by itself. */
const filesOfBun: typeof filesOfPrograms = [
  ["an address in parts", { ".env": 'export TELEGRAM_API_ROOT = "https://ev${NOTHING}il.test"\n' }, notOwn],
  ["an address with an escape", { ".env": "TELEGRAM_API_ROOT=https://evil.test/\\$x\n" }, notOwn],
  ["an address for this machine alone", { ".env.local": `TELEGRAM_API_ROOT=${evil}\n` }, notOwn],
  ["an address for development", { ".env.development": `TELEGRAM_API_ROOT=${evil}\n` }, notOwn],
  ["another .env", {
    ".env": `DOTENV_PATH=other\nTELEGRAM_API_ROOT=${evil}\n`,
    other: "TELEGRAM_BOT_TOKEN=1:x\n",
  }, /^TELEGRAM_API_ROOT|\nTELEGRAM_API_ROOT/],
  ["a file of AWS", { ".env.local": "AWS_CONFIG_FILE=x\n" }, misplaced],
  ["a module to load", { ".env": "NODE_OPTIONS=--require=./x.cjs\n" }, misplaced],
];

for (const [what, files, says] of [...filesOfPrograms, ...runtime === "Bun" ? filesOfBun : []]) {
  test(`a program that starts in a folder with ${what}`, () =>
    withProgramFolder(files, async ({ run }) => {
      const { output } = await run(program, [], callers);
      const lines = output.split("\n").filter((line) => /\.env\b|^https:/.test(line));
      assert.match(lines.join("\n"), says, output);
      if (says !== filesOfPrograms[1]?.[2]) assert.not.match(output, /^https:/m);
    }));
}

test.run();
