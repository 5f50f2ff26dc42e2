/** What Telegram is told to forget, and when: only what is kept, and nobody waits for anybody else. */
import fc from "fast-check";
import type { Update } from "grammy/types";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { type InFlightUpdate, OffsetTracker } from "../../lib/telegram/polling.ts";
import type { ApplyResult } from "../../lib/chats/storage.ts";
import { assert, suite } from "../harness.ts";
import { FastClock, pause, said, soon, subscribers, until, withBot } from "../support/bot.ts";
import { failureOf } from "../support/storage.ts";

const test = suite("acknowledgement", {}, 120_000);

const welcome = "Welcome! You are subscribed.";

test("a chat's updates of one batch are one write, exact, and each is answered", async () => {
  await withBot(async ({ bot, server, gate, settled, item }) => {
    const users = Array.from({ length: 5 }, () => server.user());
    for (let round = 0; round < 9; round++) for (const user of users) user.say("hello");
    for (const user of users) user.say("/status");
    await bot.initialize();
    gate.resetCounts();
    await bot.startBot();
    await settled();
    assert.is(gate.count("UpdateItem"), users.length);
    for (const user of users) {
      assert.equal((await item(user))?.["message_count"], { N: "10" });
      assert.equal(said(user), [welcome, "This chat is subscribed."]);
    }
  }, { state: "made" });
});

test("a batch of /start, /stop and messages of one chat is answered as if they had come one by one", async () => {
  await withBot(async ({ bot, server, settled, item }) => {
    const user = server.user();
    for (const text of ["hello", "/stop", "hello", "/start", "/start", "/stop", "/stop"]) user.say(text);
    await bot.startBot();
    await settled();
    // The greeting of a chat that is gone again by then is left out.
    assert.equal(said(user), [
      "You are unsubscribed.",
      "Welcome back! You are subscribed again.",
      "You are subscribed: every trading signal arrives in this chat.",
      "You are unsubscribed.",
      "This chat is not subscribed. /start subscribes it.",
    ]);
    assert.equal((await item(user))?.["message_count"], { N: "7" });
    assert.equal((await item(user))?.["removed_reason"], { S: "stopped" });
  }, { state: "made" });
});

test("five hundred newcomers are registered long before the last of them is greeted", async () => {
  const clock = new FastClock(0.2);
  await withBot(async ({ bot, server, table }) => {
    const users = Array.from({ length: 500 }, () => server.user());
    for (const user of users) user.say("/start");
    await bot.startBot();
    await until(() => server.pendingUpdates === 0, "they are not confirmed");
    assert.is((await table.storage().getStatistics()).activeChats, 500);
    const { pendingReplies } = bot.health;
    assert.ok(pendingReplies > 100, `${pendingReplies} wait for their greeting at a hundred a second`);
    // A greeting waits for ten seconds at most, of which they take five.
    clock.setFactor(2);
    await until(() => bot.health.pendingReplies === 0, "they are not greeted");
    assert.ok(users.every((user) => said(user).join() === welcome));
  }, { state: "made", bot: { messagesPerSecond: 100, clock } });
});

test("a reply that hangs holds back neither the next update nor the next chat", async () => {
  await withBot(async ({ bot, server, item }) => {
    const [stuck, other] = [server.user(), server.user()];
    server.fault({ method: "sendMessage", times: 1, answer: "hang" });
    stuck.say("/start");
    await until(() => bot.health.pendingReplies === 1, "no reply is under way");
    stuck.say("/stop");
    other.say("/start");
    await other.received(welcome);
    await until(
      async () => (await item(stuck))?.["removed_reason"]?.S === "stopped",
      "its /stop is not kept",
    );
    await until(() => server.pendingUpdates === 0, "not confirmed");
  });
});

test("a user's handler holds its update back for five seconds, and the chat's later ones come after it", async () => {
  await withBot(async ({ bot, server, item }) => {
    const seen: string[] = [];
    let release = (): void => {};
    bot.grammy.on("message:text", async ({ message: { text } }) => {
      if (text === "slow") await new Promise<void>((resolve) => release = resolve);
      seen.push(text);
    });
    await bot.startBot();
    const user = server.user();
    user.say("slow");
    await user.received(welcome);
    await pause(20);
    assert.is(server.pendingUpdates, 1, "it is held back");
    user.say("/stop");
    await until(async () => (await item(user))?.["removed_reason"]?.S === "stopped", "/stop is not kept");
    await until(() => server.pendingUpdates === 0, "not confirmed");
    assert.equal(seen, [], "in their order");
    release();
    await until(() => seen.join() === "slow,/stop", "the later one did not come");
  }, { state: "made", bot: { clock: new FastClock(5) } });
});

