/** Topics of forums and of private chats: where the bot answers, and where signals go. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BotApiServer, LocalChat } from "../../lib/local/mod.ts";
import { subscriptions } from "../../lib/bot/plugin.ts";
import { assert, suite } from "../harness.ts";
import {
  FastClock,
  grammyBotOn,
  said,
  type Scene,
  type SceneOptions,
  until,
  withBot,
} from "../support/bot.ts";
import { rm } from "../support/leaks.ts";

const test = suite("topics");
const signal = { direction: "long", symbol: "BTC-USD", entry: 100, stop: 90, target: 120 } as const;
const png = new Uint8Array([0x89, 0x50, 0x4e, 0x47]);
const closed = "Bad Request: TOPIC_CLOSED";
const missing = "Bad Request: message thread not found";

/** A group is written to twenty times a minute, which is three seconds here. */
function withDesk(body: (scene: Scene) => unknown, { bot, ...options }: SceneOptions = {}): Promise<void> {
  return withBot(body, { ...options, bot: { clock: new FastClock(20), ...bot } });
}

/** The topics of the bot's messages in the chat, by its texts' first words; 0 is General. */
function threads({ inbox }: LocalChat): [string, number][] {
  return inbox.map(({ text = "", caption = text, message_thread_id = 0 }) => [
    caption.split(/\s/)[0] ?? "",
    message_thread_id,
  ]);
}

/** A forum in whose first topic its administrator has said /start. */
async function desk({ server, settled }: Scene) {
  const ada = server.user();
  const forum = server.forum({ title: "Desk", administrators: [ada] });
  const [one, two] = [forum.createTopic(ada, "Signals"), forum.createTopic(ada, "Talk")];
  one.say(ada, "/start");
  await settled();
  return { ada, forum, one, two };
}

/** The topics that calls of the method have named, in the chat. */
function named({ calls }: BotApiServer, { chatId }: LocalChat): unknown[] {
  return calls.filter(({ method, payload }) =>
    /^send(Message|Photo)$/.test(method) && payload["chat_id"] === chatId
  )
    .map(({ payload }) => payload["message_thread_id"]);
}

test("/start in a topic is answered there and subscribes it; /start elsewhere moves the subscription", async () => {
  await withDesk(async (scene) => {
    const { bot, another, item, settled } = scene;
    const { ada, forum, one, two } = await desk(scene);
    assert.equal((await item(forum))?.["thread_id"], { N: String(one.threadId) });
    await bot.sendSignal(signal);
    await bot.broadcast({ text: "Chart", photo: png });
    assert.equal(threads(forum), [["Welcome!", one.threadId], ["🟢", one.threadId], ["Chart", one.threadId]]);
    await bot.stopBot();
    const next = another();
    await next.startBot();
    await next.broadcast("restarted");
    assert.equal(threads(forum).at(-1), ["restarted", one.threadId]);
    two.say(ada, "hello");
    two.say(ada, "/start");
    await settled();
    assert.equal(threads(forum).at(-1), ["You", two.threadId]);
    await next.broadcast("moved");
    assert.equal(threads(forum).at(-1), ["moved", two.threadId]);
    forum.say(ada, "/start");
    await settled();
    await next.broadcast("back");
    assert.equal(threads(forum).slice(-2), [["You", 0], ["back", 0]]);
    assert.not("thread_id" in (await item(forum) ?? {}));
  });
});

test("replies go to the topic in which they were asked for", async () => {
  await withDesk(async (scene) => {
    const { server, settled, bot } = scene;
    const { ada, forum, one, two } = await desk(scene);
    for (const text of ["/help", "/status"]) two.say(ada, text);
    two.say(server.user(), "/stop");
    one.say(ada, "/help");
    forum.say(ada, "/help");
    await settled();
    const [, ...replies] = threads(forum);
    assert.equal(replies, [
      ...[["I", two.threadId], ["This", two.threadId], ["In", two.threadId]],
      ...[["I", one.threadId], ["I", 0]],
    ] as never);
    assert.is((await bot.broadcast("signal")).sent, 1);
    assert.equal(threads(forum).at(-1), ["signal", one.threadId]);
    two.say(ada, "/stop");
    await settled();
    assert.equal(threads(forum).at(-1), ["You", two.threadId]);
    assert.is((await bot.broadcast("signal")).recipients, 0);
  });
});

test("a thread that is no topic is not kept: answers in groups have one, too", async () => {
  await withDesk(async ({ bot, server, settled, item }) => {
    const ada = server.user();
    const group = server.group({ title: "Plain", kind: "supergroup", administrators: [ada] });
    group.say(ada, "/start", { message_thread_id: 5 });
    await settled();
    await bot.broadcast("signal");
    assert.not("thread_id" in (await item(group) ?? {}));
    assert.equal(named(server, group), [undefined, undefined]);
  });
});

