/** The simulated DynamoDB: the contract suites of storages and ledgers on it, and what these do not reach. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { createDynamoDBClient } from "../../lib/dynamodb/client.ts";
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { DynamoDBLedger } from "../../lib/dynamodb/ledger.ts";
import { chatSchema, ledgerSchema } from "../../lib/dynamodb/table.ts";
import { ledgerContract } from "../contracts/ledger.ts";
import { storageContract } from "../contracts/chat_storage.ts";
import { assert, suite } from "../harness.ts";
import { noon } from "../support/chats.ts";
import { testKeys } from "../support/client.ts";
import { TestClock } from "../support/storage.ts";
import { fetchOf } from "./service_fetch.ts";
import {
  type Item,
  sdkItem,
  SimulatedDynamoDB,
  type SimulatedDynamoDBOptions,
  wireItem,
} from "./dynamodb/dynamodb.ts";
import type { Service } from "./service.ts";

/** The client exactly as the storage makes it, with keys that are set here rather than by the environment. */
function clientOf(service: Service): DynamoDBClient {
  const client = createDynamoDBClient("us-east-1", fetchOf(service));
  return Object.assign(client, {
    config: Object.assign(client.config, { credentials: () => Promise.resolve(testKeys) }),
  });
}

const nothing = (): Promise<void> => Promise.resolve();

for (const pageItems of [undefined, 2]) {
  const name = `SimulatedDynamoDB with ${pageItems ?? "all"} items on a page`;
  const paging = pageItems === undefined ? {} : { pageItems };

  storageContract(name, async ({ clock, logger }) => {
    const db = new SimulatedDynamoDB({ now: () => clock.now(), createMs: 2500, ...paging });
    let requests = 0;
    let interleaved: (() => Promise<unknown>) | undefined;
    const client = clientOf({
      async handle(request) {
        requests++;
        const other = interleaved;
        if (other !== undefined && request.headers.get("x-amz-target")?.endsWith("UpdateItem")) {
          interleaved = undefined;
          await other();
        }
        return await db.handle(request);
      },
    });
    const storage = new TelegramDynamoDBStorage({ tableName: "chats", client, clock, logger });
    const before = clock.now();
    await storage.createTableIfNotExists();
    clock.ms = before;
    return { storage, interleave: (other) => void (interleaved = other), requests: () => requests };
  }, nothing);

  ledgerContract(name, () => {
    const clock = new TestClock(noon);
    const db = new SimulatedDynamoDB({ now: () => clock.now(), createMs: 2500, ...paging });
    const ledger = () => new DynamoDBLedger({ client: clientOf(db), clock });
    return Promise.resolve([ledger(), ledger()] as const);
  }, nothing);
}

const test = suite("SimulatedDynamoDB");

const [chats, runs] = ["chats", "runs"];

function openTables(options: SimulatedDynamoDBOptions = {}): SimulatedDynamoDB {
  const db = new SimulatedDynamoDB(options);
  db.create({ TableName: chats, ...chatSchema });
  db.create({ TableName: runs, ...ledgerSchema });
  return db;
}

const chatKey = (id: number): Item => ({ chat_id: { N: String(id) } });
const runItem = (id: string, more: Item = {}): Item => ({
  broadcast_id: { S: id },
  record: { S: "run" },
  ...more,
});
const open: Item = { open: { S: "open" } };

/** The error's type and message, or the answer. */
function ask(db: SimulatedDynamoDB, action: string, input: object): unknown {
  const { status, body } = db.answer(action, input);
  if (status === 200) return body;
  const { __type, message } = body as { readonly __type: string; readonly message: string };
  return `${__type.split("#")[1]}: ${message}`;
}

function openRuns(db: SimulatedDynamoDB): string[] {
  const { Items } = ask(db, "Query", {
    TableName: runs,
    IndexName: "open",
    KeyConditionExpression: "#open = :open",
    ExpressionAttributeNames: { "#open": "open" },
    ExpressionAttributeValues: { ":open": { S: "open" } },
  }) as { readonly Items: readonly Item[] };
  return Items.map((item) => item["broadcast_id"]?.S ?? "").sort();
}

