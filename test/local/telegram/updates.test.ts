/** The queue of updates: long polls, second pollers, and what a webhook has to do with them. */
import type { Update } from "grammy/types";
import { Bot } from "grammy/web";
import { assert, suite } from "../../harness.ts";
import { call, manualClock, refused, result, until, updates, withServer } from "../../support/bot_api.ts";

const test = suite("local/telegram/updates");

test("getUpdates() repeats updates until an offset confirms them", () =>
  withServer(async (server) => {
    const ada = server.user({ first_name: "Ada", username: "ada" });
    for (const text of ["one", "two", "three"]) ada.say(text);
    const ids = (list: Update[]): number[] => list.map(({ update_id }) => update_id);
    assert.equal(ids(await updates(server)), [700, 701, 702]);
    assert.equal(ids(await updates(server, { limit: 2 })), [700, 701]);
    assert.equal(ids(await updates(server, { offset: 701 })), [701, 702]);
    assert.is(server.pendingUpdates, 2);
    assert.equal(ids(await updates(server, { offset: 0 })), [701, 702]);
    assert.equal(ids(await updates(server, { offset: -1 })), [702]);
    assert.is(server.pendingUpdates, 1);
    assert.equal(ids(await updates(server, { offset: 703 })), []);
    assert.is(server.pendingUpdates, 0);
    ada.say("four");
    assert.equal(ids(await updates(server, { offset: 5000 })), [703], "an offset from another age");
  }, { firstUpdateId: 700 }));

test("getUpdates() waits for the next update, and no longer than its timeout", async () => {
  const clock = manualClock();
  await withServer(async (server) => {
    const first = updates(server, { timeout: 10 });
    await until(() => server.calls.length === 1);
    server.user().say("now");
    assert.is((await first)[0]?.message?.text, "now");
    const second = updates(server, { offset: -1, timeout: 10 });
    assert.is((await second).length, 1, "what waits already is given at once");
    let done = false;
    const third = updates(server, { offset: 100_000_002, timeout: 1000 }).finally(() => done = true);
    await until(() => server.calls.length === 3);
    clock.advance(49_000);
    await result(server, "getMe");
    assert.is(done, false);
    clock.advance(1000);
    assert.equal(await third, []);
  }, { clock });
});

test("a second long poll ends the first with 409", () =>
  withServer(async (server) => {
    const first = call(server, "getUpdates", { timeout: 30 });
    await until(() => server.calls.length === 1);
    await updates(server);
    const second = updates(server, { timeout: 30 });
    const { status, body } = await first;
    assert.is(status, 409);
    assert.is(
      body.description,
      "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
    );
    server.user().say("for the second");
    assert.is((await second).length, 1);
  }));

test("a long poll is held on when the updates that woke it are dropped", () =>
  withServer(async (server) => {
    const poll = updates(server, { timeout: 30 });
    await until(() => server.calls.length === 1);
    const ada = server.user();
    const dropped = result(server, "deleteWebhook", { drop_pending_updates: true });
    ada.say("dropped, or not");
    await dropped;
    ada.say("heard");
    assert.ok((await poll).length > 0, "never an empty answer before its time");
  }));

test("unheard() lets people act without an update", () =>
  withServer(async (server) => {
    const ada = server.user();
    assert.is(server.unheard(() => ada.say("/start").text), "/start");
    assert.throws(() =>
      server.unheard(() => {
        ada.block();
        throw new Error("of its own");
      }), /of its own/);
    assert.is(server.pendingUpdates, 0);
    await refused(server, "sendMessage", {
      chat_id: ada.chatId,
      text: "x",
    }, "403 Forbidden: bot was blocked by the user");
    ada.unblock();
    assert.is(server.pendingUpdates, 1, "what comes afterwards is heard");
  }));

test("a client that leaves its long poll disturbs no later one", () =>
  withServer(async (server) => {
    const leaving = new AbortController();
    const poll = fetch(`${server.apiRoot}/bot${server.token}/getUpdates?timeout=30`, leaving);
    await until(() => server.calls.length === 1);
    leaving.abort();
    await poll.catch(() => {});
    server.user().say("later");
    assert.is((await updates(server, { timeout: 5 }))[0]?.message?.text, "later");
  }));

