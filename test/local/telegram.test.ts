import { Bot, GrammyError, InputFile } from "grammy/web";
import type { Message, Update } from "grammy/types";
import { type BotApiServer, startBotApiServer } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import {
  call,
  manualClock,
  refusal,
  refused,
  type Reply,
  result,
  until,
  updates,
  type Wire,
  withServer,
} from "../support/bot_api.ts";

const test = suite("local Bot API server");

// The wire

test("the server answers with the status and the JSON of the Bot API", () =>
  withServer(async (server) => {
    const me = await call(server, "getMe");
    assert.is(me.status, 200);
    assert.match(me.headers.get("content-type") ?? "", "application/json");
    assert.is(me.body.result.id, Number(server.token.split(":")[0]));
    assert.is(me.body.result.is_bot, true);
    const { error_code, description } = await refusal(server, "makeCoffee");
    assert.is(error_code, 404);
    assert.match(
      description,
      /^Not Found: the local Bot API server has no method "makeCoffee"\. Set its answer/,
    );
    const elsewhere = await fetch(`${server.apiRoot}/elsewhere`);
    assert.equal(await elsewhere.json(), { ok: false, error_code: 404, description: "Not Found" });
  }));

test("a wrong token is refused, and neither token is repeated", () =>
  withServer(async (server) => {
    for (const wrong of ["1000000:AAwrong", "nonsense"]) {
      const response = await fetch(`${server.apiRoot}/bot${wrong}/getMe`);
      const text = await response.text();
      assert.is(response.status, 401);
      assert.match(text, "Unauthorized");
      assert.not.match(text, wrong);
      assert.not.match(text, server.token);
    }
    assert.is(server.calls.length, 0);
  }));

test("parameters come as query, form, JSON or multipart, and method names in any case", () =>
  withServer(async (server) => {
    const ada = server.user();
    ada.say("/start");
    const url = `${server.apiRoot}/bot${server.token}/SENDmessage`;
    const fields = { chat_id: String(ada.chatId), text: "12" };
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    const multipart = new FormData();
    multipart.set("chat_id", fields.chat_id);
    multipart.set("text", "[34]");
    const ways: [string, RequestInit][] = [
      [`${url}?${new URLSearchParams(fields)}`, {}],
      [url, { method: "POST", body: new URLSearchParams(fields) }],
      [url, {
        method: "POST",
        body: JSON.stringify(fields),
        headers: { "content-type": "application/json" },
      }],
      [url, { method: "POST", body: multipart }],
    ];
    for (const [address, init] of ways) {
      const response = await fetch(address, init);
      assert.is(response.status, 200, await response.text());
    }
    assert.equal(ada.inbox.map(({ text }) => text), ["12", "12", "12", "[34]"]);
    const broken = await fetch(url, {
      method: "POST",
      body: "{",
      headers: { "content-type": "application/json" },
    });
    assert.is(broken.status, 400);
  }));

test("calls are recorded", () =>
  withServer(async (server) => {
    const before = Date.now();
    await result(server, "getMe", { odd: 1 });
    await refusal(server, "sendMessage", { chat_id: 5, text: "x" });
    assert.equal(server.calls.map(({ method }) => method), ["getMe", "sendMessage"]);
    assert.equal(server.calls[0]?.payload, { odd: 1 });
    assert.ok((server.calls[0]?.at ?? 0) >= before);
    assert.is(server.countCalls("getme"), 1);
    assert.is(server.countCalls("sendPhoto"), 0);
  }));

test("close() ends long polls and hanging calls at once, and may be repeated", async () => {
  const server = await startBotApiServer({ token: "123456:AAclosed-for-good" });
  server.fault({ method: "getMe", answer: "hang" });
  const open = [call(server, "getUpdates", { timeout: 50 }), call(server, "getMe")];
  const ended = Promise.allSettled(open);
  await until(() => server.calls.length === 2);
  await server.close();
  assert.equal((await ended).map(({ status }) => status), ["rejected", "rejected"]);
  await server.close();
  // The system may have given the port to a server of another test's; it does not know the token.
  const answer = await call(server, "getMe").then(({ body }) => body.ok, () => false);
  assert.is(answer, false, "the port is still open");
});