test("a table is CREATING for as long as it is told, and takes no requests before", () => {
  let now = noon;
  const db = new SimulatedDynamoDB({ now: () => now, createMs: 1000 });
  const { need: _need, setting: _setting, ...schema } = chatSchema;
  const input = { TableName: chats, ...schema };
  const statusIn = (body: unknown): unknown =>
    Object.values(body as Record<string, { readonly TableStatus: string }>)[0]?.TableStatus;
  const notFound = "ResourceNotFoundException: Requested resource not found";
  assert.is(ask(db, "DescribeTable", input), `${notFound}: Table: chats not found`);
  assert.is(statusIn(ask(db, "CreateTable", input)), "CREATING");
  assert.is(ask(db, "CreateTable", input), "ResourceInUseException: Table already exists: chats");
  now += 999;
  assert.is(statusIn(ask(db, "DescribeTable", input)), "CREATING");
  assert.is(ask(db, "GetItem", { TableName: chats, Key: chatKey(1) }), notFound);
  now += 1;
  assert.is(statusIn(ask(db, "DescribeTable", input)), "ACTIVE");
  assert.equal(ask(db, "GetItem", { TableName: chats, Key: chatKey(1) }), {});
  assert.is(statusIn(ask(db, "DeleteTable", input)), "DELETING");
  assert.is(ask(db, "GetItem", { TableName: chats, Key: chatKey(1) }), notFound);
});

test("an index follows when it is told to, and an earlier write undoes no later one", () => {
  const tasks: (() => void)[] = [];
  const db = openTables({ catchUp: (task) => void tasks.push(task) });
  ask(db, "PutItem", { TableName: runs, Item: runItem("a", open) });
  ask(db, "PutItem", { TableName: runs, Item: runItem("b", open) });
  ask(db, "PutItem", { TableName: runs, Item: runItem("a") });
  assert.equal(openRuns(db), []);
  tasks[2]?.();
  tasks[0]?.();
  assert.equal(openRuns(db), []);
  tasks[1]?.();
  assert.equal(openRuns(db), ["b"]);
  ask(db, "DeleteItem", { TableName: runs, Key: runItem("b") });
  assert.equal(openRuns(db), ["b"]);
  tasks[3]?.();
  assert.equal(openRuns(db), []);
  db.put(runs, runItem("c", open));
  assert.equal(openRuns(db), ["c"], "what is put past everything is there at once");
});

test("onWrite is told of every write of a request, and of nothing else", () => {
  const writes: unknown[] = [];
  const db = openTables({ onWrite: (...write) => void writes.push(write) });
  db.put(chats, { ...chatKey(1), message_count: { N: "1" } });
  const update = {
    TableName: chats,
    Key: chatKey(1),
    UpdateExpression: "ADD message_count :one",
    ConditionExpression: "message_count = :one",
    ExpressionAttributeValues: { ":one": { N: "1" } },
    ReturnValuesOnConditionCheckFailure: "ALL_OLD",
  };
  ask(db, "UpdateItem", update);
  const [one, two] = ["1", "2"].map((N) => ({ ...chatKey(1), message_count: { N } }));
  assert.equal(writes, [[chats, one, two]]);
  const { body } = db.answer("UpdateItem", update);
  assert.equal((body as { readonly Item: Item }).Item, two, "a refused condition carries the item");
  const { ReturnValuesOnConditionCheckFailure: _none, ...plain } = update;
  assert.not("Item" in (db.answer("UpdateItem", plain).body as object));
  ask(db, "DeleteItem", { TableName: chats, Key: chatKey(1) });
  ask(db, "DeleteItem", { TableName: chats, Key: chatKey(1) });
  assert.equal(writes.slice(1), [[chats, two, undefined]]);
  assert.equal(db.items(chats), []);
});

test("pages end at a megabyte, and segments share out all items", () => {
  const db = openTables();
  const note = { S: "é".repeat(150_000) };
  for (let id = 1; id <= 10; id++) db.put(chats, { ...chatKey(id), note });
  for (const TotalSegments of [1, 4]) {
    const seen: number[] = [];
    let pages = 0;
    for (let Segment = 0; Segment < TotalSegments; Segment++) {
      let from: Item | undefined;
      do {
        const input = { TableName: chats, Segment, TotalSegments, ExclusiveStartKey: from };
        const page = ask(db, "Scan", input) as { Items: Item[]; LastEvaluatedKey?: Item };
        assert.ok(page.Items.length <= 4);
        seen.push(...page.Items.map((item) => Number(item["chat_id"]?.N)));
        from = page.LastEvaluatedKey;
        pages++;
      } while (from !== undefined);
    }
    assert.equal(seen.sort((one, other) => one - other), Array.from({ length: 10 }, (_, index) => index + 1));
    assert.ok(pages >= 3);
  }
});

