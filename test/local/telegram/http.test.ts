/** The wire: answers, the order of their fields, the ways to send parameters, and who is answered. */
import { request } from "node:http";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { startBotApiServer, startDynamoDB } from "../../../lib/local/mod.ts";
import { assert, suite } from "../../harness.ts";
import { call, refusal, refused, result, withServer } from "../../support/bot_api.ts";

const test = suite("local/telegram/http");

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

test("an update begins with its id, a message with its own, a person and a chat with theirs", () =>
  withServer(async (server) => {
    const ada = server.user({ first_name: "Ada", last_name: "L.", username: "ada", language_code: "de" });
    const written = ada.say("/start");
    ada.edit(written, "/help");
    server.push({ poll: {}, update_id: 900 });
    server.push({ poll: {} });
    const [said, edited, ...pushed] = await result(server, "getUpdates");
    assert.equal(Object.keys(said), ["update_id", "message"]);
    assert.equal(Object.keys(said.message), ["message_id", "from", "chat", "date", "text", "entities"]);
    assert.equal(Object.keys(said.message.from), [
      "id",
      "is_bot",
      "first_name",
      "last_name",
      "username",
      "language_code",
    ]);
    assert.equal(Object.keys(said.message.chat), ["id", "first_name", "last_name", "username", "type"]);
    assert.equal(Object.keys(edited), ["update_id", "edited_message"]);
    assert.equal(Object.keys(edited.edited_message).slice(3, 5), ["date", "edit_date"]);
    assert.equal(pushed.map((update: object) => Object.keys(update)[0]), ["update_id", "update_id"]);
  }, { firstUpdateId: 800 }));

test("answers begin with ok, and the bot's messages are in order, edited or in a topic", () =>
  withServer(async (server) => {
    const owner = server.user();
    const forum = server.forum({ title: "Forum", administrators: [owner] });
    const topic = forum.createTopic(owner, "Prices");
    const chat_id = forum.chatId;
    const keyboard = { inline_keyboard: [[{ text: "Yes", callback_data: "y" }]] };
    const sent = await call(server, "sendMessage", {
      reply_markup: keyboard,
      text: "Hello",
      chat_id,
      message_thread_id: topic.threadId,
    });
    assert.equal(Object.keys(sent.body), ["ok", "result"]);
    const order = ["message_id", "from", "chat", "date"];
    const rest = ["message_thread_id", "reply_to_message", "text", "reply_markup", "is_topic_message"];
    assert.equal(Object.keys(sent.body.result), [...order, ...rest]);
    const edited = await result(server, "editMessageText", { ...sent.body.result, chat_id, text: "Hi" });
    assert.equal(Object.keys(edited), [...order, "edit_date", ...rest]);
    const { body } = await call(server, "getFile", { file_id: "none" });
    assert.equal(Object.keys(body), ["ok", "error_code", "description"]);
  }));

test("a body may be packed, as some clients do it; what cannot be unpacked is refused", () =>
  withServer(async (server) => {
    const ada = server.user({ opened: true });
    const text = JSON.stringify({ chat_id: ada.chatId, text: "packed" });
    const send = async (encoding: string, body: Uint8Array): Promise<number> => {
      const headers = { "content-type": "application/json", "content-encoding": encoding };
      const url = `${server.apiRoot}/bot${server.token}/sendMessage`;
      return (await fetch(url, { method: "POST", headers, body: new Uint8Array(body) })).status;
    };
    assert.is(await send("gzip", gzipSync(text)), 200);
    assert.is(await send("deflate", deflateSync(text)), 200);
    assert.is(await send("gzip", new Uint8Array(9)), 400);
    assert.is(await send("br", brotliCompressSync(text)), 415);
    assert.equal(ada.inbox.map(({ text }) => text), ["packed", "packed"]);
  }));

test("a method that the server lacks is named, apart from Telegram's own refusals, and may be answered", () =>
  withServer(async (server) => {
    const words = (method: string): string =>
      `404 Not Found: the local Bot API server has no method "${method}". Set its answer in the test: ` +
      `server.fault({ method: "${method}", times: Infinity, answer: { result: true } })`;
    await refused(server, "sendGift", {}, words("sendGift"));
    server.fault({ method: "sendgift", times: 2, answer: { result: { star_count: 5 } } });
    assert.equal(await result(server, "sendGift"), { star_count: 5 });
    assert.equal(await result(server, "sendGift"), { star_count: 5 });
    await refused(server, "sendGift", {}, words("sendGift"));
    const elsewhere = await fetch(`${server.apiRoot}/bot/getMe`);
    assert.equal(await elsewhere.json(), { ok: false, error_code: 404, description: "Not Found" });
    const stranger = await fetch(`${server.apiRoot}/bot1:AA/sendGift`);
    assert.equal(await stranger.json(), { ok: false, error_code: 401, description: "Unauthorized" });
  }));

/** As fetch() would not: with the headers of a browser, or for another host. */
function statusFor(address: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(address, { headers, agent: false }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode));
    }).on("error", reject).end();
  });
}

const pages: readonly Record<string, string>[] = [
  { Origin: "https://signals.example" },
  { Origin: "null" },
  { "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors" },
  { "Sec-Fetch-Site": "same-site" },
  { "Sec-Fetch-Site": "same-origin", Host: "signals.example" },
  { Host: "signals.example:80" },
  { Host: "api.telegram.test.example" },
];

const programs: readonly Record<string, string>[] = [
  {},
  { "Sec-Fetch-Mode": "cors" },
  { "Sec-Fetch-Site": "none" },
  { Host: "localhost:5000" },
  { Host: "[::1]:5000" },
  { Host: "api.telegram.test" },
];

test("web pages are refused, also those that have taken this machine's address, and programs are not", async () => {
  await using telegram = await startBotApiServer();
  await using dynamodb = await startDynamoDB();
  const getMe = `${telegram.apiRoot}/bot${telegram.token}/getMe`;
  for (const headers of pages) {
    const statuses = [await statusFor(getMe, headers), await statusFor(dynamodb.endpoint, headers)];
    assert.equal(statuses, [403, 403], JSON.stringify(headers));
  }
  assert.is(telegram.calls.length, 0);
  for (const headers of programs) {
    const statuses = [await statusFor(getMe, headers), await statusFor(dynamodb.endpoint, headers)];
    assert.equal(statuses, [200, 200], JSON.stringify(headers));
  }
});

test.run();
