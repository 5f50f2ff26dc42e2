/** Broadcasts over the wire: who gets a message, who does not, and what is refused before anyone is written to. */
import process from "node:process";
import type { MessageEntity } from "grammy/types";
import type { LocalChat, LocalUser } from "../../lib/local/mod.ts";
import { StorageError } from "../../lib/chats/storage.ts";
import { assert, suite } from "../harness.ts";
import { FastClock, pause, plantActive, said, subscribers, until, withBot } from "../support/bot.ts";
import { failureOf } from "../support/storage.ts";
import { counts, made, none, png, signals, total } from "../support/broadcasts.ts";

const test = suite("broadcast()", {}, 60_000);

test("broadcast() writes once to every active chat, and to no other", async () => {
  await withBot(async (scene) => {
    const { bot, server, table } = scene;
    const users = await subscribers(scene, 120);
    const inactive = server.user();
    await plantActive(table, inactive.chatId);
    await scene.bot.initialize();
    await table.storage().deactivateChat(inactive.chatId);
    const report = await bot.broadcast("signal");
    assert.equal(counts(report), { ...none, sent: 120 });
    assert.is(report.recipients, 120);
    assert.equal(report.errors, []);
    assert.is(report.stopped, undefined);
    assert.match(String(report), /^Sent to 120 of 120 chats in \d+\.\d s\.$/);
    for (const user of users) assert.equal(said(user), ["signal"]);
    assert.equal(said(inactive), []);
  }, made);
});

test("broadcast() to nobody is a report of nobody", async () => {
  await withBot(async ({ bot }) => {
    const report = await bot.broadcast("signal");
    assert.equal([report.recipients, total(report)], [0, 0]);
  }, made);
});

test("broadcast() writes nothing to the table but that somebody sends", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 5);
    await scene.bot.initialize();
    scene.gate.resetCounts();
    await scene.bot.broadcast("signal");
    assert.is(scene.gate.count("UpdateItem"), 1);
    assert.is(scene.gate.requests - scene.gate.count("Query") - 1, scene.gate.count("Scan"));
  }, made);
});

test("broadcast() deactivates who cannot be written to, with the reason", async () => {
  await withBot(async (scene) => {
    const { bot, server, table, item } = scene;
    const [blocked, deactivated, fine] = await subscribers(scene, 3) as [LocalUser, LocalUser, LocalUser];
    const boss = server.user();
    const group = (kind: "group" | "supergroup") =>
      server.group({ title: kind, kind, administrators: [boss] });
    const [kicked, left, deleted, banned] = [
      group("group"),
      group("supergroup"),
      group("group"),
      group("supergroup"),
    ];
    const channel = server.channel({ title: "News", administrators: [boss] });
    const stranger = server.user();
    await plantActive(
      table,
      stranger.chatId,
      ...[kicked, left, deleted, banned, channel].map((it) => it.chatId),
    );
    server.unheard(() => {
      blocked.block();
      deactivated.deactivate();
      kicked.removeBot(boss);
      left.removeBot(boss, { as: "left" });
      banned.removeBot(boss, { as: "kicked" });
      deleted.delete();
      channel.removeBot(boss);
    });
    const report = await bot.broadcast("signal");
    assert.equal(counts(report), { ...none, sent: 1, deactivated: 8 });
    assert.equal(signals(fine), 1);
    const expected: [LocalChat, string, RegExp][] = [
      [blocked, "blocked", /bot was blocked by the user/],
      [deactivated, "gone", /user is deactivated/],
      [kicked, "left", /bot was kicked from the group chat/],
      [left, "left", /bot is not a member of the supergroup chat/],
      [banned, "left", /bot was kicked from the supergroup chat/],
      [deleted, "gone", /the group chat was deleted/],
      [channel, "left", /bot was kicked from the channel chat/],
      [stranger, "gone", /bot can't initiate conversation with a user/],
    ];
    for (const [chat, reason, words] of expected) {
      const after = await item(chat);
      assert.equal(after?.["is_active"], { BOOL: false }, reason);
      assert.equal(after?.["removed_reason"], { S: reason });
      assert.match(after?.["removed_at"]?.S ?? "", /Z$/);
      const problem = report.errors.find(({ chat_id }) => chat_id === chat.chatId);
      assert.is(problem?.outcome, "deactivated");
      assert.match(problem?.message ?? "", words);
    }
    assert.is((await bot.broadcast("signal 2")).recipients, 1, "the next one does not try them");
  }, made);
});

test("broadcast() has a deactivation wait where it cannot be written, as all that chats say", async () => {
  await withBot(async (scene) => {
    const { bot, gate, item } = scene;
    const [blocked, fine] = await subscribers(scene, 2) as [LocalUser, LocalUser];
    scene.server.unheard(() => blocked.block());
    await bot.initialize();
    gate.deny("UpdateItem");
    const report = await bot.broadcast("signal");
    assert.equal(counts(report), { ...none, sent: 1, deactivated: 1 });
    assert.is(signals(fine), 1);
    assert.equal(counts(await bot.broadcast("signal 2")), { ...none, sent: 1, skipped: 1 });
    gate.clear();
    await until(() => !bot.health.isDegraded, "it does not recover");
    assert.equal((await item(blocked))?.["removed_reason"], { S: "blocked" });
  }, made);
});

test("broadcast() skips who says /stop before its turn", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 120);
    const last = users.at(-1) as LocalUser;
    await scene.bot.startBot();
    const running = scene.bot.broadcast("signal", { order: "ascending" });
    await users[0]?.received("signal");
    last.say("/stop");
    const report = await running;
    assert.equal(counts(report), { ...none, sent: 119, skipped: 1 });
    await scene.settled();
    assert.equal(said(last), ["You are unsubscribed."]);
  }, { state: "made", bot: { messagesPerSecond: 120 } });
});

