/** Connections that fail, on the local Bot API server: what the client sees, and what takes effect. */
import type { BotApiFaultAnswer } from "../lib/local/mod.ts";
import { assert, suite } from "./harness.ts";
import { call, manualClock, result, until, updates, withServer } from "./support/bot_api.ts";
import { openConnection } from "./support/raw_client.ts";
import { runtime } from "./support/runtime.ts";

const test = suite("local Bot API server: connections");

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
