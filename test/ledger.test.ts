import { CreateTableCommand, type CreateTableCommandInput } from "@aws-sdk/client-dynamodb";
import type { DynamoDBLedger } from "../lib/storage/dynamodb_ledger.ts";
import type { Ledger } from "../lib/storage/ledger.ts";
import { InMemoryLedger } from "../lib/storage/memory_ledger.ts";
import type { StorageError } from "../lib/storage/storage_error.ts";
import { assert, suite } from "./harness.ts";
import { ledgerContract } from "./ledger_contract.ts";
import { noon } from "./support/chats.ts";
import { fullRun, itemSize, type LedgerFixture, ledgerTable, runAt, startLedger } from "./support/ledger.ts";
import { failureOf, refusalsCarryItems, TestClock } from "./support/storage.ts";

let shared: LedgerFixture | undefined;

ledgerContract("InMemoryLedger", () => {
  const ledger = new InMemoryLedger();
  return Promise.resolve([ledger, ledger] as const);
}, () => Promise.resolve());

ledgerContract("DynamoDBLedger", async (): Promise<readonly [Ledger, Ledger]> => {
  shared = await startLedger();
  return [shared.ledger(new TestClock(noon)), shared.ledger(new TestClock(noon))];
}, async () => {
  assert.equal(shared?.trespasses(), []);
  await shared?.close();
});

const test = suite("DynamoDBLedger", {}, 60_000);

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

