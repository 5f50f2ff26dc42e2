/**
 * examples/lambda, deployed on this machine: its functions with the bundle, each under the policy that its template gives
 * it; and cfn-lint on the template, where it is installed. Run by `npm test` as a step of its own, once, from Node.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import type { GateEntry } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { said } from "../support/bot.ts";
import {
  type Account,
  deploy as deployFrom,
  type DeployedFunction,
  type DeployOptions,
  openAccount,
  webhookSecret,
} from "../support/lambda_stack.ts";
import { lambdaFolder } from "../support/template.ts";
import { modules, root, succeeds } from "./support/program.ts";

const test = suite("examples/lambda", undefined, 120_000);
const signal = { direction: "long", symbol: "BTC-USD", entry: 67250.5, stop: 66980, target: 67800 };
let uploaded: Promise<string> | undefined;

/** The folder of the functions' code: the example's own files, the bundle, and the package that Lambda's Node has. */
function code(): Promise<string> {
  return uploaded ??= (async (): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), "lambda-"));
    await cp(lambdaFolder, folder, { recursive: true });
    await succeeds(root, process.execPath, ".ci/bundle.mjs", folder);
    const client = join(folder, "node_modules", "@aws-sdk", "client-ssm");
    await mkdir(dirname(client), { recursive: true });
    await symlink(join(modules, "@aws-sdk", "client-ssm"), client, "junction");
    return folder;
  })();
}

const isThere = (program: string): boolean => spawnSync(program, ["--version"]).status === 0;

test.after(async () => await rm(await code(), { recursive: true }));

async function deploy(
  account: Account,
  name: "Updates" | "Send",
  options: Omit<DeployOptions, "folder"> = {},
): Promise<DeployedFunction> {
  return await deployFrom(account, name, { folder: await code(), ...options });
}

async function setWebhook({ telegram }: Account, { running }: DeployedFunction): Promise<void> {
  const query = new URLSearchParams({ url: running.url, secret_token: webhookSecret, allowed_updates: "[]" });
  assert.ok((await fetch(`${telegram.apiRoot}/bot${telegram.token}/setWebhook?${query}`)).ok);
}

/** On which table which actions are: allowed by the policy, done, and refused whenever they were asked for. */
function actionsOf({ gate, allowed }: DeployedFunction): {
  readonly allowed: string[];
  readonly done: string[];
  readonly refused: string[];
} {
  const nameOf = ({ action, table }: GateEntry): string => `${table} ${action}`;
  const done = new Set(gate.log.filter(({ status }) => status === 200).map(nameOf));
  const refused = new Set(gate.log.map(nameOf).filter((name) => !done.has(name)));
  const names = allowed.flatMap(({ actions, table }) => actions.map((action) => `${table} ${action}`));
  return { allowed: names.sort(), done: [...done].sort(), refused: [...refused] };
}

const onChats = ["DescribeTable", "GetItem", "Scan", "UpdateItem"].map((action) => `stack-Chats-1 ${action}`);
const onLedger = ["GetItem", "Query", "UpdateItem"].map((action) => `stack-Broadcasts-2 ${action}`);
const secretHeader = { "x-telegram-bot-api-secret-token": webhookSecret };

test("people and groups come and go by the function with the URL, whose policy allows that and no more", async () => {
  await using account = await openAccount();
  await using updates = await deploy(account, "Updates");
  await setWebhook(account, updates);
  const { telegram } = account;
  const [ada, grace] = [telegram.user({ first_name: "Ada" }), telegram.user({ first_name: "Grace" })];
  const conversation = { "/start": "subscribed", "/stop": "unsubscribed", "/status": "not subscribed" };
  for (const [text, answer] of Object.entries(conversation)) {
    ada.say(text);
    await ada.received(answer);
  }
  const group = telegram.group({ title: "Desk", administrators: [grace] });
  group.say(grace, "/start");
  await group.received("subscribed");
  grace.say("/start");
  await grace.received("subscribed");
  grace.block();
  const supergroup = group.migrate();
  supergroup.say(grace, "/status");
  await supergroup.received("This chat is subscribed");
  assert.equal([...new Set(telegram.deliveries.map(({ status }) => status))], [200]);
  // It looks for broadcasts that were left unfinished, and may not: it sends none.
  assert.equal(actionsOf(updates), {
    allowed: onChats,
    done: onChats,
    refused: ["telegram-broadcasts Query"],
  });
});

test("a signal goes out once by the function that has no URL, whose policy allows that and no more", async () => {
  await using account = await openAccount();
  await using updates = await deploy(account, "Updates");
  await using send = await deploy(account, "Send");
  await setWebhook(account, updates);
  const [ada, grace] = [account.telegram.user(), account.telegram.user()];
  for (const user of [ada, grace]) {
    user.say("/start");
    await user.received("subscribed");
  }
  grace.deactivate();
  const event = { signal, broadcastId: "1" };
  assert.match(String(await send.running.invoke(event)), "Sent to 1 of 2 chats in");
  assert.match(String(await send.running.invoke(event)), /Nothing was sent now: .* to 1 of 2 chats in/);
  assert.is(said(ada).filter((text) => text.includes("BTC-USD")).length, 1);
  const both = [...onLedger, ...onChats];
  assert.equal(actionsOf(send), { allowed: both, done: both, refused: [] });
});

