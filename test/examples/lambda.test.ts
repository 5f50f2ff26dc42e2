/** The SAM template makes the tables that the code expects, and allows what it asks for. */
import { chatSchema, ledgerSchema, type Schema } from "../../lib/dynamodb/table.ts";
import { iamPolicy } from "../../lib/local/dynamodb/iam.ts";
import { assert, suite } from "../harness.ts";
import { readTemplate, type Value } from "../support/template.ts";

const { Parameters, Resources } = readTemplate();
const { Bot, Chats, Broadcasts } = Resources;
const test = suite("examples/lambda/template.yaml");

const asCreated = ({ need: _need, setting: _setting, ...schema }: Schema): unknown => ({
  ...schema,
  BillingMode: "PAY_PER_REQUEST",
});

test("its tables are those that the code would make", () => {
  assert.equal(Chats.Properties, asCreated(chatSchema));
  assert.equal(Broadcasts.Properties, asCreated(ledgerSchema));
});

test("its tables outlive it", () => {
  for (const { Type, DeletionPolicy, UpdateReplacePolicy } of [Chats, Broadcasts]) {
    assert.equal([Type, DeletionPolicy, UpdateReplacePolicy], ["AWS::DynamoDB::Table", "Retain", "Retain"]);
  }
});

/** CloudFormation's reference to a table as the policy's own name for it. */
function resourceOf(value: Value): string {
  const text = Object.values(value).join();
  return text.replace(
    /^\$\{(\w+)\.Arn\}|^(\w+)\.Arn/,
    (_, sub, att) => `arn:aws:dynamodb:*:*:table/${sub ?? att}`,
  );
}

test("its policy is the one that the tests enforce", () => {
  assert.is(Bot.Properties.Policies.length, 1);
  const [policy] = Bot.Properties.Policies;
  const statements = policy?.Statement.map((each) => ({ ...each, Resource: each.Resource.map(resourceOf) }));
  assert.equal({ ...policy, Statement: statements }, iamPolicy("Chats", "Broadcasts"));
});

test("token and secret are parameters that are not shown, and its variables are those that the code reads", () => {
  assert.equal(Bot.Properties.Environment.Variables, {
    TELEGRAM_BOT_TOKEN: { Ref: "BotToken" },
    TELEGRAM_WEBHOOK_SECRET: { Ref: "WebhookSecret" },
    TELEGRAM_CHATS_TABLE: { Ref: "Chats" },
    TELEGRAM_BROADCASTS_TABLE: { Ref: "Broadcasts" },
  });
  for (const name of ["BotToken", "WebhookSecret"]) assert.is(Parameters[name]?.NoEcho, true, name);
});

test("no IAM stands between Telegram and the bot", () => {
  assert.is(Bot.Properties.FunctionUrlConfig.AuthType, "NONE");
});

test.run();
