/** The fault gate in front of the embedded DynamoDB. */
import {
  type CreateTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  GetItemCommand,
  ListTablesCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import type { FaultGate } from "../../../lib/local/dynamodb/fault_gate.ts";
import { startFaultGate } from "../../../lib/local/dynamodb/fault_proxy.ts";
import { iamActions } from "../../../lib/local/dynamodb/iam.ts";
import { type LocalDynamoDB, startDynamoDB } from "../../../lib/local/dynamodb/server.ts";
import { assert, suite } from "../../harness.ts";
import {
  add,
  clientOf,
  createActiveTable,
  createTable,
  failure,
  get,
  Key,
  put,
  TableName,
} from "../../support/chats_table.ts";

const test = suite<Setup>("local/dynamodb/fault_proxy", {} as Setup);

interface Setup {
  db: LocalDynamoDB;
  gate: FaultGate;
  /** Through the gate, one attempt. */
  client: DynamoDBClient;
  /** Past the gate. */
  direct: DynamoDBClient;
}

test.before.each(async (state) => {
  state.db = await startDynamoDB();
  state.gate = await startFaultGate({ target: state.db.endpoint });
  state.client = clientOf(state.gate.endpoint);
  state.direct = clientOf(state.db.endpoint);
  await createActiveTable(state.direct);
  await state.direct.send(put());
});

test.after.each(async ({ gate, db, client, direct }) => {
  client.destroy();
  direct.destroy();
  await gate.close();
  await db.close();
});

async function storedCount({ direct }: Setup): Promise<number> {
  const { Item } = await direct.send(get());
  return Number(Item?.["message_count"]?.N);
}

test("endpoint answers as the DynamoDB behind it, and counts and logs", async ({ gate, client }) => {
  await client.send(add());
  const { Item } = await client.send(get());
  assert.is(Item?.["message_count"]?.N, "1");
  const missing = new GetItemCommand({ TableName: "elsewhere", Key });
  assert.is((await failure(client.send(missing))).name, "ResourceNotFoundException");
  assert.equal([gate.requests, gate.count("GetItem"), gate.count("UpdateItem"), gate.count("Scan")], [
    3,
    2,
    1,
    0,
  ]);
  assert.equal(gate.log, [
    { action: "UpdateItem", table: TableName, status: 200 },
    { action: "GetItem", table: TableName, status: 200 },
    { action: "GetItem", table: "elsewhere", status: 400 },
  ]);
  gate.resetCounts();
  assert.equal([gate.requests, gate.count("GetItem")], [0, 0]);
});

test("deny() refuses one action in the service's words until it is cleared", async ({ gate, client }) => {
  const fault = gate.deny("GetItem");
  const error = await failure(client.send(get()));
  assert.is(error.name, "AccessDeniedException");
  assert.is(error.$metadata?.httpStatusCode, 400);
  assert.is(
    error.message,
    "User: arn:aws:iam::000000000000:user/local is not authorized to perform: dynamodb:GetItem on resource: " +
      "arn:aws:dynamodb:us-east-1:000000000000:table/telegram-chats because no identity-based policy allows the " +
      "dynamodb:GetItem action",
  );
  await client.send(add());
  fault.clear();
  await client.send(get());
  assert.is(fault.fired, 1);
});

test(
  "throttle() plays both exceptions, and the SDK's retry overcomes one of them",
  async ({ gate, client }) => {
    const fault = gate.throttle({ times: 1 });
    assert.is((await failure(client.send(get()))).name, "ThrottlingException");
    await client.send(get());
    assert.is(fault.fired, 1);
    gate.throttle({ times: 1, type: "ProvisionedThroughputExceededException" });
    assert.is((await failure(client.send(get()))).name, "ProvisionedThroughputExceededException");
    gate.resetCounts();
    gate.fail({ times: 1, status: 500, type: "InternalServerError", message: "Internal server error" });
    const retrying = clientOf(gate.endpoint, 2);
    assert.is((await retrying.send(get())).$metadata.attempts, 2);
    assert.is(gate.count("GetItem"), 2);
    retrying.destroy();
  },
);

test("fail() gives any error its name and its words", async ({ gate, client }) => {
  const message = "Credential should be scoped to a valid region. ";
  gate.fail({ action: "GetItem", status: 400, type: "InvalidSignatureException", message });
  const error = await failure(client.send(get()));
  assert.equal([error.name, error.message], ["InvalidSignatureException", message]);
});

test("hang() never answers, and what it holds ends at close()", async ({ gate, client }) => {
  gate.hang({ action: "GetItem" });
  const abortSignal = AbortSignal.timeout(100);
  assert.is((await failure(client.send(get(), { abortSignal }))).name, "AbortError");
  await client.send(add());
  const held = failure(client.send(get()));
  while (gate.log.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(gate.log.map(({ status }) => status), ["hung", 200, "hung"]);
  await gate.close();
  assert.ok((await held).code);
});

test("loseAnswers() lets the write take effect", async (state) => {
  const fault = state.gate.loseAnswers({ action: "UpdateItem", times: 1 });
  assert.is((await failure(state.client.send(add()))).code, "ECONNRESET");
  assert.is(await storedCount(state), 1);
  assert.is(fault.fired, 1);
  assert.equal(state.gate.log.map(({ status }) => status), ["lost"]);
});

test("refuse() does not let it take effect", async (state) => {
  state.gate.refuse({ times: 1 });
  assert.is((await failure(state.client.send(add()))).code, "ECONNRESET");
  assert.is(await storedCount(state), 0);
  assert.equal(state.gate.log.map(({ status }) => status), ["refused"]);
  await state.client.send(add());
  assert.is(await storedCount(state), 1);
});

test("delay() holds the request, and another fault may follow", async ({ gate, client }) => {
  gate.delay({ ms: 60, action: "GetItem" });
  gate.throttle({ action: "GetItem", times: 1 });
  const start = Date.now();
  assert.is((await failure(client.send(get()))).name, "ThrottlingException");
  await client.send(get());
  assert.ok(Date.now() - start >= 110);
});

test("close() does not wait for a delay", async ({ gate, client }) => {
  gate.delay({ ms: 60_000 });
  const held = failure(client.send(get()));
  while (gate.requests === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await gate.close();
  assert.ok((await held).code);
});

test("share decides by the random source", async ({ db }) => {
  const draws = [0.29, 0.3, 0.9, 0.1];
  await using gate = await startFaultGate({ target: db.endpoint, random: () => draws.shift() ?? 0 });
  gate.throttle({ share: 0.3 });
  const client = clientOf(gate.endpoint);
  for (let request = 0; request < 4; request++) await client.send(get()).catch(() => {});
  assert.equal(gate.log.map(({ status }) => status), [400, 200, 200, 400]);
  client.destroy();
});

test("faults refuse values that mean nothing", ({ gate }) => {
  const refused: readonly [() => unknown, string][] = [
    [() => gate.hang({ share: 1.5 }), '"share" must be a number between 0 and 1: current value is 1.5'],
    [() => gate.hang({ share: NaN }), '"share"'],
    [() => gate.hang({ share: "0.5" as never }), `"share" .* current value is "0.5"`],
    [
      () => gate.refuse({ times: 0 }),
      '"times" must be a whole number above 0, or Infinity: current value is 0',
    ],
    [() => gate.refuse({ times: "2" as never }), '"times" .* current value is "2"'],
    [() => gate.delay({ ms: "x" as never }), '"ms" must be a number of milliseconds from 0 on: .* "x"'],
    [() => gate.delay({ ms: -1 }), '"ms"'],
    [
      () => gate.fail({ status: 200, type: "x", message: "x" }),
      '"status" .* 400 to 599: current value is 200',
    ],
    [() => gate.fail({ status: 400, type: "x" } as never), '"message" must be a text: .* undefined'],
    [() => gate.throttle({ type: "Throttling" as never }), '"type" .* .did you mean "ThrottlingException"'],
  ];
  for (const [call, words] of refused) assert.throws(call, new RegExp(`^Cannot set a fault as ${words}`));
});

test("misspelt actions are refused wherever they are named; unknown ones are not", async ({ gate }) => {
  const rule =
    'must be the name of a DynamoDB action such as "UpdateItem", in its own spelling, without "dynamodb:"';
  const refused: readonly [() => unknown, string][] = [
    [() => gate.deny("Scann"), 'set a fault as "action"'],
    [() => gate.hang({ action: "scan" }), 'set a fault as "action"'],
    [() => gate.deny("dynamodb:Scan"), 'set a fault as "action"'],
    [() => gate.before("Scna", () => {}), 'set a hook as "action"'],
    [() => gate.count("Scans"), 'count requests as "action"'],
  ];
  for (const [call, words] of refused) {
    assert.throws(call, new RegExp(`^Cannot ${words} ${rule}: current value is ".*" .did you mean "Scan"`));
  }
  assert.throws(
    () => gate.deny({ action: "Scan" } as never),
    /"action" must be .* current value is \{ action/,
  );
  assert.throws(() => gate.before("Scan", 1 as never), /^Cannot set a hook as "hook" must be a function/);
  for (const action of ["CreateBackup", "SomethingNew", "TransactGetItems"]) gate.deny(action).clear();
  assert.is(gate.count(""), 0);
  const allow = { actions: ["GetItm"], table: TableName };
  const error = await failure(startFaultGate({ target: gate.endpoint, allow }));
  assert.match(error.message, /^Cannot start the gate as "actions\[0\]" must .* mean "GetItem"/);
});

test("before() lets another writer go first", async (state) => {
  const { gate, client, direct } = state;
  const seen: unknown[] = [];
  const handle = gate.before("UpdateItem", async (request) => {
    seen.push(request["Key"]);
    await direct.send(
      new UpdateItemCommand({ ...add().input, ExpressionAttributeValues: { ":one": { N: "10" } } }),
    );
  });
  const once = new UpdateItemCommand({ ...add().input, ConditionExpression: "message_count < :one" });
  assert.is((await failure(client.send(once))).name, "ConditionalCheckFailedException");
  assert.equal([handle.fired, await storedCount(state), seen], [1, 10, [Key]]);
  handle.clear();
  await client.send(add());
  assert.is(await storedCount(state), 11);
});

test(
  "before() does not run for what is not forwarded, and its failure reaches the client",
  async (state) => {
    const { gate, client } = state;
    const handle = gate.before("UpdateItem", () => {
      throw new Error("not now");
    });
    gate.refuse({ times: 1 });
    await failure(client.send(add()));
    assert.is(handle.fired, 0);
    const error = await failure(client.send(add()));
    assert.equal([error.name, /not now/.test(error.message), await storedCount(state)], [
      "HookFailed",
      true,
      0,
    ]);
  },
);

test("clear() ends all faults", async ({ gate, client }) => {
  gate.deny();
  gate.before("GetItem", () => Promise.reject(new Error("never")));
  gate.clear();
  await client.send(get());
});

test("allow refuses other actions and other tables", async ({ db }) => {
  await using gate = await startFaultGate({
    target: db.endpoint,
    allow: { actions: iamActions, table: TableName },
  });
  const client = clientOf(gate.endpoint);
  await client.send(get());
  for (const refused of [createTable("telegram-broadcasts"), new ListTablesCommand({})]) {
    assert.is((await failure(client.send(refused as CreateTableCommand))).name, "AccessDeniedException");
  }
  assert.equal((await clientOf(db.endpoint).send(new ListTablesCommand({}))).TableNames, [TableName]);
  client.destroy();
});

test("allow takes several tables, each with actions of its own", async ({ db }) => {
  const other = { actions: ["CreateTable", "DescribeTable"], table: "telegram-broadcasts" };
  const allow = [{ actions: ["GetItem"], table: TableName }, other];
  await using gate = await startFaultGate({ target: db.endpoint, allow });
  const client = clientOf(gate.endpoint);
  await client.send(get());
  await client.send(createTable(other.table));
  for (const refused of [createTable("a-third"), new DescribeTableCommand({ TableName })]) {
    assert.is((await failure(client.send(refused as CreateTableCommand))).name, "AccessDeniedException");
  }
  client.destroy();
});

test("the target's absence is a broken connection", async ({ db, client }) => {
  await db.close();
  assert.is((await failure(client.send(get()))).code, "ECONNRESET");
});

test("startFaultGate() refuses a target that it cannot forward to", async () => {
  const error = await failure(startFaultGate({ target: "https://dynamodb.us-east-1.amazonaws.com" }));
  assert.match(error.message, /"target" must be an http:\/\/ endpoint/);
  for (const options of [{}, { target: "127.0.0.1" }, { target: new URL("http://127.0.0.1") }, undefined]) {
    const { message } = await failure(startFaultGate(options as never));
    assert.match(
      message,
      /^Cannot start the gate as "target" must be an http:\/\/ endpoint, such as the endpoint of /,
    );
  }
});

test.run();
