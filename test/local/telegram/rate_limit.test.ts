/** Limits: the server's and a chat's, slow mode, uploads, and floods. */
import type { BotApiServer, LocalChat } from "../../../lib/local/mod.ts";
import { assert, suite } from "../../harness.ts";
import {
  call,
  manualClock,
  refusal,
  refused,
  type Reply,
  result,
  until,
  type Wire,
  withServer,
} from "../../support/bot_api.ts";

const test = suite("local/telegram/rate_limit");

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

function send(server: BotApiServer, chat: LocalChat, text = "x"): Promise<Reply> {
  return call(server, "sendMessage", { chat_id: chat.chatId, text });
}

/** `ok`, or for how many seconds the message is refused. */
async function outcome(server: BotApiServer, chat: LocalChat): Promise<"ok" | number> {
  const { status, body, headers } = await send(server, chat);
  if (body.ok) return "ok";
  const seconds = body.parameters?.retry_after;
  assert.is(status, 429, body.description);
  assert.is(body.description, `Too Many Requests: retry after ${seconds}`);
  assert.is(headers.get("retry-after"), String(seconds));
  return seconds;
}

test("slowMode() refuses a second message for what is left, in that chat alone, until it is ended", async () => {
  const clock = manualClock();
  await withServer(async (server) => {
    const slow = server.group({ title: "Slow", kind: "supergroup" });
    const other = server.group({ title: "Other", kind: "supergroup" });
    await send(server, slow);
    slow.slowMode(30);
    assert.is((await result(server, "getChat", { chat_id: slow.chatId })).slow_mode_delay, 30);
    assert.is(await outcome(server, slow), 30, "what came before counts");
    clock.advance(10_400);
    assert.is(await outcome(server, slow), 20);
    assert.is(await outcome(server, other), "ok");
    assert.is(await outcome(server, other), "ok");
    clock.advance(19_600);
    assert.is(await outcome(server, slow), "ok", "a refusal does not count");
    assert.is(await outcome(server, slow), 30);
    await refused(
      server,
      "sendMessage",
      { chat_id: slow.chatId, text: "x".repeat(4097) },
      "400 Bad Request: message is too long",
    );
    slow.slowMode(0);
    assert.is(await outcome(server, slow), "ok");
    assert.is("slow_mode_delay" in await result(server, "getChat", { chat_id: slow.chatId }), false);
  }, { clock });
});

test("a slow mode does not hold administrators, edits and other calls", () =>
  withServer(async (server) => {
    const ada = server.user();
    const slow = server.group({ title: "Slow", kind: "supergroup" });
    slow.slowMode(3600);
    const chat = { chat_id: slow.chatId };
    const { message_id } = await result(server, "sendMessage", { ...chat, text: "one" });
    await result(server, "editMessageText", { ...chat, message_id, text: "two" });
    await result(server, "sendChatAction", { ...chat, action: "typing" });
    assert.is((await refusal(server, "sendPhoto", { ...chat, photo: "https://x.org/a" })).error_code, 429);
    slow.setBot(ada, "administrator");
    assert.is(await outcome(server, slow), "ok");
    slow.setBot(ada, "member");
    assert.is(await outcome(server, slow), 3600);
  }));

test("slowMode() is a supergroup's, and takes whole seconds", () =>
  withServer((server) => {
    const group = server.group({ title: "Basic" });
    assert.throws(() => group.slowMode(30), /Chat -\d+ cannot be in slow mode: it is a basic group/);
    const supergroup = group.migrate();
    for (const seconds of [-1, 0.5, NaN]) {
      assert.throws(() => supergroup.slowMode(seconds), /whole number from 0: current value is/);
    }
    supergroup.slowMode(30);
    return Promise.resolve();
  }));

