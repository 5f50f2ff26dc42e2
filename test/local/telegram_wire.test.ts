/** The local Bot API server's wire: the order of fields, who may ask, and what the server lacks. */
import { request } from "node:http";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { startBotApiServer, startDynamoDB } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { call, refused, result, withServer } from "../support/bot_api.ts";

const test = suite("local Bot API server: the wire");

// The order of fields

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

// Bodies

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

// What the server lacks

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

// Who may ask

test("the token is another each time, in Telegram's form, unless it is given", async () => {
  await using one = await startBotApiServer();
  await using other = await startBotApiServer();
  await using given = await startBotApiServer({ token: "5:AAgiven" });
  for (const { token, bot } of [one, other]) assert.match(token, new RegExp(`^${bot.id}:[\\w-]{35}$`));
  assert.is.not(one.token, other.token);
  assert.equal([given.token, given.bot.id], ["5:AAgiven", 5]);
});

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
