/** DynamoDB fails: what is queued, what is said meanwhile, and what the table holds afterwards. */
import type { Message, Update } from "grammy/types";
import { StorageError } from "../../lib/chats/storage.ts";
import type { LocalUser } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import {
  FastClock,
  pause,
  said,
  type Scene,
  soon,
  subscribers,
  until,
  withBot,
  withBotOverHttp,
} from "../support/bot.ts";
import { JumpClock } from "../support/clocks.ts";
import { failureOf } from "../support/storage.ts";

const test = suite("an outage of DynamoDB", {}, 120_000);

const fast = { bot: { clock: new FastClock(20) } };
const welcome = "Welcome! You are subscribed.";
const unsubscribed = "You are unsubscribed.";

/** Resolves once the bot has said these, and only these, in the chat. */
function has(user: LocalUser, ...texts: string[]): Promise<void> {
  return until(
    () => said(user).join("|") === texts.join("|"),
    `not ${texts.join("|")}: ${said(user).join("|")}`,
  );
}

function degraded({ bot }: Scene): Promise<void> {
  return until(() => bot.health.isDegraded, "it is not degraded");
}

function recovered({ bot, settled }: Scene): Promise<void> {
  return until(() => !bot.health.isDegraded, "it does not recover").then(settled);
}

test("/stop holds at once, and /start subscribes, although neither can be kept yet", async () => {
  await withBot(async (scene) => {
    const { bot, server, gate, item } = scene;
    const [leaver = server.user()] = await subscribers(scene, 1);
    const joiner = server.user();
    gate.deny("UpdateItem");
    leaver.say("/stop");
    joiner.say("/start");
    await has(leaver, unsubscribed);
    await has(joiner, welcome);
    assert.match(leaver.inbox[0]?.text ?? "", "I cannot reach my list of subscribers just now");
    assert.equal((await item(leaver))?.["is_active"], { BOOL: true }, "the table still says active");
    const { sent, skipped } = await bot.broadcast("signal");
    assert.equal([sent, skipped], [1, 1]);
    await has(leaver, unsubscribed);
    await has(joiner, welcome, "signal");
    gate.clear();
    await recovered(scene);
    assert.equal((await item(leaver))?.["removed_reason"], { S: "stopped" });
    assert.equal((await item(joiner))?.["is_active"], { BOOL: true });
    await has(leaver, unsubscribed);
    await has(joiner, welcome, "signal");
  }, fast);
});

test("a /stop that one instance could not write ends there, too, with a /start that another one has written", async () => {
  await withBot(async ({ bot, server, gate, table, another }) => {
    const user = server.user();
    const other = another({ client: table.direct });
    await other.initialize();
    const hear = (to: typeof bot, update_id: number, text: string): Promise<void> =>
      to.handleUpdate({ update_id, message: server.unheard(() => user.say(text)) } as Update);
    await hear(bot, 10, "/start");
    gate.deny("UpdateItem");
    await failureOf(hear(bot, 11, "/stop"));
    gate.clear();
    // Until it is written it holds, and when it is.
    assert.is((await bot.broadcast("signal")).sent, 0);
    await hear(other, 11, "/stop");
    assert.is((await bot.broadcast("signal")).sent, 0);
    await hear(other, 12, "/start");
    assert.is((await bot.broadcast("signal")).sent, 1);
  }, { ...fast, state: "initialized" });
});

test("who is told in an outage that an old /stop holds, and is subscribed since, is told so after it", async () => {
  await withBot(async (scene) => {
    const { bot, server, gate, table, another } = scene;
    const user = server.user();
    const other = another({ client: table.direct });
    await other.initialize();
    const { chat, user: from } = user;
    const message = { message_id: 99, chat, from, date: Math.floor(Date.now() / 1000) + 60, text: "hello" };
    await other.handleUpdate({ update_id: 200_000_001, message } as Update);
    gate.deny();
    // Telegram delivers it late, or again.
    user.say("/stop");
    await until(() => said(user).at(-1) === unsubscribed, `${said(user)}`);
    gate.clear();
    await recovered(scene);
    await until(() => said(user).at(-1)?.startsWith("You are subscribed: ") === true, `${said(user)}`);
    assert.is((await bot.broadcast("signal")).sent, 1);
  }, fast);
});

test("who writes in an outage is registered and greeted after it, unless /stop came between", async () => {
  await withBot(async (scene) => {
    const { server, gate, item } = scene;
    const [talker, regretful] = [server.user(), server.user()];
    gate.deny();
    talker.say("hello");
    regretful.say("hello");
    regretful.say("/stop");
    await has(regretful, unsubscribed);
    await degraded(scene);
    assert.equal(said(talker), [], "nobody knows yet");
    gate.clear();
    await recovered(scene);
    await has(talker, welcome);
    await has(regretful, unsubscribed);
    assert.equal((await item(talker))?.["message_count"], { N: "1" });
    assert.equal((await item(regretful))?.["removed_reason"], { S: "stopped" });
  }, fast);
});

