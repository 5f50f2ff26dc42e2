/** Long polling against everything that Telegram and the network may do to it. */
import type { MeanReversionTelegramBot } from "../lib/bot.ts";
import type { BotApiServer, LocalUser } from "../lib/local/mod.ts";
import { TelegramError } from "../lib/telegram_error.ts";
import { assert, suite } from "./harness.ts";
import { FastClock, HandClock, pause, said, soon, until, withBot } from "./support/bot.ts";
import { failureOf } from "./support/storage.ts";

/** Notes how long was slept, and moves on. */
class NotingClock extends HandClock {
  readonly sleeps: number[] = [];

  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.sleeps.push(ms);
    return super.sleep(ms, signal);
  }
}

const conflict = {
  error_code: 409,
  description:
    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
} as const;
const welcome = "Welcome! You are subscribed.";

async function greeted(server: BotApiServer): Promise<LocalUser> {
  const user = server.user();
  user.say("/start");
  await user.received(welcome);
  return user;
}

/** What ended the polling, within a moment. */
async function ending(bot: MeanReversionTelegramBot): Promise<TelegramError> {
  const error = failureOf(bot.finished);
  assert.ok(await soon(error, 4000), "polling goes on");
  return await error as TelegramError;
}

const test = suite("polling", {}, 60_000);

test("a second poller is waited for, with one warning, and then it goes on", async () => {
  const clock = new NotingClock(Date.now());
  await withBot(async ({ bot, server, logs }) => {
    const fault = server.fault({ method: "getUpdates", times: 10, answer: conflict });
    await bot.startBot();
    await until(() => fault.hits === 10, "no conflicts");
    await greeted(server);
    assert.is(logs.of("warn").length, 1);
    assert.match(logs.of("warn")[0] ?? "", "Another program polls with this bot's token");
    assert.equal(logs.of("error"), []);
    const waits = clock.sleeps.slice(0, 10);
    assert.ok(waits.every((ms) => ms >= 1000 && ms <= 5000), `a few seconds between: ${waits}`);
  }, { state: "made", bot: { clock } });
});

test("a second poller that stays ends the polling after a minute: conflict", async () => {
  const clock = new NotingClock(Date.now());
  await withBot(async ({ bot, server, logs }) => {
    server.fault({ method: "getUpdates", times: Infinity, answer: conflict });
    const startedAt = clock.now();
    await bot.startBot();
    const error = await ending(bot);
    assert.instance(error, TelegramError);
    assert.is(error.reason, "conflict");
    assert.match(error.message, "Another program");
    const waitedMs = clock.now() - startedAt;
    assert.ok(waitedMs >= 60_000 && waitedMs < 70_000, `${waitedMs} ms`);
    assert.equal(logs.of("error"), [], "whoever asks for finished is told, and nobody else");
  }, { state: "made", bot: { clock } });
});

test("the end of polling is logged where nobody asks for finished", async () => {
  await withBot(async ({ bot, server, logs }) => {
    server.fault({ method: "getUpdates", times: Infinity, answer: conflict });
    await bot.startBot();
    await until(() => logs.of("error").length > 0, "nothing was logged");
    assert.match(logs.of("error")[0] ?? "", /hears no commands any more.*Another program/);
    assert.is(logs.of("error").length, 1);
    assert.is((await bot.broadcast("signal")).recipients, 0, "broadcasts go on");
  }, { state: "made", bot: { clock: new HandClock(Date.now()) } });
});

test("two pollers that drive each other out in turns end after a minute, too", async () => {
  const clock = new HandClock(Date.now());
  await withBot(async ({ bot, server }) => {
    let polls = 0;
    bot.grammy.api.config.use((prev, method, payload, signal) => {
      if (method !== "getUpdates") return prev(method, payload, signal);
      clock.advance(100);
      const answer = ++polls % 2 === 0 ? { ok: true, result: [] } : { ok: false, ...conflict };
      return Promise.resolve(answer as unknown as Awaited<ReturnType<typeof prev>>);
    });
    await bot.startBot();
    assert.is((await ending(bot)).reason, "conflict");
    assert.ok(server.countCalls("getMe") > 0);
  }, { state: "made", bot: { clock } });
});

