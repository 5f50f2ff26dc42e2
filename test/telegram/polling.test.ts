/** Long polling against everything that Telegram and the network may do to it. */
import type { MeanReversionTelegramBot } from "../../lib/bot/bot.ts";
import { HttpError } from "grammy/web";
import type { BotApiFaultAnswer, BotApiServer, LocalUser } from "../../lib/local/mod.ts";
import { PollMonitor } from "../../lib/telegram/polling_retry.ts";
import { TelegramError } from "../../lib/telegram/errors.ts";
import { assert, suite } from "../harness.ts";
import {
  deadAddress,
  FastClock,
  HandClock,
  Logs,
  pause,
  said,
  soon,
  until,
  withBot,
} from "../support/bot.ts";
import { failureOf } from "../support/storage.ts";

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
const unauthorized = { error_code: 401, description: "Unauthorized" } as const;
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

test("a second poller that stays is outlived: asked again every 3 s for a minute, then more slowly", async () => {
  const clock = new NotingClock(Date.now());
  await withBot(async ({ bot, server, logs }) => {
    const fault = server.fault({ method: "getUpdates", times: 200, answer: conflict });
    await bot.startBot();
    await until(() => fault.hits === 200, "it has ended");
    const waits = clock.sleeps.slice(0, 199);
    const quick = waits.slice(0, 20);
    assert.equal(quick, quick.map(() => 3000), "the first minute is a deployment's");
    assert.ok(waits.slice(20).every((ms) => ms > 3000 && ms <= 30_000), `${waits.slice(20)}`);
    assert.ok(Math.max(...waits) > 20_000);
    assert.is((await bot.getStatistics()).isPolling, true);
    assert.is(logs.of("warn").length, 1, logs.text);
    assert.match(
      logs.of("warn")[0] ?? "",
      /\/stop .*may not be heard.*signals are still sent\. Stop the other/,
    );

    await greeted(server);
    clock.advance(60_000);
    await greeted(server);
    await until(() => logs.of("info", "polled again").length === 1, "it does not say so");
    assert.match(logs.of("info", "polled again")[0] ?? "", /commands are heard again, after \d+ minutes\.$/);
    assert.is(logs.of("warn").length, 1);
  }, { state: "made", bot: { clock } });
});

test("the slow waits beside another poller differ by chance", async () => {
  let draws = 0;
  class Chance extends NotingClock {
    override random(): number {
      return draws++ % 2 === 0 ? 0 : 0.9;
    }
  }
  const clock = new Chance(Date.now());
  await withBot(async ({ bot, server }) => {
    const fault = server.fault({ method: "getUpdates", times: Infinity, answer: conflict });
    await bot.startBot();
    await until(() => fault.hits > 40, "no conflicts");
    const waits = new Set(clock.sleeps.slice(30, 40));
    assert.equal([...waits].sort(), [23_250, 30_000]);
  }, { state: "made", bot: { clock } });
});

