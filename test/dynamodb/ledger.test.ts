import { CreateTableCommand, type CreateTableCommandInput } from "@aws-sdk/client-dynamodb";
import type { StorageError } from "../../lib/chats/storage.ts";
import type { DynamoDBLedger } from "../../lib/dynamodb/ledger.ts";
import { assert, suite } from "../harness.ts";
import { noon } from "../support/chats.ts";
import { type LedgerFixture, ledgerTable, runAt, startLedger } from "../support/ledger.ts";
import { failureOf, type RawItem, SleepyClock, tablesTakeTime, TestClock } from "../support/storage.ts";

const test = suite("DynamoDBLedger: its table", {}, 60_000);

/** On an engine of its own, without the table. */
function onEmpty(title: string, body: (table: LedgerFixture) => Promise<void>, createTableMs = 0): void {
  test(title, async () => {
    const table = await startLedger({ createTableMs });
    try {
      await body(table);
      assert.equal(table.trespasses(), []);
    } finally {
      await table.close();
    }
  });
}

const schema = {
  AttributeDefinitions: [
    { AttributeName: "broadcast_id", AttributeType: "S" },
    { AttributeName: "record", AttributeType: "S" },
    { AttributeName: "open", AttributeType: "S" },
  ],
  KeySchema: [
    { AttributeName: "broadcast_id", KeyType: "HASH" },
    { AttributeName: "record", KeyType: "RANGE" },
  ],
  GlobalSecondaryIndexes: [{
    IndexName: "open",
    KeySchema: [{ AttributeName: "open", KeyType: "HASH" }],
    Projection: { ProjectionType: "KEYS_ONLY" },
  }],
  BillingMode: "PAY_PER_REQUEST",
} satisfies Partial<CreateTableCommandInput>;

const firstWrites: [string, (ledger: DynamoDBLedger) => Promise<unknown>][] = [
  ["begin()", (ledger) => ledger.begin(runAt("a"))],
  ["writeText()", (ledger) => ledger.writeText("a", "message-1", "x".repeat(5000))],
];

for (const [name, write] of firstWrites) {
  onEmpty(`${name} creates the table on demand, and waits until it takes writes`, async (table) => {
    let asked: Record<string, unknown> = {};
    table.gate.before("CreateTable", (body) => void (asked = body));
    await write(table.ledger(new TestClock(noon)));
    assert.equal(asked, { TableName: ledgerTable, ...schema });
    assert.is(table.gate.count("CreateTable"), 1);
    assert.ok((await table.items()).length > 0);
  }, 100);

  onEmpty(`${name} waits for a table that somebody else is creating`, async (table) => {
    await table.direct.send(new CreateTableCommand({ TableName: ledgerTable, ...schema }));
    await write(table.ledger(new TestClock(noon)));
    assert.is(table.gate.count("CreateTable"), 0);
    assert.ok((await table.items()).length > 0);
  }, 100);

  onEmpty(`${name} of two at once creates one table`, async (table) => {
    const ledgers = [table.ledger(new TestClock(noon)), table.ledger(new TestClock(noon))];
    await Promise.all(ledgers.map(write));
    assert.ok((await table.items()).length > 0);
  }, 100);

  onEmpty(`${name} gives up after a minute, saying in which state the table is`, async (table) => {
    if (!tablesTakeTime) return;
    const error = await failureOf(write(table.ledger(new SleepyClock(noon))));
    assert.is((error as StorageError).reason, "table");
    assert.match(error.message, /"telegram-broadcasts" is CREATING/);
  }, 3000);

  onEmpty(`${name} refuses a table with another key, and names the variable`, async (table) => {
    const other = { AttributeName: "chat_id", AttributeType: "N" } as const;
    const KeySchema = [{ AttributeName: "chat_id", KeyType: "HASH" as const }];
    const { BillingMode } = schema;
    await table.direct.send(
      new CreateTableCommand({
        TableName: ledgerTable,
        AttributeDefinitions: [other],
        KeySchema,
        BillingMode,
      }),
    );
    const ledger = table.ledger();
    for (const error of [await failureOf(write(ledger)), await failureOf(ledger.get("a"))]) {
      assert.is((error as StorageError).reason, "table");
      assert.match(error.message, /"telegram-broadcasts" has the key chat_id \(N, HASH\)/);
      assert.match(error.message, /broadcast_id \(S, HASH\) \+ record \(S, RANGE\)/);
      assert.match(error.message, /TELEGRAM_BROADCASTS_TABLE \(or broadcastsTableName\)/);
      assert.not.match(error.message, /CHATS/);
    }
  });
}

