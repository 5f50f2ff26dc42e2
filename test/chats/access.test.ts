/** A bot for few: strangers are refused, and cost nothing; one chat's flood costs little. */
import type { Context } from "grammy/web";
import type { LocalUser } from "../../lib/local/mod.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { assert, suite } from "../harness.ts";
import { FastClock, HandClock, said, subscribers, until, withBot } from "../support/bot.ts";
import { failureOf } from "../support/storage.ts";

const refusal = "This bot is private, so I cannot subscribe this chat.";
const welcome = "Welcome! You are subscribed.";
const ada = 4711;

const test = suite("a private bot");

test("allowedUsers: a stranger is refused once, is not registered, and costs no request", async () => {
  await withBot(async ({ bot, server, gate, settled, item }) => {
    const heard: string[] = [];
    bot.grammy.on("message:text", (ctx) => void heard.push(ctx.message.text));
    const friend = server.user({ id: ada });
    const stranger = server.user();
    gate.resetCounts();
    for (const text of ["/start", "hello", "/status"]) stranger.say(text);
    await settled();
    assert.equal(said(stranger), [refusal]);
    assert.match(stranger.inbox[0]?.text ?? "", String(stranger.chatId), "the id that its owner needs");
    assert.is(gate.requests, 0);
    assert.equal(heard, [], "the bot's own handlers do not hear strangers either");
    friend.say("/start");
    await settled();
    assert.equal(said(friend), [welcome]);
    assert.is(await item(stranger), undefined);
    assert.equal(heard, ["/start"]);
  }, { bot: { allowedUsers: [ada] } });
});

test("the ready line says who may use the bot", async () => {
  const lines: [object, RegExp][] = [
    [{}, /kept in memory\.$/],
    [{ allowedUsers: [ada] }, /kept in memory, only the 1 chat in allowedUsers may use it\.$/],
    [
      { allowedUsers: [ada, 5], authorize: () => true },
      /only the 2 chats in allowedUsers may use it, as far as authorize agrees\.$/,
    ],
    [{ authorize: () => true }, /kept in memory, authorize says who may use it\.$/],
  ];
  for (const [options, line] of lines) {
    await withBot(async ({ bot, logs }) => {
      await bot.initialize();
      assert.match(logs.of("info", "is ready")[0] ?? "", line);
    }, { bot: { useDynamoDB: false, ...options } });
  }
});

test("a registered chat that is no longer allowed gets no broadcast, and its /stop holds all the same", async () => {
  await withBot(async (scene) => {
    const { bot, server, settled, item } = scene;
    const [former = server.user()] = await subscribers(scene, 1);
    const friend = server.user({ id: ada });
    friend.say("/start");
    await settled();
    const { sent, skipped } = await bot.broadcast("signal");
    assert.equal([sent, skipped], [1, 1]);
    assert.equal(said(former), []);
    former.say("/stop");
    await settled();
    assert.equal((await item(former))?.["removed_reason"], { S: "stopped" });
    assert.equal(said(former), ["You are unsubscribed."]);
  }, { bot: { allowedUsers: [ada] } });
});

test("a group is allowed by its own id, and so is what it becomes", async () => {
  const id = -4242;
  await withBot(async ({ bot, server, settled, item }) => {
    const boss = server.user({ id: ada });
    const other = server.group({ title: "Elsewhere", administrators: [boss] });
    const group = server.group({ title: "Desk", administrators: [boss], id });
    other.say(boss, "/start");
    group.say(boss, "/start");
    await settled();
    assert.equal(said(other), [refusal]);
    assert.is(await item(other), undefined);
    assert.equal((await item(group))?.["is_active"], { BOOL: true });
    const supergroup = group.migrate();
    await settled();
    assert.is((await bot.broadcast("signal")).sent, 1);
    assert.is(said(supergroup).at(-1), "signal");
  }, { bot: { allowedUsers: [ada, id] } });
});

test("a group that is allowed goes on being so after a restart, as the supergroup that it has become", async () => {
  const id = -4242;
  const storage = new InMemoryChatStorage();
  // It outlives the first bot.
  storage.close = () => {};
  await withBot(async (scene) => {
    const { bot, server, settled, another } = scene;
    const boss = server.user({ id: ada });
    const group = server.group({ title: "Desk", administrators: [boss], id });
    group.say(boss, "/start@local_test_bot");
    await settled();
    const supergroup = group.migrate();
    await settled();
    await bot.stopBot();
    const next = another();
    await next.startBot();
    assert.is((await next.broadcast("signal")).sent, 1);
    assert.is(said(supergroup).at(-1), "signal");
    supergroup.say(boss, "/status@local_test_bot");
    await supergroup.received("This chat is subscribed.");
  }, { bot: { allowedUsers: [ada, id], storage } });
});

test("authorize is asked of every update with its context, and may change its mind", async () => {
  const allowed = new Set<number>();
  const authorize = async ({ from }: Context): Promise<boolean> =>
    await Promise.resolve(allowed.has(from?.id ?? 0));
  await withBot(async ({ bot, server, settled, item }) => {
    const user = server.user();
    user.say("/start");
    await settled();
    assert.equal(said(user), [refusal]);
    assert.is(await item(user), undefined);
    allowed.add(user.chatId);
    user.say("/start");
    await settled();
    assert.equal(said(user), [refusal, welcome]);
    assert.is((await bot.broadcast("one")).sent, 1);
    allowed.delete(user.chatId);
    user.say("hello");
    await settled();
    assert.is((await bot.broadcast("two")).sent, 0);
    assert.is(said(user).at(-1), "one");
  }, { bot: { authorize } });
});

