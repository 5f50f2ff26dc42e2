/** What the SAM template promises: two functions that share nothing but the tables, each with what it needs. */
import { chatSchema, ledgerSchema, type Schema } from "../../lib/dynamodb/table.ts";
import { assert, suite } from "../harness.ts";
import { Deployment, type Statement } from "../support/template.ts";

const deployment = new Deployment({});
const { Parameters, Resources } = deployment.template;
const inVariables = new Deployment({
  SecretsIn: "variables",
  BotToken: "the token",
  WebhookSecret: "the secret",
});
const test = suite("examples/lambda/template.yaml");

const tables = { Chats: chatSchema, Broadcasts: ledgerSchema } as const;
const functions = ["Updates", "Send"] as const;

const asCreated = ({ need: _need, setting: _setting, ...schema }: Schema): object => ({
  ...schema,
  BillingMode: "PAY_PER_REQUEST",
});

test("its tables are those that the code would make, protected, and recoverable to any point in time", () => {
  for (const [name, schema] of Object.entries(tables)) {
    assert.equal(Resources[name]?.Properties, {
      ...asCreated(schema),
      DeletionProtectionEnabled: true,
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    });
  }
});

test("its tables outlive it", () => {
  for (const name of Object.keys(tables)) {
    const { Type, DeletionPolicy, UpdateReplacePolicy } = Resources[name] ?? {};
    assert.equal([Type, DeletionPolicy, UpdateReplacePolicy], ["AWS::DynamoDB::Table", "Retain", "Retain"]);
  }
});

test("the function that has a URL is not the one that sends", () => {
  const [updates, send] = functions.map((name) => deployment.propertiesOf(name));
  // No IAM stands between Telegram and the bot.
  assert.equal(updates?.["FunctionUrlConfig"], { AuthType: "NONE" });
  assert.equal([send?.["FunctionUrlConfig"], send?.["Events"]], [undefined, undefined]);
  assert.equal([updates?.["Handler"], send?.["Handler"]], ["updates.handler", "send.handler"]);
  assert.is.not(updates?.["Role"], send?.["Role"]);
});

test("each function has instances of its own, unless the account has none to reserve", () => {
  const reserved = (deployed: Deployment): unknown[] =>
    functions.map((name) => deployed.propertiesOf(name)["ReservedConcurrentExecutions"]);
  assert.equal(reserved(deployment), ["5", "5"]);
  assert.equal(reserved(new Deployment({ ReservedConcurrency: "0" })), [undefined, undefined]);
});

test("secrets come from SSM, or from variables when that is asked for; no parameter shows one", () => {
  const token = { TELEGRAM_BOT_TOKEN_PARAMETER: "/telegram-signals/bot-token" };
  const secret = { TELEGRAM_WEBHOOK_SECRET_PARAMETER: "/telegram-signals/webhook-secret" };
  const chats = { TELEGRAM_CHATS_TABLE: "Chats" };
  const broadcasts = { TELEGRAM_BROADCASTS_TABLE: "Broadcasts" };
  assert.equal(deployment.variablesOf("Updates"), { ...chats, ...token, ...secret });
  assert.equal(deployment.variablesOf("Send"), { ...chats, ...token, ...broadcasts });
  const plain = { TELEGRAM_BOT_TOKEN: "the token" };
  assert.equal(inVariables.variablesOf("Updates"), {
    ...{ ...chats, ...plain },
    TELEGRAM_WEBHOOK_SECRET: "the secret",
  });
  assert.equal(inVariables.variablesOf("Send"), { ...chats, ...plain, ...broadcasts });
  for (const name of ["BotToken", "WebhookSecret"]) assert.is(Parameters[name]?.NoEcho, true, name);
});

/** What each function may do, and on what. */
const parameter = (name: string): string =>
  `arn:aws:ssm:us-east-1:123456789012:parameter/telegram-signals/${name}`;
const onChats = ["Chats.Arn: dynamodb:DescribeTable, dynamodb:GetItem, dynamodb:UpdateItem, dynamodb:Scan"];
const allowed: Readonly<Record<string, readonly string[]>> = {
  Updates: [
    ...onChats,
    "UpdatesLog.Arn: logs:CreateLogStream, logs:PutLogEvents",
    `${parameter("bot-token")} ${parameter("webhook-secret")}: ssm:GetParameters`,
  ],
  Send: [
    ...onChats,
    "Broadcasts.Arn: dynamodb:GetItem, dynamodb:UpdateItem",
    "Broadcasts.Arn/index/open: dynamodb:Query",
    "SendLog.Arn: logs:CreateLogStream, logs:PutLogEvents",
    `${parameter("bot-token")}: ssm:GetParameters`,
  ],
};

const textOf = ({ Effect, Action, Resource }: Statement): string =>
  Effect === "Allow" ? `${Resource.join(" ")}: ${Action.join(", ")}` : Effect;

for (const name of functions) {
  test(`${name}: its role allows what it uses, by name, and nothing else`, () => {
    assert.equal(deployment.statementsOf(name).map(textOf), allowed[name]);
    const withoutSsm = allowed[name]?.filter((text) => !text.endsWith("ssm:GetParameters"));
    assert.equal(inVariables.statementsOf(name).map(textOf), withoutSsm);
    // SAM would add a policy for all logs to a role that it makes.
    const { ManagedPolicyArns, AssumeRolePolicyDocument } = deployment.propertiesOf(`${name}Role`);
    assert.is(ManagedPolicyArns, undefined);
    assert.equal(AssumeRolePolicyDocument, {
      Version: "2012-10-17",
      Statement: [{
        Effect: "Allow",
        Principal: { Service: "lambda.amazonaws.com" },
        Action: "sts:AssumeRole",
      }],
    });
  });

  test(`${name}: its log is kept for a month`, () => {
    assert.equal(deployment.propertiesOf(name)["LoggingConfig"], { LogGroup: `${name}Log` });
    const { Type, Properties } = Resources[`${name}Log`] ?? {};
    assert.equal([Type, Properties], ["AWS::Logs::LogGroup", { RetentionInDays: 30 }]);
  });
}

test.run();
