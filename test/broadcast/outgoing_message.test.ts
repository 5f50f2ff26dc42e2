/** What chats are sent: long texts in parts, photos once, texts of their own, and only to whom it is meant. */
import type { MessageEntity } from "grammy/types";
import { InMemoryLedger } from "../../lib/broadcast/memory_ledger.ts";
import { bold, format } from "../../lib/telegram/text.ts";
import { systemClock } from "../../lib/util/clock.ts";
import type { LocalUser } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { FastClock, pause, type SceneOptions, subscribers, withBot } from "../support/bot.ts";
import { counts, none, signals } from "../support/broadcasts.ts";
import { failureOf } from "../support/storage.ts";

const test = suite("broadcast(): content", {}, 60_000);
const png = new Uint8Array(1000).fill(7);
const made: SceneOptions = { state: "made" };
/** A chat gets three messages at once, and the next ones a second apart. */
const hasty = (): SceneOptions => ({ state: "made", bot: { clock: new FastClock(100) } });

const words = (count: number): string =>
  Array.from({ length: count }, (_, index) => `word${index}`).join(" ");

test("a text that is too long goes out in several messages, in order, none of them cut in a word", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 5);
    const text = words(2000);
    const report = await scene.bot.broadcast(text);
    assert.is(report.sent, 5);
    for (const { inbox } of users) {
      assert.ok(inbox.length > 1);
      assert.is(inbox.map((message) => message.text).join(" "), text);
    }
  }, hasty());
});

test("a caption that is too long goes on in texts, and the picture is uploaded once", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 20);
    const { text, entities } = format(bold("Chart"), " ", words(400));
    const report = await scene.bot.broadcast({ text, entities, photo: png });
    assert.is(report.sent, 20);
    assert.is(scene.server.uploads, 1);
    for (const { inbox: [first, ...rest] } of users) {
      assert.ok((first?.caption?.length ?? 0) <= 1024 && first?.photo !== undefined);
      assert.equal(first?.caption_entities, [{ type: "bold", offset: 0, length: 5 }]);
      assert.is([first?.caption, ...rest.map((message) => message.text)].join(" "), text);
    }
  }, hasty());
});

test("with disableNotification all parts and pictures arrive without a sound", async () => {
  await withBot(async ({ bot, server, ...scene }) => {
    await subscribers({ bot, server, ...scene }, 3);
    const sent = (): unknown[] =>
      server.calls.filter(({ method }) => /^send(Message|Photo)$/.test(method))
        .map(({ payload }) => payload["disable_notification"]);
    const before = sent().length;
    await bot.broadcast("aloud");
    await bot.broadcast({ text: words(400), photo: png }, { disableNotification: true });
    const calls = sent().slice(before);
    assert.equal(calls.slice(0, 3), [undefined, undefined, undefined]);
    assert.ok(calls.length > 8);
    assert.ok(calls.slice(3).every((silent) => silent === true || silent === "true"), String(calls));
  }, hasty());
});

test("white space beside a photo, however much, is no caption", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    assert.is((await scene.bot.broadcast({ text: " ".repeat(2000), photo: png })).sent, 1);
    assert.is(user.inbox.length, 1);
  }, made);
});

test("a chat that takes only the first part counts once, and the report says how far it came", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    const [one, two] = await subscribers(scene, 2) as [LocalUser, LocalUser];
    const muted = { error_code: 400, description: "Bad Request: CHAT_WRITE_FORBIDDEN" };
    two.onMessage(() => void server.fault({ chatId: two.chatId, answer: muted }));
    const report = await bot.broadcast(words(1000));
    assert.is(report.sent, 1);
    assert.is(report.failed, 1);
    assert.match(report.errors[0]?.message ?? "", /\(part 2 of 2\)$/);
    assert.is(one.inbox.length, 2);
  }, hasty());
});

