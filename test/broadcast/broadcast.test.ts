/** Broadcasts over the wire: who gets a message, how often, and what is said of everyone else. */
import fc from "fast-check";
import type { MessageEntity } from "grammy/types";
import type { BroadcastReport } from "../../lib/broadcast/report.ts";
import { StorageError } from "../../lib/chats/storage.ts";
import {
  type BotApiFaultAnswer,
  type LocalChat,
  type LocalUser,
  startBotApiServer,
} from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import {
  FastClock,
  pause,
  plantActive,
  said,
  type Scene,
  type SceneOptions,
  soon,
  subscribers,
  until,
  withBot,
} from "../support/bot.ts";
import { failureOf } from "../support/storage.ts";

const png = new Uint8Array(1000).fill(7);

const made: SceneOptions = { state: "made" };

/** Time that runs two hundred times as fast, for what would wait for seconds. */
function hasty(): SceneOptions {
  return { state: "made", bot: { clock: new FastClock(200) } };
}

function signals(chat: LocalChat, text: string = "signal"): number {
  return chat.inbox.filter((message) => (message.text ?? message.caption) === text).length;
}

function total({ sent, deactivated, skipped, failed, unknown }: BroadcastReport): number {
  return sent + deactivated + skipped + failed + unknown;
}

function counts({ sent, deactivated, skipped, failed, unknown }: BroadcastReport): object {
  return { sent, deactivated, skipped, failed, unknown };
}

const none = { sent: 0, deactivated: 0, skipped: 0, failed: 0, unknown: 0 };

function sends({ server }: Scene, chat: LocalChat): number {
  return server.calls.filter(({ method, payload }) =>
    /^send/.test(method) && Number(payload["chat_id"]) === chat.chatId
  ).length;
}

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

test("broadcast() loses nobody to floods, and writes to nobody twice", async () => {
  // Not faster than time: a busy machine must still be quicker than the limit.
  const clock = new FastClock(1);
  await withBot(async (scene) => {
    const users = await subscribers(scene, 40);
    const report = await scene.bot.broadcast("signal");
    assert.equal(counts(report), { ...none, sent: 40 });
    for (const user of users) assert.is(signals(user), 1);
    assert.ok(scene.server.countCalls("sendMessage") > 40, "there was a flood");
    assert.match(scene.logs.of("warn")[0] ?? "", "Telegram limits the rate");
  }, { state: "made", bot: { clock }, server: { clock, messagesPerSecond: 20 } });
});

test("broadcast() waits for retry_after, and lets nothing else go meanwhile", async () => {
  await withBot(async (scene) => {
    const { server, bot } = scene;
    await subscribers(scene, 12);
    const flood = {
      error_code: 429,
      description: "Too Many Requests: retry after 3",
      parameters: { retry_after: 3 },
    };
    // The first message, and the two that find out whether that concerns its chat alone.
    server.fault({ method: "sendMessage", times: 3, answer: flood });
    const report = await bot.broadcast("signal");
    const times = server.calls.filter(({ method }) => method === "sendMessage").map(({ at }) => at);
    assert.is(times.length, 15);
    assert.ok((times[3] ?? 0) - (times[2] ?? 0) >= 2990, "it waited");
    assert.equal(counts(report), { ...none, sent: 12 });
    assert.is(scene.logs.of("warn").length, 1, "one line for one pause");
  }, made);
});

test("broadcast() goes on to the next chat where the first answer does not come", async () => {
  const clock = new FastClock(1);
  await withBot(async (scene) => {
    const { bot, server } = scene;
    const users = await subscribers(scene, 30);
    const hanging = server.fault({ method: "sendMessage", answer: "hang" });
    const running = bot.broadcast("signal");
    await until(() => running.progress.done === 29, "the others do not have it", 30_000);
    assert.is(hanging.hits, 1);
    assert.is(users.filter((user) => signals(user) === 1).length, 29);
    running.catch(() => {});
  }, { state: "made", bot: { clock }, server: { clock } });
});

