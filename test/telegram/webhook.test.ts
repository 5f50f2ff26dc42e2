/** Webhooks: what is let in, what is answered, and what is kept, behind every kind of server. */
import type { ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import process from "node:process";
import type { Update } from "grammy/types";
import type { LocalUser } from "../../lib/local/mod.ts";
import type { LambdaEvent } from "../../lib/telegram/http_callback.ts";
import { type UpdateHandler, webhookCallback } from "../../lib/telegram/webhook.ts";
import { ConfigError } from "../../lib/util/validate.ts";
import { assert, suite } from "../harness.ts";
import {
  FastClock,
  pause,
  said,
  type Scene,
  type SceneOptions,
  until,
  withBotOverHttp,
} from "../support/bot.ts";
import { type Kind, kinds, serve, type WebhookServer } from "../support/webhook_servers.ts";

const secretToken = "s3cret-Token_123";
const header = "X-Telegram-Bot-Api-Secret-Token";
const megabyte = 1_000_000;
const welcome = "Welcome! You are subscribed.";

/** Keeps what it is given. */
function updateRecorder(): UpdateHandler & { readonly updates: Update[] } {
  const updates: Update[] = [];
  return {
    updates,
    handleUpdate(update) {
      updates.push(update);
      return Promise.resolve();
    },
  };
}

interface Posted {
  readonly body?: string;
  readonly secret?: string | undefined;
  readonly method?: string;
}

async function send(
  { url }: WebhookServer,
  { body = '{"update_id":1}', secret = secretToken, method = "POST" }: Posted = {},
): Promise<Response> {
  const hasBody = method !== "GET";
  const headers = {
    ...hasBody && { "Content-Type": "application/json" },
    ...secret !== "" && { [header]: secret },
  };
  const response = await fetch(url, { method, headers, ...hasBody && { body } });
  await response.clone().text();
  return response;
}

/** What a raw connection is answered, up to the end of the head. */
function headOf(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    socket.on("data", (chunk) => {
      text += String(chunk);
      if (text.includes("\r\n\r\n")) resolve(text.slice(0, text.indexOf("\r\n\r\n")));
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`closed after ${JSON.stringify(text)}`)));
  });
}

/** Opens a connection and begins a request on it; the body is the test's. */
async function begin({ port }: WebhookServer, ...headers: string[]): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  socket.write(["POST / HTTP/1.1", "Host: 127.0.0.1", ...headers, "", ""].join("\r\n"));
  return socket;
}

const test = suite("webhookCallback()");

