/** Webhooks: settings, deliveries, retries. */
import type { Update } from "grammy/types";
import { type BotApiServer, type BotApiServerOptions, startBotApiServer } from "../../../lib/local/mod.ts";
import type { Clock } from "../../../lib/util/clock.ts";
import { assert, suite } from "../../harness.ts";
import { deadAddress, pause, until } from "../../support/bot.ts";
import { type Receiver, type ReceiverAnswer, startReceiver } from "../../support/webhook_receiver.ts";

const test = suite("local/telegram/webhook");

interface Answered {
  readonly ok: boolean;
  readonly result: unknown;
  readonly description?: string;
}

interface WebhookInfo {
  readonly url: string;
  readonly pending_update_count: number;
  readonly last_error_date?: number;
  readonly last_error_message?: string;
  readonly max_connections?: number;
  readonly allowed_updates?: string[];
}

async function call(server: BotApiServer, method: string, payload: object = {}): Promise<Answered> {
  const response = await fetch(`${server.apiRoot}/bot${server.token}/${method}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(payload),
  });
  return await response.json() as Answered;
}

async function info(server: BotApiServer): Promise<WebhookInfo> {
  return (await call(server, "getWebhookInfo")).result as WebhookInfo;
}

interface Scene {
  readonly server: BotApiServer;
  readonly receiver: Receiver;
}

interface SceneOptions {
  readonly server?: BotApiServerOptions;
  readonly webhook?: object;
  readonly answerTo?: (update: Update, index: number) => ReceiverAnswer;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A server whose webhook is set to a receiver. */
async function withWebhook(body: (scene: Scene) => unknown, options: SceneOptions = {}): Promise<void> {
  const receiver = await startReceiver(options.answerTo, options.headers);
  const server = await startBotApiServer(options.server);
  try {
    await call(server, "setWebhook", { url: receiver.url, ...options.webhook });
    await body({ server, receiver });
  } finally {
    await server.close();
    await receiver.close();
  }
}

/** A clock that a test moves by hand; it knows who sleeps, and for how long. */
class StillClock implements Clock {
  ms: number = Date.UTC(2026, 0, 1);
  readonly sleepers = new Set<{ until: number; wake: () => void }>();

  now(): number {
    return this.ms;
  }

  random(): number {
    return 0.5;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { until: this.ms + ms, wake: resolve };
      this.sleepers.add(sleeper);
      signal?.addEventListener("abort", () => {
        this.sleepers.delete(sleeper);
        reject(signal.reason);
      });
    });
  }

  /** For how long everyone still sleeps, shortest first. */
  get waits(): number[] {
    return [...this.sleepers].map((sleeper) => sleeper.until - this.ms).sort((a, b) => a - b);
  }

  advance(ms: number): void {
    this.ms += ms;
    for (const sleeper of this.sleepers) {
      if (sleeper.until <= this.ms && this.sleepers.delete(sleeper)) sleeper.wake();
    }
  }
}

function textsOf(receiver: Receiver): (string | undefined)[] {
  return receiver.received.map(({ update }) => update.message?.text ?? Object.keys(update)[1]);
}

test("an update is posted as JSON with the secret, and confirmed by any 2xx", () =>
  withWebhook(async ({ server, receiver }) => {
    const ada = server.user();
    const message = ada.say("Hallo, München");
    await until(() => server.pendingUpdates === 0, "not confirmed");
    const [{ method, path, headers, update } = {} as Receiver["received"][0]] = receiver.received;
    assert.is(`${method} ${path}`, "POST /hook?a=b");
    assert.is(headers["content-type"], "application/json");
    assert.is(headers["x-telegram-bot-api-secret-token"], "s3cret_-");
    assert.equal(update, { update_id: 100_000_001, message });
    const [{ update_id, status, error, at } = {} as BotApiServer["deliveries"][0]] = server.deliveries;
    assert.equal({ update_id, status, error }, { update_id: 100_000_001, status: 204, error: undefined });
    assert.ok(Math.abs(at - Date.now()) < 60_000);
    const { url } = receiver;
    assert.equal(await info(server), {
      url,
      has_custom_certificate: false,
      pending_update_count: 0,
      max_connections: 40,
    });
  }, { webhook: { secret_token: "s3cret_-" }, answerTo: () => 204 }));

test("without a secret there is no header for it", () =>
  withWebhook(async ({ server, receiver }) => {
    server.user().say("x");
    await until(() => server.pendingUpdates === 0, "not confirmed");
    assert.is("x-telegram-bot-api-secret-token" in (receiver.received[0]?.headers ?? {}), false);
  }));

const refused: [object, string][] = [
  [{ url: "http://example.com/" }, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook"],
  [
    { url: "http://127.0.0.1.example.com/" },
    "Bad Request: bad webhook: An HTTPS URL must be provided for webhook",
  ],
  [{ url: "https://" }, "Bad Request: invalid webhook URL specified"],
  [{ url: "ftp://127.0.0.1/" }, "Bad Request: invalid webhook URL specified"],
  [{ url: "https://a.org", secret_token: "x".repeat(257) }, "Bad Request: secret token is too long"],
  [{ url: "https://a.org", secret_token: "a b" }, "Bad Request: secret token contains unallowed characters"],
];

for (const [payload, words] of refused) {
  test(`setWebhook() refuses ${JSON.stringify(payload).slice(0, 60)}, and keeps what was set`, () =>
    withWebhook(async ({ server, receiver }) => {
      assert.is((await call(server, "setWebhook", payload)).description, words);
      assert.is((await info(server)).url, receiver.url);
    }));
}

for (const [wanted, got] of [[undefined, 40], [7, 7], ["7", 7], [0, 1], [1000, 100], ["many", 40]]) {
  test(`max_connections ${wanted} means ${got}`, () =>
    withWebhook(async ({ server }) => {
      assert.is((await info(server)).max_connections, got);
    }, { webhook: { max_connections: wanted } }));
}

test("a host that is not of this machine is accepted, and never contacted", async () => {
  const server = await startBotApiServer();
  try {
    assert.is((await call(server, "setWebhook", { url: "example.com/hook" })).result, true);
    server.user().say("x");
    const { url, pending_update_count, last_error_message } = await info(server);
    assert.equal([url, pending_update_count], ["https://example.com/hook", 1]);
    assert.match(last_error_message ?? "", "loopback only");
    assert.equal(server.deliveries, []);
  } finally {
    await server.close();
  }
});

test("getUpdates is refused until the webhook is deleted, which gives back what waits", () =>
  withWebhook(async ({ server, receiver }) => {
    server.user().say("waits");
    await until(() => receiver.open === 1, "not sent");
    assert.is(
      (await call(server, "getUpdates")).description,
      "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
    );
    await call(server, "deleteWebhook");
    await until(() => receiver.open === 0, "what was being sent is not broken off");
    assert.equal((await info(server)).url, "");
    const { result } = await call(server, "getUpdates");
    assert.is((result as Update[])[0]?.message?.text, "waits");
    assert.equal(server.deliveries, [], "a delivery that was broken off was not answered");
  }, { answerTo: () => "hang" }));

for (const method of ["deleteWebhook", "setWebhook"]) {
  test(`${method}() with drop_pending_updates forgets what waits`, () =>
    withWebhook(async ({ server, receiver }) => {
      const ada = server.user();
      ada.say("one");
      ada.say("two");
      await until(() => receiver.open === 1, "not sent");
      await call(server, method, { url: receiver.url, drop_pending_updates: true });
      assert.is(server.pendingUpdates, 0);
      await call(server, "setWebhook", { url: receiver.url });
      ada.say("three");
      await until(() => receiver.received.length === 2, "the next is not sent");
      assert.equal(textsOf(receiver), ["one", "three"]);
    }, { answerTo: () => "hang" }));
}

test("what waited for a poll is sent once a webhook is set", async () => {
  await using receiver = await startReceiver();
  await using server = await startBotApiServer();
  const ada = server.user();
  for (const text of ["1", "2", "3"]) ada.say(text);
  await call(server, "setWebhook", { url: receiver.url });
  await until(() => server.pendingUpdates === 0, "not confirmed");
  assert.equal(textsOf(receiver), ["1", "2", "3"]);
});

test("the same settings again change nothing, others send anew what was not taken", () =>
  withWebhook(async ({ server, receiver }) => {
    server.user().say("x");
    await until(() => receiver.open === 1, "not sent");
    await call(server, "setWebhook", { url: receiver.url });
    await pause(30);
    assert.equal([receiver.open, receiver.received.length], [1, 1]);
    await using other = await startReceiver();
    await call(server, "setWebhook", { url: other.url });
    await until(() => server.pendingUpdates === 0, "not confirmed");
    assert.equal([receiver.open, receiver.received.length, other.received.length], [0, 1, 1]);
  }, { answerTo: () => "hang" }));

test("a chat's messages come one after the other, its memberships and other chats beside them", () =>
  withWebhook(async ({ server, receiver }) => {
    const ada = server.user();
    ada.edit(ada.say("one"), "one, edited");
    ada.say("two");
    ada.block();
    ada.unblock();
    server.user().say("of another");
    await until(() => receiver.open === 3, "not three side by side");
    await pause(30);
    assert.equal(textsOf(receiver).sort(), ["my_chat_member", "of another", "one"]);
    receiver.release();
    await until(() => receiver.open === 2, "not the next two");
    assert.equal(textsOf(receiver).slice(3).sort(), ["edited_message", "my_chat_member"]);
    receiver.release();
    await until(() => receiver.open === 1, "not the last");
    assert.is(textsOf(receiver).at(-1), "two");
    receiver.release();
    await until(() => server.pendingUpdates === 0, "not confirmed");
  }, { answerTo: () => "hang" }));

test("no more than max_connections are open at once, first come, first served", () =>
  withWebhook(async ({ server, receiver }) => {
    for (let i = 0; i < 6; i++) server.user().say(String(i));
    for (let sent = 2; sent <= 6; sent += 2) {
      await until(() => receiver.open === 2, "not two");
      await pause(30);
      assert.is(receiver.received.length, sent);
      receiver.release();
    }
    await until(() => server.pendingUpdates === 0, "not confirmed");
    assert.equal(textsOf(receiver).slice(0, 2).sort(), ["0", "1"]);
    assert.equal(textsOf(receiver).slice(4).sort(), ["4", "5"]);
  }, { webhook: { max_connections: 2 }, answerTo: () => "hang" }));

test("updates that are odd, or of no chat, are sent too, each by itself", () =>
  withWebhook(async ({ server, receiver }) => {
    server.push({ message: null });
    server.push({ poll: { id: "1" } });
    server.push({});
    server.push({ message: { chat: null, text: 5 } });
    await until(() => receiver.open === 4, "not four side by side");
    receiver.release();
    await until(() => server.pendingUpdates === 0, "not confirmed");
  }, { answerTo: () => "hang" }));

test("a refused update is sent again: at once, then after growing waits, until it is taken", async () => {
  const clock = new StillClock();
  await withWebhook(async ({ server, receiver }) => {
    const ada = server.user();
    ada.say("first");
    ada.say("second");
    await until(() => server.deliveries.length === 2, "not twice at once");
    for (const waitMs of [2000, 4000, 8000, 16_000, 32_000, 64_000, 90_000, 90_000]) {
      await until(() => clock.sleepers.size === 1, "no wait");
      assert.equal(clock.waits, [waitMs]);
      const before = receiver.received.length;
      clock.advance(waitMs - 1);
      assert.is(clock.sleepers.size, 1);
      clock.advance(1);
      await until(() => server.deliveries.length > before, "not sent again");
    }
    await until(() => server.pendingUpdates === 0, "not confirmed");
    assert.equal(textsOf(receiver), [...Array(10).fill("first"), "second"]);
  }, {
    server: { clock },
    answerTo: (_, index) => index < 9 ? 500 : 200,
  });
});

test("a failure is told by getWebhookInfo, holds only its own queue, and loses nothing", async () => {
  const clock = new StillClock();
  let isDown = true;
  const answerTo = ({ message }: Update): ReceiverAnswer => isDown && message?.text === "ill" ? 302 : 200;
  await withWebhook(async ({ server, receiver }) => {
    const ada = server.user();
    ada.say("ill");
    ada.say("behind it");
    server.user().say("of another");
    await until(() => server.deliveries.length === 3, "not sent");
    await until(() => clock.sleepers.size === 1, "no wait");
    const { pending_update_count, last_error_message, last_error_date } = await info(server);
    assert.equal([pending_update_count, last_error_date], [2, Date.UTC(2026, 0, 1) / 1000]);
    assert.is(last_error_message, "Wrong response from the webhook: 302 Found");
    isDown = false;
    clock.advance(2000);
    await until(() => server.pendingUpdates === 0, "not confirmed");
    assert.equal(textsOf(receiver).filter((text) => text !== "of another"), [
      "ill",
      "ill",
      "ill",
      "behind it",
    ]);
    const statuses = server.deliveries.filter(({ update_id }) => update_id === 100_000_001)
      .map(({ status }) => status);
    assert.equal(statuses, [302, 302, 200]);
  }, { server: { clock }, answerTo });
});

test("Retry-After is heeded", async () => {
  const clock = new StillClock();
  await withWebhook(async ({ server }) => {
    server.user().say("x");
    await until(() => clock.sleepers.size === 1 && server.deliveries.length === 1, "no wait");
    assert.equal(clock.waits, [17_000]);
  }, { server: { clock }, answerTo: () => 429, headers: { "Retry-After": "17" } });
});

test("silence of a minute is a failure", async () => {
  const clock = new StillClock();
  await withWebhook(async ({ server, receiver }) => {
    server.user().say("x");
    await until(() => receiver.open === 1, "not sent");
    assert.equal(clock.waits, [60_000]);
    clock.advance(60_000);
    await until(() => receiver.received.length === 2, "not sent again");
    const [{ status, error } = {} as BotApiServer["deliveries"][0]] = server.deliveries;
    assert.equal([status, error], [undefined, "Read timeout expired"]);
    await until(() => server.pendingUpdates === 0, "not confirmed");
  }, { server: { clock }, answerTo: (_, index) => index === 0 ? "hang" : 200 });
});

test("a connection that breaks is a failure, and the update comes again", () =>
  withWebhook(async ({ server, receiver }) => {
    server.user().say("x");
    await until(() => server.pendingUpdates === 0, "not confirmed");
    assert.is(receiver.received.length, 2);
    const [{ status, error } = {} as BotApiServer["deliveries"][0], second] = server.deliveries;
    assert.is(status, undefined);
    assert.match(error ?? "", /^Connection (reset by peer|closed)$/);
    assert.is(second?.status, 200);
  }, { answerTo: (_, index) => index === 0 ? "reset" : 200 }));

test("a server that is not there is a failure too", async () => {
  const clock = new StillClock();
  await using server = await startBotApiServer({ clock });
  await call(server, "setWebhook", { url: await deadAddress() });
  server.user().say("x");
  await until(() => server.deliveries.length === 2, "not tried");
  assert.is((await info(server)).last_error_message, "Connection refused");
  assert.is(server.pendingUpdates, 1);
});

test("allowed_updates: omitted keeps what was, [] is the default, getUpdates does not change it meanwhile", () =>
  withWebhook(async ({ server, receiver }) => {
    const ada = server.user();
    const { url } = receiver;
    ada.say("opens");
    ada.block();
    await call(server, "setWebhook", { url });
    await call(server, "setWebhook", { url, secret_token: "other" });
    await call(server, "getUpdates", { allowed_updates: ["my_chat_member"] });
    ada.unblock();
    assert.equal((await info(server)).allowed_updates, ["message"]);
    ada.say("heard");
    await until(() => server.pendingUpdates === 0, "not confirmed");
    assert.equal([...new Set(textsOf(receiver))], ["opens", "heard"]);
    await call(server, "setWebhook", { url, secret_token: "other", allowed_updates: [] });
    assert.is((await info(server)).allowed_updates, undefined);
    ada.block();
    await until(() => textsOf(receiver).includes("my_chat_member"), "not sent");
    await call(server, "deleteWebhook");
    await call(server, "getUpdates", { allowed_updates: ["chat_member"] });
    assert.equal((await info(server)).allowed_updates, ["chat_member"]);
  }, { webhook: { allowed_updates: ["message"] } }));

test("close() ends deliveries, those under way and those that wait", async () => {
  const clock = new StillClock();
  await using receiver = await startReceiver(({ message }) => message?.text === "ill" ? 500 : "hang");
  const server = await startBotApiServer({ clock });
  await call(server, "setWebhook", { url: receiver.url, max_connections: 2 });
  const [ada, bob, eve, dan] = Array.from({ length: 4 }, () => server.user());
  ada?.say("ill");
  await until(() => server.deliveries.length === 2, "not sent");
  bob?.say("hangs");
  eve?.say("hangs");
  dan?.say("has no connection yet");
  await until(() => receiver.open === 2, "not sent");
  await server.close();
  await until(() => receiver.open === 0, "still open");
  clock.advance(3_600_000);
  await pause(50);
  assert.is(receiver.received.length, 4);
  assert.is(server.deliveries.length, 2);
  assert.equal(clock.waits, []);
});

test.run();