test("perChat gives a chat its own text, and leaves the others the message", async () => {
  await withBot(async (scene) => {
    const [ada, bob] = await subscribers(scene, 2) as [LocalUser, LocalUser];
    await scene.bot.initialize();
    await scene.table.storage().saveChat(ada.chatId, { first_name: "Ada" });
    const report = await scene.bot.broadcast({ text: "Hello", photo: png }, {
      perChat: ({ user_info }) => user_info.first_name && format("Hello ", bold(user_info.first_name)),
    });
    assert.is(report.sent, 2);
    assert.is(ada.inbox[0]?.caption, "Hello Ada");
    assert.equal(ada.inbox[0]?.caption_entities, [{ type: "bold", offset: 6, length: 3 }]);
    assert.is(bob.inbox[0]?.caption, "Hello");
    assert.is(scene.server.uploads, 1);
  }, made);
});

test("a text whose parts are getters, as formatting libraries have them, is sent as it is, wherever one is taken", async () => {
  class Formatted {
    get text(): string {
      return "Target hit";
    }
    get entities(): readonly MessageEntity[] {
      return [{ type: "bold", offset: 0, length: 6 }];
    }
  }
  const ledger = new InMemoryLedger();
  await withBot(async (scene) => {
    const { bot } = scene;
    const [reader] = await subscribers(scene, 1);
    await bot.broadcast(new Formatted());
    await bot.broadcast("x", { perChat: () => new Formatted() });
    await bot.broadcast(new Formatted(), { broadcastId: "a" });
    await bot.broadcast(format("", new Formatted()));
    await bot.sendSignal({ direction: "long", symbol: "X", entry: 2, stop: 1, target: 3 });
    const heard = reader?.inbox.map(({ text, entities }) => ({ text, entities }));
    assert.equal(
      heard,
      Array(5).fill({ text: "Target hit", entities: [{ type: "bold", offset: 0, length: 6 }] }),
    );
  }, { state: "made", bot: { ledger, messages: { signal: () => new Formatted() } } });
});

test("perChat that fails for a chat fails for that chat alone; one that fails for five by chance ends it", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 10);
    const third = users[2]?.chatId;
    const one = await scene.bot.broadcast("x", {
      perChat: ({ chat_id }) => {
        if (chat_id === third) throw new Error("no such price");
        return undefined;
      },
    });
    assert.is(one.sent, 9);
    assert.equal(one.errors, [{
      chat_id: third ?? 0,
      outcome: "failed",
      message: "there is no text for it: no such price",
    }]);
    const wordless = await scene.bot.broadcast("x", { perChat: () => Promise.reject(Object.create(null)) });
    assert.match(wordless.stopped ?? "", "something was thrown that cannot be shown");
    const none = await scene.bot.broadcast("x", { perChat: () => Promise.reject(new Error("down")) });
    assert.equal([none.sent, none.failed, none.skipped], [0, 6, 4]);
    assert.match(none.stopped ?? "", /down/);
  }, made);
});

test("what is no text is named, and its chat alone goes without", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 6);
    const given: unknown[] = [undefined, null, 5, "", { text: 7 }, { text: "fine" }];
    const report = await scene.bot.broadcast("x", {
      order: "ascending",
      perChat: ({ chat_id }) => given[users.findIndex(({ chatId }) => chatId === chat_id)] as string,
    });
    assert.is(report.sent, 2);
    const words = report.errors.map(({ message }) => message);
    assert.match(
      words[0] ?? "",
      /perChat must give a text, \{ text, entities \} or undefined: it gave null$/,
    );
    assert.match(words[1] ?? "", /it gave 5$/);
    assert.match(words[2] ?? "", /"text" must have 1 to 40960 characters/);
    assert.match(words[3] ?? "", /"text" must be a string/);
    assert.is(users[5]?.inbox[0]?.text, "fine");
  }, made);
});

test("a misspelt part of what perChat gives is named", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 1);
    const given = { text: "bold", entites: [] };
    const { errors: [error] } = await scene.bot.broadcast("x", { perChat: () => given });
    assert.match(error?.message ?? "", "entites is not a part of a text: did you mean entities?");
  }, made);
});