test("broadcast() gives up on a chat that is always answered by 429, and on one that asks for hours", async () => {
  await withBot(async (scene) => {
    const { server, bot } = scene;
    const [first, patient] = await subscribers(scene, 2) as [LocalUser, LocalUser];
    const flood = (retry_after: number): BotApiFaultAnswer => ({
      error_code: 429,
      description: `Too Many Requests: retry after ${retry_after}`,
      parameters: { retry_after },
    });
    const always = server.fault({
      method: "sendMessage",
      chatId: first.chatId,
      times: Infinity,
      answer: flood(1),
    });
    assert.equal(counts(await bot.broadcast("signal")), { ...none, sent: 1, failed: 1 });
    assert.ok(always.hits < 50);
    always.clear();
    server.fault({ method: "sendMessage", chatId: first.chatId, answer: flood(86_400) });
    const report = await bot.broadcast("signal 2");
    assert.equal(counts(report), { ...none, sent: 1, failed: 1 });
    assert.match(report.errors[0]?.message ?? "", /retry after 8\d{4}/);
    assert.is(signals(patient, "signal 2"), 1);
  }, hasty());
});

async function migrated(scene: Scene): Promise<{ group: LocalChat; supergroup: LocalChat }> {
  const boss = scene.server.user();
  const group = scene.server.group({ title: "Desk", administrators: [boss] });
  const supergroup = scene.server.unheard(() => group.migrate());
  await plantActive(scene.table, group.chatId);
  return { group, supergroup };
}

test("broadcast() follows a group to its supergroup, re-keys it, and lists it", async () => {
  await withBot(async (scene) => {
    const { bot, item } = scene;
    await subscribers(scene, 3);
    const { group, supergroup } = await migrated(scene);
    const report = await bot.broadcast("signal");
    assert.equal(counts(report), { ...none, sent: 4 });
    assert.equal(report.migrations, [{ from: group.chatId, to: supergroup.chatId }]);
    assert.match(String(report), "1 migrated");
    assert.is(signals(supergroup), 1);
    assert.equal((await item(group))?.["removed_reason"], { S: "migrated" });
    assert.equal((await item(supergroup))?.["is_active"], { BOOL: true });
    assert.equal((await item(supergroup))?.["migrated_from"], { N: String(group.chatId) });
    const next = await bot.broadcast("signal 2");
    assert.equal([next.recipients, next.sent, next.migrations.length], [4, 4, 0]);
  }, made);
});

test("broadcast() writes once to a group that is in the list by both of its ids", async () => {
  await withBot(async (scene) => {
    const { bot, table } = scene;
    await subscribers(scene, 3);
    const { supergroup } = await migrated(scene);
    await plantActive(table, supergroup.chatId);
    const report = await bot.broadcast("signal");
    assert.is(signals(supergroup), 1);
    assert.is(report.recipients, 5);
    assert.is(total(report), 5);
  }, made);
});

test("broadcast() writes once to a group that is in the list by both of its ids, the old one being the lower", async () => {
  await withBot(async (scene) => {
    const { bot, table, server } = scene;
    const group = server.group({ title: "Desk", id: -2_000_000_000_000, administrators: [server.user()] });
    const supergroup = server.unheard(() => group.migrate());
    await plantActive(table, group.chatId, supergroup.chatId);
    const report = await bot.broadcast("signal");
    assert.is(signals(supergroup), 1);
    assert.is(total(report), 2);
  }, made);
});

test("broadcast() does not follow a group whose supergroup has said /stop", async () => {
  await withBot(async (scene) => {
    const { bot, table } = scene;
    const { supergroup } = await migrated(scene);
    await table.storage().saveChat(supergroup.chatId);
    await table.storage().deactivateChat(supergroup.chatId);
    const report = await bot.broadcast("signal");
    assert.equal(counts(report), { ...none, skipped: 1 });
    assert.is(signals(supergroup), 0);
  }, made);
});