test("what ends polling is logged where nobody asks for finished", async () => {
  await withBot(async ({ bot, server, logs }) => {
    server.fault({ method: "getUpdates", times: Infinity, answer: unauthorized });
    await bot.startBot();
    await until(() => logs.of("error").length > 0, "nothing was logged");
    assert.match(logs.of("error")[0] ?? "", /hears no commands any more.*refused the bot's token/);
    assert.is(logs.of("error").length, 1);
    assert.is((await bot.broadcast("signal")).recipients, 0, "broadcasts go on");
  }, { state: "made", bot: { clock: new HandClock(Date.now()) } });
});

test("two pollers that drive each other out in turns both go on, more slowly, and the log stays calm", async () => {
  const clock = new NotingClock(Date.now());
  await withBot(async ({ bot, logs }) => {
    let polls = 0;
    bot.grammy.api.config.use((prev, method, payload, signal) => {
      if (method !== "getUpdates") return prev(method, payload, signal);
      clock.advance(100);
      const answer = ++polls % 2 === 0 ? { ok: true, result: [] } : { ok: false, ...conflict };
      return Promise.resolve(answer as unknown as Awaited<ReturnType<typeof prev>>);
    });
    await bot.startBot();
    await until(() => polls > 300, "it has ended");
    const { isPolling, isHearing } = bot.health;
    assert.equal([isPolling, isHearing], [true, true], "every other poll is answered");
    const waits = clock.sleeps.filter((ms) => ms >= 3000);
    assert.ok((waits[99] ?? 0) > 20_000, `${waits}`);
    assert.equal([logs.of("warn").length, logs.of("error").length], [1, 0], logs.text);
    assert.equal(logs.of("info", "polled again"), []);
  }, { state: "made", bot: { clock } });
});

test("of two bots of one token each hears some, and the one that is left hears everything", async () => {
  await withBot(async ({ bot, server, another, settled, logs }) => {
    await bot.startBot();
    const rival = another({ logger: new Logs() });
    await rival.startBot();
    for (let round = 0; round < 5; round++) await greeted(server);
    await until(() => logs.of("warn", "Another program polls").length > 0, "they are not rivals");
    await rival.stopBot();
    await greeted(server);
    await pause(2500);
    await greeted(server);
    await until(() => logs.of("info", "polled again").length > 0, "it does not say so");
    await greeted(server);
    await settled();
    assert.is(bot.health.isPolling, true);
  }, { state: "made", bot: { clock: new FastClock(40) } });
});

async function call(server: BotApiServer, method: string, query: string = ""): Promise<void> {
  const response = await fetch(`${server.apiRoot}/bot${server.token}/${method}?${query}`);
  assert.ok(response.ok, await response.text());
}

test("a webhook that another program sets is named, left to that program, and outlived", async () => {
  const clock = new HandClock(Date.now());
  await withBot(async ({ bot, server, logs, settled }) => {
    await bot.startBot();
    await greeted(server);
    await call(server, "setWebhook", `url=${encodeURIComponent(await deadAddress())}`);
    const startedAt = clock.now();
    await until(() => clock.now() - startedAt > 300_000, "it has ended");
    assert.is(logs.of("warn").length, 1, logs.text);
    assert.match(logs.of("warn")[0] ?? "", /Another program has set a webhook.*no \/stop.*deleteWebhook/);
    assert.match(
      logs.of("error")[0] ?? "",
      /not been heard for 3 minutes.*Another program has set a webhook/,
    );
    assert.is(logs.of("error").length, 1, logs.text);
    assert.is(server.countCalls("deleteWebhook"), 1, "only at the start");
    await call(server, "deleteWebhook");
    await greeted(server);
    await settled();
    assert.is(logs.of("info", "polled again").length, 1, "one answer shows that the webhook is gone");
    assert.is(bot.health.isHearing, true);
  }, { state: "made", bot: { clock } });
});

const silences: Readonly<Record<string, { readonly answer: BotApiFaultAnswer; readonly says: RegExp }>> = {
  "a second poller": { answer: conflict, says: /Another program polls.*Stop the other program/ },
  "an outage of Telegram": {
    answer: { error_code: 502, description: "Bad Gateway" },
    says: /Telegram cannot be polled.*502: Bad Gateway/,
  },
  "a network that is down": { answer: "reset", says: /Telegram cannot be polled.*Check the network/ },
  "a flood": {
    answer: {
      error_code: 429,
      description: "Too Many Requests: retry after 1000",
      parameters: { retry_after: 1000 },
    },
    says: /Telegram asks this bot to wait for 16 minutes/,
  },
};
for (const [name, { answer, says }] of Object.entries(silences)) {
  test(`${name}: after three minutes health and log say that nothing is heard, and again when it is`, async () => {
    const clock = new NotingClock(Date.now());
    await withBot(async ({ bot, server, logs }) => {
      const fault = server.fault({ method: "getUpdates", times: Infinity, answer });
      const startedAt = clock.now();
      await bot.startBot();
      assert.is(bot.health.isHearing, true, "the first poll has three minutes");
      await until(() => logs.of("error").length > 0, "it says nothing");
      assert.ok(clock.now() - startedAt > 180_000, "too early");
      assert.match(
        logs.of("error")[0] ?? "",
        /^Commands have not been heard for 3 minutes: \/stop is not heard/,
      );
      assert.match(logs.of("error")[0] ?? "", says);
      const { isPolling, isHearing, lastHeardAt } = bot.health;
      assert.equal([isPolling, isHearing, lastHeardAt], [true, false, undefined]);
      assert.is((await bot.getStatistics()).isHearing, false);

      await until(() => clock.now() - startedAt > 3_000_000, "it has ended");
      assert.is(logs.of("error").length, 1, "once an hour");
      await until(() => logs.of("error").length === 2, "it says it once only");
      assert.match(logs.of("error")[1] ?? "", /not been heard for (63|64) minutes/);

      fault.clear();
      await greeted(server);
      clock.advance(60_000);
      await greeted(server);
      await until(() => logs.of("info", "polled again").length > 0, "it does not say so");
      assert.match(logs.of("info", "polled again")[0] ?? "", /heard again, after \d+ (minutes|hours)\.$/);
      assert.equal([bot.health.isHearing, typeof bot.health.lastHeardAt], [true, "string"]);
    }, { state: "made", bot: { clock } });
  });
}

test("polls that hang are none that are answered", async () => {
  const clock = new HandClock(Date.now());
  await withBot(async ({ bot, logs }) => {
    let hung: { readonly end: () => void } | undefined;
    bot.grammy.api.config.use((prev, method, payload, signal) => {
      if (method !== "getUpdates") return prev(method, payload, signal);
      return new Promise((_resolve, reject) => {
        const timeout = new HttpError("Network request for 'getUpdates' failed!", new Error("timed out"));
        hung = { end: () => reject(timeout) };
        signal?.addEventListener("abort", () => reject(timeout));
      });
    });
    await bot.startBot();
    assert.is(bot.health.isHearing, true);
    for (let polls = 0; polls < 4; polls++) {
      await until(() => hung !== undefined, "it does not poll");
      clock.advance(60_000);
      const { end } = hung ?? assert.unreachable() as never;
      hung = undefined;
      end();
    }
    await until(() => logs.of("error", "not been heard for 3 minutes").length === 1, "it says nothing");
    await until(() => hung !== undefined, "it does not poll");
    assert.is(bot.health.isHearing, false);
  }, { state: "made", bot: { clock } });
});

test("health tells whether it polls and hears, from before its start to after its end", async () => {
  await withBot(async ({ bot, server }) => {
    const health = (): unknown[] => [bot.health.isPolling, bot.health.isHearing, bot.health.lastHeardAt];
    assert.equal(health(), [false, false, undefined]);
    await bot.initialize();
    assert.equal(health(), [false, false, undefined]);
    await bot.startBot();
    assert.equal(health().slice(0, 2), [true, true]);
    await greeted(server);
    const { lastHeardAt = "" } = bot.health;
    assert.ok(Math.abs(Date.now() - Date.parse(lastHeardAt)) < 60_000, lastHeardAt);
    assert.is(new Date(lastHeardAt).toISOString(), lastHeardAt);
    await bot.stopBot();
    assert.equal(health(), [false, false, lastHeardAt]);
  }, { state: "made" });
});

test("PollWatch: three minutes without an answer, also where the clock is set back", () => {
  const clock = new HandClock(10_000_000);
  const watch = new PollMonitor(clock);
  assert.equal([watch.isHearing, watch.silentMs], [false, 0]);
  watch.begin();
  clock.advance(180_000);
  assert.is(watch.isHearing, true);
  clock.advance(1);
  assert.is(watch.isHearing, false);
  assert.is(watch.answered(), 180_001);
  assert.equal([watch.isHearing, watch.lastHeardAt], [true, new Date(10_180_001).toISOString()]);
  clock.advance(-3_600_000);
  assert.is(watch.isHearing, true);
  clock.advance(180_001);
  assert.is(watch.isHearing, false, "the hour that the clock has lost does not count");
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
    server.fault({ method: "getUpdates", times: Infinity, answer: unauthorized });
    server.user().say("wakes the poll");
    const error = await ending(bot);
    assert.instance(error, TelegramError);
    assert.is(error.reason, "token");
    assert.match(error.message, "@BotFather");
  });
});

test("getStatistics() and startBot() know that polling has ended by itself", async () => {
  await withBot(async ({ bot, server }) => {
    server.fault({ method: "getUpdates", times: Infinity, answer: unauthorized });
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
