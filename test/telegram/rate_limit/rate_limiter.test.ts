/** The rate limiter over the wire: what waits for what, whom a flood stops, and what is paid for. */
import type { Ledger } from "../../../lib/broadcast/ledger.ts";
import { InMemoryLedger } from "../../../lib/broadcast/memory_ledger.ts";
import type { BroadcastOptions } from "../../../lib/broadcast/options.ts";
import type { BroadcastReport } from "../../../lib/broadcast/report.ts";
import { StorageError } from "../../../lib/chats/storage.ts";
import type { BotApiFaultAnswer, LocalUser } from "../../../lib/local/mod.ts";
import { assert, suite } from "../../harness.ts";
import { said, type Scene, type SceneOptions, soon, subscribers, until, withBot } from "../../support/bot.ts";
import { FastClock } from "../../support/clocks.ts";

/** Time on both sides of the wire, so many times as fast. */
function hasty(factor: number, messagesPerSecond: number = 1000): SceneOptions {
  const clock = new FastClock(factor);
  return { state: "made", bot: { clock, messagesPerSecond }, server: { clock } };
}

function flood(retry_after: number): BotApiFaultAnswer {
  const description = `Too Many Requests: retry after ${retry_after}`;
  return { error_code: 429, description, parameters: { retry_after } };
}

/** The chats that were sent a message to, in the order in which it came in. */
function addressed({ server }: Scene): number[] {
  return server.calls.filter(({ method }) => method === "sendMessage")
    .map(({ payload }) => Number(payload["chat_id"]));
}

function idsOf(users: readonly LocalUser[]): number[] {
  return users.map(({ chatId }) => chatId).sort((one, other) => one - other);
}

function total({ sent, deactivated, skipped, failed, unknown }: BroadcastReport): number {
  return sent + deactivated + skipped + failed + unknown;
}

const test = suite("RateLimiter", {}, 60_000);

test("one chat's own flood holds up nobody else, wherever in a broadcast it is", async () => {
  for (const place of [0, 7, 29]) {
    await withBot(async (scene) => {
      const { bot, server } = scene;
      const ids = idsOf(await subscribers(scene, 30));
      const chatId = ids[place] ?? 0;
      server.fault({ method: "sendMessage", chatId, answer: flood(30) });
      const report = await bot.broadcast("signal", { order: "ascending" });
      assert.equal([report.sent, report.floods], [30, 1]);
      const others = ids.filter((id) => id !== chatId);
      const reached = addressed(scene).filter((id) => id !== chatId);
      assert.equal(reached.sort((one, other) => one - other), others, "each once");
      assert.is(addressed(scene).at(-1), chatId, `the last one is the ${place}th, after its own wait`);
      const [refused, taken] = server.calls.filter(({ payload }) => Number(payload["chat_id"]) === chatId);
      assert.ok((taken?.at ?? 0) - (refused?.at ?? 0) >= 29_900);
    }, hasty(20, 30));
  }
});

test("two chats' own floods in one broadcast hold up nobody else", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    const ids = idsOf(await subscribers(scene, 60));
    const two = [ids[3], ids[4]] as number[];
    for (const chatId of two) server.fault({ method: "sendMessage", chatId, answer: flood(60) });
    const report = await bot.broadcast("signal");
    assert.equal([report.sent, report.floods], [60, 2]);
    assert.equal(addressed(scene).slice(-2).sort((a, b) => a - b), two);
  }, hasty(20, 30));
});

test("a flood of everything is told once, holds calls and messages, and lets updates in", async () => {
  // The pause lasts until all is seen that is to be seen in it.
  const clock = new FastClock(1);
  await withBot(async (scene) => {
    const { bot, server, logs } = scene;
    const [ada] = await subscribers(scene, 12) as [LocalUser];
    const heard: string[] = [];
    bot.grammy.on("message:text", (ctx) => void heard.push(ctx.message.text));
    await bot.startBot();
    const start = server.calls.length;
    const flooding = server.flood(60);
    const sending = bot.broadcast("hello");
    await until(() => logs.of("warn", "Telegram limits the rate").length > 0, "the bot does not know of it");
    assert.ok(flooding.hits >= 3);
    const asking = bot.grammy.api.getChat(ada.chatId);
    const writing = bot.grammy.api.sendMessage(ada.chatId, "a word of the user's own code");
    // What fails before it is awaited must not end the process.
    for (const each of [asking, writing]) each.catch(() => {});
    ada.say("hello");
    await until(() => heard.length > 0, "updates are not handed out in the pause");
    const before = server.calls.slice(start).filter(({ method }) => method !== "getUpdates").length;
    assert.is(before, flooding.hits);
    assert.ok(before <= 5, `${before} calls into it`);
    clock.setFactor(40);
    assert.is((await sending).sent, 12);
    await Promise.all([asking, writing]);
    const [first] = server.calls.slice(start).filter(({ method }) => method === "sendMessage");
    const asked = server.calls.find(({ method }) => method === "getChat");
    assert.ok((asked?.at ?? 0) - (first?.at ?? 0) >= 59_000);
    assert.is(logs.of("warn", "Telegram limits the rate").length, 1);
  }, { state: "made", bot: { clock, messagesPerSecond: 1000 }, server: { clock } });
});