const messageFaults = [
  "Bad Request: can't parse entities: Unexpected end tag at byte offset 5",
  "Bad Request: message is too long",
  "Bad Request: message text is empty",
  "Bad Request: ENTITY_BOUNDS_INVALID",
  "Bad Request: strings must be encoded in UTF-8",
];

for (const description of messageFaults) {
  test(`broadcast() stops at the first chat for a fault of the message: ${description.slice(13, 40)}`, async () => {
    await withBot(async (scene) => {
      const { bot, server, table } = scene;
      await subscribers(scene, 20);
      server.fault({ method: "sendMessage", times: Infinity, answer: { error_code: 400, description } });
      const report = await bot.broadcast("signal");
      assert.equal(counts(report), { ...none, failed: 1, skipped: 19 });
      assert.is(server.countCalls("sendMessage"), 1);
      assert.match(report.stopped ?? "", description);
      assert.is((await table.storage().getStatistics()).activeChats, 20, "no chat is touched");
    }, made);
  });
}

test("broadcast() stops where five people refuse in the same words that we do not know", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    await subscribers(scene, 20);
    const answer = { error_code: 400, description: "Bad Request: SOMETHING_OF_NEXT_YEAR" };
    server.fault({ method: "sendMessage", times: Infinity, answer });
    const report = await bot.broadcast("signal");
    // The first one, and five who were drawn by chance.
    assert.equal(counts(report), { ...none, failed: 6, skipped: 14 });
    assert.is(report.stopped, "Call to 'sendMessage' failed! (400: Bad Request: SOMETHING_OF_NEXT_YEAR)");
  }, made);
});

test("broadcast() to a few: whoever refuses in words that we do not know keeps it from nobody", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    const users = await subscribers(scene, 5);
    const group = server.group({ title: "Desk", administrators: [server.user()] });
    await plantActive(scene.table, group.chatId);
    for (let index = 0; index < users.length; index++) {
      const answer = { error_code: 400, description: "Bad Request: SOMETHING_OF_NEXT_YEAR" };
      server.fault({ method: "sendMessage", chatId: users[index]?.chatId ?? 0, answer });
      const report = await bot.broadcast(`signal ${index}`, { order: "ascending" });
      assert.equal(counts(report), { ...none, sent: 5, failed: 1 }, `the ${index}th refuses`);
    }
  }, made);
});

test("broadcast() is no fault of the message once somebody has taken it", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    const users = await subscribers(scene, 20);
    const answer = { error_code: 400, description: "Bad Request: message is too long" };
    server.fault({ method: "sendMessage", chatId: users[10]?.chatId ?? 0, answer });
    const report = await bot.broadcast("signal", { order: "ascending" });
    assert.equal(counts(report), { ...none, sent: 19, failed: 1 });
    assert.is(report.stopped, undefined);
  }, made);
});

test("broadcast() goes on where only some chats refuse in words that we do not know", async () => {
  await withBot(async (scene) => {
    const { bot, server, item } = scene;
    const users = await subscribers(scene, 20);
    for (const index of [0, 5, 9]) {
      const answer = { error_code: 400, description: "Bad Request: SOMETHING_OF_NEXT_YEAR" };
      server.fault({ chatId: users[index]?.chatId ?? 0, answer });
    }
    const report = await bot.broadcast("signal", { order: "ascending" });
    assert.equal(counts(report), { ...none, sent: 17, failed: 3 });
    assert.is(report.stopped, undefined);
    assert.equal((await item(users[0] as LocalUser))?.["is_active"], { BOOL: true });
  }, made);
});

