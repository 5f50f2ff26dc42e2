/** The local Bot API server: what strangers do to a bot, by another program or with many chats. */
import { Bot } from "grammy/web";
import { assert, suite } from "../harness.ts";
import { call, manualClock, refused, result, until, updates, withServer } from "../support/bot_api.ts";

const test = suite("local Bot API server: strangers");

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

test("groupsOf() and channelsOf() let one person add the bot to many chats", () =>
  withServer(async (server) => {
    const eve = server.user({ first_name: "Eve" });
    const groups = server.groupsOf(eve, 3);
    const supergroups = server.groupsOf(eve, 2, "supergroup");
    const channels = server.channelsOf(eve, 2);
    const chats = [...groups, ...supergroups, ...channels];
    assert.is(new Set(chats.map(({ chatId }) => chatId)).size, 7);
    const heard = await updates(server);
    const added = heard.flatMap(({ my_chat_member }) => my_chat_member ?? []);
    assert.equal(added.map(({ chat }) => chat.id), chats.map(({ chatId }) => chatId));
    assert.equal(added.map(({ new_chat_member }) => new_chat_member.status), [
      ...Array(5).fill("member"),
      ...Array(2).fill("administrator"),
    ]);
    assert.equal(new Set(added.map(({ from }) => from.id)), new Set([eve.chatId]));
    for (const { chatId } of chats) {
      await result(server, "sendMessage", { chat_id: chatId, text: "x" });
      const [owner] = await result(server, "getChatAdministrators", { chat_id: chatId });
      assert.equal([owner.user.id, owner.status], [eve.chatId, "creator"]);
    }
    assert.is(groups[1]?.say(eve, "/help").chat.id, groups[1]?.chatId);
  }));

test("migrate() takes the id of the supergroup to be", () =>
  withServer(async (server) => {
    const [group] = server.groupsOf(server.user(), 1);
    const supergroup = group?.migrate(-1001234567890);
    assert.is(supergroup?.chatId, -1001234567890);
    await result(server, "sendMessage", { chat_id: -1001234567890, text: "x" });
    const payload = { chat_id: group?.chatId, text: "x" };
    await refused(
      server,
      "sendMessage",
      payload,
      "400 Bad Request: group chat was upgraded to a supergroup chat",
    );
  }));

test.run();
