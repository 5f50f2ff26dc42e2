/** People: what they write, and how the bot is told of it and refused. */
import type { Message } from "grammy/types";
import { assert, suite } from "../../harness.ts";
import {
  manualClock,
  refused,
  refusedMessage,
  result,
  updates,
  type Wire,
  withServer,
} from "../../support/bot_api.ts";

const test = suite("local/telegram/local_user");

test("a person's messages look like Telegram's", async () => {
  const clock = manualClock();
  await withServer(async (server) => {
    const ada = server.user({ first_name: "Ada", last_name: "L", username: "ada", id: 42 });
    clock.advance(1999);
    const said = ada.say("hello");
    ada.photo("a picture");
    ada.sticker();
    ada.edit(said, "hello /help");
    const [hello, photo, sticker, edited] = await updates(server);
    const user = {
      id: 42,
      is_bot: false,
      first_name: "Ada",
      language_code: "en",
      last_name: "L",
      username: "ada",
    };
    assert.equal(hello?.message, {
      message_id: 1,
      chat: { id: 42, type: "private", first_name: "Ada", last_name: "L", username: "ada" },
      date: Date.UTC(2026, 0, 1) / 1000 + 1,
      from: user,
      text: "hello",
    } as unknown as Message);
    assert.is(photo?.message?.message_id, 2);
    assert.is(photo?.message?.caption, "a picture");
    assert.ok((photo?.message?.photo?.length ?? 0) > 1);
    assert.ok(sticker?.message?.sticker?.file_id);
    assert.is(edited?.edited_message?.message_id, 1);
    assert.is(edited?.edited_message?.text, "hello /help");
    assert.is(edited?.edited_message?.entities?.[0]?.type, "bot_command");
    assert.ok(edited?.edited_message?.edit_date);
  }, { clock });
});

test("block() and unblock() tell the bot, and a blocked bot is refused", () =>
  withServer(async (server) => {
    const ada = server.user({ first_name: "Ada" });
    ada.say("/start");
    ada.block();
    ada.block();
    await refusedMessage(server, ada.chatId, "403 Forbidden: bot was blocked by the user");
    assert.throws(() => ada.say("hello"), /blocked/);
    assert.is((await result(server, "getChat", { chat_id: ada.chatId })).first_name, "Ada");
    ada.unblock();
    await result(server, "sendMessage", { chat_id: ada.chatId, text: "back" });
    const [, blocked, unblocked, ...more] = await updates(server);
    assert.equal(more, []);
    const change = blocked?.my_chat_member;
    assert.is(change?.old_chat_member.status, "member");
    assert.is(change?.new_chat_member.status, "kicked");
    assert.is((change?.new_chat_member as Wire).until_date, 0);
    assert.is(change?.new_chat_member.user.id, server.bot.id);
    assert.is(change?.from.id, ada.chatId);
    assert.is(change?.chat.id, ada.chatId);
    assert.ok(Number.isInteger(change?.date));
    assert.is(unblocked?.my_chat_member?.old_chat_member.status, "kicked");
    assert.is(unblocked?.my_chat_member?.new_chat_member.status, "member");
  }));

test("strangers, silent people and deleted accounts are refused in different words", () =>
  withServer(async (server) => {
    const silent = server.user();
    await refused(server, "sendMessage", { text: "x" }, "400 Bad Request: chat_id is empty");
    await refusedMessage(server, 7, "400 Bad Request: chat not found");
    await refusedMessage(server, silent.chatId, "403 Forbidden: bot can't initiate conversation with a user");
    await refused(server, "getChat", { chat_id: silent.chatId }, "400 Bad Request: chat not found");
    silent.say("hello");
    await result(server, "sendChatAction", { chat_id: silent.chatId, action: "typing" });
    silent.deactivate();
    await refusedMessage(server, silent.chatId, "403 Forbidden: user is deactivated");
  }));

test("received() gives the first matching message, past or future, or says what came instead", () =>
  withServer(async (server) => {
    const ada = server.user();
    ada.say("/start");
    let asked = 0;
    const future = ada.received(({ text }) => ++asked > 0 && text === "two");
    for (const text of ["one", "two", "two again"]) {
      await result(server, "sendMessage", { chat_id: ada.chatId, text });
    }
    assert.is((await future).text, "two");
    assert.is(asked, 2, "nobody waits any longer");
    assert.is((await ada.received(({ message_id }) => message_id === 2)).text, "one");
    let error: unknown;
    await ada.received("three", 10).catch((reason) => error = reason);
    assert.match(String(error), /No message with "three" came to chat \d+ within 10 ms: .* "two again"/);
  }));

test("received() refuses what is nothing to wait for, and a time-out that is none", () =>
  withServer(async (server) => {
    const ada = server.user();
    const refusal = async (...given: readonly unknown[]): Promise<string> =>
      await (ada.received as (...given: readonly unknown[]) => Promise<unknown>).call(ada, ...given).then(
        () => "taken",
        (error) => String(error),
      );
    const timeout =
      'TypeError: Cannot wait for a message as "timeoutMs" must be a number of milliseconds from 0 on, such as 1000: current value is';
    assert.is(await refusal("Hello", { timeout: 1000 }), `${timeout} an object (Object)`);
    for (const ms of [NaN, -1, "10"]) assert.match(await refusal("Hello", ms), timeout);
    assert.match(
      await refusal(),
      /Cannot wait for a message as "wanted" must be a part of the message's text, /,
    );
    assert.match(await refusal(/Hello/), /current value is an object \(RegExp\)/);
    assert.throws(() => ada.onMessage(undefined as never), /"listener" must be a function/);
  }));

test.run();