for (const kind of kinds) {
  test(`${kind}: an update is handled, and 200 is the answer`, async () => {
    const bot = updateRecorder();
    await using server = await serve(kind, webhookCallback(bot, { secretToken }));
    const update = { update_id: 7, message: { text: "München 👋 \ud800" } };
    const response = await send(server, { body: JSON.stringify(update) });
    assert.equal([response.status, await response.text()], [200, ""]);
    assert.equal(bot.updates, [update]);
  });

  test(`${kind}: 200 only after the update is handled`, async () => {
    const { promise, resolve } = withResolvers();
    await using server = await serve(kind, webhookCallback({ handleUpdate: () => promise }, { secretToken }));
    let isAnswered = false;
    const answer = send(server).finally(() => isAnswered = true);
    await pause(100);
    assert.is(isAnswered, false);
    resolve();
    assert.is((await answer).status, 200);
  });

  test(`${kind}: 405 for what is no POST, whoever asks`, async () => {
    const bot = updateRecorder();
    await using server = await serve(kind, webhookCallback(bot, { secretToken }));
    for (const method of ["GET", "PUT", "DELETE"]) {
      for (const secret of [secretToken, ""]) {
        const { status, headers } = await send(server, { method, secret });
        assert.equal([status, headers.get("allow")], [405, "POST"], method);
      }
    }
    assert.equal(bot.updates, []);
  });

  test(`${kind}: 401 without the secret, and with any other`, async () => {
    const bot = updateRecorder();
    await using server = await serve(kind, webhookCallback(bot, { secretToken }));
    const wrong = [
      "",
      secretToken.slice(0, -1),
      `${secretToken}x`,
      secretToken.toUpperCase(),
      "x".repeat(4000),
    ];
    for (const secret of wrong) {
      const response = await send(server, { secret });
      assert.equal([response.status, await response.text()], [401, "Unauthorized"], secret);
    }
    assert.equal(bot.updates, []);
    assert.is((await send(server)).status, 200, "afterwards the right one is let in");
  });

  const malformed = [
    "null",
    "5",
    '"update_id"',
    "[]",
    "[1]",
    "{}",
    '{"update_id":"1"}',
    '{"update_id":1.5}',
    '{"update_id":null}',
    ...kind === "Express" ? [] : ["", "x", '{"update_id":1', "\u0000", "update_id=1"],
  ];
  test(`${kind}: 400 for what is no update`, async () => {
    const bot = updateRecorder();
    await using server = await serve(kind, webhookCallback(bot, { secretToken }));
    for (const body of malformed) assert.is((await send(server, { body })).status, 400, body);
    assert.equal(bot.updates, []);
  });

  test(`${kind}: a megabyte is taken, more is 413`, async () => {
    const bot = updateRecorder();
    await using server = await serve(kind, webhookCallback(bot, { secretToken }));
    const sized = (bytes: number): string => `{"update_id":1,"a":"${"x".repeat(bytes - 22)}"}`;
    assert.is(sized(50).length, 50);
    assert.is((await send(server, { body: sized(megabyte) })).status, 200);
    assert.is(bot.updates.length, 1);
    const length = `Content-Length: ${megabyte + 1}`;
    const socket = await begin(server, length, `${header}: ${secretToken}`);
    // Those who read the body themselves need not wait for it to know; the others are given it.
    if (!readsItself(kind)) socket.write(sized(megabyte + 1));
    assert.match(await headOf(socket), /^HTTP\/1\.1 413/);
    socket.destroy();
    assert.is(bot.updates.length, 1);
  });

  test(`${kind}: 500 where the bot fails, and nothing of why`, async () => {
    const fail = (): never => {
      throw new Error("the token is 1:abc");
    };
    for (const handleUpdate of [fail, () => Promise.reject(new Error("1:abc")), () => Promise.reject()]) {
      await using server = await serve(kind, webhookCallback({ handleUpdate }, { secretToken }));
      const response = await send(server);
      assert.is(response.status, 500);
      assert.is(await response.text(), "The update was not kept: send it again");
      assert.equal(server.errors, []);
    }
  });
}

/** Whether the callback gets the request before its body is there. */
function readsItself(kind: Kind): boolean {
  return kind === "Node" || kind === "web standard" || kind === "Deno.serve";
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  return { promise: new Promise<void>((done) => resolve = done), resolve: () => resolve() };
}

for (const kind of kinds.filter(readsItself)) {
  test(`${kind}: who does not know the secret is refused before a byte of the body is read`, async () => {
    await using server = await serve(kind, webhookCallback(updateRecorder(), { secretToken }));
    const socket = await begin(server, "Content-Length: 100", `${header}: wrong`);
    const head = await headOf(socket);
    assert.match(head, /^HTTP\/1\.1 401/);
    if (kind === "Node") assert.match(head, /\r\nConnection: close(\r\n|$)/i);
    socket.destroy();
  });

  test(`${kind}: a body without end is 413 as soon as it is too large`, async () => {
    await using server = await serve(kind, webhookCallback(updateRecorder(), { secretToken }));
    const socket = await begin(server, "Transfer-Encoding: chunked", `${header}: ${secretToken}`);
    const head = headOf(socket);
    socket.write(`${(megabyte + 1).toString(16)}\r\n${"x".repeat(megabyte + 1)}\r\n`);
    assert.match(await head, /^HTTP\/1\.1 413/);
    socket.destroy();
  });

  test(`${kind}: a body that breaks off is not handled, and harms nobody`, async () => {
    const bot = updateRecorder();
    await using server = await serve(kind, webhookCallback(bot, { secretToken }));
    const socket = await begin(server, "Content-Length: 1000", `${header}: ${secretToken}`);
    socket.write('{"update_id":1}');
    await pause(50);
    socket.destroy();
    await until(() => server.settled === 1, "the callback waits for ever");
    assert.equal([bot.updates, server.errors], [[], []]);
    assert.is((await send(server)).status, 200);
  });

  for (const end of ["kept", "not kept"]) {
    test(`${kind}: a client that leaves before its update is ${end} harms nobody`, async () => {
      const { promise, resolve } = withResolvers();
      let isAsked = false;
      const handleUpdate = async (): Promise<void> => {
        isAsked = true;
        await promise;
        if (end === "not kept") throw new Error("not kept");
      };
      await using server = await serve(kind, webhookCallback({ handleUpdate }, { secretToken }));
      const socket = await begin(server, "Content-Length: 15", `${header}: ${secretToken}`);
      socket.write('{"update_id":1}');
      await until(() => isAsked, "not handled");
      socket.destroy();
      await pause(50);
      resolve();
      await until(() => server.settled === 1, "the callback waits for ever");
      await pause(20);
      assert.equal(server.errors, []);
      assert.is((await send(server)).status, end === "kept" ? 200 : 500);
    });
  }
}