test("broadcast() leaves a chat subscribed that refuses for now", async () => {
  await withBot(async (scene) => {
    const { bot, server, item } = scene;
    const users = await subscribers(scene, 4);
    const words = [
      "Bad Request: chat not found",
      "Bad Request: not enough rights to send text messages to the chat",
      "Bad Request: TOPIC_CLOSED",
    ];
    for (const [index, description] of words.entries()) {
      server.fault({ chatId: users[index]?.chatId ?? 0, answer: { error_code: 400, description } });
    }
    const report = await bot.broadcast("signal");
    assert.equal(counts(report), { ...none, sent: 1, failed: 3 });
    for (const user of users) assert.equal((await item(user))?.["is_active"], { BOOL: true });
  }, made);
});

for (const [error_code, description] of [[401, "Unauthorized"], [404, "Not Found"]] as const) {
  test(`broadcast() stops where the bot itself is refused: ${error_code}`, async () => {
    await withBot(async (scene) => {
      const { bot, server } = scene;
      await subscribers(scene, 10);
      await bot.initialize();
      server.fault({ method: "sendMessage", times: Infinity, answer: { error_code, description } });
      const report = await bot.broadcast("signal");
      assert.equal(counts(report), { ...none, failed: 1, skipped: 9 });
      assert.match(report.stopped ?? "", description);
    }, made);
  });
}

test("broadcast() does not send again what may have arrived, and counts it as unknown", async () => {
  await withBot(async (scene) => {
    const { bot, server, item } = scene;
    const users = await subscribers(scene, 5) as [LocalUser, LocalUser, LocalUser, LocalUser, LocalUser];
    server.fault({ method: "sendMessage", chatId: users[0].chatId, times: Infinity, answer: "lose" });
    server.fault({ method: "sendMessage", chatId: users[3].chatId, times: Infinity, answer: "reset" });
    const report = await bot.broadcast("signal");
    assert.equal(counts(report), { ...none, sent: 3, unknown: 2 });
    assert.is(signals(users[0]), 1, "it arrived, once");
    assert.is(sends(scene, users[0]), 1);
    assert.is(sends(scene, users[3]), 1);
    assert.equal(report.errors.map(({ outcome }) => outcome), ["unknown", "unknown"]);
    assert.equal((await item(users[0]))?.["is_active"], { BOOL: true });
  }, made);
});

test("broadcast() does not send a photo again that may have arrived", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 3) as [LocalUser, LocalUser, LocalUser];
    for (const user of [users[0], users[2]]) {
      scene.server.fault({ method: "sendPhoto", chatId: user.chatId, times: Infinity, answer: "lose" });
    }
    const report = await scene.bot.broadcast({ text: "signal", photo: png });
    assert.equal(counts(report), { ...none, sent: 1, unknown: 2 });
    assert.equal(users.map((user) => signals(user)), [1, 1, 1]);
  }, made);
});

test("broadcast() tries again where the server failed, a few times", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    const users = await subscribers(scene, 12);
    const [early, late] = [users[0], users[11]] as [LocalUser, LocalUser];
    const answer = { error_code: 502, description: "Bad Gateway" };
    server.fault({ chatId: early.chatId, times: 2, answer });
    server.fault({ chatId: late.chatId, times: Infinity, answer });
    const report = await bot.broadcast("signal");
    assert.equal(counts(report), { ...none, sent: 11, failed: 1 });
    assert.is(signals(early), 1);
    assert.ok(sends(scene, late) > 1 && sends(scene, late) <= 5, "a few times");
  }, hasty());
});

test("broadcast() waits while Telegram cannot be reached, says so once, and sends everything once after that", async () => {
  await withBot(async (scene) => {
    const { bot, server, logs } = scene;
    const users = await subscribers(scene, 4);
    await bot.initialize();
    const port = Number(new URL(server.apiRoot).port);
    await server.close();
    const run = bot.broadcast("signal");
    await until(() => logs.of("warn", "messages wait until it can").length > 0, "nothing is said");
    assert.match(String(logs.of("warn", "messages wait until it can")), /refused/i);
    const later = await startBotApiServer({ port, token: server.token });
    try {
      const same = users.map(({ chatId }) => later.user({ id: chatId, opened: true }));
      assert.equal(counts(await run), { ...none, sent: 4 });
      for (const user of same) assert.is(signals(user), 1);
      assert.is(logs.of("info", "can be reached again").length, 1);
    } finally {
      await later.close();
    }
  }, hasty());
});