test("a broadcast within a handler does not keep the bot from hearing", async () => {
  await withBot(async (scene) => {
    const { bot, server, settled, item } = scene;
    await subscribers(scene, 40);
    let sent = 0;
    bot.grammy.command("announce", async () => {
      sent = (await bot.broadcast("news")).sent;
    });
    await bot.startBot();
    const boss = server.user();
    boss.say("/announce");
    await boss.received(welcome);
    const other = server.user();
    other.say("/start");
    await until(async () => (await item(other))?.["is_active"]?.BOOL === true, "it hears nobody");
    assert.is(sent, 0, "it goes on");
    await until(() => sent > 0, "it does not end");
    await settled();
  }, { state: "made", bot: { messagesPerSecond: 4, clock: new FastClock(5) } });
});

class HangingStorage extends InMemoryChatStorage {
  hangs = true;

  override async apply(...given: Parameters<InMemoryChatStorage["apply"]>): Promise<ApplyResult> {
    if (this.hangs) await new Promise(() => {});
    return await super.apply(...given);
  }
}

test("a storage that hangs is an outage like any other", async () => {
  const storage = new HangingStorage();
  await withBot(async ({ bot, server, logs }) => {
    const [one, two] = [server.user(), server.user()];
    one.say("/start");
    await one.received(welcome);
    assert.match(logs.of("error")[0] ?? "", "The storage has not answered within 5 s.");
    storage.hangs = false;
    two.say("/start");
    await two.received(welcome);
    await until(async () => (await storage.getChat(two.chatId))?.is_active === true, "it is not kept");
    assert.ok(await soon(bot.stopBot(), 5000), "it ends");
  }, { bot: { storage, clock: new FastClock(20) } });
});

test("the same update handled by two pollers at once is counted and answered once", async () => {
  await withBot(async ({ bot, server, another, settled, item }) => {
    const [one, two] = [bot, another()];
    await Promise.all([one.initialize(), two.initialize()]);
    const users = Array.from({ length: 10 }, () => server.user({ opened: true }));
    const at = Math.floor(Date.now() / 1000);
    await Promise.all(users.flatMap((user, index) => {
      const message = { message_id: 1, date: at, chat: user.chat, from: user.user, text: "/start" };
      const update = { update_id: 1000 + index, message } as unknown as Update;
      return [one.handleUpdate(update), two.handleUpdate(update)];
    }));
    await settled();
    for (const user of users) {
      assert.equal((await item(user))?.["message_count"], { N: "1" });
      assert.equal(said(user), [welcome]);
    }
  }, { state: "made" });
});

test("handleUpdate() rejects what could not be kept, and the same again is kept once", async () => {
  await withBot(async ({ bot, server, gate, item }) => {
    const user = server.user({ opened: true });
    const message = { message_id: 1, date: Math.floor(Date.now() / 1000), chat: user.chat, from: user.user };
    const update = { update_id: 77, message: { ...message, text: "/start" } } as unknown as Update;
    await bot.initialize();
    const fault = gate.deny("UpdateItem");
    assert.is((await failureOf(bot.handleUpdate(update))).name, "StorageError");
    fault.clear();
    await bot.handleUpdate(update);
    await bot.handleUpdate(update);
    assert.equal((await item(user))?.["message_count"], { N: "1" });
    assert.equal(said(user), [welcome]);
    await bot.handleUpdate({ update_id: 78, message: { text: "/start", chat: { id: 0 } } } as never);
  }, { state: "made" });
});

test("handleUpdate() where DynamoDB was down at the start: it rejects until that is back", async () => {
  await withBot(async ({ bot, server, gate, item }) => {
    const user = server.user({ opened: true });
    const message = { message_id: 1, date: Math.floor(Date.now() / 1000), chat: user.chat, from: user.user };
    const update = { update_id: 77, message: { ...message, text: "/start" } } as unknown as Update;
    gate.refuse();
    await bot.initialize();
    assert.is((await failureOf(bot.handleUpdate(update))).name, "StorageError");
    gate.clear();
    await bot.handleUpdate(update);
    assert.equal((await item(user))?.["is_active"], { BOOL: true });
  }, { state: "made" });
});