test("servers are apart from each other, and a taken port is an error", () =>
  withServer(async (one) => {
    one.user().say("hello");
    await withServer((other) => Promise.resolve(assert.is(other.pendingUpdates, 0)));
    const port = Number(new URL(one.apiRoot).port);
    let error: unknown;
    await startBotApiServer({ port }).catch((reason) => error = reason);
    // Bun has other words for it.
    assert.is((error as NodeJS.ErrnoException).code, "EADDRINUSE");
  }));

// Updates

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

// People

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

const commands: [string, string[]][] = [
  ["/start", ["/start"]],
  ["/Start@Local_Test_Bot now", ["/Start@Local_Test_Bot"]],
  ["😀 say /stop and\n/help.", ["/stop", "/help"]],
  ["http://example.com/start a/b /x/y /", []],
  ["/über /st-art", ["/st"]],
];

for (const [text, expected] of commands) {
  test(`bot_command entities of ${JSON.stringify(text)}`, () =>
    withServer(async (server) => {
      server.user().say(text);
      const [update] = await updates(server);
      const found = (update?.message?.entities ?? []).map(({ type, offset, length }) => {
        assert.is(type, "bot_command");
        return text.slice(offset, offset + length);
      });
      assert.equal(found, expected);
    }));
}

test("block() and unblock() tell the bot, and a blocked bot is refused", () =>
  withServer(async (server) => {
    const ada = server.user({ first_name: "Ada" });
    ada.say("/start");
    ada.block();
    ada.block();
    await refused(
      server,
      "sendMessage",
      { chat_id: ada.chatId, text: "x" },
      "403 Forbidden: bot was blocked by the user",
    );
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
    await refused(server, "sendMessage", { chat_id: 7, text: "x" }, "400 Bad Request: chat not found");
    await refused(
      server,
      "sendMessage",
      { chat_id: silent.chatId, text: "x" },
      "403 Forbidden: bot can't initiate conversation with a user",
    );
    await refused(server, "getChat", { chat_id: silent.chatId }, "400 Bad Request: chat not found");
    silent.say("hello");
    await result(server, "sendChatAction", { chat_id: silent.chatId, action: "typing" });
    silent.deactivate();
    await refused(
      server,
      "sendMessage",
      { chat_id: silent.chatId, text: "x" },
      "403 Forbidden: user is deactivated",
    );
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

// Messages

test("sendMessage() returns the message, keeps its entities and delivers it", () =>
  withServer(async (server) => {
    const ada = server.user();
    const said = ada.say("/start");
    const entities = [{ type: "bold", offset: 0, length: 4 }];
    const reply_markup = { inline_keyboard: [[{ text: "ok", callback_data: "ok" }]] };
    const reply_parameters = { message_id: said.message_id };
    const payload = { chat_id: ada.chatId, text: "Buy now", entities, reply_markup, reply_parameters };
    const message = await result(server, "sendMessage", payload);
    assert.is(message.message_id, said.message_id + 1);
    assert.equal(message.entities, entities);
    assert.is(message.from.id, server.bot.id);
    assert.is(message.chat.id, ada.chatId);
    assert.equal(message.reply_markup, reply_markup);
    assert.is(message.reply_to_message.text, "/start");
    assert.equal(ada.inbox.map((sent) => JSON.parse(JSON.stringify(sent))), [message]);
    assert.is(server.pendingUpdates, 1, "a bot is not told of its own messages");
  }));

const badTexts: [string, object, string][] = [
  ["no text", {}, "message text is empty"],
  ["an empty text", { text: "" }, "message text is empty"],
  ["a blank text", { text: " \n" }, "text must be non-empty"],
  ["4097 characters", { text: "x".repeat(4097) }, "message is too long"],
  ["an entity past the end", {
    text: "abc",
    entities: [{ type: "bold", offset: 1, length: 3 }],
  }, "ENTITY_BOUNDS_INVALID"],
  ["an unknown parse mode", { text: "x", parse_mode: "rtf" }, "unsupported parse_mode"],
  [
    "open HTML",
    { text: "<b>x", parse_mode: "HTML" },
    "can't parse entities: Can't find end tag corresponding to start tag \"b\"",
  ],
  [
    "a bare <",
    { text: "é <3", parse_mode: "HTML" },
    "can't parse entities: Unclosed start tag at byte offset 3",
  ],
  [
    "an open asterisk",
    { text: "é *x", parse_mode: "Markdown" },
    "can't parse entities: Can't find end of the entity starting at byte offset 3",
  ],
  [
    "an unescaped dot",
    { text: "1.5", parse_mode: "MarkdownV2" },
    "can't parse entities: Character '.' is reserved and must be escaped with the preceding '\\'",
  ],
  ["a missing reply", { text: "x", reply_parameters: { message_id: 99 } }, "message to be replied not found"],
];

for (const [what, payload, description] of badTexts) {
  test(`sendMessage() refuses ${what}`, () =>
    withServer(async (server) => {
      const ada = server.user();
      ada.say("/start");
      const words = `400 Bad Request: ${description}`;
      await refused(server, "sendMessage", { chat_id: ada.chatId, ...payload }, words);
      assert.is(ada.inbox.length, 0);
    }));
}

test("sendMessage() counts characters, not UTF-16 units", () =>
  withServer(async (server) => {
    const ada = server.user();
    ada.say("/start");
    const text = "😀".repeat(4096);
    const entities = [{ type: "bold", offset: 0, length: text.length }];
    assert.is((await result(server, "sendMessage", { chat_id: ada.chatId, text, entities })).text, text);
  }));

const markup: [string, string, string, string[]][] = [
  ["HTML", '<b><i>a</i> b</b> &lt;&amp; <a href="https://t.me/">c</a>', "a b <& c", [
    "bold 0 3",
    "italic 0 1",
    "text_link 7 1",
  ]],
  ["Markdown", "*a* _b_ `c_` [d](https://t.me/) \\_", "a b c_ d _", [
    "bold 0 1",
    "italic 2 1",
    "code 4 2",
    "text_link 7 1",
  ]],
  ["MarkdownV2", "*a _b_* __c__ ||d|| ~e~ `1.5` [f](https://t.me/) 1\\.5", "a b c d e 1.5 f 1.5", [
    "bold 0 3",
    "italic 2 1",
    "underline 4 1",
    "spoiler 6 1",
    "strikethrough 8 1",
    "code 10 3",
    "text_link 14 1",
  ]],
];

for (const [mode, source, text, expected] of markup) {
  test(`parse_mode ${mode} becomes entities`, () =>
    withServer(async (server) => {
      const ada = server.user();
      ada.say("/start");
      const payload = { chat_id: ada.chatId, text: source, parse_mode: mode };
      const message: Message = await result(server, "sendMessage", payload);
      assert.is(message.text, text);
      const found = message.entities?.map(({ type, offset, length }) => `${type} ${offset} ${length}`);
      assert.equal(found, expected);
    }));
}

test("editMessageText() changes what the person sees, and only the bot's own messages", () =>
  withServer(async (server) => {
    const ada = server.user();
    const { chatId } = ada;
    const said = ada.say("/start");
    const { message_id } = await result(server, "sendMessage", { chat_id: chatId, text: "open" });
    const edit = (id: number, text: string): object => ({ chat_id: chatId, message_id: id, text });
    const future = ada.received("closed");
    await result(server, "editMessageText", edit(message_id, "closed"));
    assert.ok((await future).edit_date);
    assert.equal(ada.inbox.map(({ text }) => text), ["closed"]);
    const { description } = await refusal(server, "editMessageText", edit(message_id, "closed"));
    assert.match(description, "message is not modified");
    await refused(server, "editMessageText", edit(99, "x"), "400 Bad Request: message to edit not found");
    await refused(
      server,
      "editMessageText",
      edit(said.message_id, "x"),
      "400 Bad Request: message can't be edited",
    );
  }));

test("sendPhoto() takes an upload once and its file_id after", () =>
  withServer(async (server) => {
    const [ada, bob] = [server.user(), server.user()];
    for (const user of [ada, bob]) user.say("/start");
    const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251);
    const bot = new Bot(server.token, { client: { apiRoot: server.apiRoot } });
    const sent = await bot.api.sendPhoto(ada.chatId, new InputFile(bytes, "chart.png"), {
      caption: "12",
      caption_entities: [{ type: "bold", offset: 0, length: 2 }],
    });
    assert.is(server.uploads, 1);
    assert.is(sent.caption, "12");
    assert.equal(sent.caption_entities, [{ type: "bold", offset: 0, length: 2 }]);
    const fileId = sent.photo.at(-1)?.file_id ?? "";
    assert.equal(server.file(fileId), bytes);
    const again = await bot.api.sendPhoto(bob.chatId, fileId);
    assert.equal(again.photo, sent.photo);
    assert.is(server.uploads, 1);
    assert.is((await bot.api.sendPhoto(bob.chatId, "https://example.com/a.png")).photo.length, 3);
    const base = { chat_id: bob.chatId };
    await refused(
      server,
      "sendPhoto",
      { ...base, photo: "AgACAgIAAxkB" },
      "400 Bad Request: wrong file identifier/HTTP URL specified",
    );
    await refused(server, "sendPhoto", base, "400 Bad Request: there is no photo in the request");
    await refused(
      server,
      "sendPhoto",
      { ...base, photo: fileId, caption: "x".repeat(1025) },
      "400 Bad Request: message caption is too long",
    );
    assert.is(bob.inbox.length, 2);
  }));

test("multipart bodies may quote their boundary, and are refused if they do not end", () =>
  withServer(async (server) => {
    const part = '--a b\r\nContent-Disposition: form-data; name="limit"\r\n\r\n5\r\n';
    const headers = { "content-type": 'multipart/form-data; boundary="a b"' };
    const send = async (body: string): Promise<number> => {
      const address = `${server.apiRoot}/bot${server.token}/getUpdates`;
      const response = await fetch(address, { method: "POST", headers, body });
      await response.body?.cancel();
      return response.status;
    };
    assert.is(await send(`${part}--a b--`), 200);
    assert.equal(server.calls[0]?.payload, { limit: 5 });
    assert.is(await send(part), 400);
  }));

test("a photo part may carry the parameter's own name", () =>
  withServer(async (server) => {
    const ada = server.user();
    ada.say("/start");
    const body = new FormData();
    body.set("chat_id", String(ada.chatId));
    body.set("photo", new Blob([new Uint8Array([1, 2, 3])]), "a.png");
    const response = await fetch(`${server.apiRoot}/bot${server.token}/sendPhoto`, { method: "POST", body });
    assert.is(response.status, 200);
    assert.equal(server.file(ada.inbox[0]?.photo?.[0]?.file_id ?? ""), new Uint8Array([1, 2, 3]));
  }));

test("copyMessage() copies text and photo, and may replace the caption", () =>
  withServer(async (server) => {
    const [ada, bob] = [server.user(), server.user()];
    bob.say("/start");
    const from = { chat_id: bob.chatId, from_chat_id: ada.chatId };
    const said = ada.say("to all");
    const photo = ada.photo("mine");
    const copy = await result(server, "copyMessage", { ...from, message_id: said.message_id });
    assert.equal(copy, { message_id: bob.inbox[0]?.message_id });
    await result(server, "copyMessage", { ...from, message_id: photo.message_id, caption: "ours" });
    assert.equal(bob.inbox.map(({ text, caption }) => text ?? caption), ["to all", "ours"]);
    assert.equal(bob.inbox[1]?.photo, photo.photo);
    await refused(
      server,
      "copyMessage",
      { ...from, message_id: 99 },
      "400 Bad Request: message to copy not found",
    );
  }));

test("setMyCommands() keeps a list for each scope and language", () =>
  withServer(async (server) => {
    const list = [{ command: "start", description: "Subscribe" }];
    await result(server, "setMyCommands", { commands: list, language_code: "de" });
    assert.equal(await result(server, "getMyCommands", { language_code: "de" }), list);
    assert.equal(await result(server, "getMyCommands"), []);
    const bad = { commands: [{ command: "Start!", description: "x" }] };
    await refused(server, "setMyCommands", bad, "400 Bad Request: BOT_COMMAND_INVALID");
  }));

test("sendChatAction() refuses an action that does not exist", () =>
  withServer((server) =>
    refused(
      server,
      "sendChatAction",
      { chat_id: 1, action: "dancing" },
      "400 Bad Request: wrong parameter action in request",
    )
  ));

// Groups and channels

test("a group has administrators, anonymous ones and channels that speak", () =>
  withServer(async (server) => {
    const [ada, bob, eve] = [server.user(), server.user(), server.user()];
    const group = server.group({ title: "Desk", administrators: [ada], members: [bob], id: -77 });
    const channel = server.channel({ title: "News" });
    group.say(bob, "/start@local_test_bot");
    group.sayAnonymously("/start");
    group.sayAsChannel(channel, "hi");
    channel.post("post");
    group.join(eve);
    group.leave(bob);
    const [said, anonymous, asChannel, post, joined, left] = await updates(server);
    assert.equal(said?.message?.chat, { id: -77, type: "group", title: "Desk" });
    assert.is(said?.message?.from?.id, bob.chatId);
    assert.is(anonymous?.message?.from?.username, "GroupAnonymousBot");
    assert.is(anonymous?.message?.sender_chat?.id, -77);
    assert.is(asChannel?.message?.from?.username, "Channel_Bot");
    assert.is(asChannel?.message?.sender_chat?.id, channel.chatId);
    assert.is(post?.channel_post?.chat.type, "channel");
    assert.is(post?.channel_post?.from, undefined);
    assert.is(joined?.message?.new_chat_members?.[0]?.id, eve.chatId);
    assert.is(left?.message?.left_chat_member?.id, bob.chatId);
    const administrators = await result(server, "getChatAdministrators", { chat_id: -77 });
    assert.equal(administrators.map((member: Wire) => [member.user.id, member.status]), [[
      ada.chatId,
      "creator",
    ]]);
    const status = async (user_id: number): Promise<string> =>
      (await result(server, "getChatMember", { chat_id: -77, user_id })).status;
    assert.equal(await Promise.all([ada, bob, eve].map(({ chatId }) => status(chatId))), [
      "creator",
      "left",
      "member",
    ]);
    await refused(server, "getChatMember", { chat_id: -77 }, "400 Bad Request: invalid user_id specified");
    ada.say("/start");
    await refused(
      server,
      "getChatAdministrators",
      { chat_id: ada.chatId },
      "400 Bad Request: there are no administrators in the private chat",
    );
  }));

for (const kind of ["group", "supergroup"] as const) {
  test(`addBot() and removeBot() in a ${kind}`, () =>
    withServer(async (server) => {
      const ada = server.user();
      const group = server.group({ title: "Desk", kind, administrators: [ada], bot: "left" });
      const payload = { chat_id: group.chatId, text: "x" };
      const absent = `403 Forbidden: bot is not a member of the ${kind} chat`;
      await refused(server, "sendMessage", payload, absent);
      await refused(server, "getChatAdministrators", { chat_id: group.chatId }, absent);
      group.say(ada, "unheard");
      group.addBot(ada);
      await result(server, "sendMessage", payload);
      group.removeBot(ada);
      group.say(ada, "unheard");
      assert.throws(() => group.removeBot(ada), /not in it/);
      const kicked = `403 Forbidden: bot was kicked from the ${kind} chat`;
      await refused(server, "sendMessage", payload, kicked);
      await refused(server, "getChatAdministrators", { chat_id: group.chatId }, kicked);
      const [added, welcome, removed, farewell, ...more] = await updates(server);
      assert.equal(more, []);
      assert.is(added?.my_chat_member?.old_chat_member.status, "left");
      assert.is(added?.my_chat_member?.new_chat_member.status, "member");
      assert.is(added?.my_chat_member?.from.id, ada.chatId);
      assert.is(welcome?.message?.new_chat_members?.[0]?.id, server.bot.id);
      assert.is(removed?.my_chat_member?.new_chat_member.status, kind === "group" ? "left" : "kicked");
      assert.is(farewell?.message?.left_chat_member?.id, server.bot.id);
    }));
}

test("addBot() announces a bot that a group began with", () =>
  withServer(async (server) => {
    server.group({ title: "Desk" }).addBot(server.user(), "administrator");
    const [added] = await updates(server);
    assert.is(added?.my_chat_member?.old_chat_member.status, "left");
    assert.is(added?.my_chat_member?.new_chat_member.status, "administrator");
  }));

test("leaveChat() is heard of once, without a service message", () =>
  withServer(async (server) => {
    const ada = server.user();
    const group = server.group({ title: "Desk" });
    group.removeBot(ada);
    group.addBot(ada);
    await updates(server, { offset: 100_000_005 });
    await result(server, "leaveChat", { chat_id: group.chatId });
    const [left, ...more] = await updates(server);
    assert.equal(more, []);
    assert.is(left?.my_chat_member?.new_chat_member.status, "left");
    assert.is(left?.my_chat_member?.from.id, server.bot.id);
    await refused(
      server,
      "sendMessage",
      { chat_id: group.chatId, text: "x" },
      "403 Forbidden: bot is not a member of the group chat",
    );
  }));

test("migrate() moves a group to a supergroup and says where", () =>
  withServer(async (server) => {
    const ada = server.user();
    const group = server.group({ title: "Desk", administrators: [ada] });
    const supergroup = group.migrate();
    assert.ok(supergroup.chatId < -1_000_000_000_000);
    const [from, to] = await updates(server);
    assert.is(from?.message?.chat.id, group.chatId);
    assert.is(from?.message?.migrate_to_chat_id, supergroup.chatId);
    assert.is(to?.message?.chat.id, supergroup.chatId);
    assert.is(to?.message?.chat.type, "supergroup");
    assert.is(to?.message?.migrate_from_chat_id, group.chatId);
    const old = await refusal(server, "sendMessage", { chat_id: group.chatId, text: "x" });
    assert.is(old.error_code, 400);
    assert.is(old.description, "Bad Request: group chat was upgraded to a supergroup chat");
    assert.equal(old.parameters, { migrate_to_chat_id: supergroup.chatId });
    await result(server, "sendMessage", { chat_id: supergroup.chatId, text: "here" });
    assert.is((await result(server, "getChatAdministrators", { chat_id: supergroup.chatId })).length, 1);
    assert.throws(() => group.say(ada, "x"), /upgraded/);
    assert.throws(() => supergroup.migrate(), /supergroup/);
  }));

test("delete() ends a group, and a supergroup as if the bot were banned", () =>
  withServer(async (server) => {
    const supergroup = server.group({ title: "Doomed too", kind: "supergroup" });
    supergroup.delete();
    await refused(
      server,
      "sendMessage",
      { chat_id: supergroup.chatId, text: "x" },
      "403 Forbidden: bot was kicked from the supergroup chat",
    );
    const payload = { text: "x", chat_id: server.group({ title: "Desk", id: -5 }).chatId };
    await result(server, "sendMessage", payload);
    const group = server.group({ title: "Doomed" });
    group.delete();
    await refused(
      server,
      "sendMessage",
      { ...payload, chat_id: group.chatId },
      "403 Forbidden: the group chat was deleted",
    );
  }));

test("a channel lets administrators post, and is found by its username", () =>
  withServer(async (server) => {
    const ada = server.user();
    const channel = server.channel({ title: "News", username: "news" });
    const message = await result(server, "sendMessage", { chat_id: "@news", text: "x" });
    assert.is(message.sender_chat.id, channel.chatId);
    assert.is(message.from, undefined);
    channel.removeBot(ada);
    await refused(
      server,
      "sendMessage",
      { chat_id: channel.chatId, text: "x" },
      "403 Forbidden: bot was kicked from the channel chat",
    );
    channel.addBot(ada);
    await result(server, "sendMessage", { chat_id: channel.chatId, text: "x" });
    const seen = (await updates(server)).map(({ my_chat_member }) => my_chat_member?.new_chat_member.status);
    assert.equal(seen, ["kicked", "administrator"]);
    channel.setBot(ada, "member");
    await refused(
      server,
      "sendMessage",
      { chat_id: channel.chatId, text: "x" },
      "400 Bad Request: need administrator rights in the channel chat",
    );
  }));

// Floods and faults

test("messagesPerSecond lets one second's worth through, then answers 429 for a pause", async () => {
  const clock = manualClock();
  await withServer(async (server) => {
    const ada = server.user();
    ada.say("/start");
    const payload = { chat_id: ada.chatId, text: "x" };
    for (let sent = 0; sent < 3; sent++) await result(server, "sendMessage", payload);
    const { status, headers, body } = await call(server, "sendMessage", payload);
    assert.is(status, 429);
    assert.is(headers.get("retry-after"), "1");
    assert.equal(body, {
      ok: false,
      error_code: 429,
      description: "Too Many Requests: retry after 1",
      parameters: { retry_after: 1 },
    });
    clock.advance(999);
    await refusal(server, "copyMessage", { ...payload, from_chat_id: ada.chatId, message_id: 1 });
    await result(server, "sendChatAction", { ...payload, action: "typing" });
    await result(server, "getMe");
    clock.advance(60_001);
    for (let sent = 0; sent < 3; sent++) await result(server, "sendMessage", payload);
    assert.is((await refusal(server, "sendMessage", payload)).error_code, 429);
    assert.is(ada.inbox.length, 6);
  }, { clock, messagesPerSecond: 3 });
});

test("a slow limit asks for a longer pause", async () => {
  const clock = manualClock();
  await withServer(async (server) => {
    const ada = server.user();
    ada.say("/start");
    const payload = { chat_id: ada.chatId, text: "x" };
    await result(server, "sendMessage", payload);
    assert.is((await refusal(server, "sendMessage", payload)).parameters.retry_after, 5);
    clock.advance(3500);
    assert.is((await refusal(server, "sendMessage", payload)).parameters.retry_after, 2);
    clock.advance(1500);
    await result(server, "sendMessage", payload);
  }, { clock, messagesPerSecond: 0.2 });
});

test("uploads of one size wait for each other, a fifth of a second each, and a long queue is refused", async () => {
  const clock = manualClock();
  await withServer(async (server) => {
    const ada = server.user();
    ada.say("/start");
    const upload = async (bytes: number): Promise<Wire> => {
      const form = new FormData();
      form.set("chat_id", String(ada.chatId));
      form.set("photo", new Blob([new Uint8Array(bytes)]), "chart.png");
      const url = `${server.apiRoot}/bot${server.token}/sendPhoto`;
      return (await fetch(url, { method: "POST", body: form })).json();
    };
    // After a rest, one second's worth; the last of the six is at once, too.
    for (let sent = 0; sent < 6; sent++) assert.is((await upload(150_000)).ok, true);
    const waiting = [upload(150_000)];
    await until(() => server.countCalls("sendPhoto") === 7);
    await Promise.all([upload(150_001), upload(100_000), result(server, "getMe")]);
    assert.is(ada.inbox.length, 8);
    for (let more = 0; more < 25; more++) waiting.push(upload(150_000));
    await until(() => server.countCalls("sendPhoto") === 34);
    assert.equal((await upload(150_000)).parameters, { retry_after: 60 });
    clock.advance(199);
    await result(server, "getMe");
    assert.is(ada.inbox.length, 8);
    clock.advance(1);
    await waiting[0];
    assert.is(ada.inbox.length, 9);
    clock.advance(5000);
    const answers = await Promise.all(waiting);
    assert.equal(answers.map(({ ok }) => ok), Array.from({ length: 26 }, () => true));
  }, { clock });
});

test("fault() refuses by method, chat and number of times", () =>
  withServer(async (server) => {
    const [ada, bob] = [server.user(), server.user()];
    for (const user of [ada, bob]) user.say("/start");
    const answer = {
      error_code: 429,
      description: "Too Many Requests: retry after 7",
      parameters: { retry_after: 7 },
    };
    const fault = server.fault({ method: "sendMessage", chatId: ada.chatId, times: 2, answer });
    const send = (user: { chatId: number }): Promise<Reply> =>
      call(server, "sendMessage", { chat_id: user.chatId, text: "x" });
    assert.is((await send(bob)).status, 200);
    assert.is((await send(ada)).headers.get("retry-after"), "7");
    assert.is((await send(ada)).status, 429);
    assert.is((await send(ada)).status, 200);
    assert.is(fault.hits, 2);
    const endless = server.fault({
      times: Infinity,
      answer: { error_code: 502, description: "Bad Gateway" },
    });
    assert.is((await send(bob)).status, 502);
    assert.is((await call(server, "getMe")).status, 502);
    endless.clear();
    assert.is((await send(bob)).status, 200);
    assert.is(endless.hits, 2);
    assert.is(ada.inbox.length, 1);
  }));

test('fault() "reset" has no effect, "lose" has all but the answer', () =>
  withServer(async (server) => {
    const ada = server.user();
    ada.say("/start");
    for (const answer of ["reset", "lose"] as const) {
      const fault = server.fault({ method: "sendMessage", answer });
      let error: unknown;
      await call(server, "sendMessage", { chat_id: ada.chatId, text: answer }).catch((reason) =>
        error = reason
      );
      assert.ok(error, `${answer} was answered`);
      assert.is(fault.hits, 1);
    }
    assert.equal(ada.inbox.map(({ text }) => text), ["lose"]);
    assert.is(server.countCalls("sendMessage"), 2);
  }));

test('fault() "hang" never answers, delayMs and latencyMs answer later', async () => {
  const clock = manualClock();
  await withServer(async (server) => {
    const ada = server.user();
    ada.say("/start");
    const payload = { chat_id: ada.chatId, text: "x" };
    server.fault({ answer: "hang" });
    const leaving = new AbortController();
    const hanging = fetch(`${server.apiRoot}/bot${server.token}/getMe`, leaving);
    await until(() => server.calls.length === 1);
    clock.advance(100);
    let done = false;
    server.fault({ answer: { delayMs: 5000 } });
    const delayed = result(server, "sendMessage", payload).finally(() => done = true);
    await until(() => server.calls.length === 2);
    clock.advance(100);
    await new Promise((resolve) => setTimeout(resolve, 20));
    clock.advance(4999);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.is(done || ada.inbox.length > 0, false);
    clock.advance(1);
    await delayed;
    leaving.abort();
    let error: unknown;
    await hanging.catch((reason) => error = reason);
    assert.ok(error);
  }, { clock, latencyMs: 100 });
});

// grammY

function echoBot(server: BotApiServer, handled: string[]): Bot {
  const bot = new Bot(server.token, { client: { apiRoot: server.apiRoot } });
  bot.command("start", (context) => context.reply(`Welcome, ${context.from?.first_name}`));
  bot.on("message:text", (context) => void handled.push(context.message.text));
  bot.catch(() => {});
  return bot;
}

test("a grammY bot is answered, stopped, restarted and told that it is not alone", () =>
  withServer(async (server) => {
    const ada = server.user({ first_name: "Ada" });
    ada.say("/start");
    const handled: string[] = [];
    const first = echoBot(server, handled);
    const running = first.start();
    assert.is((await ada.received("Welcome, Ada")).from?.id, server.bot.id);
    await first.stop();
    await running;
    assert.is(server.pendingUpdates, 0);
    ada.say("while you were away");
    const second = echoBot(server, handled);
    const alone = second.start();
    await until(() => handled.length === 1);
    assert.equal(handled, ["while you were away"]);
    let error: unknown;
    const lost = alone.catch((reason) => error = reason);
    await until(() => server.pendingUpdates === 0);
    const rival = call(server, "getUpdates", { timeout: 50, offset: -1 }).catch(() => {});
    await lost;
    assert.instance(error, GrammyError);
    assert.is((error as GrammyError).error_code, 409);
    await server.close();
    await rival;
  }));

test("fault() with a body answers with these bytes, whole or torn, and nothing takes effect", () =>
  withServer(async (server) => {
    const ada = server.user({ opened: true });
    const url = `${server.apiRoot}/bot${server.token}/sendMessage?chat_id=${ada.chatId}&text=x`;
    server.fault({ answer: { body: "<html>", status: 502, contentType: "text/html" } });
    const page = await fetch(url);
    assert.equal([page.status, page.headers.get("content-type"), await page.text()], [
      502,
      "text/html",
      "<html>",
    ]);
    server.fault({ answer: { body: new Uint8Array([0, 255]) } });
    const bytes = await fetch(url);
    assert.equal([bytes.status, bytes.headers.get("content-type")], [200, "application/json"]);
    assert.equal(new Uint8Array(await bytes.arrayBuffer()), new Uint8Array([0, 255]));
    server.fault({ answer: { body: '{"ok":', isTorn: true } });
    const torn = await fetch(url).then((answer) => answer.text()).then(() => "whole", () => "torn");
    assert.is(torn, "torn");
    assert.is(ada.inbox.length, 0);
    assert.is((await fetch(url)).status, 200);
  }));

test.run();