test("past a closed topic a signal goes to General once, and to the topic when that is open again", async () => {
  await withDesk(async (scene) => {
    const { bot, server, item } = scene;
    const { ada, forum, one } = await desk(scene);
    one.close(ada);
    const report = await bot.sendSignal(signal);
    const { threadId: thread_id } = one;
    assert.equal([report.sent, report.failed, report.errors], [1, 0, []]);
    const [topic, ...more] = report.topics;
    assert.equal([topic?.chat_id, topic?.thread_id, topic?.reason], [forum.chatId, thread_id, "closed"]);
    assert.match(topic?.message ?? "", closed);
    assert.equal(more, []);
    assert.match(String(report), "; 1 topic closed or missing.");
    assert.equal(threads(forum).slice(1), [["🟢", 0]]);
    assert.equal(named(server, forum).slice(1), [thread_id, undefined]);
    assert.equal((await item(forum))?.["thread_id"], { N: String(thread_id) });
    one.reopen(ada);
    assert.equal((await bot.sendSignal(signal)).topics, []);
    assert.equal(threads(forum).at(-1), ["🟢", thread_id]);
  });
});

test("a deleted topic is told, and asked first all the same; where General is closed, too, the signal fails", async () => {
  await withDesk(async (scene) => {
    const { bot, item } = scene;
    const { ada, forum, one, two } = await desk(scene);
    one.delete();
    for (const times of [1, 2]) {
      const { sent, topics } = await bot.sendSignal(signal);
      assert.equal([sent, topics[0]?.reason], [1, "missing"]);
      assert.match(topics[0]?.message ?? "", missing);
      assert.is(forum.inbox.length, 1 + times);
    }
    assert.equal((await item(forum))?.["thread_id"], { N: String(one.threadId) });
    forum.closeGeneral(ada);
    const { sent, failed, errors, topics } = await bot.sendSignal(signal);
    assert.equal([sent, failed, topics.length], [0, 1, 1]);
    assert.match(errors[0]?.message ?? "", closed);
    assert.equal((await item(forum))?.["is_active"], { BOOL: true });
    two.say(ada, "/start");
    await scene.settled();
    assert.equal((await bot.sendSignal(signal)).topics, []);
    assert.equal(threads(forum).at(-1), ["🟢", two.threadId]);
  });
});

test("what may have arrived in a topic is not sent to General as well", async () => {
  await withDesk(async (scene) => {
    const { bot, server } = scene;
    const { forum, one } = await desk(scene);
    server.fault({ method: "sendMessage", answer: "lose" });
    const { unknown, topics } = await bot.broadcast("signal");
    assert.equal([unknown, topics], [1, []]);
    assert.equal(threads(forum).slice(1), [["signal", one.threadId]]);
  });
});

test("all parts of a long message go to General behind the first", async () => {
  await withDesk(async (scene) => {
    const { forum, one } = await desk(scene);
    one.delete();
    const { sent, topics } = await scene.bot.broadcast({ text: "word ".repeat(1500), photo: png });
    assert.equal([sent, topics.length], [1, 1]);
    assert.ok(forum.inbox.length >= 3);
    assert.equal(threads(forum).slice(1).map(([, thread]) => thread), forum.inbox.slice(1).map(() => 0));
  });
});

test("with a broadcastId each chat gets it once, and a later call is told of the topics", async () => {
  await withDesk(async (scene) => {
    const { bot, another } = scene;
    const { forum, one } = await desk(scene);
    one.delete();
    const first = await bot.sendSignal(signal, { broadcastId: "one" });
    const second = await another().sendSignal(signal, { broadcastId: "one" });
    assert.equal([first.sent, second.sent, forum.inbox.length], [1, 1, 2]);
    assert.equal([second.topics, second.topics.length], [first.topics, 1]);
  }, { hasLedger: true });
});

test("a reply that its topic does not take goes to General", async () => {
  await withDesk(async (scene) => {
    const { ada, forum, one } = await desk(scene);
    one.close(ada);
    one.say(ada, "/stop");
    await scene.settled();
    assert.equal(threads(forum).at(-1), ["You", 0]);
  });
});

test("a private chat's topics are the same, without DynamoDB, too", async () => {
  for (const useDynamoDB of [true, false]) {
    await withDesk(async (scene) => {
      const { bot, server, settled } = scene;
      const ada = server.user();
      const topic = ada.createTopic("Signals");
      topic.say(ada, "/start");
      await settled();
      await bot.broadcast("one");
      assert.equal(threads(ada), [["Welcome!", topic.threadId], ["one", topic.threadId]]);
      topic.delete();
      const { sent, topics } = await bot.broadcast("two");
      assert.equal([sent, topics[0]?.chat_id, topics[0]?.reason], [1, ada.chatId, "missing"]);
      ada.say("/start");
      await settled();
      await bot.broadcast("three");
      assert.equal(threads(ada).slice(2), [["two", 0], ["You", 0], ["three", 0]]);
    }, { bot: { useDynamoDB } });
  }
});