test("broadcast() skips whose /stop is heard and cannot be kept yet", async () => {
  await withBot(async (scene) => {
    const [ada, bob] = await subscribers(scene, 2) as [LocalUser, LocalUser];
    await scene.bot.startBot();
    const fault = scene.gate.throttle({ action: "UpdateItem" });
    ada.say("/stop");
    await until(() => fault.fired > 0, "no write was tried");
    assert.equal(counts(await scene.bot.broadcast("signal")), { ...none, sent: 1, skipped: 1 });
    assert.is(signals(bob), 1);
    fault.clear();
    await scene.settled();
    assert.equal(said(ada), ["You are unsubscribed."]);
  }, { state: "made", bot: { clock: new FastClock(20) } });
});

test("broadcast() follows a group whose move was heard before its turn", async () => {
  await withBot(async (scene) => {
    const { bot, server, table } = scene;
    const boss = server.user();
    const groups = Array.from({ length: 8 }, () => server.group({ title: "Desk", administrators: [boss] }));
    const last = server.group({ title: "Last", id: -5, administrators: [boss] });
    await plantActive(table, ...groups.map(({ chatId }) => chatId), last.chatId);
    await bot.startBot();
    const running = bot.broadcast("signal", { order: "ascending" });
    await groups.at(-1)?.received("signal").catch(() => {});
    const supergroup = last.migrate();
    const report = await running;
    assert.equal(counts(report), { ...none, sent: 9 });
    assert.equal(report.migrations, [{ from: -5, to: supergroup.chatId }]);
    assert.is(signals(supergroup), 1);
  }, { state: "made", bot: { messagesPerSecond: 8 } });
});

test("broadcast() does not send away who says /start while a 403 is on its way", async () => {
  await withBot(async (scene) => {
    const { bot, server, item } = scene;
    const [user] = await subscribers(scene, 1) as [LocalUser];
    await bot.startBot();
    // Until the long poll has arrived, for which it takes as long as any call.
    await pause(600);
    const answer = { error_code: 403, description: "Forbidden: bot was blocked by the user" };
    server.fault({ method: "sendMessage", chatId: user.chatId, answer });
    const running = bot.broadcast("signal");
    // The send is on its way, and its answer is not there yet.
    await pause(150);
    user.say("/start");
    const report = await running;
    assert.equal(counts(report), { ...none, failed: 1 });
    assert.equal((await item(user))?.["is_active"], { BOOL: true });
  }, { state: "made", server: { latencyMs: 400 } });
});