test("/status and /help are answered in an outage", async () => {
  await withBot(async (scene) => {
    const { server, gate } = scene;
    const [known = server.user()] = await subscribers(scene, 1);
    known.say("/start");
    await known.received("You are subscribed");
    gate.deny();
    known.say("/status");
    known.say("/help");
    await known.received("This chat is subscribed.");
    assert.match(known.inbox.at(-1)?.text ?? "", "I cannot reach my list");
    await known.received("I send trading signals");
  }, fast);
});

test("in the queue, a chat's updates are one write", async () => {
  await withBot(async (scene) => {
    const { server, gate, settled, item } = scene;
    const user = server.user();
    user.say("/start");
    await settled();
    gate.deny("UpdateItem");
    for (let count = 0; count < 12; count++) user.say("hello");
    await degraded(scene);
    await until(() => scene.bot.health.queuedUpdates === 12, "they are not queued");
    gate.clear();
    gate.resetCounts();
    await recovered(scene);
    assert.is(gate.count("UpdateItem"), 1);
    assert.equal((await item(user))?.["message_count"], { N: "13" });
  }, fast);
});

test("what others wrote meanwhile is kept", async () => {
  await withBot(async (scene) => {
    const { server, gate, table, settled, item } = scene;
    const user = server.user();
    user.say("/start");
    await settled();
    gate.deny("UpdateItem");
    user.say("hello");
    await degraded(scene);
    await table.put({
      ...await item(user) as object,
      message_count: { N: "10" },
      plan: { S: "gold" },
      user_info: { M: { tag: { S: "vip" } } },
    });
    gate.clear();
    await recovered(scene);
    const after = await item(user);
    assert.equal(after?.["message_count"], { N: "11" });
    assert.equal(after?.["plan"], { S: "gold" });
    assert.equal(after?.["user_info"]?.M?.["tag"], { S: "vip" });
  }, fast);
});

test("down at the start: the table is read and the queue kept once DynamoDB is back, told once at either end", async () => {
  await withBot(async (scene) => {
    const { bot, server, gate, table, logs, item } = scene;
    const [active = server.user(), leaver = server.user()] = await subscribers(scene, 2);
    const [talker, joiner] = [server.user(), server.user()];
    gate.refuse();
    const { storage, chats } = await bot.initialize();
    assert.equal([storage, chats], ["memory", 0]);
    await bot.startBot();
    leaver.say("/stop");
    joiner.say("/start");
    talker.say("hello");
    await has(leaver, unsubscribed);
    await has(joiner, welcome);
    await talker.received("/start subscribes this chat");
    assert.instance(await failureOf(bot.broadcast("nothing")), StorageError);
    const one = bot.broadcast("one", { whenUnreadable: "send" });
    await joiner.received("one");
    await until(() => one.progress.done === 1, "it is not counted");
    assert.is(bot.health.isDegraded, true, "it waits for the others");
    gate.clear();
    await recovered(scene);
    assert.is((await one).stopped, undefined);
    assert.is((await bot.getStatistics()).storage, "dynamodb");
    assert.is((await table.storage().getStatistics()).totalChats, 4);
    assert.equal((await item(leaver))?.["removed_reason"], { S: "stopped" });
    await talker.received(welcome);
    assert.is((await bot.broadcast("two")).sent, 3);
    assert.equal(said(active), ["one", "two"]);
    assert.equal(said(leaver), [unsubscribed]);
    assert.equal(said(joiner), [welcome, "one", "two"]);
    assert.is(logs.of("error").length, 1, logs.text);
    assert.is(logs.of("info", "is back").length, 1, logs.text);
  }, { ...fast, state: "made" });
});

test("Telegram keeps what waits in memory, as far as it can tell it all at once", async () => {
  await withBot(async (scene) => {
    const { bot, server, gate, logs, another, settled, item } = scene;
    gate.deny();
    const users = Array.from({ length: 30 }, () => server.user());
    for (const user of users) user.say("/start");
    await degraded(scene);
    await users[29]?.received(welcome);
    assert.is(server.pendingUpdates, 30);
    assert.ok(await soon(bot.stopBot(), 5000), "it ends");
    assert.match(logs.of("warn").at(-1) ?? "", "for the next start there wait 30 updates at Telegram");
    gate.clear();
    await another().startBot();
    await settled();
    for (const user of users) assert.equal((await item(user))?.["is_active"], { BOOL: true });
  }, fast);
});

