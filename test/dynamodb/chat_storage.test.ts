import process from "node:process";
import { PutItemCommand, ScanCommand } from "@aws-sdk/client-dynamodb";
import type { ChatEvent } from "../../lib/chats/events.ts";
import { StorageError } from "../../lib/chats/storage.ts";
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { storageContract } from "../contracts/chat_storage.ts";
import { assert, suite } from "../harness.ts";
import { pause } from "../support/bot.ts";
import { dayMs, noon } from "../support/chats.ts";
import { engineVariable } from "../support/dynamodb_local.ts";
import {
  failureOf,
  pythonItem,
  sharedTable,
  startTable,
  type TableFixture,
  TableName,
  TestClock,
  TestLogger,
} from "../support/storage.ts";

const { freshTable, expectNoTrespass, closeTable } = sharedTable();

const message = (updateId: number, at = noon, kind: "message" | "start" | "stop" = "message"): ChatEvent => ({
  kind,
  at,
  updateId,
  registers: true,
});

storageContract("TelegramDynamoDBStorage", async (options) => {
  const table = await freshTable();
  return {
    storage: table.storage(options),
    interleave: (other) => {
      const hook = table.gate.before("UpdateItem", async () => {
        hook.clear();
        await other();
      });
    },
    requests: () => table.gate.requests,
  };
}, expectNoTrespass);

const requests = suite("TelegramDynamoDBStorage: requests");

requests("what another program has left of a removal goes with the next /start", async () => {
  const table = await freshTable();
  const removal = {
    is_active: { BOOL: false },
    removed_reason: { S: "stopped" },
    removed_at: { S: "2026-01-01T12:00:00.486456+00:00" },
  };
  await table.put(pythonItem({ chat_id: { N: "7" }, ...removal }));
  await table.storage().apply(7, [message(9, noon, "start")]);
  const { is_active, removed_reason } = await table.item(7) ?? {};
  assert.equal([is_active, removed_reason], [{ BOOL: true }, undefined]);
});

requests("a new chat, and a message of an active one, cost one UpdateItem each", async () => {
  const table = await freshTable();
  const { gate } = table;
  const storage = table.storage();
  const cost = async (what: Promise<unknown>): Promise<Record<string, number>> => {
    gate.resetCounts();
    await what;
    return { update: gate.count("UpdateItem"), get: gate.count("GetItem"), all: gate.requests };
  };
  const one = { update: 1, get: 0, all: 1 };
  assert.equal(await cost(storage.saveChat(1, { username: "ada" })), one);
  assert.equal(await cost(storage.apply(2, [message(1, noon, "start")], "absent")), one);
  assert.equal(await cost(storage.apply(2, [message(2), message(3), message(4)], "active")), one);
  const userInfo = { username: "ada" };
  assert.equal(await cost(storage.apply(2, [{ ...message(5), userInfo } as ChatEvent], "active")), one);
  // What ends a subscription is told to other processes, too.
  const two = { update: 2, get: 0, all: 2 };
  assert.equal(await cost(storage.apply(2, [message(6, noon, "stop")], "active")), two);
  assert.equal(await cost(storage.deactivateChat(1)), two);
  assert.equal(await cost(storage.apply(2, [message(7, noon, "start")])), { update: 1, get: 1, all: 2 });
  assert.equal(await cost(storage.apply(2, [{ kind: "removed", reason: "left", at: noon }], "active")), one);
  assert.equal(await cost(storage.getChat(1)), { update: 0, get: 1, all: 1 });
});

requests(
  "a message clears strikes that nobody here knew of, by the one UpdateItem that counts it",
  async () => {
    const table = await freshTable();
    const storage = table.storage();
    await storage.apply(1, [message(1, noon, "start")]);
    await storage.apply(1, [{ kind: "unreached", at: noon }]);
    assert.equal((await table.item(1))?.["strikes"], { N: "1" });
    table.gate.resetCounts();
    const bodies: Record<string, unknown>[] = [];
    const hook = table.gate.before("UpdateItem", (body) => void bodies.push(body));
    await storage.apply(1, [message(2)], "active");
    assert.is(table.gate.requests, 1);
    assert.is((await table.item(1))?.["strikes"], undefined);
    // No more than a name and a clause: nothing is asked of the attribute, and it costs no unit.
    const { UpdateExpression, ConditionExpression, ExpressionAttributeNames: names } = bodies[0] ?? {};
    const alias = Object.entries(names as Record<string, string>).find(([, name]) => name === "strikes")?.[0];
    assert.match(String(UpdateExpression), new RegExp(`REMOVE ${alias}( |$)`));
    assert.not.match(String(ConditionExpression), new RegExp(`${alias}\\b`));
    hook.clear();
  },
);

