import { CreateTableCommand, type CreateTableCommandInput } from "@aws-sdk/client-dynamodb";
import type { StorageError } from "../../lib/chats/storage.ts";
import { assert, suite } from "../harness.ts";
import { noon, secondMs } from "../support/chats.ts";
import {
  failureOf,
  SleepyClock,
  startTable,
  type TableFixture,
  TableName,
  TestClock,
} from "../support/storage.ts";

const creation = suite("createTableIfNotExists()", {}, 60_000);

function onEmpty(
  title: string,
  body: (table: TableFixture) => Promise<void>,
  createTableMs = 0,
): void {
  creation(title, async () => {
    const table = await startTable({ isEmpty: true, createTableMs });
    try {
      await body(table);
      assert.equal(table.trespasses(), []);
    } finally {
      await table.close();
    }
  });
}

const quick = (): { clock: TestClock } => ({ clock: new TestClock(noon) });

onEmpty(
  "createTableIfNotExists() creates the table: key chat_id (N), on demand, and nothing else",
  async (table) => {
    let asked: Record<string, unknown> = {};
    table.gate.before("CreateTable", (body) => void (asked = body));
    const storage = table.storage(quick());
    await storage.createTableIfNotExists();
    assert.equal(asked, {
      TableName,
      AttributeDefinitions: [{ AttributeName: "chat_id", AttributeType: "N" }],
      KeySchema: [{ AttributeName: "chat_id", KeyType: "HASH" }],
      BillingMode: "PAY_PER_REQUEST",
    });
    assert.is(await storage.saveChat(1), "created");
  },
);

onEmpty("createTableIfNotExists() asks once where the table is there", async (table) => {
  await table.storage(quick()).createTableIfNotExists();
  table.gate.resetCounts();
  await table.storage(quick()).createTableIfNotExists();
  assert.equal([table.gate.count("DescribeTable"), table.gate.requests], [1, 1]);
});

onEmpty("createTableIfNotExists() by several at once succeeds for all of them", async (table) => {
  const storages = Array.from({ length: 5 }, () => table.storage(quick()));
  await Promise.all(storages.map((storage) => storage.createTableIfNotExists()));
  await Promise.all(storages.map((storage, index) => storage.saveChat(index + 1)));
  assert.is(await table.size(), 5);
});

onEmpty("createTableIfNotExists() waits while the table is being created", async (table) => {
  const clock = new TestClock(noon);
  const storage = table.storage({ clock });
  await storage.createTableIfNotExists();
  assert.ok(clock.ms > noon, "it had to wait");
  assert.is(await storage.saveChat(1), "created");
}, 150);

onEmpty("createTableIfNotExists() waits for a table that somebody else is creating", async (table) => {
  await table.direct.send(
    new CreateTableCommand({
      TableName,
      AttributeDefinitions: [{ AttributeName: "chat_id", AttributeType: "N" }],
      KeySchema: [{ AttributeName: "chat_id", KeyType: "HASH" }],
      BillingMode: "PAY_PER_REQUEST",
    }),
  );
  const storage = table.storage(quick());
  await storage.createTableIfNotExists();
  assert.is(table.gate.count("CreateTable"), 0);
  assert.is(await storage.saveChat(1), "created");
}, 150);

onEmpty(
  "createTableIfNotExists() gives up after a minute, saying in which state the table is",
  async (table) => {
    const clock = new SleepyClock(noon);
    const error = await failureOf(table.storage({ clock }).createTableIfNotExists());
    assert.is((error as StorageError).reason, "table");
    assert.match(error.message, /"telegram-chats" is CREATING/);
    assert.ok(clock.ms - noon <= 70 * secondMs);
  },
  1500,
);

onEmpty("createTableIfNotExists() stops waiting when its signal does", async (table) => {
  const stop = new AbortController();
  const creating = failureOf(table.storage().createTableIfNotExists({ signal: stop.signal }));
  setTimeout(() => stop.abort(new Error("stopped by the test")), 100);
  assert.match((await creating).message, /stopped by the test/);
}, 1500);