test("a flood of hours is waited for by one to three subscribers, too, and nobody counts as failed", async () => {
  for (const [count, maxAgeMs] of [[1, undefined], [1, 600_000], [2, undefined], [3, undefined]] as const) {
    const clock = new FastClock(1);
    await withBot(async (scene) => {
      const { bot, server, logs } = scene;
      await subscribers(scene, count);
      await bot.broadcast("the one before");
      // What is refused within three seconds is the chat's own, as it is written to too often.
      await clock.sleep(3100);
      const flooding = server.flood(7200);
      const expiresAt = maxAgeMs === undefined ? undefined : new Date(clock.now() + maxAgeMs);
      const running = bot.broadcast("signal", { expiresAt });
      await until(() => running.progress.isWaiting, "the progress does not say that it waits");
      const { waitingMs, willExpire } = running.progress;
      assert.ok(waitingMs > 7_000_000, `${waitingMs} ms`);
      assert.is(willExpire, maxAgeMs === undefined ? 0 : count);
      clock.setFactor(2000);
      const { sent, failed, skips } = await running;
      assert.equal([sent, failed, skips.expired], maxAgeMs === undefined ? [count, 0, 0] : [0, 0, count]);
      // A millisecond is two seconds by this clock: one may come a moment before its end.
      assert.ok(flooding.hits <= 2 * count, `${flooding.hits} calls into it`);
      assert.is(logs.of("warn", "is written to").length, 1);
    }, { state: "made", bot: { clock }, server: { clock } });
  }
});

test("a flood of more than ten minutes that meets all who are left is waited for, and nobody counts as failed", async () => {
  const play = async (count: number, latencyMs: number): Promise<void> => {
    const clock = new FastClock(1);
    await withBot(async (scene) => {
      const { bot, server } = scene;
      await subscribers(scene, count);
      const running = bot.broadcast("signal");
      await until(() => running.progress.sent > 0, "nobody has it");
      server.flood(720);
      await until(() => running.progress.waitingMs > 650_000, "the progress does not say that it waits");
      clock.setFactor(60);
      const { sent, failed } = await running;
      assert.equal([sent, failed], [count, 0]);
    }, { state: "made", bot: { clock }, server: { clock, latencyMs } });
  };
  await Promise.all([play(12, 500), play(6, 200), play(4, 60)]);
});

test("three chats whose replies are refused make replies rest, and tell that; a broadcast ends it", async () => {
  await withBot(async (scene) => {
    const { bot, server, logs } = scene;
    await subscribers(scene, 5);
    const strangers = Array.from({ length: 3 }, () => server.user());
    for (const stranger of strangers) stranger.flood(3600);
    await bot.startBot();
    for (const stranger of strangers) stranger.say("/help");
    await until(() => logs.of("warn", "limits the rate of replies").length === 1, "it is not told");
    assert.is((await bot.broadcast("a signal")).sent, 5 + 3 - 3);
  }, hasty(20, 30));
});

