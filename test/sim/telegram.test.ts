/** The simulated Telegram: it opens no socket, keeps virtual time, and tells what caused what. */
import net from "node:net";
import { Api, GrammyError, InputFile } from "grammy";
import type { Update } from "grammy/types";
import type { BotApiServer } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { manualClock } from "../support/bot_api.ts";
import type { StepClock } from "../support/clocks.ts";
import type { ServiceRequest } from "./service.ts";
import { fetchOf } from "./service_fetch.ts";
import {
  type ArrivedMessage,
  type ConfirmedByRequest,
  SimulatedTelegram,
  type SimulatedTelegramOptions,
} from "./telegram.ts";

const test = suite("sim/telegram");

/** A request as the simulated network makes one. */
function callOf(
  { token }: BotApiServer,
  name: string,
  payload: object,
  signal?: AbortSignal,
): ServiceRequest {
  return {
    method: "POST",
    url: new URL(`https://api.telegram.org/bot${token}/${name}`),
    headers: new Headers({ "content-type": "application/json" }),
    body: new TextEncoder().encode(JSON.stringify(payload)),
    signal: signal ?? new AbortController().signal,
  };
}

interface Scene {
  readonly telegram: SimulatedTelegram;
  readonly server: BotApiServer;
  readonly clock: StepClock;
  readonly api: Api;
  readonly arrived: readonly ArrivedMessage[];
  readonly confirmed: readonly ConfirmedByRequest[];
}

/** Telegram in virtual time and an `Api` that speaks to it. Whoever opens a socket meanwhile fails. */
async function withTelegram(
  body: (scene: Scene) => Promise<void>,
  options: Partial<SimulatedTelegramOptions> = {},
): Promise<void> {
  const clock = manualClock();
  const arrived: ArrivedMessage[] = [];
  const confirmed: ConfirmedByRequest[] = [];
  const telegram = new SimulatedTelegram({
    clock,
    onMessage: (event) => arrived.push(event),
    onConfirmed: (event) => confirmed.push(event),
    ...options,
  });
  const { server } = telegram;
  const api = new Api(server.token, { fetch: fetchOf(telegram) as never, apiRoot: server.apiRoot });
  const restore = forbidSockets();
  try {
    await body({ telegram, server, clock, api, arrived, confirmed });
  } finally {
    await server.close();
    restore();
  }
}

function forbidSockets(): () => void {
  const before = {
    fetch: globalThis.fetch,
    connect: net.Socket.prototype.connect,
    listen: net.Server.prototype.listen,
  };
  const forbidden = (): never => {
    throw new Error("A socket was opened");
  };
  globalThis.fetch = forbidden;
  net.Socket.prototype.connect = forbidden;
  net.Server.prototype.listen = forbidden;
  return () => {
    globalThis.fetch = before.fetch;
    net.Socket.prototype.connect = before.connect;
    net.Server.prototype.listen = before.listen;
  };
}

async function floodOf(call: Promise<unknown>): Promise<number | undefined> {
  const error = await call.then(() => undefined, (reason) => reason);
  assert.instance(error, GrammyError);
  return (error as GrammyError).parameters.retry_after;
}

test("grammY sends a text and a photo, and each message tells of its request", () =>
  withTelegram(async ({ server, api, arrived }) => {
    const ada = server.user({ opened: true });
    const bytes = new Uint8Array([1, 2, 3]);
    await api.sendMessage(ada.chatId, "Hello");
    const { photo, message_id } = await api.sendPhoto(ada.chatId, new InputFile(bytes, "chart.png"), {
      caption: "BTC",
    });
    await api.editMessageCaption(ada.chatId, message_id, { caption: "ETH" });
    assert.equal(server.file(photo.at(-1)?.file_id ?? ""), bytes);
    const paths = arrived.map(({ request }) => request.url.pathname.split("/").at(-1));
    assert.equal(paths, ["sendMessage", "sendPhoto", "editMessageCaption"]);
    assert.equal(arrived.map(({ isEdit }) => isEdit), [false, false, true]);
    assert.equal(arrived.map(({ chatId }) => chatId), [ada.chatId, ada.chatId, ada.chatId]);
    assert.equal(arrived.map(({ message }) => message.text ?? message.caption), ["Hello", "BTC", "ETH"]);
  }));