test("broadcast() refuses a photo that is none, before anyone is written to", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 1);
    for (const photo of [null, 5, "", new Uint8Array(0), new ArrayBuffer(3)]) {
      const message = { text: "signal", photo } as unknown as { text: string };
      assert.instance(await failureOf(scene.bot.broadcast(message)), TypeError, String(photo));
    }
    for (const photo of ["chart.png", "./out/chart.JPEG", "charts/btc.webp"]) {
      const error = await failureOf(scene.bot.broadcast({ text: "signal", photo }));
      assert.is(
        error.message,
        'Cannot broadcast as "photo" must be the bytes of a picture, a file_id or a URL: ' +
          `"${photo}" is the name of a file, so hand over its bytes: await readFile("${photo}")`,
      );
    }
    for (
      const photo of ["https://x.org/chart.png", "x.org/chart.png", "AgACAgIAAxkB-_png", "HTTP://x.org/a.gif"]
    ) {
      assert.is(
        (await failureOf(scene.bot.broadcast({ text: "x".repeat(50_000), photo }))).name,
        "RangeError",
      );
    }
    assert.is(scene.server.countCalls("sendPhoto") + scene.server.countCalls("sendMessage"), 0);
  }, made);
});

test("broadcast() skips who says /stop while its message waits for the pace", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 20);
    const last = users.at(-1) as LocalUser;
    await scene.bot.startBot();
    const running = scene.bot.broadcast("signal", { order: "ascending" });
    await users[0]?.received("signal");
    last.say("/stop");
    const report = await running;
    await scene.settled();
    assert.equal(said(last), ["You are unsubscribed."]);
    assert.equal(counts(report), { ...none, sent: 19, skipped: 1 });
  }, { state: "made", bot: { messagesPerSecond: 20 } });
});

test("broadcast() skips who says /stop while a flood is waited out", async () => {
  await withBot(async (scene) => {
    const { server, bot } = scene;
    const users = await subscribers(scene, 10);
    const last = users.at(-1) as LocalUser;
    await bot.startBot();
    const flood = {
      error_code: 429,
      description: "Too Many Requests: retry after 1",
      parameters: { retry_after: 1 },
    };
    const fault = server.fault({ method: "sendMessage", chatId: users[1]?.chatId ?? 0, answer: flood });
    const running = bot.broadcast("signal", { order: "ascending" });
    await until(() => fault.hits > 0, "no flood");
    last.say("/stop");
    const report = await running;
    await scene.settled();
    // What left before the flood was answered may have reached it; after it, nothing may.
    const order = said(last);
    assert.not.ok(order.indexOf("signal") > order.indexOf("You are unsubscribed."), String(order));
    assert.is(total(report), 10);
  }, made);
});

test("broadcast() throws where the chats cannot be read, and writes to nobody", async () => {
  await withBot(async (scene) => {
    const { bot, gate, server } = scene;
    await subscribers(scene, 5);
    await bot.initialize();
    const fault = gate.deny("Scan");
    const error = await failureOf(bot.broadcast("signal"));
    assert.instance(error, StorageError);
    assert.match(error.message, "AWS denies dynamodb:Scan");
    assert.is(server.countCalls("sendMessage"), 0);
    fault.clear();
    assert.is((await bot.broadcast("signal")).sent, 5);
  }, made);
});

test("broadcast() throws where part of the chats cannot be read", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 5);
    await scene.bot.initialize();
    scene.gate.fail({ action: "Scan", times: 1, status: 400, type: "ValidationException", message: "no" });
    assert.instance(await failureOf(scene.bot.broadcast("signal")), StorageError);
    assert.is(scene.server.countCalls("sendMessage"), 0);
  }, made);
});