requests(
  "a strike reads the chat and writes once; where there is none to clear, nothing is written",
  async () => {
    const table = await freshTable();
    const storage = table.storage({ clock: new TestClock(noon) });
    await storage.saveChat(1);
    const cost = async (kind: "unreached" | "reached"): Promise<number[]> => {
      table.gate.resetCounts();
      await storage.apply(1, [{ kind, at: noon }], "active");
      return [table.gate.count("GetItem"), table.gate.count("UpdateItem")];
    };
    assert.equal(await cost("reached"), [1, 0]);
    assert.equal(await cost("unreached"), [1, 1]);
    assert.equal(await cost("reached"), [1, 1]);
    assert.is((await table.item(1))?.["strikes"], undefined);
  },
);

requests("strikes by several at once all count, and none holds against a message that is later", async () => {
  const table = await freshTable();
  const clock = new TestClock(noon);
  const strike = (id: number): Promise<unknown> =>
    table.storage({ clock }).apply(id, [{ kind: "unreached", at: noon }], "active");
  for (let id = 1; id <= 20; id++) {
    await table.storage({ clock }).saveChat(id);
    await Promise.all([strike(id), strike(id)]);
    assert.equal((await table.item(id))?.["strikes"], { N: "2" });
    const belief = id % 2 === 0 ? "active" : undefined;
    await Promise.all([strike(id), table.storage().apply(id, [message(9, noon + 1000)], belief)]);
    const { is_active, strikes, message_count } = await table.storage().getChat(id) ?? {};
    assert.equal([is_active, strikes, message_count], [true, undefined, 1], "whichever came first");
  }
});

requests("what changes nothing writes nothing", async () => {
  const table = await freshTable();
  const storage = table.storage();
  await storage.apply(1, [message(1, noon, "start"), message(2)]);
  table.gate.resetCounts();
  await storage.apply(1, [message(1), message(2)]);
  await storage.apply(2, [message(1, noon, "stop")], "absent");
  await storage.reactivateChat(1);
  assert.is(table.gate.count("UpdateItem"), 0);
});

const isSimulated = process.env[engineVariable] === undefined;

/** A table of an engine that counts capacity, and that the SDK's own client finds. */
async function tableOnSockets(): Promise<TableFixture> {
  return isSimulated ? await startTable({ isOverHttp: true }) : await freshTable();
}

requests("a chat costs one unit to write, and seventeen cost one to read", async () => {
  const table = await tableOnSockets();
  const storage = table.storage();
  const userInfo = { username: "johndoe", first_name: "John", last_name: "Doe", user_id: 987654321 };
  for (let id = 123456701; id <= 123456717; id++) {
    await storage.apply(id, [{ ...message(815469321), userInfo } as ChatEvent]);
  }
  const Item = await table.item(123456701);
  const ReturnConsumedCapacity = "TOTAL";
  const written = await table.direct.send(new PutItemCommand({ TableName, Item, ReturnConsumedCapacity }));
  assert.is(written.ConsumedCapacity?.CapacityUnits, 1);
  const read = await table.direct.send(new ScanCommand({ TableName, ReturnConsumedCapacity }));
  // Half a unit, as this reading is an eventual one.
  assert.equal([read.Count, read.ConsumedCapacity?.CapacityUnits], [17, 0.5]);
  if (isSimulated) await table.close();
});

/** The requests of a write that loses its race. */
async function requestsOfLostRace(table: TableFixture): Promise<number[]> {
  const { gate } = table;
  const storage = table.storage();
  await storage.apply(1, [message(1, noon, "start")]);
  gate.resetCounts();
  await storage.apply(1, [message(2)], "absent");
  return [gate.count("UpdateItem"), gate.count("GetItem")];
}

requests("a write that loses its race reads the item from the refusal", async () => {
  assert.equal(await requestsOfLostRace(await freshTable()), [2, 0]);
});

requests("on an engine whose refusals carry no item, it reads the item once", async () => {
  if (!isSimulated) return;
  const table = await tableOnSockets();
  assert.equal(await requestsOfLostRace(table), [2, 1]);
  await table.close();
});