/** With a run of the id `a` begun by `owner-1`, and the counts at zero. */
function onRun(title: string, body: (table: LedgerFixture, ledger: DynamoDBLedger) => Promise<void>): void {
  onEmpty(title, async (table) => {
    const ledger = table.ledger(new TestClock(noon));
    await ledger.begin(runAt("a"));
    table.gate.resetCounts();
    await body(table, ledger);
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
  ["writeText()", (ledger) => ledger.writeText("a", "message", "x".repeat(5000))],
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
    // AWS's engine has no CREATING.
    if (refusalsCarryItems) return;
    const error = await failureOf(write(table.ledger(new TestClock(noon))));
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
  for (const write of [ledger.save(runAt("a")), ledger.claim(runAt("a"), "owner-2", 1)]) {
    const error = await failureOf(write);
    assert.is((error as StorageError).reason, "table");
    assert.match(
      error.message,
      /"telegram-broadcasts".*TELEGRAM_BROADCASTS_TABLE \(or broadcastsTableName\)/,
    );
    assert.not.match(error.message, /CHATS/);
  }
  assert.is(table.gate.count("CreateTable"), 0);
});

onRun("each step is one request", async ({ gate }, ledger) => {
  const step = async (action: string, work: Promise<unknown>): Promise<void> => {
    await work;
    assert.equal([gate.requests, gate.count(action)], [1, 1], action);
    gate.resetCounts();
  };
  await step("UpdateItem", ledger.begin(runAt("b")));
  await step("UpdateItem", ledger.save(runAt("a", { sent: 1 })));
  await step("UpdateItem", ledger.claim(runAt("a"), "owner-2", noon));
  await step("GetItem", ledger.get("a"));
  await step("Query", ledger.open());
});

onRun(
  "a write that is refused reads the run only where the refusal does not carry it",
  async ({ gate }, ledger) => {
    await ledger.begin(runAt("a", { owner: "owner-2" }));
    await ledger.save(runAt("a", { owner: "owner-2" }));
    await ledger.claim(runAt("a", { fence: 7 }), "owner-2", noon);
    assert.is(gate.count("UpdateItem"), 3);
    assert.is(gate.count("GetItem"), refusalsCarryItems ? 0 : 3);
  },
);

onRun("the index holds only runs that are not finished, by their keys", async (table, ledger) => {
  await ledger.writeText("a", "message", "x".repeat(2000));
  assert.equal(await table.items("open"), [
    { broadcast_id: { S: "a" }, record: { S: "run" }, open: { S: "open" } },
  ]);
  await ledger.save(runAt("a", { state: "finished" }));
  assert.equal(await table.items("open"), []);
  assert.is("open" in await table.item("a"), false);
});

onEmpty("open() reads page after page", async (table) => {
  const ledger = table.ledger(new TestClock(noon));
  const ids = ["a", "b", "c", "d", "e"];
  for (const id of ids) await ledger.begin(runAt(id));
  const client = table.client();
  client.middlewareStack.add((next) => (args) => {
    Object.assign(args.input, { Limit: 2 });
    return next(args);
  }, { step: "initialize" });
  assert.equal((await table.ledgerOf(client).open()).sort(), ids);
  assert.is(table.gate.count("Query"), 3);
});

for (
  const [name, id] of [["128 letters", "x".repeat(128)], [
    "128 signs of three bytes",
    "€".repeat(128),
  ]] as const
) {
  onEmpty(`every part of a text is an item under 1 KB, with an id of ${name}`, async (table) => {
    const ledger = table.ledger();
    const text = "😀".repeat(4096);
    const parts = await ledger.writeText(id, "message", text);
    const items = await table.items();
    assert.is(items.length, parts);
    for (const item of items) {
      assert.ok(itemSize(item) < 1024, `${itemSize(item)} bytes`);
      assert.ok(new TextEncoder().encode(item["text"]?.S).length <= 900);
    }
    assert.is(items.reduce((sum, item) => sum + (item["text"]?.S?.length ?? 0), 0), text.length);
  });
}

onEmpty("the largest run is an item under 1 KB, with an id of 128 letters", async (table) => {
  const ledger = table.ledger(new TestClock(noon));
  const run = fullRun("x".repeat(128));
  await ledger.begin(run);
  assert.is(await ledger.save(run), true);
  const size = itemSize(await table.item(run.broadcast_id));
  assert.ok(size < 1024, `${size} bytes`);
  assert.equal(await ledger.get(run.broadcast_id), run);
});

onRun("attributes that are none of ours survive every write", async (table, ledger) => {
  const foreign = {
    note: { M: { by: { S: "an operator" } } },
    tags: { SS: ["x"] },
    seen: { NULL: true as const },
  };
  await table.put({ ...await table.item("a"), ...foreign, label: { S: "morning" } });
  const run = await ledger.get("a");
  assert.equal(run, runAt("a", { label: "morning" }));
  await ledger.save(runAt("a", { sent: 1 }));
  await ledger.claim(runAt("a"), "owner-2", noon);
  await ledger.save(runAt("a", { owner: "owner-2", fence: 2, state: "finished" }));
  const { note, tags, seen, label } = await table.item("a");
  assert.equal({ note, tags, seen, label }, { ...foreign, label: { S: "morning" } });
});

onRun("an item that is no run is an error, and never taken for none", async (table, ledger) => {
  const { fence: _fence, ...rest } = await table.item("a");
  await table.put(rest);
  for (const work of [ledger.get("a"), ledger.begin(runAt("a")), ledger.save(runAt("a"))]) {
    const error = await failureOf(work);
    assert.is((error as StorageError).reason, "failed");
    assert.match(error.message, /"run" of the broadcast "a" is no run/);
  }
});

const denied: [string, (ledger: DynamoDBLedger) => Promise<unknown>, RegExp][] = [
  ["UpdateItem", (ledger) => ledger.begin(runAt("a")), /table\/telegram-broadcasts in/],
  ["UpdateItem", (ledger) => ledger.writeText("a", "message", "text"), /table\/telegram-broadcasts in/],
  ["UpdateItem", (ledger) => ledger.save(runAt("a")), /table\/telegram-broadcasts in/],
  ["UpdateItem", (ledger) => ledger.claim(runAt("a"), "o", 1), /table\/telegram-broadcasts in/],
  ["GetItem", (ledger) => ledger.get("a"), /table\/telegram-broadcasts in/],
  ["GetItem", (ledger) => ledger.readText("a", "message", 1), /table\/telegram-broadcasts in/],
  ["Query", (ledger) => ledger.open(), /table\/telegram-broadcasts\/index\/\* in/],
  ["CreateTable", (ledger) => ledger.begin(runAt("a")), /table\/telegram-broadcasts in/],
  ["DescribeTable", (ledger) => ledger.begin(runAt("a")), /table\/telegram-broadcasts in/],
];

test("what the policy denies is named, with the table", async () => {
  const table = await startLedger();
  for (const [action, work, resource] of denied) {
    const fault = table.gate.deny(action);
    const error = await failureOf(work(table.ledger(new TestClock(noon))));
    assert.is((error as StorageError).reason, "denied", action);
    assert.match(error.message, `dynamodb:${action} on the table "telegram-broadcasts"`);
    assert.match(error.message, resource);
    assert.is(fault.fired, 1);
    fault.clear();
  }
  await table.close();
});

test.run();