const parsers: Readonly<Record<string, unknown>> = {
  "express.raw()": new TextEncoder().encode('{"update_id":3}'),
  "express.text()": '{"update_id":3}',
};

for (const [parser, body] of Object.entries(parsers)) {
  test(`a body that ${parser} has read is taken as well`, async () => {
    const bot = updateRecorder();
    const callback = webhookCallback(bot, { secretToken });
    const parsing = (request: object, response: never): unknown =>
      callback(Object.assign(request, { body }) as never, response);
    await using server = await serve("Express", parsing as typeof callback);
    assert.is((await send(server, { body: "{}" })).status, 200);
    assert.equal(bot.updates, [{ update_id: 3 }]);
  });
}

test("a body that a parser left alone, as Express 4 marks it, is read", async () => {
  const bot = updateRecorder();
  const callback = webhookCallback(bot, { secretToken });
  const marking = (request: object, response: never): unknown =>
    callback(Object.assign(request, { body: {} }) as never, response);
  await using server = await serve("Node", marking as typeof callback);
  assert.is((await send(server, { body: '{"update_id":3}' })).status, 200);
  assert.equal(bot.updates, [{ update_id: 3 }]);
});

test("a request that somebody else has answered meanwhile is left as it is", async () => {
  let answer = (): void => {};
  const handleUpdate = (): Promise<void> => Promise.resolve(answer());
  const callback = webhookCallback({ handleUpdate }, { secretToken });
  const impatient = (request: never, response: ServerResponse): unknown => {
    answer = () => void response.writeHead(503).end();
    return callback(request, response);
  };
  await using server = await serve("Node", impatient as typeof callback);
  assert.is((await send(server)).status, 503);
  await until(() => server.settled === 1, "the callback waits for ever");
  assert.equal(server.errors, []);
});

test("Lambda: header names in any case, alone or in lists", async () => {
  const bot = updateRecorder();
  const callback = webhookCallback(bot, { secretToken });
  const body = '{"update_id":1}';
  const events: LambdaEvent[] = [
    { headers: { [header.toLowerCase()]: secretToken }, body },
    { headers: { [header.toUpperCase()]: secretToken }, body, isBase64Encoded: false },
    { headers: null, multiValueHeaders: { [header]: [secretToken] }, body, httpMethod: "POST" },
    { headers: { [header]: secretToken }, body: "eyJ1cGRhdGVfaWQiOjF9", isBase64Encoded: true },
  ];
  for (const event of events) {
    const { statusCode, body: text } = await callback(event);
    assert.equal([statusCode, text], [200, ""], JSON.stringify(event));
  }
  assert.is(bot.updates.length, 4);
});

test("Lambda: whatever else it is invoked with is refused", async () => {
  const callback = webhookCallback(updateRecorder(), { secretToken });
  const headers = { [header]: secretToken };
  const cases: [unknown, number][] = [
    [undefined, 401],
    [null, 401],
    ["text", 401],
    [{}, 401],
    [{ source: "aws.events", "detail-type": "Scheduled Event" }, 401],
    [{ headers: { [header]: undefined } }, 401],
    [Object.defineProperty({}, "headers", { get: () => assert.unreachable("it has none") }), 401],
    [{ headers: { [header]: { toString: 5 } } }, 401],
    [{ headers: { [header]: [[secretToken]] } }, 401],
    [{ headers, httpMethod: { toString: 5 } }, 405],
    [{ headers, requestContext: 5, body: { length: 5 } }, 400],
    [{ headers: {}, httpMethod: "GET" }, 405],
    [{ headers }, 400],
    [{ headers, body: null, isBase64Encoded: true }, 400],
    [{ headers, body: "not base64!", isBase64Encoded: true }, 400],
    [{ headers, body: { update_id: 1 } }, 400],
    [{ headers, body: "x".repeat(megabyte + 1) }, 413],
  ];
  for (const [event, status] of cases) {
    const { statusCode } = await callback(event as LambdaEvent);
    assert.is(statusCode, status, JSON.stringify(event)?.slice(0, 80));
  }
});

