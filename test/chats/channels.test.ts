/** Channels: what the bot says there is read by all their subscribers, so it says only what it is asked for. */
import { subscriptions } from "../../lib/bot/plugin.ts";
import { assert, suite } from "../harness.ts";
import { FastClock, grammyBotOn, said, until, withBot } from "../support/bot.ts";

const test = suite("channels");
const welcome = "Welcome! You are subscribed.";

test("a channel that adds the bot, or posts, is registered without a word, and gets signals", async () => {
  await withBot(async ({ bot, server, settled, item }) => {
    const boss = server.user();
    const added = server.channel({ title: "News", administrators: [boss], bot: "left" });
    const posting = server.channel({ title: "Signals" });
    added.addBot(boss);
    posting.post("good morning");
    await settled();
    assert.equal([said(added), said(posting)], [[], []]);
    for (const channel of [added, posting]) {
      assert.equal((await item(channel))?.["is_active"], { BOOL: true });
      assert.equal((await item(channel))?.["user_info"]?.M?.["type"], { S: "channel" });
    }
    assert.is((await bot.broadcast("signal")).sent, 2);
    added.removeBot(boss);
    added.addBot(boss);
    await settled();
    assert.equal([said(added), said(posting)], [["signal"], ["signal"]]);
    assert.equal((await item(added))?.["is_active"], { BOOL: true });
  });
});

test("what is asked for in a channel is answered there", async () => {
  await withBot(async ({ server, settled }) => {
    const channel = server.channel({ title: "News" });
    channel.post("/help");
    await settled();
    assert.equal(said(channel), ["I send trading signals to this chat."]);
    for (const command of ["/stop", "/start"]) {
      channel.post(command);
      await settled();
    }
    assert.equal(said(channel).slice(1), [
      "You are unsubscribed.",
      "Welcome back! You are subscribed again.",
    ]);
  });
});

test("only words for channelGreeting are said unasked; other wordings are not", async () => {
  const wordings = [
    [{ registered: () => "Hello" }, []],
    [{ channelGreeting: ({ chatId }: { chatId: number }) => `Signals from now on in ${chatId}` }, [
      "Signals",
    ]],
    [{ channelGreeting: () => undefined }, []],
  ] as const;
  for (const [messages, expected] of wordings) {
    await withBot(async ({ server, settled, logs }) => {
      const boss = server.user();
      const channel = server.channel({ title: "News", administrators: [boss], bot: "left" });
      channel.addBot(boss);
      channel.post("good morning");
      await settled();
      assert.equal(said(channel).map((text) => text.split(" ")[0]), expected);
      assert.equal(logs.of("error"), []);
    }, { bot: { messages, useDynamoDB: false } });
  }
});

test("in an outage a channel is told nothing unasked either, nor after it", async () => {
  await withBot(async ({ bot, server, gate, settled, item }) => {
    const boss = server.user();
    const added = server.channel({ title: "News", administrators: [boss], bot: "left" });
    const posting = server.channel({ title: "Signals" });
    gate.deny();
    await bot.startBot();
    added.addBot(boss);
    posting.post("good morning");
    await until(() => bot.health.queuedUpdates === 2, "they are not queued");
    gate.clear();
    await until(() => !bot.health.isDegraded, "it does not recover");
    await settled();
    for (const channel of [added, posting]) {
      assert.equal((await item(channel))?.["is_active"], { BOOL: true });
      assert.equal(said(channel), []);
    }
  }, { state: "made", bot: { clock: new FastClock(20) } });
});

test("a stranger's channel is refused once it asks", async () => {
  await withBot(async ({ server, settled, item }) => {
    const boss = server.user();
    const channel = server.channel({ title: "News", administrators: [boss], bot: "left" });
    channel.addBot(boss);
    channel.post("good morning");
    await settled();
    assert.equal(said(channel), []);
    channel.post("/start");
    await settled();
    assert.equal(said(channel), ["This bot is private, so I cannot subscribe this chat."]);
    assert.is(await item(channel), undefined);
  }, { bot: { allowedUsers: [4711] } });
});

test("subscriptions() greets no channel either", async () => {
  await withBot(async ({ server, table, logs, item }) => {
    const bot = grammyBotOn(server);
    bot.use(subscriptions({ storage: table.storage(), logger: logs }));
    const running = bot.start();
    const channel = server.channel({ title: "News" });
    channel.post("good morning");
    const user = server.user();
    user.say("/start");
    await user.received(welcome);
    assert.equal((await item(channel))?.["is_active"], { BOOL: true });
    assert.equal(said(channel), []);
    await bot.stop();
    await running;
  }, { state: "made" });
});

test.run();
