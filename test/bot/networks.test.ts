/** Networks as they are: dead connections, broken answers, proxies, none at the start. Nobody is lost, nothing is sent twice. */
import http from "node:http";
import net from "node:net";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { Bot } from "grammy/web";
import { type LocalUser, startBotApiServer } from "../../lib/local/mod.ts";
import { rootCauseOf } from "../../lib/util/errors.ts";
import { unsentCode } from "../../lib/util/http/connections.ts";
import { createTransport } from "../../lib/util/http/transport.ts";
import { InMemoryChatStorage, MeanReversionTelegramBot, subscriptions, TelegramError } from "../../mod.ts";
import { assert, suite } from "../harness.ts";
import { botOn, deadAddress, pause, subscribers, until, withBotOverHttp } from "../support/bot.ts";
import { clientAt } from "../support/client.ts";
import { Nat } from "../support/nat.ts";
import { failureOf } from "../support/storage.ts";

const test = suite("networks", {}, 60_000);

const png = new Uint8Array(1000).fill(7);
/** Longer than a connection may rest. */
const restMs = 5200;

const timesIn = ({ inbox }: LocalUser, words: string): number =>
  inbox.filter(({ text, caption }) => (text ?? caption ?? "").includes(words)).length;

for (const how of ["vanish", "reset"] as const) {
  test(`connections that died in a rest are not used (${how}): everybody has the next signal, and each write arrives`, async () => {
    await withBotOverHttp(async ({ server, gate, another, item }) => {
      await using toTelegram = await Nat.before(server.apiRoot);
      await using toDynamoDB = await Nat.before(gate.endpoint);
      const bot = another({ apiRoot: toTelegram.url, client: clientAt(toDynamoDB.url) });
      await bot.startBot();
      const users = Array.from({ length: 20 }, () => server.user());
      for (const user of users) user.say("/start");
      await Promise.all(users.map((user) => user.received("Welcome")));
      await pause(restMs);
      toTelegram.forget(how);
      toDynamoDB.forget(how);
      const report = await bot.broadcast("after the rest", { broadcastId: "rest" });
      assert.equal([report.sent, report.unknown, report.failed], [20, 0, 0]);
      for (const user of users) assert.is(timesIn(user, "after the rest"), 1);
      assert.ok(await item(users[0] as LocalUser), "the table is read");
      await bot.stopBot();
    }, { state: "made", hasLedger: true });
  });
}

test("a network that answers with its own page: messages wait, and all but the first few go out later", async () => {
  await withBotOverHttp(async (scene) => {
    const { bot, server, logs } = scene;
    const users = await subscribers(scene, 100);
    await bot.initialize();
    const portal = server.fault({ times: Infinity, answer: { page: 200 } });
    const run = bot.broadcast("a signal");
    await until(() => logs.of("warn", "messages wait until it can").length > 0, "nothing is said");
    assert.match(String(logs.of("warn", "messages wait until it can")), "not in the Bot API's form");
    portal.clear();
    const report = await run;
    assert.is(report.sent + report.unknown, 100);
    assert.ok(report.unknown <= 30, `${report.unknown} were lost`);
    assert.is(users.filter((user) => timesIn(user, "a signal") === 1).length, report.sent);
  }, { state: "made", bot: { messagesPerSecond: 30 } });
});

test("startBot({ retry: true }) waits for the network, says so once, and hears then", async () => {
  await withBotOverHttp(async ({ server, another, logs }) => {
    const port = Number(new URL(server.apiRoot).port);
    await server.close();
    const bot = another();
    assert.instance(await failureOf(bot.startBot()), TelegramError);
    const starting = bot.startBot({ retry: true });
    await until(() => logs.of("warn", "The bot starts as soon as it can").length > 0, "nothing is said");
    await using later = await startBotApiServer({ port, token: server.token });
    const ada = later.user();
    ada.say("/start");
    await starting;
    await ada.received("Welcome");
    assert.is(logs.of("warn", "The bot starts as soon as it can").length, 1);
    await bot.stopBot();
  }, { state: "made" });
});