function mistakeIn(bot: unknown, options?: object): string {
  try {
    webhookCallback(bot as UpdateHandler, options);
  } catch (error) {
    assert.instance(error, ConfigError);
    return (error as Error).message;
  }
  throw new Error("no mistake was found");
}

/** Runs the body with this variable, or without it. */
async function withVariable(value: string | undefined, body: () => unknown): Promise<void> {
  const name = "TELEGRAM_WEBHOOK_SECRET";
  const before = process.env[name];
  delete process.env[name];
  if (value !== undefined) process.env[name] = value;
  try {
    await body();
  } finally {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  }
}

const rule = "16 to 256 letters, digits, _ and -, such as openssl rand -hex 32 makes: " +
  "the same that you give to setWebhook as secret_token";

for (const value of [undefined, ""]) {
  test(`no secret, and the variable is ${value === "" ? "empty" : "not set"}: what to do`, () =>
    withVariable(value, () => {
      const words =
        `secretToken is not set: it must be ${rule}. Give it here, or set TELEGRAM_WEBHOOK_SECRET.`;
      assert.is(mistakeIn(updateRecorder()), words);
      for (const none of [undefined, null]) {
        assert.is(mistakeIn(updateRecorder(), { secretToken: none }), words);
      }
    }));
}

for (
  const secret of ["", "fifteen-letters", "with space in it, and long", "ä", "x".repeat(257), "a\n", 5, {
    a: 1,
  }]
) {
  test(`the secret ${JSON.stringify(secret).slice(0, 20)} is refused, and not shown`, () =>
    withVariable("fine", () => {
      const words = `secretToken must be ${rule} (its value is not shown).`;
      assert.is(mistakeIn(updateRecorder(), { secretToken: secret }), words);
    }));
}

test("a malformed variable is named", () =>
  withVariable("with space in it, and long", () => {
    const words = `TELEGRAM_WEBHOOK_SECRET must be ${rule} (its value is not shown).`;
    assert.is(mistakeIn(updateRecorder()), words);
  }));

test("the variable is the default, and an option beats it", () =>
  withVariable("from-the-environment", async () => {
    const statusWith = async (options: object | undefined, secret: string): Promise<number> => {
      const event = { headers: { [header]: secret }, body: '{"update_id":1}' };
      return (await webhookCallback(updateRecorder(), options as object)(event)).statusCode;
    };
    assert.is(await statusWith(undefined, "from-the-environment"), 200);
    assert.is(await statusWith({ secretToken }, secretToken), 200);
    assert.is(await statusWith({ secretToken }, "from-the-environment"), 401);
    assert.is(await statusWith({ secretToken: "x".repeat(256) }, "x".repeat(256)), 200);
  }));

test("what is no bot is refused", () => {
  for (const bot of [undefined, null, {}, { handleUpdate: true }]) {
    assert.match(mistakeIn(bot, { secretToken }), "something with a method handleUpdate");
  }
});

test.run();

interface WebhookScene extends Scene {
  readonly webhook: WebhookServer;
}

interface WebhookSceneOptions extends SceneOptions {
  readonly allowed_updates?: readonly string[];
  /** What stands between the webhook and the bot. Default: nothing. */
  readonly handler?: (bot: UpdateHandler) => UpdateHandler;
}

/** The local Bot API server delivers to a bot, over a server of this kind. */
async function withWebhook(
  kind: Kind,
  body: (scene: WebhookScene) => unknown,
  { handler = (bot) => bot, ...options }: WebhookSceneOptions = {},
): Promise<void> {
  await withBotOverHttp(async (scene) => {
    const callback = webhookCallback(handler(scene.bot), { secretToken });
    await using webhook = await serve(kind, callback);
    const { server } = scene;
    await setWebhook(scene, webhook.url);
    await body({ ...scene, webhook });
    await until(() => server.pendingUpdates === 0, "the updates were not all taken");
    assert.equal(webhook.errors, []);
  }, { state: "initialized", server: { clock: new FastClock(4) }, ...options });
}