test("handleUpdate(): a /stop that cannot be kept yet counts until it comes again", async () => {
  await withBot(async (scene) => {
    const { bot, server, gate, item } = scene;
    const [user = server.user()] = await subscribers(scene, 1);
    const message = { message_id: 1, date: Math.floor(Date.now() / 1000), chat: user.chat, from: user.user };
    const stop = { update_id: 77, message: { ...message, text: "/stop" } } as unknown as Update;
    const start = { update_id: 78, message: { ...message, text: "/start" } } as unknown as Update;
    const fault = gate.deny("UpdateItem");
    await failureOf(bot.handleUpdate(stop));
    assert.equal([(await bot.broadcast("one")).sent, said(user)], [0, []]);
    fault.clear();
    await bot.handleUpdate(stop);
    assert.equal((await item(user))?.["removed_reason"], { S: "stopped" });
    await bot.handleUpdate(start);
    assert.is((await bot.broadcast("two")).sent, 1);
  }, { state: "initialized" });
});

test("handleUpdate(): what was kept and its answer lost is answered when it comes again", async () => {
  await withBot(async (scene) => {
    const { bot, server, gate, item } = scene;
    const [user = server.user()] = await subscribers(scene, 1);
    const message = { message_id: 1, date: Math.floor(Date.now() / 1000), chat: user.chat, from: user.user };
    const stop = { update_id: 77, message: { ...message, text: "/stop" } } as unknown as Update;
    gate.loseAnswers({ action: "UpdateItem", times: 3 });
    await failureOf(bot.handleUpdate(stop));
    await bot.handleUpdate(stop);
    await bot.handleUpdate(stop);
    assert.equal(said(user), ["You are unsubscribed."]);
    assert.equal((await item(user))?.["message_count"], { N: "2" });
  }, { state: "initialized" });
});

test.run();

const received = suite("received updates");

const update = (update_id: number): Update => ({ update_id });

interface Step {
  readonly isHeard: boolean | "failed";
  readonly isSafe: boolean;
}

received("the offset never passes one that is not safe, unless Telegram has no room for more", async () => {
  const steps = fc.array(
    fc.record({ isHeard: fc.constantFrom(true, false, "failed" as const), isSafe: fc.boolean() }),
    { minLength: 1, maxLength: 100 },
  );
  await fc.assert(fc.asyncProperty(steps, fc.boolean(), fc.nat(1000), async (all, isFull, first) => {
    const book = new OffsetTracker();
    const confirmed = new Set<number>();
    const updates = all.map((_, index) => update(first + 1 + index));
    book.add(all.map((step, index) => takenOf(step, first + 1 + index, confirmed)));
    await pause(0);
    book.advance(updates, isFull);
    // Where there is no room, the first twenty that only wait to be safe are given up.
    let room = isFull ? 20 : 0;
    const end = all.findIndex(({ isHeard, isSafe }) => isHeard !== true || (!isSafe && room-- <= 0));
    const expected = first + 1 + (end < 0 ? all.length : end);
    assert.is(book.offset, expected);
    assert.ok([...confirmed].every((updateId) => updateId < expected));
    const again = book.withoutInFlight(updates).map(({ update_id }) => update_id).filter((id) =>
      id >= expected
    );
    const failed = updates.filter((_, index) => all[index]?.isHeard === "failed").map(({ update_id }) =>
      update_id
    );
    assert.equal(again, failed.filter((id) => id >= expected), "only what failed is handled again");
  }));
});

function takenOf({ isHeard, isSafe }: Step, updateId: number, confirmed: Set<number>): InFlightUpdate {
  const never = new Promise<void>(() => {});
  const handled = isHeard === "failed"
    ? Promise.reject(new Error("again"))
    : isHeard
    ? Promise.resolve()
    : never;
  return {
    updateId,
    handled,
    begun: Promise.resolve(),
    durable: isSafe ? Promise.resolve() : never,
    confirmed: () => void confirmed.add(updateId),
  };
}

received("one that failed and is not told again does not hold the others for ever", async () => {
  const book = new OffsetTracker();
  book.add([takenOf({ isHeard: "failed", isSafe: false }, 5, new Set())]);
  await pause(0);
  book.advance([update(5)], false);
  assert.is(book.offset, 5);
  book.add([takenOf({ isHeard: true, isSafe: true }, 6, new Set())]);
  await pause(0);
  book.advance([update(6)], false);
  assert.is(book.offset, 7);
});

received("ids that start again lower down are confirmed as well", async () => {
  const book = new OffsetTracker();
  for (const updateId of [1000, 3]) {
    book.add([takenOf({ isHeard: true, isSafe: true }, updateId, new Set())]);
    await pause(0);
    book.advance([update(updateId)], false);
    assert.is(book.offset, updateId + 1);
  }
});

received.run();