test("allowed_updates is remembered, and [] is the default set", () =>
  withServer(async (server) => {
    const ada = server.user();
    ada.say("/start");
    await updates(server, { offset: 100_000_002, allowed_updates: ["message"] });
    ada.block();
    assert.is(server.pendingUpdates, 0);
    await updates(server);
    ada.unblock();
    assert.is(server.pendingUpdates, 0, "omitted means as before");
    assert.equal((await result(server, "getWebhookInfo")).allowed_updates, ["message"]);
    await updates(server, { allowed_updates: [] });
    ada.block();
    assert.is(server.pendingUpdates, 1);
    assert.is((await result(server, "getWebhookInfo")).allowed_updates, undefined);
  }));

test("setWebhook() ends polling until deleteWebhook()", () =>
  withServer(async (server) => {
    const poll = call(server, "getUpdates", { timeout: 30 });
    await until(() => server.calls.length === 1);
    await refused(
      server,
      "setWebhook",
      { url: "http://example.com" },
      "400 Bad Request: bad webhook: An HTTPS URL must be provided for webhook",
    );
    await result(server, "setWebhook", { url: "https://example.com/hook" });
    assert.is((await poll).body.description, "Conflict: terminated by setWebhook request");
    assert.is((await result(server, "getWebhookInfo")).url, "https://example.com/hook");
    await refused(
      server,
      "getUpdates",
      {},
      "409 Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
    );
    server.user().say("waits");
    await result(server, "deleteWebhook");
    assert.is((await updates(server)).length, 1);
    await result(server, "deleteWebhook", { drop_pending_updates: true });
    assert.is((await updates(server)).length, 0);
  }));

test("push() queues anything and restarts the ids when it is told to", () =>
  withServer(async (server) => {
    const odd = { message: { chat: null as string | null } };
    assert.is(server.push(odd), 50);
    odd.message.chat = "changed after";
    assert.is(server.push({ update_id: 90, strange: [] }), 90);
    assert.is(server.push({}), 91);
    assert.equal(await updates(server), [
      { message: { chat: null }, update_id: 50 },
      { update_id: 90, strange: [] },
      { update_id: 91 },
    ] as unknown as Update[]);
    await updates(server, { offset: 92 });
    server.push({ update_id: 3 });
    assert.is((await updates(server, { offset: 92 }))[0]?.update_id, 3);
    assert.is(server.push({}), 4);
  }, { firstUpdateId: 50 }));

const conflict =
  "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";

test("secondPoller() ends every long poll of the bot with a 409 and takes its updates, until it is stopped", () =>
  withServer(async (server) => {
    const ada = server.user();
    const waiting = call(server, "getUpdates", { timeout: 50 });
    await until(() => server.calls.length === 1);
    const other = server.secondPoller();
    assert.is((await waiting).body.description, conflict, "a poll that waits already");
    for (let number = 0; number < 20; number++) {
      const { status, body } = await call(server, "getUpdates", { timeout: 50 });
      assert.equal([status, body.description], [409, conflict]);
    }
    ada.say("/stop");
    await until(() => server.pendingUpdates === 0);
    assert.equal(other.taken.map(({ message }) => message?.text), ["/stop"]);
    assert.is(other.conflicts, 20);
    await other.stop();
    await other.stop();
    const heard = updates(server, { timeout: 50 });
    ada.say("/start");
    assert.is((await heard)[0]?.message?.text, "/start");
    assert.is(other.taken.length, 1);
    assert.is(server.countCalls("getUpdates"), 22, "its own polls are no calls of the bot");
  }));

test("a grammY bot that meets a second poller ends with a 409", () =>
  withServer(async (server) => {
    await using other = server.secondPoller();
    const bot = new Bot(server.token, { client: { apiRoot: server.apiRoot } });
    let error: unknown;
    await bot.start().catch((reason) => error = reason);
    assert.match(String(error), conflict);
    assert.is(other.conflicts, 1);
  }));

test("second pollers leave time for others, wait while there is a webhook, and end with the server", async () => {
  const clock = manualClock();
  await withServer(async (server) => {
    const [one, two] = [server.secondPoller(), server.secondPoller()];
    await until(() => one.conflicts > 2 && two.conflicts > 2);
    await two.stop();
    const { conflicts } = one;
    await result(server, "setWebhook", { url: "https://127.0.0.1:1/" });
    await until(() => one.conflicts > conflicts);
    const before = one.conflicts;
    for (let number = 0; number < 20; number++) await result(server, "getMe");
    assert.is(one.conflicts, before, "it waits");
    await result(server, "deleteWebhook");
    clock.advance(1000);
    assert.is((await call(server, "getUpdates", { timeout: 50 })).status, 409);
  }, { clock });
});

test.run();