test("short conflicts that lie far apart do not add up", async () => {
  const clock = new HandClock(Date.now());
  await withBot(async ({ bot, server }) => {
    await bot.startBot();
    for (let times = 0; times < 5; times++) {
      const fault = server.fault({ method: "getUpdates", times: 10, answer: conflict });
      await greeted(server);
      await until(() => fault.hits === 10, "no conflicts");
      await greeted(server);
      clock.advance(120_000);
      await greeted(server);
    }
    assert.is((await bot.getStatistics()).isPolling, true);
  }, { state: "made", bot: { clock } });
});

test("a real second poller wins for a while, and this bot hears everything afterwards", async () => {
  await withBot(async ({ bot, server, settled }) => {
    await bot.startBot();
    const rival = new AbortController();
    const polled = fetch(`${server.apiRoot}/bot${server.token}/getUpdates?timeout=30`, {
      signal: rival.signal,
    });
    await pause(50);
    rival.abort();
    await polled.then((response) => response.body?.cancel()).catch(() => {});
    await greeted(server);
    await settled();
  }, { state: "made", bot: { clock: new FastClock(20) } });
});

test("a token that is revoked while polling ends it: token", async () => {
  await withBot(async ({ bot, server }) => {
    await greeted(server);
    server.fault({
      method: "getUpdates",
      times: Infinity,
      answer: { error_code: 401, description: "Unauthorized" },
    });
    server.user().say("wakes the poll");
    const error = await ending(bot);
    assert.instance(error, TelegramError);
    assert.is(error.reason, "token");
    assert.match(error.message, "@BotFather");
  });
});

test("getStatistics() and startBot() know that polling has ended by itself", async () => {
  await withBot(async ({ bot, server }) => {
    server.fault({
      method: "getUpdates",
      times: Infinity,
      answer: { error_code: 401, description: "Unauthorized" },
    });
    await bot.startBot();
    await ending(bot);
    assert.is((await bot.getStatistics()).isPolling, false);
    const error = await failureOf(bot.startBot());
    assert.instance(error, Error, "it does not say that commands are heard");
  }, { state: "made" });
});

test("network errors are waited out, longer each time, and said once at either end", async () => {
  const clock = new NotingClock(Date.now());
  await withBot(async ({ bot, server, logs }) => {
    const fault = server.fault({ method: "getUpdates", times: 8, answer: "reset" });
    await bot.startBot();
    await until(() => fault.hits === 8, "no trouble");
    await greeted(server);
    assert.equal([logs.of("warn").length, logs.of("error").length], [1, 0]);
    assert.is(logs.of("info", "polled again").length, 1);
    const waits = clock.sleeps.slice(0, 8);
    assert.equal(waits, [...waits].sort((a, b) => a - b), "they grow");
    assert.ok((waits[0] ?? 0) >= 500 && (waits[0] ?? 0) <= 1000);
    assert.ok((waits[7] ?? 0) <= 30_000, "up to half a minute");
  }, { state: "made", bot: { clock } });
});

test("a server that fails, and answers that are none, are waited out", async () => {
  await withBot(async ({ bot, server, settled }) => {
    for (const error_code of [500, 502, 503, 504]) {
      server.fault({ method: "getUpdates", answer: { error_code, description: "Bad Gateway" } });
    }
    await bot.startBot();
    await greeted(server);
    await settled();
  }, { state: "made", bot: { clock: new HandClock(Date.now()) } });
});

test("a 429 on getUpdates is waited for as long as it says", async () => {
  const clock = new NotingClock(Date.now());
  await withBot(async ({ bot, server }) => {
    const answer = {
      error_code: 429,
      description: "Too Many Requests: retry after 17",
      parameters: { retry_after: 17 },
    };
    server.fault({ method: "getUpdates", answer });
    await bot.startBot();
    await greeted(server);
    assert.ok((clock.sleeps[0] ?? 0) >= 17_000, `it slept ${clock.sleeps[0]} ms`);
  }, { state: "made", bot: { clock } });
});

