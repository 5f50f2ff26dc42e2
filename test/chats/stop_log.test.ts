/** The log of /stops that all processes on a table share, and how long a confirmation waits for its readers. */
import { UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import type { ChatEvent } from "../../lib/chats/events.ts";
import { type ApplyResult, StorageError } from "../../lib/chats/storage.ts";
import { loadMarshalling } from "../../lib/dynamodb/client.ts";
import { chatSchema } from "../../lib/dynamodb/table.ts";
import {
  claimOf,
  emptyStopsOf,
  newStopsOf,
  sendingOf,
  stopsAtMost,
  stopsOf,
} from "../../lib/dynamodb/table_record.ts";
import { assert, suite } from "../harness.ts";
import { SimulatedDynamoDB } from "../sim/dynamodb/dynamodb.ts";
import { dayMs, noon } from "../support/chats.ts";
import {
  failureOf,
  pythonId,
  pythonItem,
  type RawItem,
  sharedTable,
  type TableFixture,
  TableName,
} from "../support/storage.ts";
import {
  chat_id,
  failOwnItem,
  isOwnItem,
  requestsOf,
  say,
  stopsIn,
  storageAtNoon,
} from "../support/table_record.ts";

const { freshTable, expectNoTrespass, closeTable } = sharedTable();

/** A table, and a storage on it whose clock stands at noon. */
async function atNoon(): Promise<{ readonly table: TableFixture } & ReturnType<typeof storageAtNoon>> {
  const table = await freshTable();
  return { table, ...storageAtNoon(table) };
}

const minuteMs = 60_000;

const log = suite("readStopLog()", {}, 60_000);

log("tells who has said /stop, by whichever process, and nobody else", async () => {
  const { table, storage, clock } = await atNoon();
  const other = table.storage({ clock });
  assert.equal(await stopsIn(other), { count: 0, since: 0, chats: [] });
  for (const id of [1, 2, 3, 4, -5]) await storage.apply(id, [say("start")]);
  await storage.apply(1, [say("stop")], "active");
  await storage.deactivateChat(2);
  await storage.apply(3, [{ kind: "removed", reason: "blocked", at: noon }], "active");
  await storage.apply(4, [{ kind: "stale", at: noon, lastActive: new Date(noon).toISOString() }]);
  await storage.apply(-5, [say("stop"), say("message")], "active");
  await storage.apply(404, [say("stop")]);
  assert.equal(await stopsIn(other), { count: 3, since: 0, chats: [-5, 1, 2] });
});

log("a /stop that is held already is told again, as the process that kept it may have ended", async () => {
  const { table, storage } = await atNoon();
  const stop = say("stop");
  await storage.apply(1, [{ ...stop, kind: "start", updateId: 0 } as ChatEvent, stop]);
  await table.put({ chat_id });
  await table.storage().apply(1, [stop], "active");
  assert.equal(await stopsIn(storage), { count: 1, since: 0, chats: [1] });
});

log("a /stop of which others cannot be told is not kept, and its retry makes up for it", async () => {
  const { table, storage } = await atNoon();
  await storage.apply(1, [say("start")]);
  const stop = say("stop");
  const fault = failOwnItem(table, 3);
  assert.instance(await failureOf(storage.apply(1, [stop], "active")), StorageError);
  assert.is((await storage.getChat(1))?.is_active, false);
  fault.clear();
  const { before, after } = await storage.apply(1, [stop], "active");
  assert.equal([before?.is_active, after?.is_active], [false, false]);
  assert.equal((await stopsIn(storage)).chats, [1]);
});

log("whom the operator has stopped is told by the next write, where the first could not tell", async () => {
  const { table, storage } = await atNoon();
  await storage.saveChat(1);
  await storage.saveChat(2);
  const fault = failOwnItem(table, Infinity);
  assert.instance(await failureOf(storage.deactivateChat(1)), StorageError);
  assert.instance(await failureOf(storage.apply(2, [say("message")], "active")), StorageError);
  assert.is((await storage.getChat(2))?.message_count, 0, "first things first");
  fault.clear();
  await storage.apply(2, [say("message")], "active");
  assert.equal((await stopsIn(storage)).chats, [1]);
  table.gate.resetCounts();
  await storage.apply(2, [say("message")], "active");
  assert.equal(requestsOf(table), [0, 1], "told once");
});

log("many at once are all told, some of them failing", async () => {
  const { table, storage } = await atNoon();
  const ids = Array.from({ length: 40 }, (_, index) => index + 1);
  await Promise.all(ids.map((id) => storage.apply(id, [say("start")], "absent")));
  failOwnItem(table, 25);
  await Promise.all(ids.map(async (id) => {
    const stop = say("stop");
    for (;;) {
      try {
        return await storage.apply(id, [stop], "active");
      } catch (error) {
        assert.instance(error, StorageError);
      }
    }
  }));
  assert.equal((await stopsIn(storage)).chats, ids);
});

log("is emptied when it is full, so that a reader of an earlier count knows", async () => {
  const { table, storage } = await atNoon();
  const full = Array.from({ length: stopsAtMost }, (_, index) => String(1000 + index));
  await table.put({ chat_id, bot_id: { N: "111" }, stops: { N: "500" }, stopped: { NS: full } });
  await storage.saveChat(1);
  await storage.deactivateChat(1);
  assert.equal(await stopsIn(storage), { count: 501, since: 501, chats: [] });
  assert.equal((await table.item(0))?.["bot_id"], { N: "111" });
  await storage.saveChat(2);
  await storage.deactivateChat(2);
  assert.equal(await stopsIn(storage), { count: 502, since: 501, chats: [2] });
});

log(
  "is not emptied of a /stop that comes meanwhile, and one that cannot empty it has told all the same",
  async () => {
    const { table, storage, clock } = await atNoon();
    const full = Array.from({ length: stopsAtMost }, (_, index) => String(1000 + index));
    await table.put({ chat_id, stops: { N: "500" }, stopped: { NS: full } });
    for (const id of [1, 2, 3]) await storage.saveChat(id);
    const other = table.storage({ clock });
    const isEmptying = (body: Record<string, unknown>): boolean =>
      isOwnItem(body) && String(body["UpdateExpression"]).includes("REMOVE");
    const race = table.gate.before("UpdateItem", async (body) => {
      if (!isEmptying(body)) return;
      race.clear();
      // It fails to empty the log itself, too.
      const hook = table.gate.before("UpdateItem", (inner) => {
        if (isEmptying(inner)) throw new Error("broken");
      });
      await other.deactivateChat(2);
      hook.clear();
    });
    await storage.deactivateChat(1);
    const between = await stopsIn(storage);
    assert.equal([between.count, between.since], [502, 0]);
    assert.ok(between.chats.includes(1) && between.chats.includes(2));
    await storage.deactivateChat(3);
    assert.equal(await stopsIn(storage), { count: 503, since: 503, chats: [] });
  },
);

log(
  "begins anew where its attributes can hold no log, and no earlier reader takes it for the old one",
  async () => {
    const odd: RawItem[] = [
      { stops: { S: "many" } },
      { stopped: { SS: ["1"] } },
      { stopped: { L: [] }, stops: { N: "7" } },
    ];
    for (const more of odd) {
      const { table, storage } = await atNoon();
      await table.put({ chat_id, bot_id: { N: "111" }, ...more });
      await storage.saveChat(1);
      assert.is(await storage.deactivateChat(1), true);
      assert.equal(await stopsIn(storage), { count: noon, since: noon, chats: [1] });
      await storage.saveChat(2);
      await storage.deactivateChat(2);
      assert.equal(await stopsIn(storage), { count: noon + 1, since: noon, chats: [1, 2] });
      assert.equal((await table.item(0))?.["bot_id"], { N: "111" });
    }
  },
);

log("the item is no chat to anything that reads chats", async () => {
  const { table, storage, clock } = await atNoon();
  await table.put(pythonItem());
  await table.put({ chat_id: { N: "7" }, is_active: { S: "odd" } });
  const before = await storage.getStatistics();
  await storage.claim(111);
  await storage.beginSending(noon);
  await storage.saveChat(9);
  await storage.deactivateChat(9);
  assert.is((await storage.getStatistics()).totalChats, before.totalChats + 1);
  assert.equal(await storage.loadActiveChats(), new Set([pythonId]));
  const seen: number[] = [];
  for await (const page of storage.scan()) seen.push(...page.map((chat) => chat.chat_id));
  assert.equal(seen.sort((a, b) => a - b), [7, 9, pythonId]);
  clock.ms += 400 * dayMs;
  assert.is(await storage.cleanupInactiveChats({ daysThreshold: 30 }), 1);
  assert.instance(await failureOf(storage.getChat(0)), TypeError);
  assert.equal((await table.item(0))?.["bot_id"], { N: "111" });
  // A Python bot takes up what has is_active, and leaves the rest.
  assert.is((await table.item(0))?.["is_active"], undefined);
});

log.after(expectNoTrespass);
log.run();

const sending = suite("beginSending()", {}, 60_000);

sending("is one write, gives the log as of then, and shortens nobody's time", async () => {
  const { table, storage, clock } = await atNoon();
  await storage.saveChat(1);
  await storage.deactivateChat(1);
  const other = table.storage({ clock });
  table.gate.resetCounts();
  assert.equal((await storage.beginSending(noon + minuteMs)).chats, new Set([1]));
  assert.equal(requestsOf(table), [0, 1]);
  assert.is((await other.beginSending(noon + 1000)).count, 1);
  assert.equal((await table.item(0))?.["sending_until"], { N: String(noon + minuteMs) });
  await other.beginSending(noon + 2 * minuteMs);
  assert.equal((await table.item(0))?.["sending_until"], { N: String(noon + 2 * minuteMs) });
  await table.put({ chat_id, sending_until: { S: "soon" } });
  await other.beginSending(noon);
  assert.equal((await table.item(0))?.["sending_until"], { N: String(noon) });
});

sending("a /stop is confirmed later for as long as somebody sends, and nine minutes longer", async () => {
  const { table, storage, clock } = await atNoon();
  await table.storage({ clock }).beginSending(noon + minuteMs);
  await storage.apply(1, [say("start")]);
  const stopped = async (atMs: number): Promise<ApplyResult> => {
    clock.ms = noon + atMs;
    const { confirmAfterMs } = await storage.apply(1, [say("start")]);
    assert.is(confirmAfterMs, undefined, "only a /stop waits");
    return await storage.apply(1, [say("stop")], "active");
  };
  for (const atMs of [0, minuteMs, 10 * minuteMs - 1]) assert.is((await stopped(atMs)).confirmAfterMs, 3000);
  assert.not("confirmAfterMs" in await stopped(10 * minuteMs));
  clock.ms = noon;
  const again = say("stop");
  assert.is((await storage.apply(1, [again])).confirmAfterMs, 3000, "of one that is stopped already");
  assert.is((await storage.apply(1, [again])).confirmAfterMs, 3000, "of one that is told twice");
});

sending("the simulated DynamoDB answers as the engine does", async () => {
  const { table } = await atNoon();
  await loadMarshalling();
  const simulated = new SimulatedDynamoDB();
  simulated.create({ TableName, ...chatSchema });
  const Key = { chat_id };
  const updates = [
    ...[claimOf(111), claimOf(222), stopsOf(new Set([1, 2])), stopsOf(new Set([2, -3]))],
    ...[sendingOf(20), sendingOf(10), emptyStopsOf(3), emptyStopsOf(4), stopsOf(new Set([5]))],
    ...[newStopsOf(new Set([6]), 100), stopsOf(new Set([7]))],
  ];
  const sorted = (item: RawItem = {}): unknown =>
    Object.entries(item).sort().map(([name, value]) => [name, value.NS ? [...value.NS].sort() : value]);
  for (const [index, update] of updates.entries()) {
    const input = { TableName, Key, ...update, ReturnValues: "ALL_NEW" } as const;
    const wanted = await table.direct.send(new UpdateItemCommand(input)).catch((error: Error) => error);
    const { status, body } = simulated.answer("UpdateItem", input);
    if (wanted instanceof Error) assert.match((body as { __type: string }).__type, wanted.name);
    else assert.equal(sorted((body as { Attributes: RawItem }).Attributes), sorted(wanted.Attributes));
    assert.is(status, wanted instanceof Error ? 400 : 200, `update ${index}`);
  }
});

sending.after(async () => {
  await expectNoTrespass();
  await closeTable();
});
sending.run();
