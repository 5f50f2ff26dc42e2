/** One chat's delivery: floods, moves, refusals, lost answers, and what they say of the chat and of the message. */
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
  type Scene,
  subscribers,
  until,
  withBot,
  withBotOverHttp,
} from "../support/bot.ts";
import { counts, hasty, made, none, png, sends, signals, total } from "../support/broadcasts.ts";

const test = suite("broadcast(): delivery", {}, 60_000);

test("broadcast() loses nobody to floods, and writes to nobody twice", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 40);
    const report = await scene.bot.broadcast("signal");
    assert.equal(counts(report), { ...none, sent: 40 });
    for (const user of users) assert.is(signals(user), 1);
    assert.ok(scene.server.countCalls("sendMessage") > 40, "there was a flood");
    assert.match(scene.logs.of("warn")[0] ?? "", "Telegram limits the rate");
  }, { ...made, server: { messagesPerSecond: 10 } });
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
  await withBotOverHttp(async (scene) => {
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

test("a long flood that is over early is found out soon, however slow DynamoDB is", async () => {
  for (const ms of [1, 150]) {
    await withBot(async (scene) => {
      const { server, bot, gate } = scene;
      await subscribers(scene, 100);
      await bot.initialize();
      gate.delay({ ms, times: Infinity });
      const running = bot.broadcast("signal");
      await pause(1000);
      const [description, parameters] = ["Too Many Requests: retry after 500", { retry_after: 500 }];
      const answer = { error_code: 429, description, parameters };
      const flood = server.fault({ method: "sendMessage", times: Infinity, answer });
      const { length } = server.calls;
      await pause(5000);
      flood.clear();
      assert.equal(counts(await running), { ...none, sent: 100 });
      const times = server.calls.slice(length).filter(({ method }) => method === "sendMessage").map((
        { at },
      ) => at);
      const afterMs = (times.find((at) => at > (times[0] ?? 0) + 5000) ?? Infinity) - (times[0] ?? 0);
      assert.ok(afterMs < 20_000, `after ${afterMs} ms, where DynamoDB answers in ${ms} ms`);
    }, { state: "made", bot: { messagesPerSecond: 30 } });
  }
});

test.run();
