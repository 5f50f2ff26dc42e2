/** Whose table it is: the bot that has claimed it, and no other. */
import { subscriptions } from "../../lib/bot/plugin.ts";
import { StorageError } from "../../lib/chats/storage.ts";
import { ConfigError } from "../../lib/util/validate.ts";
import { assert, suite } from "../harness.ts";
import { FastClock, grammyBotOn, said, type Scene, subscribers, until, withBot } from "../support/bot.ts";
import { failureOf, sharedTable, type TableFixture, TableName } from "../support/storage.ts";
import { chat_id, requestsOf, storageAtNoon } from "../support/table_record.ts";

const { freshTable, expectNoTrespass, closeTable } = sharedTable();

/** A table, and a storage on it whose clock stands at noon. */
async function atNoon(): Promise<{ readonly table: TableFixture } & ReturnType<typeof storageAtNoon>> {
  const table = await freshTable();
  return { table, ...storageAtNoon(table) };
}

const [ours, theirs] = [111, 222];

const claiming = suite("claim()");

claiming("a table is claimed once, for one read and one write, and then for one read", async () => {
  const { table, storage } = await atNoon();
  await storage.claim(ours);
  assert.equal(requestsOf(table), [1, 1]);
  assert.equal(await table.item(0), { chat_id, bot_id: { N: "111" } });
  table.gate.resetCounts();
  await storage.claim(ours);
  await table.storage().claim(ours);
  assert.equal(requestsOf(table), [2, 0]);
});

claiming("another bot is told whose the table is, and what to do, and nothing is written", async () => {
  const { table, storage } = await atNoon();
  await storage.claim(ours);
  table.gate.resetCounts();
  const error = await failureOf(table.storage().claim(theirs));
  assert.instance(error, ConfigError);
  assert.not.instance(error, StorageError, "a bot would go on in memory");
  assert.match(error.message, `The table "${TableName}" serves the bot 111, and this is the bot 222.`);
  for (
    const words of ["One table serves one bot", "deactivate all people", "TELEGRAM_CHATS_TABLE", "tableName"]
  ) {
    assert.match(error.message, words);
  }
  assert.match(error.message, "delete the item whose chat_id is 0");
  assert.equal(requestsOf(table), [1, 0]);
});

claiming("of two bots that claim at once one has the table; of one bot's processes, all", async () => {
  for (let round = 0; round < 20; round++) {
    const { table } = await atNoon();
    const claims = [ours, theirs, ours, theirs].map((id) => table.storage().claim(id));
    const ended = await Promise.allSettled(claims);
    const winner = Number((await table.item(0))?.["bot_id"]?.N);
    for (const [index, id] of [ours, theirs, ours, theirs].entries()) {
      assert.is(ended[index]?.status, id === winner ? "fulfilled" : "rejected");
    }
  }
});

claiming("answers that are lost make nobody a stranger in its own table", async () => {
  const { table, storage } = await atNoon();
  table.gate.loseAnswers({ action: "UpdateItem", times: 2 });
  await storage.claim(ours);
  assert.equal((await table.item(0))?.["bot_id"], { N: "111" });
});

claiming("what is no bot's id is none: it is replaced in the table, and refused from a caller", async () => {
  const { table, storage } = await atNoon();
  await table.put({ chat_id, bot_id: { S: "111" }, note: { S: "somebody's" } });
  await storage.claim(ours);
  assert.equal(await table.item(0), { chat_id, bot_id: { N: "111" }, note: { S: "somebody's" } });
  for (const id of [0, -1, 1.5, NaN]) assert.instance(await failureOf(storage.claim(id)), TypeError);
});

claiming("where nobody answers, a claim ends with its signal", async () => {
  const { table, storage } = await atNoon();
  table.gate.hang({ action: "GetItem" });
  const stop = new AbortController();
  const failure = failureOf(storage.claim(ours, { signal: stop.signal }));
  stop.abort(new Error("stopped by the test"));
  assert.match((await failure).message, "stopped by the test");
});

claiming.after(async () => {
  await expectNoTrespass();
  await closeTable();
});
claiming.run();

const bots = suite("a bot on another bot's table", {}, 60_000);

const stranger = 999;
const fast = { clock: new FastClock(20) };

/** As if another bot had started on the table. */
function claimed({ table }: Scene): Promise<void> {
  return table.put({ chat_id, bot_id: { N: String(stranger) } });
}

bots("a start claims the table for the bot", async () => {
  await withBot(async ({ server, table, another }) => {
    assert.equal(await table.item(0), { chat_id, bot_id: { N: server.token.split(":")[0] ?? "" } });
    await another().initialize();
  }, { state: "initialized" });
});