onEmpty("open() says which index a table lacks", async (table) => {
  const { GlobalSecondaryIndexes: _none, AttributeDefinitions, ...rest } = schema;
  const definitions = { AttributeDefinitions: AttributeDefinitions.slice(0, 2) };
  await table.direct.send(new CreateTableCommand({ TableName: ledgerTable, ...rest, ...definitions }));
  const error = await failureOf(table.ledger().open());
  assert.is((error as StorageError).reason, "table");
  assert.match(error.message, /"telegram-broadcasts" lacks the index "open"/);
});

onEmpty("without a table nothing is read, and saving names the variable", async (table) => {
  const ledger = table.ledger();
  assert.is(await ledger.get("a"), undefined);
  assert.equal(await ledger.open(), []);
  for (const write of [() => ledger.save(runAt("a")), () => ledger.claim(runAt("a"), "owner-2", 1)]) {
    const error = await failureOf(write());
    assert.is((error as StorageError).reason, "table");
    assert.match(
      error.message,
      /"telegram-broadcasts".*TELEGRAM_BROADCASTS_TABLE \(or broadcastsTableName\)/,
    );
    assert.not.match(error.message, /CHATS/);
  }
  assert.is(table.gate.count("CreateTable"), 0);
});

const denied: [string, (ledger: DynamoDBLedger) => Promise<unknown>, RegExp][] = [
  ["UpdateItem", (ledger) => ledger.begin(runAt("a")), /table\/telegram-broadcasts in/],
  ["UpdateItem", (ledger) => ledger.writeText("a", "message-1", "text"), /table\/telegram-broadcasts in/],
  ["UpdateItem", (ledger) => ledger.save(runAt("a")), /table\/telegram-broadcasts in/],
  ["UpdateItem", (ledger) => ledger.claim(runAt("a"), "o", 1), /table\/telegram-broadcasts in/],
  ["GetItem", (ledger) => ledger.get("a"), /table\/telegram-broadcasts in/],
  ["GetItem", (ledger) => ledger.readText("a", "message-1", 1), /table\/telegram-broadcasts in/],
  ["Query", (ledger) => ledger.open(), /table\/telegram-broadcasts\/index\/\* in/],
  ["CreateTable", (ledger) => ledger.begin(runAt("a")), /table\/telegram-broadcasts in/],
  ["DescribeTable", (ledger) => ledger.begin(runAt("a")), /table\/telegram-broadcasts in/],
];

onEmpty("what the policy denies is named, with the table", async (table) => {
  for (const [action, work, resource] of denied) {
    const fault = table.gate.deny(action);
    const error = await failureOf(work(table.ledger(new TestClock(noon))));
    assert.is((error as StorageError).reason, "denied", action);
    assert.match(error.message, `dynamodb:${action} on the table "telegram-broadcasts"`);
    assert.match(error.message, resource);
    assert.is(fault.fired, 1);
    fault.clear();
  }
});

const odd = suite("DynamoDBLedger: items that are no run of ours", {}, 60_000);

odd("an attribute by a name that every object has is ignored", async () => {
  const table = await startLedger();
  try {
    await table.ledger().begin(runAt("b"));
    for (const name of ["__proto__", "constructor", "toString"]) {
      await table.put({ ...await table.item("b"), ...Object.fromEntries([[name, { M: {} }]]) });
      assert.is((await table.ledger().get("b"))?.owner, runAt("b").owner, name);
    }
  } finally {
    await table.close();
  }
});

odd("what decides whom a run sends what is of its type, or an error says which item it is", async () => {
  const table = await startLedger();
  try {
    await table.ledger().begin(runAt("b"));
    const good = await table.item("b");
    const attributes: [string, RawItem[string]][] = [
      ["message_parts", { N: "1E+100" }],
      ["problem_parts", { N: "-1" }],
      ["message_name", { N: "5" }],
      ["cursor", { S: "5" }],
      ["window_after", { BOOL: true }],
      ["pending", { S: "5" }],
      ["unsent", { N: "5" }],
      // A takeover has to write these two into its condition just as they are.
      ["lease_until", { N: "12345678901234567890123456789012345678" }],
      ["lease_until", { N: "5.00000000000000000000001" }],
      ["fence", { N: "9007199254740993" }],
      ["fence", { N: "9007199254740991" }],
      ["fence", { N: "0.5" }],
    ];
    for (const [name, value] of attributes) {
      await table.put({ ...good, [name]: value });
      const { name: kind, message } = await failureOf(table.ledger().get("b"));
      assert.is(kind, "StorageError", name);
      assert.match(
        message,
        /^The ledger's item "run" of the broadcast "b" is no run that this version can read/,
        name,
      );
    }
  } finally {
    await table.close();
  }
});

odd.run();
test.run();