test("groupMessagesPerMinute lets so many through in any minute, in each group", async () => {
  const clock = manualClock();
  await withServer(async (server) => {
    const ada = server.user({ opened: true });
    const [one, two] = [server.group({ title: "One" }), server.group({ title: "Two", kind: "supergroup" })];
    for (const [afterMs, expected] of [[0, "ok"], [20_000, "ok"], [0, "ok"], [0, 40], [39_999, 1]] as const) {
      clock.advance(afterMs);
      assert.is(await outcome(server, one), expected);
    }
    assert.is(await outcome(server, two), "ok");
    clock.advance(1);
    assert.is(await outcome(server, one), "ok");
    assert.is(await outcome(server, one), 20);
    for (let number = 0; number < 10; number++) {
      assert.is(await outcome(server, ada), "ok", "a person is no group");
    }
  }, { clock, groupMessagesPerMinute: 3 });
});

test("chatMessagesPerSecond lets a burst through, then pauses that chat alone", async () => {
  const clock = manualClock();
  await withServer(async (server) => {
    const [ada, bob] = [server.user({ opened: true }), server.user({ opened: true })];
    const outcomes = [];
    for (let number = 0; number < 5; number++) outcomes.push(await outcome(server, ada));
    assert.equal(outcomes, ["ok", "ok", "ok", 1, 1]);
    assert.is(await outcome(server, bob), "ok");
    clock.advance(1000);
    assert.is(await outcome(server, ada), "ok");
    assert.is(await outcome(server, ada), 1);
  }, { clock, chatMessagesPerSecond: 1 });
  await withServer(async (server) => {
    const ada = server.user({ opened: true });
    assert.equal([await outcome(server, ada), await outcome(server, ada)], ["ok", 1]);
  }, { clock, chatMessagesPerSecond: 1, chatBurst: 1 });
});

test("maxHoldSeconds holds a call for its waits, and refuses it where they are longer", async () => {
  const clock = manualClock();
  await withServer(async (server) => {
    const slow = server.group({ title: "Slow", kind: "supergroup" });
    slow.slowMode(8);
    assert.is(await outcome(server, slow), "ok");
    const body = new FormData();
    body.set("chat_id", String(slow.chatId));
    body.set("photo", new Blob([new Uint8Array([1, 2, 3])]), "a.png");
    const address = `${server.apiRoot}/bot${server.token}/sendPhoto`;
    let status = 0;
    const photo = fetch(address, { method: "POST", body }).then((response) => status = response.status);
    await until(() => server.countCalls("sendPhoto") === 1 && server.uploads === 1);
    await result(server, "getMe");
    assert.is(status, 0, "it is held");
    clock.advance(8000);
    await photo;
    assert.is(status, 200);
    assert.is(server.uploads, 1, "however often the server tries");
    slow.slowMode(9);
    assert.is(await outcome(server, slow), 9);
    assert.is(slow.inbox.length, 2);
  }, { clock, maxHoldSeconds: 8 });
});

test("flood() refuses every message and edit of the bot for what is left of it, however long it is", async () => {
  const clock = manualClock();
  await withServer(async (server) => {
    const [ada, bob] = [server.user({ opened: true }), server.user({ opened: true })];
    const sent = (await send(server, ada)).body.result;
    const flood = server.flood(5 * 3600);
    assert.is(flood.endsAtMs, clock.now() + 5 * 3_600_000);
    assert.is(await outcome(server, ada), 18_000);
    clock.advance(3_600_500);
    assert.is(await outcome(server, bob), 14_400);
    const copy = { chat_id: bob.chatId, from_chat_id: ada.chatId, message_id: sent.message_id };
    assert.is((await refusal(server, "copyMessage", copy)).parameters.retry_after, 14_400);
    const edit = { chat_id: ada.chatId, message_id: sent.message_id, text: "y" };
    assert.is((await refusal(server, "EditMessageText", edit)).parameters.retry_after, 14_400);
    await result(server, "getChat", { chat_id: ada.chatId });
    await result(server, "getUpdates");
    assert.is(flood.hits, 4);
    clock.advance(14_399_499);
    assert.is(await outcome(server, ada), 1);
    clock.advance(1);
    assert.is(await outcome(server, ada), "ok");
    assert.is(flood.hits, 5);
    assert.is(ada.inbox.length, 2);
  }, { clock });
});