test("more than Telegram can tell at once is confirmed, so that nobody goes unheard; what is lost at the end is told", async () => {
  await withBot(async (scene) => {
    const { bot, server, gate, logs } = scene;
    gate.deny();
    const users = Array.from({ length: 130 }, () => server.user());
    for (const user of users) user.say("/stop");
    await users[129]?.received("You are unsubscribed");
    await until(() => server.pendingUpdates === 90, "there is no room");
    await bot.stopBot();
    const [lost = ""] = logs.of("error", "lost");
    assert.match(lost, /40 updates lost \(40 stop\), of the chats \d+/);
    assert.match(lost, "and 20 more");
    assert.match(lost, "TELEGRAM_SPOOL_FILE");
  }, fast);
});

test("a queued /stop holds to the bot's end, though a broadcast outlasts the attempts to keep it", async () => {
  await withBot(async (scene) => {
    const { bot, server, gate, logs, settled } = scene;
    const [leaver, other] = [server.user(), server.user()];
    for (const user of [leaver, other]) user.say("/start");
    await settled();
    gate.deny("UpdateItem");
    leaver.say("/stop");
    await has(leaver, welcome, unsubscribed);
    const run = bot.broadcast("signal");
    run.pause();
    const stopped = bot.stopBot();
    await until(() => logs.of("warn", "could not be used until the end").length > 0, "it still tries");
    run.resume();
    const { sent, skipped } = await run;
    await stopped;
    assert.equal([sent, skipped], [1, 1]);
    assert.equal(said(leaver), [welcome, unsubscribed]);
    assert.equal(said(other), [welcome, "signal"]);
  }, fast);
});

test("a queued /stop holds that a later message, heard by another bot, has overtaken", async () => {
  await withBot(async (scene) => {
    const { server, gate, table, another, settled, item } = scene;
    const leaver = server.user();
    leaver.say("/start");
    await settled();
    const other = another({ client: table.direct });
    await other.initialize();
    gate.deny("UpdateItem");
    const { chat, from, date } = leaver.say("/stop");
    await has(leaver, welcome, unsubscribed);
    const message = { message_id: 99, chat, from, date, text: "thanks" } as Message;
    await other.handleUpdate({ update_id: 200_000_001, message } as Update);
    assert.equal((await item(leaver))?.["last_update_id"], { N: "200000001" });
    gate.clear();
    await recovered(scene);
    assert.equal((await item(leaver))?.["removed_reason"], { S: "stopped" });
    assert.equal((await item(leaver))?.["message_count"], { N: "3" });
    assert.equal((await item(leaver))?.["last_update_id"], { N: "200000001" });
    await other.broadcast("signal");
    await has(leaver, welcome, unsubscribed);
  }, fast);
});

test("a hiccup of less than five seconds is nobody's concern", async () => {
  await withBot(async ({ server, gate, logs, settled, item }) => {
    gate.fail({
      status: 500,
      type: "InternalServerError",
      message: "hiccup",
      times: 3,
      action: "UpdateItem",
    });
    const user = server.user();
    user.say("/start");
    await settled();
    assert.equal(said(user), [welcome]);
    assert.is(user.inbox[0]?.text?.includes("cannot reach"), false);
    assert.equal((await item(user))?.["message_count"], { N: "1" });
    assert.equal(logs.of("error"), []);
  });
});

test("half of all requests throttled: exact, and calm", async () => {
  await withBot(async ({ server, gate, logs, settled, item }) => {
    gate.throttle({ share: 0.5 });
    const users = Array.from({ length: 20 }, () => server.user());
    for (let round = 0; round < 5; round++) {
      for (const user of users) user.say("hello");
      await pause(20);
    }
    await settled();
    for (const user of users) assert.equal((await item(user))?.["message_count"], { N: "5" });
    assert.ok(logs.of("error").length <= 1, logs.text);
  });
});

test("one chat that cannot be kept keeps nobody else from it", async () => {
  const clock = new FastClock(20);
  await withBotOverHttp(async (scene) => {
    const { bot, server, gate, table, item } = scene;
    const [stuck, other] = [server.user({ opened: true }), server.user()];
    await table.put({
      chat_id: { N: String(stuck.chatId) },
      is_active: { BOOL: false },
      message_count: { N: "1" },
      removed_at: { S: "2026-01-01T00:00:00.000Z" },
      removed_reason: { S: "blocked" },
    });
    // Whom the bot takes for new or active it can write; whom it has to read first it cannot.
    const fault = gate.deny("GetItem");
    stuck.say("hello");
    await degraded(scene);
    await pause(300);
    // Whoever is not kept within half a second is told so in an outage; a slow machine takes longer than 25 ms.
    clock.setFactor(0.1);
    other.say("/start");
    await has(other, welcome);
    clock.setFactor(20);
    assert.not.match(other.inbox[0]?.text ?? "", "I cannot reach my list");
    assert.equal((await item(other))?.["is_active"], { BOOL: true });
    assert.is(bot.health.queuedUpdates, 1);
    fault.clear();
    await recovered(scene);
    assert.equal((await item(stuck))?.["is_active"], { BOOL: true });
  }, { bot: { clock } });
});