test("an item has 400 KB at most, its names and characters counted in bytes", () => {
  const db = openTables();
  const put = (text: string): unknown =>
    ask(db, "PutItem", { TableName: chats, Item: { ...chatKey(1), note: { S: text } } });
  const room = 400 * 1024 - "chat_id".length - "note".length - 2;
  assert.equal(put("x".repeat(room)), {});
  assert.equal(put("é".repeat(Math.floor(room / 2))), {});
  const tooLarge = "ValidationException: Item size has exceeded the maximum allowed size";
  for (const text of ["x".repeat(room + 1), "é".repeat(Math.floor(room / 2) + 1)]) {
    assert.is(put(text), tooLarge);
  }
});

const refusals: readonly (readonly [title: string, input: object, message: RegExp])[] = [
  ["a reserved name", { UpdateExpression: "SET name = :v" }, /reserved keyword: name$/],
  [
    "a name that is not given",
    { UpdateExpression: "SET #n = :v" },
    /name used .* not defined; attribute name: #n$/,
  ],
  [
    "a value that is not given",
    { UpdateExpression: "SET a = :w" },
    /value used .* not defined; attribute value: :w$/,
  ],
  [
    "a value that is not used",
    { UpdateExpression: "REMOVE a" },
    /ExpressionAttributeValues unused .*\{:v\}$/,
  ],
  ["a name that is not used", {
    UpdateExpression: "SET a = :v",
    ExpressionAttributeNames: { "#n": "n" },
  }, /ExpressionAttributeNames unused .*\{#n\}$/],
  ["what is no expression", { UpdateExpression: "SET a :v" }, /Syntax error; token: ":v", near: "a :v"$/],
  ["a condition that ends early", {
    UpdateExpression: "SET a = :v",
    ConditionExpression: "a = :v AND",
  }, /Syntax error; token: "<EOF>"/],
  ["parentheses in parentheses", {
    UpdateExpression: "SET a = :v",
    ConditionExpression: "((a = :v))",
  }, /redundant parentheses;$/],
  ["an unknown function", {
    UpdateExpression: "SET a = :v",
    ConditionExpression: "is_there(a)",
  }, /Invalid function name; function: is_there$/],
  [
    "a change of the key",
    { UpdateExpression: "SET chat_id = :v" },
    /chat_id. This attribute is part of the key$/,
  ],
  ["a number of 39 digits", {
    UpdateExpression: "SET a = :v",
    ExpressionAttributeValues: { ":v": { N: "1".repeat(39) } },
  }, /more than 38 significant digits in a Number for key :v$/],
];

for (const [title, input, message] of refusals) {
  test(`UpdateItem refuses ${title}`, () => {
    const db = openTables({ onWrite: () => assert.unreachable("it writes") });
    const values = { ":v": { N: "1" } };
    const request = { TableName: chats, Key: chatKey(1), ExpressionAttributeValues: values, ...input };
    for (let time = 1; time <= 2; time++) {
      const answer = String(ask(db, "UpdateItem", request));
      assert.match(answer, /^ValidationException: /);
      assert.match(answer, message);
    }
  });
}

test("what the model does not know is no answer but an error", () => {
  const db = openTables();
  assert.is(ask(db, "TransactWriteItems", {}), "UnknownOperationException: ");
  const input = { TableName: chats, Key: chatKey(1), AttributesToGet: ["a"] };
  assert.throws(() => db.answer("GetItem", input), /does not know the parameter AttributesToGet of GetItem/);
  assert.throws(() => db.put("none", chatKey(1)), /There is no table none/);
});

test("items travel between the SDK's form and the wire's unchanged", () => {
  const item = {
    ...chatKey(1),
    list: { L: [{ B: "AQID" }, { M: { b: { BS: ["AQ=="] } } }] },
    none: { NULL: true },
  };
  assert.equal(sdkItem(item)["list"]?.L?.[0]?.B, new Uint8Array([1, 2, 3]));
  assert.equal(wireItem(sdkItem(item)), item);
});

test.run();