test("broadcast() ends in time where Telegram cannot be reached, and nothing has left", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 4);
    await scene.bot.initialize();
    await scene.server.close();
    const report = await scene.bot.broadcast("signal", { maxAgeMs: 600_000 });
    assert.equal(counts(report), { ...none, skipped: 4 });
    assert.equal(report.skips.expired, 4);
  }, hasty());
});

test("broadcast() uploads a photo once, and sends its file_id to everyone after", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    const users = await subscribers(scene, 70);
    const entities = [{ type: "bold", offset: 0, length: 6 }] as const;
    const report = await bot.broadcast({ text: "signal", photo: png, entities });
    assert.equal(counts(report), { ...none, sent: 70 });
    assert.is(server.uploads, 1);
    for (const user of users) {
      assert.is(signals(user), 1);
      assert.equal(user.inbox[0]?.caption_entities, entities);
      assert.equal(server.file(user.inbox[0]?.photo?.at(-1)?.file_id ?? ""), png);
    }
  }, made);
});

test("broadcast() uploads a photo once, also where the first recipient has blocked the bot", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 40);
    scene.server.unheard(() => users[0]?.block());
    const report = await scene.bot.broadcast({ text: "signal", photo: png }, { order: "ascending" });
    assert.equal(counts(report), { ...none, sent: 39, deactivated: 1 });
    assert.is(scene.server.uploads, 1);
  }, made);
});

test("broadcast() uploads a photo once, however many cannot be written to before", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 50);
    scene.server.unheard(() => users.slice(0, 15).forEach((user) => user.block()));
    const report = await scene.bot.broadcast({ text: "signal", photo: png }, { order: "ascending" });
    assert.equal(counts(report), { ...none, sent: 35, deactivated: 15 });
    assert.is(scene.server.uploads, 1);
  }, made);
});

test("broadcast() takes a photo by file_id, and without words", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    const [user] = await subscribers(scene, 1) as [LocalUser];
    await bot.broadcast({ text: "", photo: png });
    const fileId = user.inbox[0]?.photo?.at(-1)?.file_id ?? "";
    assert.is((await bot.broadcast({ text: "again", photo: fileId })).sent, 1);
    assert.is(server.uploads, 1);
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

test("broadcast() ends when its signal says so, and counts the rest as skipped", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 200);
    const abort = new AbortController();
    const running = scene.bot.broadcast("signal", { signal: abort.signal, order: "ascending" });
    await users[20]?.received("signal");
    abort.abort();
    const report = await running;
    assert.is(report.recipients, 200);
    assert.is(total(report), 200);
    assert.ok(report.sent < 120 && report.sent >= 20, `${report.sent} sent`);
    assert.is(report.skipped, 200 - report.sent);
    assert.match(report.stopped ?? "", "ended it");
    assert.is(users.filter((user) => signals(user) > 0).length, report.sent);
  }, { state: "made", bot: { messagesPerSecond: 100 } });
});

test("broadcast() writes to nobody when its signal was aborted before, and says so alike on every storage", async () => {
  const outcomes: string[] = [];
  for (const useDynamoDB of [true, false]) {
    await withBot(async ({ bot, server, settled }) => {
      server.user().say("/start");
      await settled();
      const before = server.countCalls("sendMessage");
      const signal = AbortSignal.abort(new Error("enough"));
      const outcome = await bot.broadcast("signal", { signal }).then(counts, (error: Error) => error.message);
      outcomes.push(JSON.stringify(outcome));
      assert.is(server.countCalls("sendMessage"), before);
    }, { bot: { useDynamoDB } });
  }
  assert.is(outcomes[0], outcomes[1]);
});

