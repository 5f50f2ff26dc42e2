/** The ways in which a first start goes wrong: each ends in one message that says what, why and what to do. */
import { CreateTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { mistakesInRuntime } from "../../lib/bot/options.ts";
import {
  type BotApiServer,
  type FaultGate,
  type LocalDynamoDB,
  startBotApiServer,
  startDynamoDB,
  startFaultGate,
} from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { deadAddress } from "../support/bot.ts";
import { type Ended, root, runScript } from "../support/script.ts";
import { rm } from "../support/leaks.ts";

interface Scene {
  readonly telegram: BotApiServer;
  readonly database: LocalDynamoDB;
  readonly gate: FaultGate;
}

type Environment = Readonly<Record<string, string>>;

interface Mishap {
  /** What is wrong with the environment or the services. */
  readonly arrange: (scene: Scene) => Environment | Promise<Environment>;
  /** 2 where it is a mistake in the settings. Default: 1. */
  readonly status?: 2;
  /** What the one message has to say: what happened, why, what to do. */
  readonly says: readonly RegExp[];
}

const nowhere = join(tmpdir(), "nowhere");
const test = suite("a newcomer's mistakes", undefined, 60_000);

/** Runs the persistence test in an environment that would be right but for what the mishap makes of it. */
async function suffer({ arrange }: Mishap): Promise<Ended> {
  await using telegram = await startBotApiServer();
  await using database = await startDynamoDB();
  await using gate = await startFaultGate({ target: database.endpoint });
  const good = {
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_API_ROOT: telegram.apiRoot,
    TELEGRAM_CHATS_TABLE: "telegram-chats",
    AWS_ENDPOINT_URL_DYNAMODB: gate.endpoint,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
    AWS_SHARED_CREDENTIALS_FILE: nowhere,
    AWS_CONFIG_FILE: nowhere,
  };
  const env = { ...good, ...await arrange({ telegram, database, gate }) };
  return await runScript(["examples/test_persistence.ts", "--no-send"], env);
}

async function createOtherTable({ endpoint, region, credentials }: LocalDynamoDB): Promise<void> {
  const client = new DynamoDBClient({ endpoint, region, credentials });
  await client.send(
    new CreateTableCommand({
      TableName: "telegram-chats",
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
      AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
    }),
  );
  client.destroy();
}

const goingOn = /Going on in memory/;

const mishaps: Readonly<Record<string, Mishap>> = {
  "no token": {
    status: 2,
    arrange: () => ({ TELEGRAM_BOT_TOKEN: "" }),
    says: [/TELEGRAM_BOT_TOKEN is not set/, /@BotFather/, /Set it in the environment, or in a file \.env/],
  },
  "a token with a space": {
    status: 2,
    arrange: () => ({ TELEGRAM_BOT_TOKEN: "123456:AAsecret of the-tests" }),
    says: [/TELEGRAM_BOT_TOKEN must be/, /without spaces/, /its value is not shown/],
  },
  "a token that Telegram refuses": {
    status: 2,
    arrange: () => ({ TELEGRAM_BOT_TOKEN: "123456:AAsecret-of-the-tests" }),
    says: [/Telegram refused the bot's token/, /Check TELEGRAM_BOT_TOKEN/],
  },
  "no credentials": {
    arrange: () => ({ AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "" }),
    says: [/for want of valid AWS credentials/, /Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY/, goingOn],
  },
  "a region that is none": {
    status: 2,
    arrange: () => ({ AWS_REGION: "us east 1" }),
    says: [/AWS_REGION must be an AWS region such as us-east-1/, /current value is "us east 1"/],
  },
  "a region that does not exist": {
    arrange: () => ({ AWS_REGION: "us-esat-1", AWS_ENDPOINT_URL_DYNAMODB: "" }),
    says: [/DynamoDB is not to be had in the region/, /"us-esat-1"/, /Check AWS_REGION/, goingOn],
  },
  "a region that the credentials are not for": {
    arrange({ gate }) {
      const message = "Credential should be scoped to a valid region, not 'us-east-1'.";
      gate.fail({ status: 400, type: "InvalidSignatureException", message });
      return {};
    },
    says: [/DynamoDB is not to be had in the region/, /"us-east-1"/, /Check AWS_REGION/, goingOn],
  },
  "no permission": {
    arrange({ gate }) {
      gate.deny();
      return {};
    },
    says: [/AWS denies dynamodb:DescribeTable on the table "telegram-chats"/, /in the IAM policy/, goingOn],
  },
  "a table with another key": {
    async arrange({ database }) {
      await createOtherTable(database);
      return {};
    },
    says: [/has the key id \(S, HASH\)/, /chats need chat_id \(N, HASH\)/, /TELEGRAM_CHATS_TABLE/, goingOn],
  },
  "a clock that is off by an hour": {
    arrange({ gate }) {
      const message = "Signature expired: 20261125T090000Z is now earlier than 20261125T094500Z";
      gate.fail({ status: 400, type: "InvalidSignatureException", message });
      return {};
    },
    says: [/this machine's clock is wrong/, /Set the clock/, goingOn],
  },
  "no network to AWS": {
    arrange: async () => ({ AWS_ENDPOINT_URL_DYNAMODB: await deadAddress() }),
    says: [/DynamoDB cannot be reached/, /refused/i, /Check the network, proxy and firewall/, goingOn],
  },
  "no network to Telegram": {
    arrange: async () => ({ TELEGRAM_API_ROOT: await deadAddress() }),
    says: [/Telegram cannot be reached at http/, /refused/i, /Check the network/],
  },
};

test("the bot's README has each of these messages, and says what to do", () => {
  const readme = readFileSync(join(root, "lib/bot/README.md"), "utf8");
  for (const [what, { says: [message] }] of Object.entries(mishaps)) {
    assert.ok(message?.test(readme), `${what}: ${message}`);
  }
});

for (const [what, mishap] of Object.entries(mishaps)) {
  test(`${what}: one message, no stack trace, and an exit status`, async () => {
    const { status, output } = await suffer(mishap);
    for (const words of mishap.says) assert.match(output, words);
    assert.not.match(output, /^\s+at /m, "no stack trace");
    assert.not.match(output, /AAsecret|undefined|\[object/);
    const lines = output.trim().split("\n");
    // In memory, the bot says besides what it goes on with.
    assert.is(lines.length, mishap.says.includes(goingOn) ? 4 : 1, output);
    assert.is(status, mishap.status ?? 1);
  });
}

test("a second poller: the scheduler says so once, and goes on", async () => {
  await using telegram = await startBotApiServer();
  await using database = await startDynamoDB();
  const description = "Conflict: terminated by other getUpdates request; make sure that only one bot " +
    "instance is running";
  telegram.fault({ method: "getUpdates", times: Infinity, answer: { error_code: 409, description } });
  const env = {
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_API_ROOT: telegram.apiRoot,
    AWS_ENDPOINT_URL_DYNAMODB: database.endpoint,
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  };
  const args = ["examples/live_scheduler.ts", "--interval", "0.05", "--signals", "1"];
  const { status, output } = await runScript(args, env, "-P=sandbox");
  assert.is(output.split("Another program polls with this bot's token").length, 2, output);
  assert.match(output, "Sent to 0 of 0 chats");
  assert.not.match(output, /^\s+at /m);
  assert.is(status, 0);
});

if (process.versions["deno"]) {
  test("deno run -P asks no question about what the AWS SDK looks for", async () => {
    const file = join(root, ".sandbox", `asks-${process.pid}.ts`);
    const state = 'Deno.permissions.querySync({ name: "read", path: "/home/nobody/.aws/config" }).state';
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, `console.log(${state});`);
    // At a terminal, "prompt" would be a question.
    assert.is((await runScript([file])).output, "denied\n");
    await rm(file);
  });
}

test("a Node or a Bun that is too old is named, with the one that is needed", () => {
  assert.equal(mistakesInRuntime({ node: "18.20.8" }), [
    "This is Node 18.20.8, but 20.3 or later is needed: install one from https://nodejs.org, or use Deno.",
  ]);
  assert.match(mistakesInRuntime({ node: "20.2.0" }).join(), "This is Node 20.2.0");
  for (const node of ["20.3.0", "20.20.2", "22.0.0"]) assert.equal(mistakesInRuntime({ node }), []);
  assert.equal(mistakesInRuntime({ node: "24.3.0", bun: "1.3.14" }), [
    "This is Bun 1.3.14, but 1.4 or later is needed: `bun upgrade`, or use Node or Deno.",
  ]);
  for (const bun of ["1.4.5", "1.10.0", "2.0.0"]) {
    assert.equal(mistakesInRuntime({ node: "24.3.0", bun }), []);
  }
  assert.equal(mistakesInRuntime(process.versions), []);
});

test.run();