bots("initialize(), startBot() and a webhook are a ConfigError, and people stay as they are", async () => {
  await withBot(async (scene) => {
    const { bot, another, server, table, gate, logs } = scene;
    const [user] = await subscribers(scene, 1);
    const before = await table.item(user?.chatId ?? 0);
    const webhook = another();
    const update = { update_id: 1, message: { text: "/stop" } } as never;
    for (const call of [() => bot.initialize(), () => bot.startBot(), () => webhook.handleUpdate(update)]) {
      const error = await failureOf(call());
      assert.instance(error, ConfigError);
      assert.match(error.message, /serves the bot 999, and this is the bot \d+\./);
      assert.not.match(error.message, server.token.split(":")[1] ?? "");
    }
    await failureOf(another().broadcast("hello"));
    assert.is(gate.count("UpdateItem"), 0);
    assert.equal(await table.item(user?.chatId ?? 0), before);
    assert.equal(logs.of("info", "is ready"), []);
    await table.put({ chat_id });
    assert.is((await bot.initialize()).chats, 1, "the fix that is told");
  }, { state: "made", before: claimed });
});

bots("a bot in memory asks for no table", async () => {
  await withBot(async ({ bot }) => {
    assert.is((await bot.initialize()).storage, "memory");
  }, { state: "made", before: claimed, bot: { useDynamoDB: false } });
});

bots(
  "found when an outage ends: told once, nothing is written, and the queue waits until it is mended",
  async () => {
    await withBot(async (scene) => {
      const { bot, server, table, gate, logs } = scene;
      gate.refuse();
      await bot.startBot();
      const [leaver, joiner] = [server.user(), server.user()];
      joiner.say("/start");
      leaver.say("/stop");
      await joiner.received("Welcome!");
      await leaver.received("You are unsubscribed");
      gate.clear();
      await until(() => logs.of("error", "serves the bot 999").length > 0, "it is not told");
      gate.resetCounts();
      await until(() => gate.count("GetItem") > 2, "it does not look again");
      joiner.say("/status");
      await joiner.received("This chat");
      assert.equal([gate.count("UpdateItem"), await table.size()], [0, 0]);
      assert.equal([bot.health.isDegraded, bot.health.queuedUpdates > 0], [true, true]);
      assert.is(logs.of("error", "serves the bot 999").length, 1, logs.text);
      await table.put({ chat_id });
      await until(() => !bot.health.isDegraded, "it does not recover");
      assert.equal((await table.item(joiner.chatId))?.["is_active"], { BOOL: true });
      assert.equal((await bot.broadcast("signal")).sent, 1);
      assert.is(said(leaver).includes("signal"), false);
    }, { state: "made", before: claimed, bot: fast });
  },
);

bots("subscriptions() on somebody's bot: neither an update nor a broadcast gets in", async () => {
  await withBot(async ({ server, table, gate, logs }) => {
    const subscribers = subscriptions({ storage: table.storage(), logger: logs });
    const theirs = grammyBotOn(server);
    const failures: unknown[] = [];
    theirs.catch(({ error }) => void failures.push(error));
    theirs.use(subscribers);
    const running = theirs.start();
    try {
      const user = server.user();
      user.say("/start");
      await until(() => failures.length === 1, "the error handler is not told");
      assert.instance(failures[0], ConfigError);
      assert.instance(await failureOf(subscribers.broadcast(theirs.api, "x")), ConfigError);
      assert.equal([gate.count("UpdateItem"), said(user).length], [0, 0]);
      await table.put({ chat_id });
      user.say("/start");
      await user.received("Welcome!");
      assert.is((await subscribers.broadcast(theirs.api, "x")).sent, 1);
    } finally {
      await subscribers.close();
      await theirs.stop();
      await running;
    }
  }, { state: "made", before: claimed, hasLedger: true });
});

bots("subscriptions() that only send claim the table for their token's bot", async () => {
  await withBot(async ({ server, table, logs }) => {
    await using first = subscriptions({ storage: table.storage(), logger: logs });
    await first.broadcast({ token: server.token, options: { apiRoot: server.apiRoot } }, "x");
    assert.equal((await table.item(0))?.["bot_id"], { N: server.token.split(":")[0] ?? "" });
    await using second = subscriptions({ storage: table.storage(), logger: logs });
    const error = await failureOf(second.broadcast({ token: "2:other", options: undefined }, "x"));
    assert.match(error.message, "this is the bot 2.");
  }, { state: "made", hasLedger: true });
});

bots.run();