test("a pause of ten minutes is waited out, one of a day is not", async () => {
  await withBot(async ({ bot, server }) => {
    const user = server.user({ opened: true });
    server.fault({ method: "sendMessage", answer: flood(600) });
    await bot.initialize();
    await bot.grammy.api.sendMessage(user.chatId, "one");
    server.fault({ method: "sendMessage", answer: flood(86_400) });
    const refusal = (text: string): Promise<unknown> =>
      bot.grammy.api.sendMessage(user.chatId, text).catch(({ error_code, parameters }) => {
        assert.is(error_code, 429);
        return parameters.retry_after;
      });
    assert.is(await refusal("two"), 86_400);
    const calls = server.countCalls("sendMessage");
    const left = await refusal("three");
    assert.ok(typeof left === "number" && left > 600 && left <= 86_400, "as long as the chat is held");
    assert.is(server.countCalls("sendMessage"), calls, "nobody is asked");
    const other = server.user({ opened: true });
    server.fault({ method: "sendMessage", answer: flood(0) });
    await bot.grammy.api.sendMessage(other.chatId, "four");
    assert.equal([said(user), said(other)], [["one"], ["four"]]);
  }, hasty(1000));
});

test("groups in slow mode hold up no signal, and what they are not answered is counted", async () => {
  await withBot(async (scene) => {
    const { bot, server, logs } = scene;
    const ids = idsOf(await subscribers(scene, 60));
    const boss = server.user();
    const groups = [1, 2, 3].map(() => server.group({ title: "Desk", administrators: [boss] }));
    for (const { chatId } of groups) {
      server.fault({ method: "sendMessage", chatId, times: Infinity, answer: flood(150) });
    }
    await bot.startBot();
    for (const group of groups) for (let count = 0; count < 12; count++) group.say(boss, "/help");
    await until(() => bot.health.droppedReplies > 0, "no group is refused");
    const report = await bot.broadcast("signal", {
      priority: "urgent",
      filter: ({ chat_id }) => chat_id > 0,
    });
    assert.equal([report.sent, report.floods], [60, 0]);
    // A machine that stands still may make it longer; the pause of old would be 150 s.
    assert.ok((report.latencyMs?.max ?? Infinity) <= 20_000, String(report));
    await scene.settled();
    assert.is(addressed(scene).filter((id) => !ids.includes(id)).length, 3, "each group is asked once");
    const { pendingReplies, droppedReplies } = bot.health;
    assert.is(pendingReplies, 0);
    assert.ok(droppedReplies >= 36, "each /help, and a greeting");
    assert.equal(logs.of("warn", "Telegram limits the rate"), []);
    assert.ok(logs.of("warn", "is not answered").length > 0);
  }, hasty(2, 30));
});

test("a reading call's flood pauses reading calls, and no others", async () => {
  const clock = new FastClock(1);
  await withBot(async (scene) => {
    const { bot, server } = scene;
    const [ada] = await subscribers(scene, 1) as [LocalUser];
    await bot.initialize();
    const fault = server.fault({ method: "getChat", answer: flood(60) });
    const start = Date.now();
    const asking = bot.grammy.api.getChat(ada.chatId);
    asking.catch(() => {});
    await until(() => fault.hits === 1, "no flood");
    await bot.grammy.api.sendChatAction(ada.chatId, "typing");
    // By the time that both are answered the bot has heard of the flood, too.
    await bot.grammy.api.sendMessage(ada.chatId, "hello");
    const also = bot.grammy.api.getChatMemberCount(ada.chatId);
    also.catch(() => {});
    await bot.grammy.api.sendMessage(ada.chatId, "hello");
    assert.equal(said(ada), ["hello", "hello"]);
    assert.is(server.countCalls("getChatMemberCount"), 0);
    assert.ok(Date.now() - start < 50_000);
    clock.setFactor(100);
    await Promise.all([asking, also.catch(() => {})]);
    assert.is(server.countCalls("getChat"), 2);
  }, { state: "made", bot: { clock, messagesPerSecond: 1000 }, server: { clock } });
});

test("a reply goes before a broadcast, within a few slots", async () => {
  for (const [rate, factor] of [[1, 5], [30, 1]] as const) {
    await withBot(async (scene) => {
      const { bot } = scene;
      const users = await subscribers(scene, 120);
      const asker = users.find(({ chatId }) => chatId === idsOf(users)[0]) as LocalUser;
      await bot.startBot();
      const abort = new AbortController();
      const running = bot.broadcast("signal", { signal: abort.signal, order: "ascending" });
      await asker.received("signal");
      asker.say("/status");
      await until(() => asker.inbox.length >= 2, "no reply");
      const between = addressed(scene).lastIndexOf(asker.chatId) - addressed(scene).indexOf(asker.chatId) - 1;
      assert.ok(between <= 15, `${between} messages went before it at ${rate}/s`);
      abort.abort();
      await running;
    }, hasty(factor, rate));
  }
});