test("a chat's updates are handled in their order, chats side by side", async () => {
  await withBot(async ({ bot, server, settled, item }) => {
    const users = Array.from({ length: 14 }, () => server.user());
    for (let round = 0; round < 5; round++) {
      for (const [index, user] of users.entries()) {
        user.say(round % 2 === 0 ? "/start" : "/stop");
        if (index % 2 === 0) user.say("between");
      }
    }
    for (const user of users.slice(0, 6)) user.say("/stop");
    await bot.startBot();
    await settled();
    for (const [index, user] of users.entries()) {
      const stopped = index < 6;
      const count = 5 + (index % 2 === 0 ? 5 : 0) + (stopped ? 1 : 0);
      assert.equal((await item(user))?.["is_active"], { BOOL: !stopped });
      assert.equal((await item(user))?.["message_count"], { N: String(count) });
    }
  }, { state: "made" });
});

test("more updates than one answer holds are all handled", async () => {
  await withBot(async ({ bot, server, table, settled }) => {
    const users = Array.from({ length: 25 }, () => server.user());
    for (let round = 0; round < 9; round++) for (const user of users) user.say("hello");
    await bot.startBot();
    await settled();
    const { totalChats, totalMessages } = await table.storage().getStatistics();
    assert.equal([totalChats, totalMessages], [25, 225]);
  }, { state: "made" });
});

test("update ids that start again below the last one are handled once, and confirmed", async () => {
  await withBot(async ({ bot, server, settled }) => {
    await greeted(server);
    await settled();
    // After a week without updates Telegram chooses the next id at random.
    const user = server.user();
    const at = Math.floor(Date.now() / 1000);
    server.push({
      update_id: 5,
      message: { message_id: 1, date: at, chat: user.chat, from: user.user, text: "/help" },
    });
    server.push({ message: { message_id: 2, date: at, chat: user.chat, from: user.user, text: "/help" } });
    await until(() => server.pendingUpdates === 0, "they are not confirmed", 1500);
    await settled();
    const helps = server.calls.filter(({ method, payload }) =>
      method === "sendMessage" && String(payload["text"]).startsWith("I send trading signals")
    );
    assert.is(helps.length, 2);
    await bot.stopBot();
  }, { bot: { clock: new FastClock(20) } });
});

test("an update that makes no sense is logged and confirmed, and stops nothing", async () => {
  await withBot(async ({ server, logs, settled }) => {
    const hostile: object[] = [
      {},
      { message: null },
      { message: {} },
      { message: { text: "/start" } },
      { message: { text: 5, chat: { id: 1 } } },
      { message: { text: "/start", chat: { id: "1", type: "private" } } },
      { message: { text: "/start", chat: { id: 2 ** 60, type: "private" }, date: 1 } },
      { message: { text: "/start", chat: { id: 1.5, type: "private" }, date: 1 } },
      { message: { text: "/start", chat: { id: 0, type: "private" }, date: -5 } },
      { message: { photo: [], chat: null } },
      { my_chat_member: {} },
      { my_chat_member: { chat: { id: 5, type: "private" }, new_chat_member: null } },
      { message: { migrate_to_chat_id: "x", chat: { id: -5, type: "group" } } },
      { message: { migrate_from_chat_id: 0, chat: { id: -100, type: "supergroup" } } },
      { message: [[], {}] },
      { unheard_of: { deeply: { nested: [null] } } },
      { callback_query: { id: "1", message: null, from: null } },
    ];
    for (const update of hostile) server.push(update);
    const user = server.user();
    user.say("/start");
    await settled();
    assert.equal(said(user), [welcome]);
    assert.ok(logs.of("error").every((line) => /^Update \d+ failed in a handler/.test(line)), logs.text);
  });
});

test("a message with a strange date is taken, as of now", async () => {
  await withBot(async ({ server, settled, item }) => {
    for (const date of [0, -1, NaN, 1e15, "soon", undefined, null]) {
      const user = server.user();
      server.push({ message: { message_id: 1, date, chat: user.chat, from: user.user, text: "hello" } });
      await settled();
      const lastActive = Date.parse((await item(user))?.["last_active"]?.S ?? "");
      assert.ok(Math.abs(lastActive - Date.now()) < 60_000, `${date}`);
    }
  });
});

test.run();