async function setWebhook({ server }: Scene, url: string): Promise<void> {
  const query = new URLSearchParams({ url, secret_token: secretToken, allowed_updates: "[]" });
  const response = await fetch(`${server.apiRoot}/bot${server.token}/setWebhook?${query}`);
  assert.is(response.status, 200, await response.text());
}

const over = suite("a bot behind a webhook", {}, 90_000);

/** One for each form that a request comes in. */
const forms = kinds.filter((kind) => kind !== "Express" && kind !== "Lambda, REST API");

for (const kind of forms) {
  over(
    `${kind}: people register, are counted, stop and come back; each update is taken once`,
    () =>
      withWebhook(kind, async ({ server, item, settled }) => {
        const [ada, bob] = [server.user(), server.user()];
        const boss = server.user();
        const group = server.group({ title: "Desk", administrators: [boss] });
        ada.say("/start");
        bob.say("hello");
        group.say(boss, "/start");
        await Promise.all([ada, bob, group].map((chat) => chat.received(welcome)));
        ada.say("one");
        ada.say("/stop");
        bob.block();
        await settled();
        assert.equal((await item(ada))?.["removed_reason"], { S: "stopped" });
        assert.equal((await item(ada))?.["message_count"], { N: "3" });
        assert.equal((await item(bob))?.["removed_reason"], { S: "blocked" });
        assert.equal((await item(group))?.["is_active"], { BOOL: true });
        ada.say("/start");
        bob.unblock();
        await settled();
        for (const chat of [ada, bob]) assert.equal((await item(chat))?.["is_active"], { BOOL: true });
        assert.equal([...new Set(server.deliveries.map(({ status }) => status))], [200]);
        assert.is(server.deliveries.length, 8);
      }),
  );

  over(
    `${kind}: DynamoDB is away: 500, sent again, then exactly once in the table`,
    () =>
      withWebhook(kind, async ({ server, gate, settled, item }) => {
        const known = server.user();
        known.say("/start");
        await settled();
        gate.fail({ status: 500, type: "InternalServerError", message: "away" });
        const [fresh, leaver] = [server.user(), known];
        fresh.say("/start");
        fresh.say("two");
        leaver.say("/stop");
        await until(() => answered(server, 500) >= 3, "no 500", 40_000);
        assert.is(server.pendingUpdates, 3, "nothing is taken that is not kept");
        gate.clear();
        await until(() => server.pendingUpdates === 0, "not all sent again", 40_000);
        assert.equal((await item(fresh))?.["message_count"], { N: "2" });
        assert.equal((await item(fresh))?.["is_active"], { BOOL: true });
        assert.equal((await item(leaver))?.["message_count"], { N: "2" });
        assert.equal((await item(leaver))?.["removed_reason"], { S: "stopped" });
        assert.ok(said(fresh).includes(welcome));
      }),
  );
}

/** How many deliveries got this answer. */
function answered({ deliveries }: Scene["server"], wanted: number | undefined): number {
  return deliveries.filter(({ status }) => status === wanted).length;
}

over(
  "the answers of DynamoDB are lost: each message counts once",
  () =>
    withWebhook("Node", async ({ server, gate, settled, item }) => {
      const users = Array.from({ length: 5 }, () => server.user());
      gate.loseAnswers({ action: "UpdateItem", share: 0.4 });
      for (let round = 0; round < 3; round++) for (const user of users) user.say("hello");
      await settled();
      gate.clear();
      for (const user of users) assert.equal((await item(user))?.["message_count"], { N: "3" });
    }),
);

type Held = "message" | "my_chat_member";

/** What happens to a person, in the order of Telegram's ids, how many updates of each kind that is, and its end. */
const stories: Readonly<
  Record<string, { act: (user: LocalUser) => void; counts: Readonly<Record<Held, number>>; end: string }>