test("a broadcast's messages enter once, whatever a user's own transformer makes of the calls", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    const ids = idsOf(await subscribers(scene, 20));
    bot.grammy.api.config.use((prev, method, payload, signal) =>
      prev(method, { ...payload, disable_notification: true }, signal)
    );
    server.fault({ method: "sendMessage", chatId: ids[5] ?? 0, answer: flood(3) });
    const report = await bot.broadcast("signal");
    assert.equal([report.sent, report.floods], [20, 1], "its floods are its own to count");
    const [{ payload = {} } = {}] = server.calls.filter(({ method }) => method === "sendMessage");
    assert.equal(Object.keys(payload).sort(), ["chat_id", "disable_notification", "entities", "text"]);
  }, hasty(20));
});

test("a chat is one chat, be its id a number or the text of one", async () => {
  await withBot(async ({ bot, server }) => {
    const user = server.user({ opened: true });
    await bot.initialize();
    const ids = [user.chatId, String(user.chatId), user.chatId, String(user.chatId), user.chatId];
    await Promise.all(ids.map((id, index) => bot.grammy.api.sendMessage(id, String(index))));
    assert.equal(said(user), ["0", "1", "2", "3", "4"]);
    const times = server.calls.filter(({ method }) => method === "sendMessage").map(({ at }) => at);
    // Less than three seconds, as the first may have been on its way for longer.
    assert.ok((times[3] ?? 0) - (times[0] ?? 0) >= 2000, "three in three seconds");
  }, hasty(2));
});

test("a stop ends what waits in the rate limiter, and the program with it", async () => {
  await withBot(async ({ bot, server, logs }) => {
    const users = [1, 2, 3].map(() => server.user({ opened: true }));
    await bot.initialize();
    server.fault({ method: "sendMessage", times: Infinity, answer: flood(500) });
    const waiting = Promise.all(
      users.map(({ chatId }) =>
        bot.grammy.api.sendMessage(chatId, "one").then(() => "sent", (error: Error) => error.message)
      ),
    );
    await until(() => logs.of("warn", "limits the rate").length === 1, "no flood");
    await bot.stopBot();
    assert.ok(await soon(waiting, 5000));
    for (const message of await waiting) assert.match(message, "stopped");
    assert.equal(users.flatMap(said), []);
  }, { state: "made" });
});

test.run();

const paid = suite("a paid broadcast", {}, 60_000);

function flagged({ server }: Scene): number {
  return server.calls.filter(({ payload }) => payload["allow_paid_broadcast"] === true).length;
}

paid("without a budget every message is marked, and no other broadcast's is", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 100);
    await scene.bot.broadcast("signal", { allowPaidBroadcast: true });
    assert.is(flagged(scene), 100);
    await scene.bot.broadcast("signal 2");
    assert.is(flagged(scene), 100);
  }, hasty(20));
});

paid(
  "a budget is spent to the tenth of a Star; the rest goes on for nothing, at thirty a second",
  async () => {
    for (const [starBudget, messages] of [[0, 0], [0.09, 0], [2, 20], [2.35, 23]] as const) {
      await withBot(async (scene) => {
        await subscribers(scene, 60);
        const report = await scene.bot.broadcast("signal", { allowPaidBroadcast: true, starBudget });
        assert.is(report.sent, 60);
        assert.is(flagged(scene), messages);
        const free = scene.server.calls.filter(({ method, payload }) =>
          method === "sendMessage" && payload["allow_paid_broadcast"] === undefined
        );
        const seconds = ((free.at(-1)?.at ?? 0) - (free[0]?.at ?? 0)) / 1000;
        assert.ok(seconds >= (free.length - 1) / 30 - 0.5, `${free.length} in ${seconds} s`);
      }, hasty(2));
    }
  },
);

paid("deadlines are told by the rate of what is paid for, as far as the budget goes", async () => {
  for (const [starBudget, isInTime] of [[undefined, true], [1, false]] as const) {
    // Ten seconds of real time are two of the bots'.
    const clock = new FastClock(0.2);
    await withBot(async (scene) => {
      const { bot, logs } = scene;
      await subscribers(scene, 120);
      const told = (): string[] => logs.of("warn", "cannot be reached within");
      const ending = new AbortController();
      const running = bot.broadcast("signal", {
        ...{ allowPaidBroadcast: true, starBudget, signal: ending.signal },
        expiresAt: new Date(clock.now() + 2000),
      });
      if (!isInTime) {
        await until(() => told().length > 0, "nothing is told");
        assert.match(
          told()[0] ?? "",
          /^At 1000 messages a second \d\d of 120 chats cannot be reached within/,
        );
        ending.abort();
      }
      const { sent } = await running;
      assert.equal([sent === 120, told().length], isInTime ? [true, 0] : [false, 1]);
    }, { state: "made", bot: { clock, messagesPerSecond: 1000 }, server: { clock } });
  }
});