test("stopBot() ends a start that waits for the network; a refused token does, too", async () => {
  const parts = { useDynamoDB: false, logger: { info() {}, warn() {}, error() {} } };
  const bot = new MeanReversionTelegramBot({ botToken: "1:AAAA", apiRoot: await deadAddress(), ...parts });
  const starting = failureOf(bot.startBot({ retry: true }));
  await bot.stopBot();
  assert.match((await starting).message, "stopped");
  await using server = await startBotApiServer();
  const other = new MeanReversionTelegramBot({ botToken: "1:AAAA", apiRoot: server.apiRoot, ...parts });
  assert.match((await failureOf(other.startBot({ retry: true }))).message, "refused the bot's token");
  assert.is(
    (await failureOf(other.startBot({ retries: true } as never))).message,
    "Cannot start the bot as retries is not an option: did you mean retry?",
  );
  await other.stopBot();
});

test("a fetch of the user's carries all requests to Telegram, each once", async () => {
  await withBotOverHttp(async (scene) => {
    const asked: string[] = [];
    const own: typeof fetch = async (input, init) => {
      asked.push(String(input).split("/").at(-1) ?? "");
      assert.is(init?.redirect, "manual");
      return await fetch(input, init);
    };
    const bot = scene.another({ fetch: own });
    const users = await subscribers(scene, 3);
    const report = await bot.broadcast({ text: "signal", photo: png });
    assert.is(report.sent, 3);
    for (const user of users) assert.is(timesIn(user, "signal"), 1);
    for (const method of ["getMe", "sendPhoto"]) assert.ok(asked.includes(method), method);
    assert.is(asked.length, scene.server.calls.length);
    await bot.stopBot();
  }, { state: "made" });
});

test("subscriptions() send by the way of the grammY bot that they sit on, and repeat nothing", async () => {
  await using server = await startBotApiServer();
  const asked: string[] = [];
  const own: typeof fetch = async (input, init) => {
    asked.push(String(input).split("/").at(-1) ?? "");
    return await fetch(input, init);
  };
  const bot = new Bot(server.token, { client: { apiRoot: server.apiRoot, fetch: own } });
  const storage = new InMemoryChatStorage();
  await using subscribed = subscriptions({ storage, logger: { info() {}, warn() {}, error() {} } });
  const users = [server.user({ opened: true }), server.user({ opened: true })];
  for (const { chatId } of users) await storage.saveChat(chatId);
  server.fault({ method: "sendMessage", times: 1, answer: "lose" });
  const report = await subscribed.broadcast(bot.api, "signal");
  assert.equal([report.sent, report.unknown], [1, 1]);
  assert.is(asked.filter((method) => method === "sendMessage").length, 2);
  for (const user of users) assert.is(timesIn(user, "signal"), 1);
});