test("functions that never end are given up", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 8);
    const never = (): Promise<never> => new Promise(() => {});
    const report = await scene.bot.broadcast("x", { perChat: never });
    assert.is(report.sent, 0);
    assert.match(report.stopped ?? "", "it has taken longer than 10 s");
    const error = await failureOf(scene.bot.broadcast("x", { filter: never }));
    assert.match(error.message, /"filter" failed for chat \d+: it has taken longer than 10 s$/);
  }, hasty());
});

test("an answer that is none of Telegram's may be one all the same: it is not sent again, and the rest goes on", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 4);
    for (const [index, body] of ['{"ok":true}', "null"].entries()) {
      scene.server.fault({ method: "sendMessage", chatId: users[index + 1]?.chatId ?? 0, answer: { body } });
    }
    const report = await scene.bot.broadcast("x");
    assert.equal([report.sent, report.unknown, report.stopped], [2, 2, undefined]);
  }, made);
});

test("texts that take their time are made side by side", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 64);
    let [now, most] = [0, 0];
    const report = await scene.bot.broadcast("x", {
      perChat: async () => {
        most = Math.max(most, ++now);
        await pause(5);
        now--;
        return undefined;
      },
    });
    assert.is(report.sent, 64);
    assert.ok(most > 4 && most <= 64, `${most} at the same time`);
  }, made);
});

test("a chat's own text that Telegram refuses is no reason to end the broadcast", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 10);
    const report = await scene.bot.broadcast("x", {
      perChat: ({ chat_id }) => chat_id === users[4]?.chatId ? " " : undefined,
    });
    assert.equal([report.sent, report.failed, report.stopped], [9, 1, undefined]);
  }, made);
});

test("filter says who is meant; nobody else is counted, and one that throws sends nothing", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    const users = await subscribers(scene, 10);
    const report = await bot.broadcast("x", { filter: ({ chat_id }) => chat_id % 2 === 0 });
    assert.equal([report.recipients, report.sent], [5, 5]);
    for (const { chatId, inbox } of users) assert.is(inbox.length, chatId % 2 === 0 ? 1 : 0);
    const calls = server.countCalls("sendMessage");
    const failing = bot.broadcast("x", { filter: () => Promise.reject(new Error("no database")) });
    assert.match(
      (await failureOf(failing)).message,
      /^Cannot broadcast as "filter" failed for chat \d+: no database$/,
    );
    assert.is(server.countCalls("sendMessage"), calls);
  }, made);
});

test("expiresAt: whoever could only be reached later is skipped, and counted so", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    await subscribers(scene, 40);
    const report = await bot.broadcast("x", { expiresAt: Date.now() + 1000 });
    assert.is(report.recipients, 40);
    assert.ok(report.sent > 0 && report.sent < 30, `${report.sent} sent`);
    assert.is(report.skips.expired, 40 - report.sent);
    assert.is(report.skipped, report.skips.expired);
    assert.is(report.stopped, undefined);
    assert.match(String(report), /\(\d+ expired\)\.$/);
    const calls = server.countCalls("sendMessage");
    const late = await bot.broadcast("x", { expiresAt: new Date(Date.now() - 1) });
    assert.equal([late.sent, late.skips.expired], [0, 40]);
    assert.is(server.countCalls("sendMessage"), calls, "nothing was tried");
  }, { state: "made", bot: { messagesPerSecond: 10 } });
});

test("expiresAt is not waited out in a flood's pause", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    await subscribers(scene, 5);
    const answer = {
      error_code: 429,
      description: "Too Many Requests: retry after 300",
      parameters: { retry_after: 300 },
    };
    server.fault({ method: "sendMessage", times: Infinity, answer });
    const started = performance.now();
    const report = await bot.broadcast("x", { maxAgeMs: 500 });
    assert.is(report.skips.expired, 5);
    assert.ok(performance.now() - started < 60_000);
  }, made);
});

