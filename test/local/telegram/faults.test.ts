/** Faults: what the client sees of each, and what takes effect. */
import type { BotApiFaultAnswer } from "../../../lib/local/mod.ts";
import { assert, suite } from "../../harness.ts";
import { call, manualClock, type Reply, result, until, updates, withServer } from "../../support/bot_api.ts";
import { openConnection } from "../../support/raw_client.ts";
import { runtime } from "../../support/runtime.ts";

const test = suite("local/telegram/faults");

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

test('a "reset" comes before the call takes effect, "lose" after it; both are resets', () =>
  withServer(async (server) => {
    const ada = server.user({ opened: true });
    for (const [answer, arrived] of [["reset", 0], ["lose", 1]] as const) {
      server.fault({ method: "sendMessage", chatId: ada.chatId, answer });
      const client = await openConnection(server);
      client.call("sendMessage", { chat_id: ada.chatId, text: answer });
      await until(() => client.ended !== undefined);
      assert.equal([client.ended, client.text, ada.inbox.length], ["ECONNRESET", "", arrived], answer);
    }
  }));

test('"hang" is a black hole: no effect and no answer, while others are served', () =>
  withServer(async (server) => {
    const fault = server.fault({ answer: "hang" });
    const client = await openConnection(server);
    client.call("getMe");
    await until(() => fault.hits === 1);
    await result(server, "getMe");
    assert.equal([client.text, client.ended], ["", undefined]);
    client.close();
  }));

test('"half-open" kills the connections that are open, for good; new ones work', () =>
  withServer(async (server) => {
    const ada = server.user({ opened: true });
    const old = await openConnection(server);
    old.call("getMe");
    await until(() => old.text.includes('"ok":true'));
    const before = old.text;
    const fault = server.fault({ answer: "half-open", times: Infinity });
    const fresh = await openConnection(server);
    fresh.call("sendMessage", { chat_id: ada.chatId, text: "from the new one" });
    await until(() => fresh.text.includes('"ok":true'));
    old.call("sendMessage", { chat_id: ada.chatId, text: "from the old one" });
    await until(() => fault.hits === 1);
    fault.clear();
    old.call("getMe");
    fresh.call("getMe");
    await until(() => fresh.text.split('"ok":true').length === 3);
    assert.equal([old.text, old.ended], [before, undefined]);
    assert.equal(ada.inbox.map(({ text }) => text), ["from the new one"]);
    for (const client of [old, fresh]) client.close();
  }));

test('a connection that is idle since before the fault is "half-open", used or not', () =>
  withServer(async (server) => {
    const idle = await openConnection(server);
    if (runtime === "Bun") {
      // Its server hears of a connection with the first request.
      idle.call("getMe");
      await until(() => idle.text !== "");
    }
    const { text } = idle;
    // The server takes connections in their order.
    await result(server, "getMe");
    const fault = server.fault({ answer: "half-open", times: Infinity });
    idle.call("getMe");
    await until(() => fault.hits === 1);
    assert.is(idle.text, text);
    idle.close();
  }));

test('a long poll that waits on a "half-open" connection gets no answer, and its updates come again', () =>
  withServer(async (server) => {
    const old = await openConnection(server);
    old.call("getUpdates", { timeout: 50 });
    await until(() => server.calls.length === 1);
    const fault = server.fault({ method: "getUpdates", answer: "half-open" });
    server.user().say("Can you hear me?");
    await until(() => fault.hits === 1);
    const [update] = await updates(server);
    assert.is(update?.message?.text, "Can you hear me?");
    assert.is(old.text, "");
    old.close();
  }));

test('"stale" resets a connection that was open already at its next use', () =>
  withServer(async (server) => {
    const old = await openConnection(server);
    old.call("getMe");
    await until(() => old.text !== "");
    const before = old.text;
    const fault = server.fault({ method: "getMe", answer: "stale", times: Infinity });
    assert.is((await openAndAsk(server)).ended, undefined);
    old.call("getMe");
    await until(() => old.ended !== undefined);
    assert.equal([old.ended, old.text, fault.hits], ["ECONNRESET", before, 1]);
  }));