const otherKeys: [string, Partial<CreateTableCommandInput>, RegExp][] = [
  ["a string key", {
    AttributeDefinitions: [{ AttributeName: "chat_id", AttributeType: "S" }],
    KeySchema: [{ AttributeName: "chat_id", KeyType: "HASH" }],
  }, /chat_id \(S, HASH\)/],
  ["a key of another name", {
    AttributeDefinitions: [{ AttributeName: "id", AttributeType: "N" }],
    KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
  }, /\bid \(N, HASH\)/],
  ["a sort key", {
    AttributeDefinitions: [
      { AttributeName: "chat_id", AttributeType: "N" },
      { AttributeName: "added_at", AttributeType: "S" },
    ],
    KeySchema: [{ AttributeName: "chat_id", KeyType: "HASH" }, {
      AttributeName: "added_at",
      KeyType: "RANGE",
    }],
  }, /chat_id \(N, HASH\) \+ added_at \(S, RANGE\)/],
];

const createOf = (schema: Partial<CreateTableCommandInput> | undefined): CreateTableCommand =>
  new CreateTableCommand({ TableName, BillingMode: "PAY_PER_REQUEST", ...schema } as CreateTableCommandInput);

for (const [name, schema, key] of otherKeys) {
  onEmpty(`createTableIfNotExists() refuses a table with ${name}, and names it`, async (table) => {
    await table.direct.send(createOf(schema));
    const error = await failureOf(table.storage(quick()).createTableIfNotExists());
    assert.is((error as StorageError).reason, "table");
    assert.match(error.message, key);
    assert.match(error.message, /"telegram-chats"/);
    assert.match(error.message, /chat_id \(N, HASH\) alone/);
    assert.is(table.gate.count("CreateTable"), 0);
  });
}

onEmpty(
  "createTableIfNotExists() refuses a table with another key that somebody made meanwhile",
  async (table) => {
    const hook = table.gate.before("CreateTable", async () => {
      hook.clear();
      await table.direct.send(createOf(otherKeys[0]?.[1]));
    });
    const error = await failureOf(table.storage(quick()).createTableIfNotExists());
    assert.is((error as StorageError).reason, "table");
    assert.match(error.message, /chat_id \(S, HASH\)/);
  },
);

onEmpty("createTableIfNotExists() fails at once where CreateTable is denied, and names it", async (table) => {
  table.gate.deny("CreateTable");
  const clock = new TestClock(noon);
  const error = await failureOf(table.storage({ clock }).createTableIfNotExists());
  assert.is((error as StorageError).reason, "denied");
  assert.match(error.message, /dynamodb:CreateTable/);
  assert.match(error.message, /"telegram-chats"/);
  assert.is(table.gate.count("CreateTable"), 1);
  assert.is(clock.ms, noon);
});

onEmpty(
  "createTableIfNotExists() fails at once where DescribeTable is denied, and names it",
  async (table) => {
    table.gate.deny("DescribeTable");
    const error = await failureOf(table.storage(quick()).createTableIfNotExists());
    assert.is((error as StorageError).reason, "denied");
    assert.match(error.message, /dynamodb:DescribeTable/);
    assert.is(table.gate.requests, 1);
  },
);

onEmpty("createTableIfNotExists() needs no CreateTable where the table is there", async (table) => {
  await table.storage(quick()).createTableIfNotExists();
  table.gate.deny("CreateTable");
  const storage = table.storage(quick());
  await storage.createTableIfNotExists();
  assert.is(await storage.saveChat(1), "created");
});

onEmpty("createTableIfNotExists() takes a lost answer to CreateTable for success", async (table) => {
  const lost = table.gate.loseAnswers({ action: "CreateTable", times: 1 });
  const storage = table.storage(quick());
  await storage.createTableIfNotExists();
  assert.is(lost.fired, 1);
  assert.is(await storage.saveChat(1), "created");
});

onEmpty("createTableIfNotExists() is not misled by a DescribeTable that lags behind", async (table) => {
  await table.storage(quick()).createTableIfNotExists();
  const missing = { status: 400, type: "ResourceNotFoundException", message: "Requested resource not found" };
  table.gate.fail({ action: "DescribeTable", times: 2, ...missing });
  const storage = table.storage(quick());
  await storage.createTableIfNotExists();
  assert.is(await storage.saveChat(1), "created");
});

onEmpty("a method used without the table names it and what to call", async (table) => {
  const error = await failureOf(table.storage(quick()).saveChat(1));
  assert.is((error as StorageError).reason, "table");
  assert.match(error.message, /"telegram-chats".*"us-east-1".*createTableIfNotExists\(\)/);
});

creation.run();