test("broadcast() hears its signal while it waits out a flood", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    await subscribers(scene, 5);
    const flood = {
      error_code: 429,
      description: "Too Many Requests: retry after 3",
      parameters: { retry_after: 3 },
    };
    const fault = server.fault({ method: "sendMessage", times: Infinity, answer: flood });
    const abort = new AbortController();
    const running = bot.broadcast("signal", { signal: abort.signal });
    await until(() => fault.hits > 0, "no flood");
    abort.abort();
    assert.ok(await soon(running, 1500), "it ends at once");
    const report = await running;
    assert.is(report.stopped, "the caller ended it");
    assert.is(total(report), 5);
    assert.is(report.sent, 0);
  }, made);
});

test("stopBot() waits for a broadcast that is under way", async () => {
  await withBot(async (scene) => {
    const { bot } = scene;
    const users = await subscribers(scene, 30);
    await bot.startBot();
    const running = bot.broadcast("signal");
    await users[0]?.received("signal");
    await bot.stopBot();
    assert.is(users.filter((user) => signals(user) === 1).length, 30);
    assert.is((await running).sent, 30);
  }, { state: "made", bot: { messagesPerSecond: 60 } });
});

test("broadcast() after stopBot() writes to nobody, and says why", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    await subscribers(scene, 3);
    await bot.startBot();
    await bot.stopBot();
    const said = await bot.broadcast("signal").then(
      ({ stopped }) => stopped,
      (error: Error) => error.message,
    );
    assert.is(server.countCalls("sendMessage"), 0);
    assert.match(String(said), "stopped");
  }, made);
});

test("two broadcasts at once share the pace, and each reaches everyone once", async () => {
  const clock = new FastClock(4);
  await withBot(async (scene) => {
    const users = await subscribers(scene, 40);
    const [one, two] = await Promise.all([scene.bot.broadcast("one"), scene.bot.broadcast("two")]);
    assert.equal([one.sent, two.sent], [40, 40]);
    for (const user of users) assert.equal([signals(user, "one"), signals(user, "two")], [1, 1]);
    assert.is(scene.server.countCalls("sendMessage"), 80, "without a flood");
  }, { state: "made", bot: { clock, messagesPerSecond: 30 }, server: { clock, messagesPerSecond: 30 } });
});

test("broadcast() of 90 messages at Telegram's pace meets no flood", async () => {
  const clock = new FastClock(4);
  await withBot(async (scene) => {
    await subscribers(scene, 90);
    const started = clock.now();
    const report = await scene.bot.broadcast("signal");
    assert.is(report.sent, 90);
    assert.is(scene.server.countCalls("sendMessage"), 90, "no 429");
    assert.ok(clock.now() - started >= 2500, "30 a second");
    assert.ok(report.durationMs >= 2500);
  }, {
    state: "made",
    bot: { clock, messagesPerSecond: undefined },
    server: { clock, messagesPerSecond: 30 },
  });
});

test("broadcast() initializes the bot if need be, and needs no polling", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    assert.is((await scene.bot.broadcast("signal")).sent, 1);
    assert.is(signals(user), 1);
    assert.is(scene.server.countCalls("getUpdates"), 0);
  }, made);
});

test("the report keeps the first hundred problems, and counts them all", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    await subscribers(scene, 130);
    server.fault({
      method: "sendMessage",
      times: Infinity,
      answer: { error_code: 400, description: "Bad Request: chat not found" },
    });
    const report = await bot.broadcast("signal", { massDeactivation: "proceed" });
    assert.equal(counts(report), { ...none, failed: 130 });
    assert.is(report.errors.length, 100);
  }, made);
});