test("nobody sends a signal by the URL, with or without the secret, nor by an invocation of its function", async () => {
  await using account = await openAccount();
  await using updates = await deploy(account, "Updates");
  await setWebhook(account, updates);
  const ada = account.telegram.user();
  ada.say("/start");
  await ada.received("subscribed");
  const body = JSON.stringify({ signal, broadcastId: "1", update_id: 1 });
  const { url } = updates.running;
  assert.is((await fetch(url, { method: "POST", body })).status, 401);
  assert.is((await fetch(url, { method: "POST", body, headers: secretHeader })).status, 200);
  assert.is(
    (await updates.running.invoke({ signal, broadcastId: "1" }) as { statusCode: number }).statusCode,
    401,
  );
  assert.not.match(said(ada).join(), "BTC-USD");
});

test("a request without the secret reads nothing, and asks Telegram nothing", async () => {
  await using account = await openAccount();
  await using updates = await deploy(account, "Updates");
  for (const headers of [{}, { ...secretHeader, "x-telegram-bot-api-secret-token": "0".repeat(16) }]) {
    const { status } = await fetch(updates.running.url, { method: "POST", body: "{}", headers });
    assert.is(status, 401);
  }
  assert.equal([updates.gate.requests, account.telegram.calls.length], [0, 0]);
});

test("each function reads its own secrets from SSM, once, and has them in no variable", async () => {
  await using account = await openAccount();
  await using updates = await deploy(account, "Updates");
  await using send = await deploy(account, "Send");
  const [token, secret] = ["/telegram-signals/bot-token", "/telegram-signals/webhook-secret"];
  assert.equal(updates.store.log, [{ names: [token, secret], status: 200 }]);
  assert.equal(send.store.log, [{ names: [token], status: 200 }]);
  const variables = Object.values({ ...updates.variables, ...send.variables });
  assert.not.ok(variables.some((value) => [account.telegram.token, webhookSecret].includes(value)));
});

test("a function whose secret is not in SSM, or may not be read, says so", async () => {
  await using account = await openAccount();
  const failureOf = (options: Omit<DeployOptions, "folder">): Promise<string> =>
    deploy(account, "Updates", options).then(
      () => "it has started",
      (error: Error) => error.message,
    );
  const some = { "/telegram-signals/bot-token": account.telegram.token };
  assert.match(
    await failureOf({ parameters: some }),
    "SSM has no parameter /telegram-signals/webhook-secret. Make it by aws ssm put-parameter.",
  );
  const denied = await failureOf({ policyFrom: "Send" });
  assert.match(denied, "AccessDeniedException");
  assert.not.match(denied, account.telegram.token);
});

test("with SecretsIn=variables the functions work without SSM", async () => {
  await using account = await openAccount();
  const values = { SecretsIn: "variables", BotToken: account.telegram.token, WebhookSecret: webhookSecret };
  await using updates = await deploy(account, "Updates", { values });
  await using send = await deploy(account, "Send", { values });
  await setWebhook(account, updates);
  const ada = account.telegram.user();
  ada.say("/start");
  await ada.received("subscribed");
  assert.match(String(await send.running.invoke({ signal })), "Sent to 1 of 1 chat in");
  assert.equal([...updates.store.log, ...send.store.log], []);
});

/** The commands of its README, a block each. */
function readmeBlocks(): string[] {
  const readme = readFileSync(join(root, "examples/lambda/README.md"), "utf8");
  return [...readme.matchAll(/```sh\n([^]*?)```/g)].map(([, text = ""]) => text);
}

/** `aws` keeps what it was given as a file; both programs keep their arguments, which all users of a machine can list. */
const programs = `openssl() { echo ${webhookSecret}; }
aws() { echo "aws $@" >> arguments; cat /dev/stdin > "$(basename "$4")"; }
curl() { echo "curl $@" >> arguments; command curl --silent --show-error --fail "$@"; }
`;

if (!["bash", "curl"].every(isThere)) {
  console.log("bash or curl is not on this machine: the README's are not tried.");
} else {
  test("the README's commands store the secrets and set the webhook, and no process is given one", async () => {
    await using account = await openAccount();
    await using updates = await deploy(account, "Updates");
    const { token, apiRoot } = account.telegram;
    const folder = await mkdtemp(join(await code(), "shell-"));
    const [put = "", , set = ""] = readmeBlocks();
    const filled = `${put}${set}`.replace("BOT_TOKEN=...", `BOT_TOKEN=${token}`)
      .replace("URL=...", `URL=${updates.running.url}`)
      .replace("https://api.telegram.org", apiRoot);
    await writeFile(join(folder, "commands.sh"), programs + filled);
    await succeeds(folder, "bash", "-eu", "commands.sh");
    const read = (name: string): string => readFileSync(join(folder, name), "utf8");
    assert.equal([read("bot-token"), read("webhook-secret")], [token, webhookSecret]);
    const given = read("arguments");
    assert.match(given, "aws ssm put-parameter --name /telegram-signals/bot-token");
    assert.match(given, "curl --config -");
    assert.not.ok(given.includes(token) || given.includes(webhookSecret));
    const ada = account.telegram.user();
    ada.say("/start");
    await ada.received("subscribed");
  });
}

if (!isThere("cfn-lint")) console.log("cfn-lint is not on this machine, and so not tried.");
else {
  test("cfn-lint finds no error", async () => {
    await succeeds(root, "cfn-lint", "--non-zero-exit-code", "error", "examples/lambda/template.yaml");
  });
}

test.run();