test("expiresAt holds where the clock jumps ahead, as after a machine's sleep", async () => {
  let aheadMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
  await withBot(async (scene) => {
    const users = await subscribers(scene, 30);
    const running = scene.bot.broadcast("x", { maxAgeMs: 60_000, order: "ascending" });
    await users[5]?.received("x");
    aheadMs = 3_600_000;
    const report = await running;
    assert.ok(report.sent < 25, `${report.sent} sent`);
    assert.is(report.skips.expired, 30 - report.sent);
  }, { state: "made", bot: { clock, messagesPerSecond: 20 } });
});

test("maxAgeMs counts from the signal's own time", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const ticket = { direction: "long", symbol: "BTC-USD", entry: 100, stop: 99, target: 102 } as const;
    const old = { ...ticket, time: new Date(Date.now() - 60_000) };
    assert.is((await scene.bot.sendSignal(old, { maxAgeMs: 30_000 })).skips.expired, 1);
    assert.is((await scene.bot.sendSignal(old, { maxAgeMs: 120_000 })).sent, 1);
    assert.is(user.inbox.length, 1);
  }, made);
});

test("wrong options are named, with the rule, and nothing is sent", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    await subscribers(scene, 1);
    const wrong: [object, RegExp][] = [
      [{ broadcastId: "" }, /"broadcastId" must be 1 to 128 characters/],
      [{ broadcastId: "é".repeat(65) }, /"broadcastId" must be/],
      [{ broadcastId: "a\nb" }, /"broadcastId" must be/],
      [{ broadcastId: 5 }, /"broadcastId" must be/],
      [{ onUnknown: "retry" }, /"onUnknown" must be "skip" or "resend": current value is "retry"/],
      [{ expiresAt: "tomorrow" }, /"expiresAt" must be a Date/],
      [{ expiresAt: "2026-11-25T12:00" }, /"expiresAt" must be/],
      [{ expiresAt: NaN }, /"expiresAt" must be/],
      [{ expiresAt: 1_900_000_000 }, /1900000000, which looks like seconds: multiply it by 1000/],
      [{ expiresAt: new Date(1_900_000_000) }, /which looks like seconds/],
      [{ expiresAt: 1.9e15 }, /which looks like microseconds/],
      [
        { broadcastId: "a", uniqueForMs: 999 },
        /"uniqueForMs" must be a number of milliseconds, 1000 or more/,
      ],
      [{ broadcastId: "a", uniqueForMs: Infinity }, /"uniqueForMs" must be/],
      [{ uniqueForMs: 5000 }, /set broadcastId, too/],
      [{ maxAgeMs: 0 }, /"maxAgeMs" must be a number of milliseconds above 0/],
      [{ maxAgeMs: "5" }, /"maxAgeMs" must be/],
      [{ priority: "high" }, /"priority" must be "urgent" or "bulk"/],
      [{ disableNotification: "yes" }, /"disableNotification" must be true or false/],
      [{ allowPaidBroadcast: 1 }, /"allowPaidBroadcast" must be true or false/],
      [{ allowPaidBroadcast: true, starBudget: -1 }, /"starBudget" must be/],
      [{ starBudget: 5 }, /set allowPaidBroadcast, too/],
      [{ perChat: "Hello" }, /"perChat" must be a function/],
      [{ filter: true }, /"filter" must be a function/],
      [{ onProgress: {} }, /"onProgress" must be a function/],
      [{ signal: {} }, /"signal" must be an AbortSignal/],
    ];
    for (const [options, words] of wrong) {
      const error = await failureOf(bot.broadcast("x", options));
      assert.instance(error, TypeError);
      assert.match(error.message, words);
    }
    assert.match(
      (await failureOf(bot.broadcast("x", null as never))).message,
      /the options must be an object/,
    );
    assert.is(server.countCalls("sendMessage"), 0);
  }, made);
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

test.run();