paid("what is refused is not paid for; what may have arrived is", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    const ids = idsOf(await subscribers(scene, 80));
    const at = (place: number): number => ids[place] ?? 0;
    const trouble: [number, BotApiFaultAnswer][] = [
      [3, { error_code: 403, description: "Forbidden: bot was blocked by the user" }],
      [5, flood(2)],
      [8, "lose"],
      [9, { error_code: 500, description: "Internal Server Error" }],
      [11, "reset"],
    ];
    for (const [place, answer] of trouble) {
      server.fault({ method: "sendMessage", chatId: at(place), answer });
    }
    const report = await bot.broadcast("signal", { allowPaidBroadcast: true, starBudget: 3 });
    assert.equal([report.sent, report.deactivated, report.unknown], [77, 1, 2]);
    const refused = [at(3), at(5), at(9)].map((chatId) =>
      server.calls.find(({ method, payload }) =>
        method === "sendMessage" && payload["chat_id"] === chatId
      )
    ).filter((call) => call?.payload["allow_paid_broadcast"] === true).length;
    const charged = flagged(scene) - refused;
    assert.ok(charged <= 30 && charged >= 29, `${charged} may be charged for`);
  }, hasty(20));
});

paid("replies keep to thirty a second meanwhile", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    await subscribers(scene, 300);
    const others = Array.from({ length: 45 }, () => server.user({ opened: true }));
    const running = bot.broadcast("signal", { allowPaidBroadcast: true });
    await until(() => flagged(scene) > 0, "nothing is sent");
    // On a slow machine the first of them may arrive late, and the others right behind it.
    const askedAt = Date.now();
    await Promise.all([...others.map(({ chatId }) => bot.grammy.api.sendMessage(chatId, "hello")), running]);
    const last = server.calls.filter(({ payload }) => payload["text"] === "hello").at(-1);
    assert.ok((last?.at ?? 0) - askedAt >= 700, "45 messages");
  }, hasty(1));
});

/** The ledger as a process sees it whose network is cut. */
function cuttable(ledger: Ledger): { readonly ledger: Ledger; cut(isCut: boolean): void } {
  let isCut = false;
  const guarded = new Proxy(ledger, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== "function" || name === "close") return value;
      return (...parameters: unknown[]) =>
        isCut ? Promise.reject(new StorageError("unreachable", "cut off")) : value.apply(target, parameters);
    },
  });
  return { ledger: guarded, cut: (value) => void (isCut = value) };
}

paid(
  "a broadcast that is taken over is never paid for beyond its budget, in whichever window it was left",
  async () => {
    for (const place of [0, 150]) {
      const shared = new InMemoryLedger();
      const first = cuttable(shared);
      const { bot: botOptions, ...rest } = hasty(20, 50);
      await withBot(async (scene) => {
        const { bot, another, server } = scene;
        const ids = idsOf(await subscribers(scene, 260));
        const most = place + 30;
        const options: BroadcastOptions = {
          broadcastId: "b",
          order: "ascending",
          allowPaidBroadcast: true,
          onUnknown: "resend",
          starBudget: (place + 30) / 10,
        } as const;
        const faults = ids.slice(place + 1).map((chatId) =>
          server.fault({ method: "sendMessage", chatId, answer: "hang" })
        );
        const running = bot.broadcast("signal", options);
        await until(() => flagged(scene) >= place + 30, "nothing is sent");
        first.cut(true);
        for (const fault of faults) fault.clear();
        const report = await another({ ledger: shared }).broadcast("signal", options);
        assert.ok(report.sent > 200, String(report));
        assert.ok(flagged(scene) <= most, `${flagged(scene)} of ${most} are marked`);
        first.cut(false);
        await bot.stopBot();
        assert.is(total(await running), 260);
      }, { ...rest, bot: { ...botOptions, ledger: first.ledger } });
    }
  },
);

paid.run();