test("a flood is lengthened by calls that are made into it, the first excepted, and can be ended", async () => {
  const clock = manualClock();
  await withServer(async (server) => {
    const ada = server.user({ opened: true });
    const flood = server.flood(60, { lengthenSeconds: 10 });
    assert.is(await outcome(server, ada), 60);
    clock.advance(5000);
    assert.is(await outcome(server, ada), 65, "5 s later and 10 s longer");
    assert.is(await outcome(server, ada), 75);
    clock.advance(75_000);
    assert.is(await outcome(server, ada), "ok", "who waits as long as told is not refused again");
    const [short, long] = [server.flood(60), server.flood(90)];
    assert.is(await outcome(server, ada), 90, "the longest one counts");
    long.clear();
    assert.is(await outcome(server, ada), 60);
    short.clear();
    assert.is(await outcome(server, ada), "ok");
    assert.equal([flood.hits, short.hits, long.hits], [3, 2, 1]);
  }, { clock });
});

test("a chat's flood is that chat's, and comes after what Telegram knows of the bot's access", async () => {
  const clock = manualClock();
  await withServer(async (server) => {
    const [ada, bob] = [server.user({ opened: true }), server.user({ opened: true })];
    const flood = ada.flood(7200);
    assert.is(await outcome(server, ada), 7200);
    assert.is(await outcome(server, bob), "ok");
    ada.block();
    const message = { chat_id: ada.chatId, text: "x" };
    await refused(server, "sendMessage", message, "403 Forbidden: bot was blocked by the user");
    ada.unblock();
    assert.is(flood.hits, 1);
    clock.advance(7_200_000);
    assert.is(await outcome(server, ada), "ok");
    assert.is(ada.attempts, 3);
  }, { clock });
});

test("a flood has a length", () =>
  withServer((server) => {
    for (const seconds of [0, -1, NaN, Infinity, "600" as never]) {
      assert.throws(
        () => server.flood(seconds),
        /"retryAfterSeconds" must be a number of seconds, at least 1: current value is/,
      );
    }
    assert.throws(
      () => server.user().flood(1, { lengthenSeconds: -1 }),
      /"lengthenSeconds" must be a number of seconds, at least 0/,
    );
    return Promise.resolve();
  }));

test("refuse() refuses every message to a chat in the words that it is given, until accept()", () =>
  withServer(async (server) => {
    const [ada, bob] = [server.user({ opened: true }), server.user({ opened: true })];
    const { message_id } = (await send(server, ada)).body.result;
    const chat = { chat_id: ada.chatId };
    const words = "400 Bad Request: have no write access to the chat";
    ada.refuse({ error_code: 400, description: "Bad Request: have no write access to the chat" });
    await refused(server, "sendMessage", { ...chat, text: "x" }, words);
    await refused(server, "sendPhoto", { ...chat, photo: "https://x.org/a" }, words);
    await refused(server, "copyMessage", { ...chat, from_chat_id: ada.chatId, message_id }, words);
    await refused(server, "editMessageText", { ...chat, message_id, text: "y" }, words);
    await result(server, "getChat", chat);
    await result(server, "sendMessage", { chat_id: bob.chatId, text: "x" });
    ada.refuse({
      error_code: 429,
      description: "Too Many Requests: retry after 5",
      parameters: { retry_after: 5 },
    });
    assert.is(await outcome(server, ada), 5, "the latest words count");
    ada.accept();
    assert.is(await outcome(server, ada), "ok");
    assert.is(ada.inbox.length, 2);
    assert.is(ada.attempts, 6, "the edit is none");
    assert.is(bob.attempts, 1);
  }));

test("attempts counts messages that a fault befalls, too, by any name of the chat", () =>
  withServer(async (server) => {
    const channel = server.channel({ title: "News", username: "news" });
    server.fault({
      chatId: channel.chatId,
      answer: { error_code: 500, description: "Internal Server Error" },
    });
    await send(server, channel);
    await call(server, "SENDmessage", { chat_id: "@News", text: "x" });
    await call(server, "sendChatAction", { chat_id: channel.chatId, action: "typing" });
    assert.is(channel.attempts, 2);
    assert.is(channel.inbox.length, 1);
  }));

test.run();