> = {
  "blocked, unblocked, then /stop": {
    act: (user) => {
      user.block();
      user.unblock();
      user.say("/stop");
    },
    counts: { message: 1, my_chat_member: 2 },
    end: "stopped",
  },
  "/stop, blocked": {
    act: (user) => {
      user.say("/stop");
      user.block();
    },
    counts: { message: 1, my_chat_member: 1 },
    end: "stopped",
  },
  "/stop, blocked, unblocked, a word": {
    act: (user) => {
      user.say("/stop");
      user.block();
      user.unblock();
      user.say("hello?");
    },
    counts: { message: 2, my_chat_member: 2 },
    end: "stopped",
  },
  "/stop, blocked, unblocked, /start": {
    act: (user) => {
      user.say("/stop");
      user.block();
      user.unblock();
      user.say("/start");
    },
    counts: { message: 2, my_chat_member: 2 },
    end: "active",
  },
};

for (const held of ["message", "my_chat_member"] as const) {
  const other = held === "message" ? "my_chat_member" : "message";
  for (const [story, { act, counts, end }] of Object.entries(stories)) {
    over(`${story}; every ${held} comes after every ${other}: the end is ${end}`, async () => {
      let isHeld = false;
      let others = 0;
      const handler = (bot: UpdateHandler): UpdateHandler => ({
        async handleUpdate(update) {
          if (isHeld && held in update) throw new Error("held back");
          await bot.handleUpdate(update);
          if (isHeld) others++;
        },
      });
      await withWebhook("Node", async ({ server, settled, item }) => {
        const user = server.user();
        user.say("/start");
        await settled();
        isHeld = true;
        act(user);
        await until(() => others === counts[other], `no ${other} came`);
        await until(() => answered(server, 500) > 0, `no ${held} came`);
        await until(() => server.pendingUpdates === counts[held], "not the others are taken");
        isHeld = false;
        await until(() => server.pendingUpdates === 0, "not all sent again", 40_000);
        const { is_active, removed_reason, message_count } = await item(user) ?? {};
        assert.equal(is_active?.BOOL ? "active" : removed_reason?.S, end);
        assert.equal(message_count, { N: String(1 + counts.message) });
      }, { handler });
    });
  }
}

over("an answer that is lost after the update is kept: it is sent again, and counts once", async () => {
  let cut: (() => void) | undefined;
  let kills = 0;
  const handler = (bot: UpdateHandler): UpdateHandler => ({
    async handleUpdate(update) {
      await bot.handleUpdate(update);
      if (update.message?.text === "kill" && kills++ === 0) cut?.();
    },
  });
  await withBotOverHttp(async (scene) => {
    const { server, item } = scene;
    const callback = webhookCallback(handler(scene.bot), { secretToken });
    const cutting = ((request: { socket: Socket }, response: never): unknown => {
      cut = () => request.socket.destroy();
      return callback(request as never, response);
    }) as typeof callback;
    await using webhook = await serve("Node", cutting);
    await setWebhook(scene, webhook.url);
    const ada = server.user();
    ada.say("kill");
    ada.say("next");
    await until(() => server.pendingUpdates === 0, "not sent again");
    assert.is(answered(server, undefined), 1);
    assert.is(answered(server, 200), 2);
    assert.equal((await item(ada))?.["message_count"], { N: "2" });
    assert.is(said(ada).filter((text) => text === welcome).length, 1);
    assert.equal(webhook.errors, []);
  }, { state: "initialized" });
});

over(
  "the same update twice at once counts once",
  () =>
    withWebhook("Node", async ({ server, webhook, item }) => {
      const ada = server.user();
      const message = server.unheard(() => ada.say("hello"));
      const body = JSON.stringify({ update_id: 100_000_001, message });
      const statuses = await Promise.all(
        Array.from({ length: 5 }, async () => (await send(webhook, { body })).status),
      );
      assert.equal(statuses, Array(5).fill(200));
      assert.equal((await item(ada))?.["message_count"], { N: "1" });
      assert.is(said(ada).filter((text) => text === welcome).length, 1);
    }),
);

over(
  "many people at once are all registered and welcomed, over several connections",
  () =>
    withWebhook("Node", async ({ server, table, settled }) => {
      const users = Array.from({ length: 100 }, () => server.user());
      for (const user of users) user.say("/start");
      await settled();
      assert.is(await table.size(), 100);
      for (const user of users) assert.ok(said(user).includes(welcome));
    }),
);

over.run();