test("broadcast() refuses what Telegram would refuse of everyone, before it reads or writes", async () => {
  await withBot(async (scene) => {
    const { bot, server, gate } = scene;
    await subscribers(scene, 1);
    await bot.initialize();
    gate.resetCounts();
    const refused: [unknown, typeof TypeError | typeof RangeError][] = [
      ["", RangeError],
      [" \n ", RangeError],
      ["x".repeat(40_961), RangeError],
      [{ text: "x".repeat(40_961), photo: png }, RangeError],
      [{ text: 5 }, TypeError],
      [{}, TypeError],
    ];
    for (const [message, type] of refused) {
      const error = await failureOf(bot.broadcast(message as string));
      assert.instance(error, type, JSON.stringify(message).slice(0, 30));
      assert.match(error.message, /^Cannot broadcast as "text" must/);
    }
    const formatted = { text: { text: "x", entities: [] }, photo: png };
    assert.match(
      (await failureOf(bot.broadcast(formatted as never))).message,
      /must be a string: current value is object with .*: pass \{ text: it\.text, entities: it\.entities, photo \}$/,
    );
    const odd = [[-1, 1], [0, 0], [0, 2], [1, 1], [0.5, 0.5], [0, NaN]];
    const entities = [
      ...[null, {}, { type: "bold", offset: 0 }, { type: 1, offset: 0, length: 1 }],
      ...odd.map(([offset, length]) => ({ type: "bold", offset, length })),
      { type: "custom_emoji", offset: 0, length: 1, custom_emoji_id: 5368324170671202286n },
    ];
    for (const entity of entities) {
      const error = await failureOf(bot.broadcast({ text: "x", entities: [entity as MessageEntity] }));
      assert.match(error.message, /^Cannot broadcast as "entities" must be a list of/);
    }
    for (const nothing of [null, undefined, 5]) {
      const error = await failureOf(bot.broadcast(nothing as unknown as string));
      assert.match(error.message, /^Cannot broadcast as the message must be a text or an object/);
    }
    assert.is(gate.requests, 0);
    assert.is(server.countCalls("sendMessage"), 0);
    assert.is((await bot.broadcast("x".repeat(4096))).sent, 1);
    assert.is((await bot.broadcast({ text: "x".repeat(1024), photo: png })).sent, 1);
  }, made);
});

test("an order that gives a promise is refused, also where that is rejected", async () => {
  const rejections: unknown[] = [];
  const note = (reason: unknown): void => void rejections.push(reason);
  process.on("unhandledRejection", note);
  await withBot(async (scene) => {
    await subscribers(scene, 1);
    const order = (() => Promise.reject(new Error("later"))) as never;
    const { message } = await failureOf(scene.bot.broadcast("x", { order }));
    assert.match(message, /it must give a finite number, and gave an object \(Promise\)$/);
  });
  await pause(10);
  process.off("unhandledRejection", note);
  assert.equal(rejections, []);
});

test("a broadcast whose list was never read says by which reason it could not be", async () => {
  await withBot(async ({ gate, another }) => {
    gate.deny("Scan");
    const bot = another();
    await bot.startBot();
    const error = await failureOf(bot.broadcast("signal")) as StorageError;
    assert.equal([error.name, error.reason], ["StorageError", "denied"]);
    assert.match(String((error.cause as Error).message), "dynamodb:Scan");
  }, { state: "made" });
});

test.run();

const signal = { direction: "long", symbol: "BTC-USD", entry: 67250.5, stop: 66980, target: 67800 } as const;
const tickets = suite("sendSignal()");

tickets("sendSignal() sends a ticket whose entities are as Telegram takes them", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const symbol = "<b>A*_`[x](y)💥&amp;";
    await scene.bot.sendSignal({ ...signal, symbol, time: "2026-11-23T16:05:00Z" });
    const { text = "", entities = [] } = user.inbox[0] ?? {};
    assert.ok(text.startsWith(`🟢 LONG ${symbol}\n`));
    assert.equal(entities[0], { type: "bold", offset: 0, length: `🟢 LONG ${symbol}`.length });
    assert.match(text, "2026-11-23 16:05:00 UTC");
  }, made);
});

tickets("sendSignal() refuses a signal that is none before anyone is written to", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    await subscribers(scene, 3);
    await bot.initialize();
    assert.instance(await failureOf(bot.sendSignal({ ...signal, stop: 67300 })), RangeError);
    assert.instance(await failureOf(bot.sendSignal({ ...signal, target: NaN })), TypeError);
    const wordy = bot.sendSignal({ ...signal, note: "x".repeat(50_000) });
    assert.instance(await failureOf(wordy), RangeError);
    assert.is(server.countCalls("sendMessage"), 0);
  }, made);
});

tickets("sendSignal() with a broken half of an emoji in it still reaches everyone", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    await scene.bot.sendSignal({ ...signal, note: "cut in the middle: \ud83d" });
    const { text = "" } = user.inbox[0] ?? {};
    // Telegram refuses a text that is no UTF-8: "strings must be encoded in UTF-8".
    assert.is(text, new TextDecoder().decode(new TextEncoder().encode(text)));
  }, made);
});

tickets.run();