test("a call has taken effect when handle() returns its promise", () =>
  withTelegram(async ({ telegram, server, arrived }) => {
    const ada = server.user({ opened: true });
    const request = callOf(server, "sendMessage", { chat_id: ada.chatId, text: "Hello" });
    const answer = telegram.handle(request);
    assert.is(ada.inbox.length, 1);
    assert.is(arrived[0]?.request, request);
    assert.is((await answer).status, 200);
  }));

test("a long poll waits in virtual time for updates, which the next one confirms", () =>
  withTelegram(async ({ server, clock, api, confirmed }) => {
    const empty = api.getUpdates({ timeout: 30 });
    await clock.pass(30_000);
    assert.equal(await empty, []);
    const polling = api.getUpdates({ timeout: 30 });
    await clock.pass(20_000);
    const ada = server.user();
    ada.say("/start");
    ada.say("/help");
    await clock.pass(1);
    const updates = await polling;
    assert.equal(updates.map(({ message }) => message?.text), ["/start", "/help"]);
    assert.is(confirmed.length, 0);
    await api.getUpdates({ offset: updates[0]!.update_id + 1 });
    assert.equal(confirmed.map(({ update, by }) => [update.update_id, by]), [[
      updates[0]!.update_id,
      "offset",
    ]]);
    assert.match(confirmed[0]?.request?.url.pathname ?? "", /getUpdates$/);
    await api.deleteWebhook({ drop_pending_updates: true });
    assert.equal(confirmed.map(({ by }) => by), ["offset", "drop"]);
  }));

test("limits and floods go by virtual time", () =>
  withTelegram(async ({ telegram, server, clock, api }) => {
    const ada = server.user({ opened: true });
    const bob = server.user({ opened: true });
    for (let time = 0; time < 2; time++) await api.sendMessage(ada.chatId, "x");
    assert.is(await floodOf(api.sendMessage(ada.chatId, "x")), 1);
    await clock.pass(1000);
    await api.sendMessage(ada.chatId, "x");
    server.flood(5);
    assert.is(await floodOf(api.sendMessage(bob.chatId, "x")), 5);
    await clock.pass(5000);
    ada.flood(7);
    assert.is(await floodOf(api.sendMessage(ada.chatId, "x")), 7);
    await api.sendMessage(bob.chatId, "x");
    assert.is(telegram.floods, 3);
  }, { messagesPerSecond: 2 }));

test("a group in slow mode, a closed topic, a block and a migration are refused in Telegram's words", () =>
  withTelegram(async ({ server, api }) => {
    const ada = server.user({ opened: true });
    const group = server.group({ title: "Group", administrators: [ada] });
    const supergroup = group.migrate();
    supergroup.slowMode(60);
    const forum = server.forum({ title: "Forum", administrators: [ada] });
    const topic = forum.createTopic(ada, "Prices");
    topic.close(ada);
    ada.block();
    const words = async (chatId: number, extra = {}): Promise<string> => {
      const error = await api.sendMessage(chatId, "x", extra).then(() => undefined, (reason) => reason);
      return (error as GrammyError | undefined)?.description ?? "ok";
    };
    assert.is(await words(group.chatId), "Bad Request: group chat was upgraded to a supergroup chat");
    assert.is(await words(supergroup.chatId), "ok");
    assert.is(await words(supergroup.chatId), "Too Many Requests: retry after 60");
    assert.is(await words(forum.chatId, { message_thread_id: topic.threadId }), "Bad Request: TOPIC_CLOSED");
    assert.is(await words(ada.chatId), "Forbidden: bot was blocked by the user");
    ada.unblock();
    ada.refuse({ error_code: 403, description: "Forbidden: something new" });
    assert.is(await words(ada.chatId), "Forbidden: something new");
  }));