test("a group that becomes a supergroup keeps its subscription, and subscribes a topic there", async () => {
  await withDesk(async ({ bot, server, settled }) => {
    const ada = server.user();
    const group = server.group({ title: "Desk", administrators: [ada] });
    group.say(ada, "/start");
    await settled();
    const supergroup = group.migrate();
    await settled();
    await bot.broadcast("one");
    supergroup.say(ada, "/start", { message_thread_id: 17, is_topic_message: true });
    await settled();
    await bot.broadcast("two");
    assert.equal(named(server, supergroup), [undefined, 17, 17]);
  });
});

test("a signal follows what the table says of the topic, whoever wrote it", async () => {
  await withDesk(async (scene) => {
    const { bot, another, table, item, settled, server } = scene;
    const { ada, forum, one, two } = await desk(scene);
    const known = await item(forum);
    await table.put({ ...known, thread_id: { N: String(two.threadId) }, mine: { S: "kept" } });
    await bot.sendSignal(signal);
    assert.equal(threads(forum).at(-1), ["🟢", two.threadId]);
    for (const thread_id of [{ N: "0" }, { S: "17" }, { N: "1.5" }, { NULL: true as const }]) {
      await table.put({ ...known, thread_id, mine: { S: "kept" } });
      await bot.broadcast("odd");
      assert.equal(threads(forum).at(-1), ["odd", 0]);
    }
    one.say(ada, "hello");
    await settled();
    assert.equal((await item(forum))?.["thread_id"], { NULL: true }, "what is none stays until a /start");
    await bot.stopBot();
    // It reads the list before the other one hears the /start.
    const sender = another();
    await sender.initialize();
    const hearer = another();
    await hearer.startBot();
    two.say(ada, "/start");
    await until(() => threads(forum).at(-1)?.[0] === "You", "it is not answered");
    const isKept = async (): Promise<boolean> =>
      (await item(forum))?.["thread_id"]?.N === String(two.threadId);
    await until(isKept, "it is not kept");
    await sender.sendSignal(signal);
    assert.equal(threads(forum).at(-1), ["🟢", two.threadId]);
    assert.equal((await item(forum))?.["mine"], { S: "kept" });
    assert.is(server.countCalls("sendMessage"), forum.inbox.length);
  });
});

test("in an outage a /start counts with its topic: in memory, and on disk for the next process", async () => {
  const folder = await mkdtemp(join(tmpdir(), "topics-"));
  const spoolFile = join(folder, "spool.jsonl");
  try {
    await withDesk(async (scene) => {
      const { bot, another, gate, item } = scene;
      const { ada, forum, two } = await desk(scene);
      const newcomer = scene.server.forum({ title: "New", administrators: [ada] });
      const topic = newcomer.createTopic(ada, "Signals");
      gate.deny("UpdateItem");
      two.say(ada, "/start");
      topic.say(ada, "/start");
      await until(() => bot.health.queuedUpdates >= 2, "they are not queued");
      await bot.sendSignal(signal);
      assert.equal(threads(forum).at(-1), ["🟢", two.threadId]);
      assert.equal(threads(newcomer).at(-1), ["🟢", topic.threadId]);
      await bot.stopBot();
      // It does not poll, so that it knows of the words by the file alone.
      const next = another();
      await next.initialize();
      await next.sendSignal(signal);
      assert.equal(threads(newcomer).at(-1), ["🟢", topic.threadId]);
      gate.clear();
      await until(() => !next.health.isDegraded, "they are not kept");
      await until(async () => (await item(newcomer)) !== undefined, "the newcomer is not kept");
      assert.equal((await item(newcomer))?.["thread_id"], { N: String(topic.threadId) });
      assert.equal((await item(forum))?.["thread_id"], { N: String(two.threadId) });
      await next.sendSignal(signal);
      assert.equal([threads(forum).at(-1)?.[1], threads(newcomer).at(-1)?.[1]], [
        two.threadId,
        topic.threadId,
      ]);
    }, { bot: { spoolFile } });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("subscriptions() keeps topics, and answers and sends there", async () => {
  await withDesk(async ({ server, table, logs, item }) => {
    const bot = grammyBotOn(server);
    const subscribers = subscriptions({ storage: table.storage(), logger: logs, messagesPerSecond: 1000 });
    bot.use(subscribers);
    const running = bot.start();
    const ada = server.user();
    const forum = server.forum({ title: "Desk", administrators: [ada] });
    const topic = forum.createTopic(ada, "Signals");
    topic.say(ada, "/start");
    await forum.received("Welcome!");
    assert.equal((await item(forum))?.["thread_id"], { N: String(topic.threadId) });
    await subscribers.broadcast(bot.api, "signal");
    assert.equal(threads(forum), [["Welcome!", topic.threadId], ["signal", topic.threadId]]);
    assert.is(said(forum).length, 2);
    await subscribers.close();
    await bot.stop();
    await running;
  }, { state: "made" });
});

test.run();