test('"cut" ends the connection in the middle of the body, after the call took effect', () =>
  withServer(async (server) => {
    const ada = server.user({ opened: true });
    server.fault({ method: "sendMessage", answer: "cut" });
    const client = await openConnection(server);
    client.call("sendMessage", { chat_id: ada.chatId, text: "Half of it" });
    await until(() => client.ended !== undefined);
    const [head = "", body = ""] = client.text.split("\r\n\r\n");
    const promised = Number(/content-length: (\d+)/i.exec(head)?.[1]);
    assert.is(body.length, Math.ceil(promised / 2));
    assert.match(body, /^\{"ok":true,"result":\{"message_id"/);
    assert.is(ada.inbox.length, 1);
    server.fault({ method: "sendMessage", answer: "cut" });
    let error: unknown;
    await call(server, "sendMessage", { chat_id: ada.chatId, text: "Again" }).catch((reason) =>
      error = reason
    );
    assert.instance(error, TypeError, "fetch() does not take it for an answer");
  }));

test("slowBodyMs sends the head at once and the body in pieces, refusals too", async () => {
  const clock = manualClock();
  await withServer(async (server) => {
    server.fault({ answer: { slowBodyMs: 1000 }, times: 2 });
    for (const [method, end] of [["getMe", "}}"], ["getFile", 'specified"}']] as const) {
      const client = await openConnection(server);
      client.call(method);
      await until(() => client.text.endsWith("\r\n\r\n"));
      for (let piece = 1; piece <= 10; piece++) {
        const { length } = client.text;
        clock.advance(100);
        await until(() => client.text.length > length);
        assert.is(client.text.endsWith(end), piece === 10, `piece ${piece} of ${method}`);
      }
      client.close();
    }
  }, { clock });
});

test("pages and redirects come in place of an answer, by method, chat and times, and nothing takes effect", () =>
  withServer(async (server) => {
    const ada = server.user({ opened: true });
    const url = `${server.apiRoot}/bot${server.token}/sendMessage`;
    const send = (): Promise<Response> =>
      fetch(url, {
        method: "POST",
        redirect: "manual",
        body: new URLSearchParams({ chat_id: String(ada.chatId), text: "x" }),
      });
    const wanted: [BotApiFaultAnswer, number, string | null][] = [
      [{ page: 200 }, 200, null],
      [{ page: 502 }, 502, null],
      [{ redirect: 301 }, 301, new URL(url).pathname],
      [{ redirect: 302, location: "https://login.example/" }, 302, "https://login.example/"],
      [{ redirect: 307 }, 307, new URL(url).pathname],
    ];
    for (const [answer, status, location] of wanted) {
      server.fault({ method: "sendMessage", chatId: ada.chatId, answer });
      const response = await send();
      assert.equal([response.status, response.headers.get("location")], [status, location]);
      assert.match(response.headers.get("content-type") ?? "", "text/html");
      assert.match(await response.text(), /^<html>/);
    }
    assert.is(ada.inbox.length, 0);
    assert.is((await send()).status, 200);
  }));

test("a client that follows a 307 comes back to the call, and says it anew", () =>
  withServer(async (server) => {
    const ada = server.user({ opened: true });
    server.fault({ method: "sendMessage", answer: { redirect: 307 } });
    await result(server, "sendMessage", { chat_id: ada.chatId, text: "Twice on its way" });
    assert.equal([server.countCalls("sendMessage"), ada.inbox.length], [2, 1]);
  }));

test("a fault has a number of times", () =>
  withServer((server) => {
    for (const times of [0, 1.5, -1, NaN]) {
      assert.throws(() => server.fault({ answer: "hang", times }), /"times" must be a whole number above 0/);
    }
    return Promise.resolve();
  }));

const mistakes: readonly [options: object, message: string][] = [
  [
    {},
    'Cannot set a fault as "answer" must be "reset", "lose", "hang", "half-open", "stale" or "cut", or an object such as ' +
    "{ error_code, description }: current value is undefined",
  ],
  [{ delayMs: 5 }, "Cannot set a fault as delayMs is not an option here: it belongs to answer"],
  [
    { answer: "rest" },
    'Cannot set a fault as "answer" must be "reset", "lose", "hang", "half-open", "stale" or "cut", or an object such as ' +
    '{ error_code, description }: current value is "rest" (did you mean "reset"?)',
  ],
  [{ answer: null }, "current value is null"],
  [{ answer: {} }, '"answer" must have one of error_code, result, delayMs, slowBodyMs, page, redirect, body'],
  [{ answer: { description: "x" } }, "body: with description it needs error_code, too"],
  [
    { answer: { delayMs: "x" } },
    '"delayMs" must be a number of milliseconds from 0 on: current value is "x"',
  ],
  [{ answer: { slowBodyMs: -1 } }, '"slowBodyMs" must be a number of milliseconds from 0 on'],
  [{ answer: { redirect: 999 } }, '"redirect" must be one of 301, 302, 303, 307, 308: current value is 999'],
  [{ answer: { page: 9999 } }, '"page" must be an HTTP status, 200 to 599: current value is 9999'],
  [
    { answer: { error_code: "400", description: "x" } },
    '"error_code" must be a whole number, 400 to 599: current value is "400"',
  ],
  [{ answer: { error_code: 400 } }, '"description" must be a text with its prefix, such as "Bad Request: '],
  [
    { answer: { error_code: 429, description: "x", parameters: { retry_after: "5" } } },
    '"retry_after" must be a number: current value is "5"',
  ],
  [{ answer: { page: 502, delayMs: 5 } }, `"answer" has page, beside which delayMs has no effect`],
  [{ answer: { body: 5 } }, '"body" must be a text or bytes: current value is 5'],
  [
    { answer: "hang", method: "sendMesage" },
    'or "file": current value is "sendMesage" (did you mean "sendMessage"?)',
  ],
  [{ answer: "hang", method: "send message" }, '"method" must be a method of the Bot API'],
  [{ answer: "hang", chatId: "5" }, '"chatId" must be the number of a chat: current value is "5"'],
  [
    { answer: "hang", times: "2" },
    '"times" must be a whole number above 0, or Infinity: current value is "2"',
  ],
];

test("a fault that would befall nothing, or with nothing, is refused", () =>
  withServer((server) => {
    for (const [options, words] of mistakes) {
      assert.throws(
        () => server.fault(options as never),
        ({ message }: Error) => message.startsWith("Cannot set a fault as ") && message.includes(words),
        words,
      );
    }
    for (const method of ["sendInvoice", "setUserEmojiStatus", "SENDMESSAGE", "getMyName", "file"]) {
      server.fault({ method, answer: { delayMs: 1, slowBodyMs: 1 } }).clear();
    }
    return Promise.resolve();
  }));

test("a chat refuses in words that Telegram could say", () =>
  withServer((server) => {
    const chat = server.user();
    const refused: readonly [unknown, RegExp][] = [
      [
        { error_code: 400, descripton: "x" },
        /^Cannot refuse messages as descripton .* did you mean description\?$/,
      ],
      [{ error_code: 400 }, /^Cannot refuse messages as "description" must be a text/],
      [{ description: "Bad Request: x" }, /^Cannot refuse messages as "error_code" must be .* undefined$/],
      [undefined, /^Cannot refuse messages as "refusal" must be an object/],
    ];
    for (const [refusal, words] of refused) assert.throws(() => chat.refuse(refusal as never), words);
    return Promise.resolve();
  }));

/** A call on a new connection. */
async function openAndAsk(
  server: Parameters<typeof openConnection>[0],
): Promise<{ ended: string | undefined }> {
  const client = await openConnection(server);
  client.call("getMe");
  await until(() => client.text !== "" || client.ended !== undefined);
  const { ended } = client;
  client.close();
  return { ended };
}

test.run();