test("a connection that a fault breaks rejects with ECONNRESET, and a client that leaves ends its call", () =>
  withTelegram(async ({ telegram, server, clock }) => {
    const ada = server.user({ opened: true });
    const send = (signal?: AbortSignal): Promise<unknown> =>
      telegram.handle(callOf(server, "sendMessage", { chat_id: ada.chatId, text: "x" }, signal))
        .then(({ status }) => status, (error) => error.code ?? error.message);
    for (const answer of ["reset", "lose", "cut"] as const) {
      server.fault({ answer });
      assert.is(await send(), "ECONNRESET");
    }
    assert.is(ada.inbox.length, 2);
    server.fault({ answer: "hang" });
    const gone = new AbortController();
    const hanging = send(gone.signal);
    await clock.pass(60_000);
    gone.abort(new Error("gone"));
    assert.is(await hanging, "gone");
    server.fault({ answer: { delayMs: 1000, slowBodyMs: 500 } });
    const slow = send();
    await clock.pass(999);
    assert.is(ada.inbox.length, 2);
    await clock.pass(1);
    assert.is(ada.inbox.length, 3);
    await clock.pass(500);
    assert.is(await slow, 200);
  }));

test("an error of the simulated Telegram itself, or of an oracle, is no answer to the bot", () =>
  withTelegram(async ({ telegram, server }) => {
    const ada = server.user({ opened: true });
    const request = callOf(server, "sendMessage", { chat_id: ada.chatId, text: "x" });
    const error = await telegram.handle(request).then(() => undefined, (reason) => reason);
    assert.is(error?.message, "The oracle objects");
  }, {
    onMessage: () => {
      throw new Error("The oracle objects");
    },
  }));

test("those who wait for the bot wait in virtual time, and two second pollers let it pass", () =>
  withTelegram(async ({ server, clock, api }) => {
    const ada = server.user({ opened: true });
    const waiting = ada.received("never", 5000).then(() => "", (error) => error.message);
    await clock.pass(5000);
    assert.match(await waiting, /within 5000 ms: it got none at all/);
    const pollers = [server.secondPoller(), server.secondPoller()];
    await clock.pass(20);
    assert.ok(pollers.every(({ conflicts }) => conflicts > 2));
    const stopped = Promise.all(pollers.map((poller) => poller.stop()));
    await clock.pass(1);
    await stopped;
    await api.sendMessage(ada.chatId, "later");
    assert.is((await ada.received("later")).text, "later");
  }));

test("updates go to the webhook by the given fetch, again until they are taken", async () => {
  const posts: { readonly url: string; readonly secret: string | null; readonly update: Update }[] = [];
  const answers = [500, "reset", "silent", 200];
  const webhookFetch: typeof fetch = (url, { headers, body, signal } = {}) => {
    const secret = new Headers(headers).get("x-telegram-bot-api-secret-token");
    posts.push({ url: String(url), secret, update: JSON.parse(String(body)) });
    const answer = answers.shift();
    if (answer === "reset") {
      return Promise.reject(new TypeError("fetch failed", { cause: { code: "ECONNRESET" } }));
    }
    if (typeof answer === "number") return Promise.resolve(new Response("", { status: answer }));
    return new Promise((_resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  };
  await withTelegram(async ({ server, clock, api, confirmed }) => {
    await api.setWebhook("https://bot.example/hook", { secret_token: "abc" });
    server.user().say("/start");
    await clock.pass(0);
    assert.is(posts.length, 2, "the second attempt is made at once");
    await clock.pass(2000);
    assert.is(posts.length, 3);
    await clock.pass(60_000);
    assert.is((await api.getWebhookInfo()).last_error_message, "Read timeout expired");
    await clock.pass(4000);
    assert.is(server.pendingUpdates, 0);
    assert.equal(server.deliveries.map(({ status, error }) => error ?? status), [
      "Wrong response from the webhook: 500",
      "Connection reset by peer",
      "Read timeout expired",
      200,
    ]);
    assert.ok(posts.every(({ url, secret }) => url === "https://bot.example/hook" && secret === "abc"));
    assert.is(posts.at(-1)?.update.message?.text, "/start");
    assert.equal(confirmed.map(({ by, request }) => [by, request]), [["webhook", undefined]]);
  }, { webhookFetch });
});

test("without a fetch for webhooks every connection is refused", () =>
  withTelegram(async ({ server, clock, api }) => {
    await api.setWebhook("https://bot.example/hook");
    server.user().say("/start");
    await clock.pass(0);
    assert.is((await api.getWebhookInfo()).last_error_message, "Connection refused");
  }));

test.run();