test("a subscriber who joins while a broadcast runs is kept for the next", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    const users = await subscribers(scene, 80);
    await bot.startBot();
    const running = bot.broadcast("signal", { order: "ascending" });
    await users[0]?.received("signal");
    const joiner = server.user();
    joiner.say("/start");
    assert.is((await running).recipients, 80);
    await scene.settled();
    assert.is((await bot.broadcast("signal 2")).sent, 81);
    assert.is(signals(joiner, "signal 2"), 1);
  }, { state: "made", bot: { messagesPerSecond: 200 } });
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

const property = suite("broadcast() under any faults", {}, 60_000);

const flood = {
  error_code: 429,
  description: "Too Many Requests: retry after 1",
  parameters: { retry_after: 1 },
};
/** What may happen to a chat: the faults of its sends, and how it may be counted in the end. */
const fates: Readonly<
  Record<string, { faults: readonly BotApiFaultAnswer[]; times?: number; counted: string }>
> = {
  fine: { faults: [], counted: "sent" },
  slow: { faults: [{ delayMs: 400 }], counted: "sent" },
  flooded: { faults: [flood], counted: "sent" },
  floodedTwice: { faults: [flood, flood], counted: "sent" },
  hiccup: { faults: [{ error_code: 500, description: "Internal Server Error" }], counted: "sent" },
  broken: {
    faults: [{ error_code: 500, description: "Internal Server Error" }],
    times: Infinity,
    counted: "failed",
  },
  blocked: {
    faults: [{ error_code: 403, description: "Forbidden: bot was blocked by the user" }],
    counted: "deactivated",
  },
  deleted: {
    faults: [{ error_code: 403, description: "Forbidden: user is deactivated" }],
    counted: "deactivated",
  },
  muted: {
    faults: [{ error_code: 400, description: "Bad Request: CHAT_WRITE_FORBIDDEN" }],
    counted: "failed",
  },
  strange: { faults: [{ error_code: 403, description: "Forbidden: something new" }], counted: "failed" },
  floodThenBlocked: {
    faults: [flood, { error_code: 403, description: "Forbidden: bot was blocked by the user" }],
    counted: "deactivated",
  },
  hiccupThenMuted: {
    faults: [
      { error_code: 500, description: "Internal Server Error" },
      { error_code: 400, description: "Bad Request: CHAT_WRITE_FORBIDDEN" },
    ],
    counted: "failed",
  },
};

property("every recipient is counted once, as what happened to it, and nobody gets it twice", async () => {
  const clock = new FastClock(400);
  await withBot(async (scene) => {
    const { bot, server, table } = scene;
    const names = fc.array(fc.constantFrom(...Object.keys(fates)), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(names, fc.boolean(), async (chosen, withPhoto) => {
        await table.empty();
        const users = await subscribers(scene, chosen.length);
        const expected = { ...none } as Record<string, number>;
        const faults = chosen.flatMap((name, index) => {
          const { faults, times = 1, counted } = fates[name] as NonNullable<typeof fates[string]>;
          expected[counted] = (expected[counted] ?? 0) + 1;
          const chatId = users[index]?.chatId ?? 0;
          const method = withPhoto ? "sendPhoto" : "sendMessage";
          return faults.map((answer) => server.fault({ method, chatId, times, answer }));
        });
        const report = await bot.broadcast(withPhoto ? { text: "signal", photo: png } : "signal");
        for (const fault of faults) fault.clear();
        assert.equal(counts(report), expected);
        assert.is(report.recipients, chosen.length);
        for (const [index, user] of users.entries()) {
          const wasSent = fates[chosen[index] ?? ""]?.counted === "sent";
          assert.is(signals(user), wasSent ? 1 : 0, chosen[index]);
        }
        assert.is(
          (await table.storage().getStatistics()).activeChats,
          chosen.length - (expected["deactivated"] ?? 0),
        );
      }),
      { numRuns: 40 },
    );
  }, { state: "made", bot: { clock }, server: { clock } });
});

property.run();