/** A proxy that knows where a name leads which no resolver does, and what it was asked. */
async function withProxy(
  to: string,
  visit: (proxy: { readonly url: string; readonly asked: string[] }) => Promise<void>,
): Promise<void> {
  const asked: string[] = [];
  const proxy = http.createServer((request, response) => {
    const { host, pathname } = new URL(String(request.url));
    asked.push(host);
    const { method, headers } = request;
    const onward = http.request(`${to}${pathname}`, {
      method,
      headers: { ...headers, host: new URL(to).host },
    }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  proxy.on("connect", (request, socket) => {
    asked.push(String(request.url));
    socket.on("error", () => {}).end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const before = { ...process.env };
  Object.assign(process.env, { HTTP_PROXY: url, HTTPS_PROXY: url, NO_PROXY: "127.0.0.1" });
  try {
    await visit({ url, asked });
  } finally {
    for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"]) delete process.env[name];
    Object.assign(process.env, before);
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  }
}

test("HTTP_PROXY and HTTPS_PROXY lead to Telegram, NO_PROXY past them, and a proxy that does not connect is named", async () => {
  await withBotOverHttp(async ({ server, another }) => {
    await withProxy(server.apiRoot, async ({ asked }) => {
      const bot = another({ apiRoot: "http://api.telegram.test", useDynamoDB: false });
      await bot.initialize();
      assert.ok(asked.length > 0 && asked.every((host) => host === "api.telegram.test"), String(asked));
      await bot.stopBot();
      asked.splice(0);
      const direct = another({ useDynamoDB: false });
      await direct.initialize();
      await direct.stopBot();
      assert.equal(asked, [] as string[]);
      const error = await failureOf(another({ apiRoot: "https://api.telegram.test" }).initialize());
      assert.match(error.message, /the proxy does not connect: it answers 502|unsuccessful tunnel/);
      assert.ok(asked.every((host: string) => host === "api.telegram.test:443"), String(asked));
    });
  }, { state: "made" });
});

test("NO_PROXY stands for subdomains, too; a proxy without a scheme is asked by http, one that is none is named", async () => {
  await withBotOverHttp(async ({ server }) => {
    await withProxy(server.apiRoot, async ({ url, asked }) => {
      const ask = (address: string): Promise<Response> => createTransport()(address);
      for (const exempt of ["telegram.test", ".telegram.test", "other.test,telegram.test", "*"]) {
        process.env["NO_PROXY"] = exempt;
        await failureOf(ask("http://api.telegram.test/"));
        assert.equal(asked, [] as string[], exempt);
      }
      process.env["NO_PROXY"] = "elegram.test";
      process.env["HTTP_PROXY"] = url.slice("http://".length);
      await ask("http://api.telegram.test/");
      assert.equal(asked, ["api.telegram.test"]);
      for (const none of ["socks5://127.0.0.1:9", "http://user:100%@127.0.0.1:9", "http://"]) {
        process.env["HTTP_PROXY"] = none;
        const { message } = await failureOf(ask("http://api.telegram.test/"));
        assert.match(message, /^The value of HTTP_PROXY is no proxy's address: it must be such as http:/);
        assert.not.match(message, "100%");
      }
    });
  }, { state: "made" });
});

test("a proxy that never answers holds nobody up: nothing was sent, and its connections are closed", async () => {
  const open = new Set<net.Socket>();
  const proxy = net.createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {}).on("close", () => open.delete(socket)).resume();
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  process.env["HTTPS_PROXY"] = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  try {
    const unsent = failureOf(createTransport()("https://api.telegram.test/"));
    const bot = botOn({ token: "1:a", apiRoot: "https://api.telegram.test" }, await deadAddress());
    const { message } = await failureOf(bot.initialize());
    assert.match(message, "no answer within 4.7 s");
    assert.match(message, "Check the network, the proxy that HTTPS_PROXY names, and TELEGRAM_API_ROOT");
    const leaving = new AbortController();
    const left = failureOf(createTransport()("https://api.telegram.test/", { signal: leaving.signal }));
    await until(() => open.size === 2, "the proxy is not asked");
    leaving.abort(new Error("nobody waits"));
    assert.match((await left).message, "nobody waits");
    assert.is((await unsent as Error & { code?: string }).code, unsentCode);
    await until(() => open.size === 0, "connections are left open");
  } finally {
    delete process.env["HTTPS_PROXY"];
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
  }
});

test("an error names the cause at its bottom: a code, a name that is not found, each address's trouble", async () => {
  const bot = (apiRoot: string): MeanReversionTelegramBot =>
    botOn({ token: "1:AAAA", apiRoot }, "http://127.0.0.1:1", { useDynamoDB: false });
  assert.match((await failureOf(bot(await deadAddress()).initialize())).message, /refused/i);
  const unknown = (await failureOf(bot("http://nowhere.invalid").initialize())).message;
  assert.match(unknown, /ENOTFOUND|EAI_AGAIN|failed to lookup|dns error/);
  const members = [
    new Error("connect ETIMEDOUT 192.0.2.1:443"),
    new Error("connect ENETUNREACH 2001:db8::1:443"),
  ];
  const wrapped = new Error("wrapped", { cause: new AggregateError(members) });
  assert.is(rootCauseOf(wrapped), "connect ETIMEDOUT 192.0.2.1:443; connect ENETUNREACH 2001:db8::1:443");
  assert.is(rootCauseOf(Object.assign(new AggregateError([]), { code: "ECONNREFUSED" })), "ECONNREFUSED");
  const circle = new Error("round and round.");
  circle.cause = circle;
  assert.is(rootCauseOf(circle), "round and round");
});

test.run();
