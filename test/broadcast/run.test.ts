/** A run as a whole: how it ends, how it keeps the pace, and that every recipient is counted once, whatever fails. */
import fc from "fast-check";
import type { BotApiFaultAnswer, LocalUser } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { FastClock, soon, subscribers, until, withBot } from "../support/bot.ts";
import { counts, made, none, png, signals, total } from "../support/broadcasts.ts";

const test = suite("broadcast(): a run", {}, 60_000);

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