test("in a group, one member's word does not cut the group off", async () => {
  const paying = new Set<number>();
  await withBot(async ({ bot, server, settled, item }) => {
    const [boss, guest] = [server.user(), server.user()];
    paying.add(boss.chatId);
    const group = server.group({ title: "Desk", administrators: [boss], members: [guest] });
    group.say(boss, "/start");
    group.say(guest, "good morning");
    await settled();
    assert.equal(said(group), [welcome], "what people say among themselves is not said to the bot");
    assert.is((await bot.broadcast("signal")).sent, 1);
    group.say(guest, "/status");
    await settled();
    assert.is(said(group).at(-1), refusal);
    assert.equal((await item(group))?.["message_count"], { N: "1" });
  }, { bot: { authorize: ({ from }: Context) => paying.has(from?.id ?? 0) } });
});

test("an authorize that fails or hangs lets nobody in, and says so", async () => {
  const failures = [
    () => Promise.reject(new Error("my directory is down")),
    () => new Promise<boolean>(() => {}),
    () => "yes" as never,
  ];
  for (const authorize of failures) {
    await withBot(async ({ server, settled, item, logs }) => {
      const user = server.user();
      user.say("/start");
      await settled();
      assert.is(await item(user), undefined);
      assert.equal(said(user), [refusal]);
      if (authorize === failures[0]) assert.match(logs.of("error")[0] ?? "", "my directory is down");
      if (authorize === failures[1]) {
        assert.match(logs.of("error")[0] ?? "", "authorize takes longer than 5 s");
      }
    }, { bot: { authorize, clock: new FastClock(50) } });
  }
});

test("what is wrong with these options is said", async () => {
  await withBot(async ({ another }) => {
    for (const allowedUsers of [["@ada"], [1.5], [0], "12"]) {
      const error = await failureOf(
        Promise.resolve().then(() => another({ allowedUsers: allowedUsers as never })),
      );
      assert.match(error.message, "allowedUsers must be a list of chat ids");
    }
    assert.throws(() => another({ authorize: true as never }), /authorize must be a function/);
  }, { state: "made" });
});

test.run();

const flood = suite("one chat floods the bot");

/** Says a text, and waits until the bot has heard it. */
async function sayOneByOne(
  user: LocalUser,
  texts: readonly string[],
  settled: () => Promise<void>,
): Promise<void> {
  for (const text of texts) {
    user.say(text);
    await settled();
  }
}

flood("its commands are answered twenty times a minute", async () => {
  await withBot(async ({ server, settled, item }) => {
    const [flooder, other] = [server.user(), server.user()];
    for (let count = 0; count < 150; count++) flooder.say("/help");
    await settled();
    other.say("/help");
    await settled();
    // The welcome and the first help are one answer.
    assert.ok(flooder.inbox.length >= 20 && flooder.inbox.length <= 23, `${flooder.inbox.length} answers`);
    assert.is(other.inbox.length, 2);
    assert.equal((await item(flooder))?.["message_count"], { N: "150" }, "all are counted");
    // One chat is answered once a second.
  }, { bot: { clock: new FastClock(10) } });
});

flood("what it says at once costs a write for each hundred", async () => {
  await withBot(async ({ bot, server, gate, settled, item }) => {
    const flooder = server.user();
    for (let count = 0; count < 1000; count++) flooder.say("hello");
    await bot.initialize();
    gate.resetCounts();
    await bot.startBot();
    await settled();
    assert.ok(gate.count("UpdateItem") <= 11, `${gate.count("UpdateItem")} writes`);
    assert.equal((await item(flooder))?.["message_count"], { N: "1000" });
  }, { state: "made" });
});

flood("what it says one by one is heard in lumps, at most one a second", async () => {
  const clock = new HandClock(Date.now());
  await withBot(async ({ server, settled, item }) => {
    const flooder = server.user();
    await sayOneByOne(flooder, Array.from({ length: 60 }, () => "hello"), settled);
    const before = clock.now();
    await sayOneByOne(flooder, Array.from({ length: 30 }, () => "hello"), settled);
    const seconds = (clock.now() - before) / 1000;
    assert.ok(seconds >= 28, `thirty polls in ${seconds} s`);
    assert.equal((await item(flooder))?.["message_count"], { N: "90" });
  }, { bot: { clock } });
});

flood("its /stop is confirmed all the same", async () => {
  await withBot(async ({ server, settled }) => {
    const flooder = server.user();
    for (let count = 0; count < 50; count++) flooder.say("/help");
    flooder.say("/stop");
    await settled();
    assert.is(said(flooder).at(-1), "You are unsubscribed.");
    // One chat is answered once a second.
  }, { bot: { clock: new FastClock(20) } });
});

flood("the others are heard all the same", async () => {
  await withBot(async ({ server, settled }) => {
    const [flooder, other] = [server.user(), server.user()];
    for (let count = 0; count < 500; count++) flooder.say("hello");
    other.say("/start");
    await other.received(welcome);
    await settled();
    await until(() => flooder.inbox.length === 1, "it is greeted once");
  });
});

flood.run();