test("/start and /stop of one batch: the last word counts in the outage, too", async () => {
  for (const words of [["/start", "/stop"], ["/start", "/stop", "/start"]]) {
    await withBot(async (scene) => {
      const { bot, server, gate, settled, item } = scene;
      const user = server.user();
      gate.deny("UpdateItem");
      server.user().say("/start");
      await degraded(scene);
      for (const word of words) user.say(word);
      await until(() => said(user).length === words.length, "it is not answered");
      const isActive = words.at(-1) === "/start";
      await bot.broadcast("signal");
      assert.is(said(user).includes("signal"), isActive);
      gate.clear();
      await recovered(scene);
      await settled();
      assert.equal((await item(user))?.["is_active"], { BOOL: isActive });
    }, fast);
  }
});

test("/status does not contradict what was said a moment ago", async () => {
  await withBot(async (scene) => {
    const { server, gate, settled } = scene;
    const [joiner, leaver] = [server.user(), server.user()];
    leaver.say("/start");
    await settled();
    gate.deny("UpdateItem");
    joiner.say("/start");
    joiner.say("/status");
    leaver.say("/stop");
    leaver.say("/status");
    await has(joiner, welcome, "This chat is subscribed.");
    await has(leaver, welcome, unsubscribed, "This chat gets no signals just now.");
  }, fast);
});

test("a bot that is stopped while DynamoDB hangs confirms nothing, and says so", async () => {
  await withBot(async (scene) => {
    const { bot, server, gate, logs, another, settled, item } = scene;
    gate.hang();
    const users = Array.from({ length: 150 }, () => server.user());
    for (const user of users) user.say("/start");
    await until(() => gate.requests > 0, "it has not begun");
    await bot.stopBot();
    assert.is(server.pendingUpdates, 150);
    assert.equal(logs.of("error", "lost"), []);
    gate.clear();
    await another().startBot();
    await settled();
    for (const user of users) assert.equal((await item(user))?.["is_active"], { BOOL: true });
  }, fast);
});

test("a clock that is set back by an hour keeps nobody waiting for an hour", async () => {
  const clock = new JumpClock(20);
  await withBot(async (scene) => {
    const { bot, server, gate } = scene;
    const [first, second] = [server.user(), server.user()];
    first.say("/start");
    await first.received(welcome);
    clock.jump(-3_600_000);
    first.say("/help");
    await first.received("I send trading signals");
    assert.is((await bot.broadcast("signal")).sent, 1);
    gate.throttle({ action: "UpdateItem" });
    second.say("/start");
    await until(() => gate.count("UpdateItem") > 3, "it has not begun");
    clock.jump(-3_600_000);
    await degraded(scene);
    await second.received(welcome);
  }, { bot: { clock } });
});

test("the health of the bot tells of it", async () => {
  await withBot(async (scene) => {
    const { bot, server, gate, settled } = scene;
    const { lastHeardAt, ...atFirst } = bot.health;
    assert.equal(atFirst, {
      ...{ isPolling: true, isHearing: true, isDegraded: false },
      ...{ queuedUpdates: 0, pendingReplies: 0, droppedReplies: 0 },
    });
    assert.is(lastHeardAt, undefined, "nobody has written yet");
    gate.deny();
    server.user().say("/start");
    await until(() => bot.health.queuedUpdates === 1, "it is not queued");
    assert.is(bot.health.isDegraded, true);
    gate.clear();
    await recovered(scene);
    await settled();
    const { isPolling, isHearing, lastHeardAt: heardAt, ...statistics } = await bot.getStatistics();
    const { isDegraded, queuedUpdates, pendingReplies, droppedReplies } = statistics;
    const waiting = { isDegraded, queuedUpdates, pendingReplies, droppedReplies };
    assert.equal({ isPolling, isHearing, lastHeardAt: heardAt, ...waiting }, bot.health);
    await bot.stopBot();
    assert.equal([bot.health.isPolling, bot.health.isHearing], [false, false]);
  }, fast);
});

test.run();