requests(
  "getStatistics() is one pass, loadActiveChats() reads ids and what few chats have alone",
  async () => {
    const table = await freshTable();
    const storage = table.storage();
    for (let id = 1; id <= 20; id++) await storage.saveChat(id);
    const bodies: Record<string, unknown>[] = [];
    table.gate.before("Scan", (body) => void bodies.push(body));
    await storage.loadActiveChats();
    const segments = bodies.map((body) => body["Segment"]);
    assert.equal(segments.sort(), [...segments.keys()]);
    for (const body of bodies) {
      const names = body["ExpressionAttributeNames"] as Record<string, string>;
      const projected = String(body["ProjectionExpression"]).split(", ").map((alias) => names[alias]);
      assert.equal(projected, ["chat_id", "strikes", "added_by", "thread_id"]);
      assert.is(body["ConsistentRead"], true, "a /stop of a moment ago is not overlooked");
    }
    const scans = bodies.length;
    await storage.getStatistics();
    assert.is(bodies.length, 2 * scans, "both figures of one pass");
  },
);

requests("a storage takes table, region, keys and address from the environment", async () => {
  const table = await tableOnSockets();
  const names = {
    TELEGRAM_CHATS_TABLE: TableName,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "AKIDENV",
    AWS_SECRET_ACCESS_KEY: "secret",
    AWS_ENDPOINT_URL_DYNAMODB: table.gate.endpoint,
  };
  const saved = Object.keys(names).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, names);
  const storage = new TelegramDynamoDBStorage();
  try {
    assert.is(await storage.saveChat(1), "created");
    assert.is(storage.tableName, TableName);
    assert.is(storage.regionName, "us-east-1");
  } finally {
    storage.close();
    for (const [name, value] of saved) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
  assert.ok(await table.item(1));
  if (isSimulated) await table.close();
});

requests.after(expectNoTrespass);
requests.run();

const paging = suite("TelegramDynamoDBStorage: paging", {}, 60_000);

/** Items so large that few fit into a page; the first ones of the scan are inactive. */
async function fillWithBigItems(
  table: TableFixture,
  count: number,
  isActive: (id: number) => boolean,
): Promise<void> {
  const note = "x".repeat(330_000);
  for (let id = 1; id <= count; id++) {
    const active = { chat_id: { N: String(id) }, is_active: { BOOL: isActive(id) }, note: { S: note } };
    await table.put(pythonItem(active));
  }
}

paging("loadActiveChats(), getStatistics(), scan() and cleanup read all pages, empty ones too", async () => {
  const table = await freshTable();
  const count = 24;
  await fillWithBigItems(table, count, (id) => id === 20);
  const storage = table.storage({ clock: new TestClock(noon + 90 * dayMs), logger: new TestLogger() });
  table.gate.resetCounts();
  assert.equal(await storage.loadActiveChats(), new Set([20]));
  assert.ok(table.gate.count("Scan") > 6, "there were several pages, most of them empty");
  const statistics = await storage.getStatistics();
  assert.is(statistics.totalChats, count);
  assert.is(statistics.activeChats, 1);
  assert.is(statistics.totalMessages, count * 42);
  const seen: number[] = [];
  for await (const page of storage.scan()) seen.push(...page.map(({ chat_id }) => chat_id));
  assert.is(seen.length, count);
  assert.is(new Set(seen).size, count);
  assert.is(await storage.cleanupInactiveChats({ daysThreshold: 30 }), 1);
});

paging("a page that fails makes the whole reading fail, wherever it is", async () => {
  const table = await freshTable();
  await fillWithBigItems(table, 16, () => true);
  const storage = table.storage({ clock: new TestClock(noon + 90 * dayMs), logger: new TestLogger() });
  const readings = [
    () => storage.loadActiveChats(),
    () => storage.getStatistics(),
    () => storage.cleanupInactiveChats({ daysThreshold: 365 }),
  ];
  for (const reading of readings) {
    table.gate.resetCounts();
    await reading();
    const scans = table.gate.count("Scan");
    assert.ok(scans > 3, "there are several pages");
    for (const failing of [1, 2, scans]) {
      let seen = 0;
      const hook = table.gate.before("Scan", async () => {
        if (++seen < failing) return;
        // None of this reading's requests comes later, to be counted with the next one's.
        await pause(50);
        throw new Error("broken");
      });
      const error = await failureOf(reading());
      assert.instance(error, StorageError);
      assert.match(error.message, /Scan/);
      hook.clear();
      // Requests of the reading that failed may still be on their way: they are past when another has ended.
      await reading();
    }
  }
});

paging("loadActiveChats() stops when its signal does", async () => {
  const table = await freshTable();
  await table.storage().saveChat(1);
  const stop = new AbortController();
  table.gate.hang({ action: "Scan" });
  const loading = failureOf(table.storage().loadActiveChats({ signal: stop.signal }));
  setTimeout(() => stop.abort(new Error("stopped by the test")), 50);
  assert.match((await loading).message, /stopped by the test/);
});

paging.after(async () => {
  await expectNoTrespass();
  await closeTable();
});
paging.run();
