/** The token appears in no error and no log, whatever goes wrong, on this runtime. */
import { Buffer } from "node:buffer";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { ScanCommand } from "@aws-sdk/client-dynamodb";
import fc from "fast-check";
import type { Context } from "grammy";
import { MeanReversionTelegramBot } from "../../lib/bot/bot.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { StorageError } from "../../lib/chats/storage.ts";
import { messageOf } from "../../lib/util/errors.ts";
import { createSafeLogger } from "../../lib/util/log.ts";
import {
  redact,
  registerSecret,
  registerToken,
  safeError,
  safeLine,
  safeText,
} from "../../lib/util/safe_text.ts";
import { ConfigError } from "../../lib/util/validate.ts";
import { assert, suite } from "../harness.ts";
import {
  botOn,
  deadAddress,
  FastClock,
  Logs,
  pause,
  plantActive,
  subscribers,
  until,
  withBot,
} from "../support/bot.ts";
import { failureOf } from "../support/storage.ts";

const token = "987654:AAvery-secret_token-of-the-tests";
/** The part of it that tells. */
const secret = "AAvery-secret_token-of-the-tests";

/** Everything that a log, a crash report or a debugger would show of a value. */
function shown(value: unknown, depth = 0): string {
  if (typeof value !== "object" || value === null) return String(value);
  const { message, stack, cause, error } = value as Record<string, unknown>;
  const nested = depth > 5 ? "" : [cause, error].map((inner) => shown(inner, depth + 1)).join("\n");
  const own = Object.getOwnPropertyNames(value).map((key) =>
    `${key}=${(value as Record<string, unknown>)[key]}`
  );
  return [
    `${value}`,
    message,
    stack,
    inspect(value, { depth: 10, showHidden: true, getters: true }),
    JSON.stringify(value, cycleFree()),
    ...own,
    nested,
  ].join("\n");
}

function cycleFree(): (key: string, value: unknown) => unknown {
  const seen = new Set<unknown>();
  return (_key, value) => {
    if (typeof value !== "object" || value === null) return typeof value === "bigint" ? String(value) : value;
    if (seen.has(value)) return "again";
    seen.add(value);
    return value;
  };
}

function assertNoSecret(value: unknown, what: string): void {
  const text = shown(value);
  const at = text.indexOf(secret);
  assert.is(at, -1, `${what}: …${text.slice(Math.max(0, at - 150), at + 50)}`);
}

async function withServer(
  listener: RequestListener,
  body: (apiRoot: string) => Promise<void>,
): Promise<void> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await body(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

function botAt(apiRoot: string, logger = new Logs()): MeanReversionTelegramBot {
  return new MeanReversionTelegramBot({
    botToken: token,
    apiRoot,
    useDynamoDB: false,
    logger,
    clock: new FastClock(100),
  });
}

/** Every way in which a call can be made, and fail. */
async function failures(bot: MeanReversionTelegramBot, signal?: AbortSignal): Promise<Error[]> {
  const { api } = bot.grammy;
  return await Promise.all([
    failureOf(api.getMe(signal as Parameters<typeof api.getMe>[0])),
    failureOf(api.sendMessage(1, "text", {}, signal as Parameters<typeof api.getMe>[0])),
    failureOf(bot.initialize()),
  ]);
}

const test = suite("the token in errors", {}, 60_000);

const echo: RequestListener = ({ url, headers }, response) =>
  void response.writeHead(502, { "content-type": "text/html" }).end(
    `${url} <html>Bad gateway: POST http://${headers.host}${url}</html>`,
  );

const behaviours: Readonly<Record<string, RequestListener>> = {
  "a proxy's page": echo,
  "a connection that is cut": (request) => void request.socket.destroy(),
  "an answer that is cut": (request, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write('{"ok":', () => request.socket.destroy());
  },
  "a redirect in a circle": ({ url }, response) =>
    void response.writeHead(302, { location: url ?? "" }).end(),
  "a redirect to nowhere": ({ url }, response) =>
    void response.writeHead(302, { location: `nowhere://host${url}` }).end(),
  "a refusal that repeats the address": ({ url }, response) =>
    void response.writeHead(400, { "content-type": "application/json" }).end(
      JSON.stringify({ ok: false, error_code: 400, description: `Bad Request: cannot POST ${url}` }),
    ),
  "an answer that is null": (_request, response) => void response.writeHead(200).end("null"),
  "what is no HTTP": (request) => void request.socket.end("nonsense\r\n\r\n"),
};

for (const [name, listener] of Object.entries(behaviours)) {
  test(`no error shows the token: ${name}`, async () => {
    await withServer(listener, async (apiRoot) => {
      const logs = new Logs();
      for (const error of await failures(botAt(apiRoot, logs))) assertNoSecret(error, name);
      assertNoSecret(logs.text, name);
    });
  });
}

test("no error shows the token: nobody listens", async () => {
  const logs = new Logs();
  for (const error of await failures(botAt(await deadAddress(), logs))) assertNoSecret(error, "refused");
  assertNoSecret(logs.text, "log");
});

test("half an emoji may be part of a secret", () => {
  registerSecret("half of one: \ud83d, a secret");
  assert.is(redact("it is half of one: \ud83d, a secret"), "it is <secret>");
});

test("no error shows the token: a host that is not found, or may not be asked", async () => {
  // Deno may not ask for this host; what then carries a body of bytes would keep the process alive for ever.
  const bot = botAt("http://telegram.invalid");
  assertNoSecret(await failureOf(bot.grammy.api.getMe()), "getMe");
  assertNoSecret(await failureOf(bot.initialize()), "initialize");
});

test("no error shows the token: a port that fetch refuses, a host that is none", async () => {
  for (const apiRoot of ["http://127.0.0.1:1", "http://%zz", "http://a b"]) {
    let bot: MeanReversionTelegramBot;
    try {
      bot = botAt(apiRoot);
    } catch (error) {
      assertNoSecret(error, apiRoot);
      continue;
    }
    for (const error of await failures(bot)) assertNoSecret(error, apiRoot);
  }
});

test("no error shows the token: time-outs and aborts", async () => {
  await withServer(() => {}, async (apiRoot) => {
    const { api } = botAt(apiRoot).grammy;
    const abort = new AbortController();
    const cases = [
      AbortSignal.timeout(30),
      abort.signal,
      AbortSignal.abort(),
      AbortSignal.abort(new Error(`${apiRoot}/bot${token}/getMe`)),
    ].map((signal) => failureOf(api.getMe(signal as Parameters<typeof api.getMe>[0])));
    await pause(10);
    abort.abort();
    for (const error of await Promise.all(cases)) assertNoSecret(error, "aborted");
  });
});

test("no log and no report shows the token while everything goes wrong", async () => {
  await withBot(async (scene) => {
    const { bot, server, logs } = scene;
    const users = await subscribers(scene, 6);
    await bot.startBot();
    for (const user of users) {
      const chatId = user.chatId;
      server.fault({
        method: "sendMessage",
        chatId,
        times: Infinity,
        answer: chatId % 2 === 0 ? "reset" : "lose",
      });
    }
    server.fault({ method: "getUpdates", times: 3, answer: "reset" });
    for (const user of users) user.say("/start");
    const report = await bot.broadcast("signal");
    await scene.settled();
    assert.is(report.unknown, 6);
    const text = shown(report) + logs.text;
    assert.is(text.indexOf(server.token.split(":")[1] ?? ""), -1);
    assert.ok(logs.lines.length > 3, "there was something to say");
  }, { state: "made", bot: { clock: new FastClock(100) } });
});

test("a user's handler that throws what it caught is logged without the token", async () => {
  await withBot(async ({ bot, server, logs, settled }) => {
    const raw = `${server.apiRoot}/bot${server.token}/sendPhoto`;
    bot.grammy.command("raw", () => {
      throw new TypeError(`fetch of ${raw} failed`, { cause: new Error(raw) });
    });
    bot.grammy.command("text", () => {
      throw raw;
    });
    bot.grammy.command("object", () => {
      throw { toString: () => raw };
    });
    await bot.startBot();
    const user = server.user();
    for (const command of ["/raw", "/text", "/object"]) user.say(command);
    await settled();
    assert.is(logs.of("error").length, 3);
    assert.is(logs.text.indexOf(server.token), -1, logs.text);
  }, { state: "made" });
});

test("what the caller's own functions throw reaches no report, no log, no ledger and no error", async () => {
  await withBot(async (scene) => {
    const { bot, server, logs, table } = scene;
    await subscribers(scene, 6);
    const url = `${server.apiRoot}/bot${server.token}/sendMessage`;
    const fails = (): never => {
      throw new Error(`fetch failed: ${url}`, { cause: new Error(url) });
    };
    const texts: string[] = [];
    for (
      const [broadcastId, perChat] of [["one", fails], [undefined, fails], [
        "two",
        () => Promise.reject(url),
      ]] as const
    ) {
      const report = await bot.broadcast("signal", { broadcastId, perChat });
      assert.is(report.failed, 6);
      assert.match(String(report.errors[0]?.message), "<token>");
      texts.push(shown(report), String(report));
    }
    texts.push(shown(await failureOf(bot.broadcast("signal", { filter: fails }))));
    await bot.broadcast("signal", { onProgress: fails });
    const ledger = await table.direct.send(new ScanCommand({ TableName: "telegram-broadcasts" }));
    assert.is(ledger.Items?.length, 2);
    for (const text of [...texts, logs.text, JSON.stringify(ledger.Items)]) {
      assert.is(text.indexOf(server.token.split(":")[1] ?? ""), -1, text);
    }
  }, { state: "made", hasLedger: true });
});

/** Whatever holds the text, for a user's code to throw. */
const holders: Readonly<Record<string, (text: string) => unknown>> = {
  "a text": (text) => text,
  "a list": (text) => [text],
  "an error": (text) => new Error(text),
  "a frozen error": (text) => Object.freeze(new Error(text)),
  "a frozen cause": (text) => new Error("x", { cause: Object.freeze(new Error(text)) }),
  "many causes": (text) => {
    let error = new Error(text);
    for (let layer = 0; layer < 50; layer++) error = new AggregateError([error], "x", { cause: error });
    return error;
  },
  "a property of a symbol": (text) => Object.assign(new Error("x"), { [Symbol("url")]: text }),
  "a property's name": (text) => Object.assign(new Error("x"), { headers: { [text]: 1 } }),
  "an item": (text) => Object.assign(new Error("x"), { Item: text }),
  "a map": (text) => Object.assign(new Error("x"), { map: new Map([[text, text]]) }),
  "a set": (text) => Object.assign(new Error("x"), { set: new Set([text]) }),
  "a URL": (text) => Object.assign(new Error("x"), { url: new URL(text) }),
  "headers": (text) => Object.assign(new Error("x"), { headers: new Headers({ location: text }) }),
  "a request": (text) => Object.assign(new Error("x"), { request: new Request(text) }),
  "bytes": (text) => Object.assign(new Error("x"), { body: new TextEncoder().encode(text) }),
  "a getter": (text) => Object.defineProperty(new Error("x"), "url", { get: () => text, enumerable: true }),
  "a getter of its class": (text) =>
    new (class extends Error {
      override get message(): string {
        return text;
      }
    })(),
  "its class": (text) => new ({ [text]: class extends Error {} }[text] as typeof Error)("x"),
  "its name": (text) => Object.assign(new Error("x"), { name: text }),
  "a view of its own": (text) => Object.assign(new Error("x"), { [inspect.custom]: () => text }),
  "a view of its own, by what it has the console show": (text) =>
    Object.assign(new Error("x"), {
      [inspect.custom]: (_: number, options: object, show: typeof inspect) =>
        show({ text: [[text]] }, options),
    }),
  "a view for Deno": (text) =>
    Object.assign(new Error("x"), {
      [Symbol.for("Deno.customInspect")]: (show: typeof inspect) => show({ text }),
    }),
  "a DOMException": (text) => new DOMException(text, "AbortError"),
  "a function": (text) => Object.assign(() => {}, { text }),
  "a Proxy": (text) =>
    new Proxy(new Error(text), {
      ownKeys() {
        throw new Error(text);
      },
    }),
};

test("what has a view of its own, and shows no secret, stays in an error", () => {
  const own = {
    [inspect.custom]: (_: number, options: object, show: typeof inspect) => show({ a: 1 }, options),
  };
  const held = [
    ...[own, new URL("https://example.org/a?b=1"), new URLSearchParams("a=1"), new Headers({ a: "b" })],
    ...[new Blob(["a"]), new AbortController(), AbortSignal.abort(), new Event("a"), new TextDecoder()],
    ...[new Request("https://example.org"), new Response("a"), new Map([[1, 2]]), Buffer.from("a")],
  ];
  for (const each of held) {
    const error = safeError(Object.assign(new Error("x"), { each })) as { readonly each?: unknown };
    assert.is(error.each, each, inspect(each));
  }
});

for (const [what, hold] of Object.entries(holders)) {
  test(`what a user's function throws, and a user's storage, shows no token: ${what}`, async () => {
    await withBot(async (scene) => {
      const { bot, server, logs } = scene;
      await subscribers(scene, 1);
      const fails = (): never => {
        throw hold(`${server.apiRoot}/bot${server.token}/sendMessage`);
      };
      const texts = [shown(await bot.broadcast("x", { perChat: fails }))];
      for (const option of ["filter", "order"]) {
        texts.push(shown(await failureOf(bot.broadcast("x", { [option]: fails }))));
      }
      for (const method of ["createTableIfNotExists", "claim", "scan", "apply"] as const) {
        const storage = Object.assign(new InMemoryChatStorage(), { [method]: fails });
        const own = botOn(server, "http://127.0.0.1:1", { client: undefined, storage, logger: logs });
        const calls = [() => own.initialize(), () => own.getStatistics(), () => own.broadcast("x")];
        for (const call of calls) texts.push(shown(await call().catch((error) => error)));
        await own.stopBot();
      }
      for (const text of [...texts, logs.text]) {
        assert.is(text.indexOf(server.token.split(":")[1] ?? ""), -1, text);
      }
    });
  });
}

test("what others have written breaks no line of a log or a report", async () => {
  const words = "unheard\r\n  FAKE LINE: the bot is fine\u2028FAKE";
  const whole = /unheard FAKE LINE: the bot is fine\\u2028FAKE/;
  await withBot(async (scene) => {
    const { bot, server, logs, settled } = scene;
    const [user] = await subscribers(scene, 1);
    bot.grammy.command("boom", () => {
      throw new Error(words);
    });
    await bot.startBot();
    user?.say("/boom");
    await settled();
    server.fault({
      method: "sendMessage",
      answer: { error_code: 400, description: `Bad Request: ${words}` },
      times: 1,
    });
    const report = await bot.broadcast("signal");
    assert.match(report.errors[0]?.message ?? "", whole);
    const perChat = (): never => {
      throw new Error(words);
    };
    assert.match((await bot.broadcast("signal", { perChat })).errors[0]?.message ?? "", whole);
    assert.match(logs.text, whole);
    assert.is(/^\s*FAKE/m.test(logs.text), false, logs.text);
  });
});

test("a log line shows control characters, and turns nothing around", async () => {
  const lines: string[] = [];
  const logger = createSafeLogger({ info: (line) => lines.push(line), warn: () => {}, error: () => {} });
  logger.info("a\u001b[2J\u202egnp\u2066\u0007\r\nnext\tline \u0085é📈");
  assert.equal(lines, ["a\\u001b[2J\\u202egnp\\u2066\\u0007\\u000d\nnext\tline \\u0085é📈"]);
  await withBot(async ({ bot, server, logs }) => {
    bot.grammy.command("boom", () => {
      throw new Error("\u001b]0;owned\u0007");
    });
    await bot.startBot();
    server.user().say("/boom");
    await until(() => logs.of("error").length > 0, "it is not logged");
    assert.is(logs.text.includes("\u001b"), false);
    assert.match(logs.text, "\\u001b]0;owned\\u0007");
  }, { state: "made" });
});

test("errors and reports show control characters that others have sent", async () => {
  const evil = "\u001b[2Jx\u202ey\u0085";
  const shown = "\\u001b[2Jx\\u202ey\\u0085";
  assert.is(new ConfigError(`a\n\t${evil}`).message, `a\n\t${shown}`);
  assert.match(messageOf(new StorageError("table", "x", { cause: new Error(evil) }).cause), shown);
  await withBot(async ({ bot, server }) => {
    const user = server.user();
    user.say("/start");
    await bot.startBot();
    await user.received("Welcome! You are subscribed.");
    server.fault({ method: "sendMessage", answer: { error_code: 400, description: `Bad Request: ${evil}` } });
    const { errors } = await bot.broadcast("signal");
    assert.match(errors[0]?.message ?? "", shown);
    const order = (): never => {
      throw new TypeError(evil);
    };
    assert.is((await failureOf(bot.broadcast("signal", { order }))).message.includes("\u001b"), false);
  }, { state: "made" });
});

test("a /stop holds in an item whose attributes would not be shown as they are", async () => {
  const odd = ["\u001b[2J\u202e", ["AKIA", "Q".repeat(16)].join("")];
  await withBot(async ({ bot, server, table, item, settled, logs }) => {
    const users = odd.map(() => server.user({ opened: true }));
    for (const [index, user] of users.entries()) {
      await plantActive(table, user.chatId);
      // Without a map of names the first guess is refused, and the item comes with the refusal.
      const { user_info: _names, ...rest } = await item(user) ?? {};
      await table.put({ ...rest, removed_at: { S: odd[index] ?? "" }, last_word_update_id: { SS: odd } });
    }
    await bot.startBot();
    for (const user of users) user.say("/stop");
    await settled();
    for (const user of users) {
      assert.equal((await item(user))?.["is_active"], { BOOL: false });
      assert.equal(user.inbox.map(({ text }) => text?.split("\n")[0]), ["You are unsubscribed."]);
    }
    assert.equal(logs.of("error"), []);
  }, { state: "made" });
});

test("no console and no JSON shows the token of the bot, of its grammY bot, or of a handler's context", async () => {
  await withBot(async ({ bot, server, settled }) => {
    const contexts: Context[] = [];
    bot.grammy.on("message", (context) => void contexts.push(context));
    await bot.startBot();
    server.user().say("hello");
    await settled();
    assert.is(contexts.length, 1);
    for (
      const value of [
        ...[bot, bot.grammy, bot.grammy.api, contexts[0], contexts[0]?.api, [{ bot: bot.grammy }]],
        ...[Object.create(bot.grammy), Object.create(bot.grammy.api)],
      ]
    ) {
      const deno = (globalThis as { Deno?: { inspect(value: unknown, options: object): string } }).Deno;
      const texts = [
        inspect(value, { depth: 10 }),
        inspect(value, { depth: 10, showHidden: true }),
        deno?.inspect(value, { depth: 10 }) ?? "",
        JSON.stringify(value, cycleFree()),
        String(value),
      ];
      for (const text of texts) assert.is(text.indexOf(server.token), -1, text);
    }
    assert.match(inspect(bot.grammy.api), "token: '<token>'");
    // It reads as before.
    assert.equal([bot.grammy.token, contexts[0]?.api.token], [server.token, server.token]);
  }, { state: "made" });
});

test("a text that is made to be slow to look at is not", () => {
  const runs = [
    " ",
    "\t",
    "\r\n",
    "\n ",
    "1",
    "1:",
    "Basic ",
    "://",
    "://a:",
    "@",
    "aB1/",
    "a/",
    "%25",
    "&#58;",
    "\u001b[",
  ];
  for (const run of runs) {
    const text = run.repeat(200_000);
    for (const make of [redact, safeText, safeLine]) assert.type(make(text), "string");
  }
});

test("redact() finds a token behind a million digits, without looking at them again and again", () => {
  for (const run of ["1", "a", "aB1/"]) {
    const text = `${run.repeat(1_000_000)} ${token} https://ada:pass@`;
    assert.ok(redact(text).endsWith(" <token> https://<credentials>@"));
  }
});

test.run();

const units = suite("redact() and safeError()");

registerToken(token);

units("redact() leaves nothing of a secret, as it is or encoded", () => {
  const odd = 'p"ss\\wörd %';
  registerSecret(odd);
  for (const [secret, shownAs] of [[token, "<token>"], [odd, "<secret>"]] as const) {
    fc.assert(fc.property(fc.string(), fc.string(), (before, after) => {
      const inUrl = encodeURIComponent(secret);
      const forms = [
        secret,
        inUrl,
        inUrl.replace(/%../g, (code) => code.toLowerCase()),
        JSON.stringify(secret),
      ];
      for (const form of forms) {
        const text = redact(`${before}${form}${after}${form}`);
        assert.is(text.includes(form.replaceAll('"', "")), false, text);
        assert.ok(text.includes(shownAs));
      }
    }));
  }
  assert.is(redact("nothing here"), "nothing here");
});

units("redact() knows by its shape what is a secret, and what is none", () => {
  const shapes: readonly (readonly [string, string])[] = [
    ["at https://ada:s3cret@proxy.test:3128/x", "at https://<credentials>@proxy.test:3128/x"],
    [`of AKIA${"IOSFODNN7EXAMPLE"},`, "of <access key>,"],
    ['"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"', '"<secret>"'],
    ["5550001111:AAFexampleexampleexampleexample", "<token>"],
    ...["%3a", "%253A", "%25253A", "&#58;", "&#x3A;", "\\u003a", "\\:"].map((colon) =>
      [`5550001111${colon}AAFexampleexampleexampleexample`, "<token>"] as const
    ),
    ["Proxy-Authorization: Basic YWRhOnMzY3JldA==", "Proxy-Authorization: Basic <credentials>"],
    ["at https://ada:s3/cr?e#t@proxy.test/x", "at https://<credentials>@proxy.test/x"],
    ["at https://ada:s@cret@proxy.test", "at https://<credentials>@proxy.test"],
    ["at https://s3cret@proxy.test", "at https://<credentials>@proxy.test"],
  ];
  for (const [text, shown] of shapes) assert.is(redact(text), shown);
  const harmless = [
    "commit 3f786850e387550fdab836ed7e6dc881de23001b",
    "https://example.org:8080/a@b",
    "https://t.me/@ada",
    "the basic signals of a bearer market",
    "Basic strategies, and Bearer certificates.",
    "chat 42:mean_reversion_bollinger_5m",
    "20261127:BTCUSD_mean_reversion_long, src/foo.ts:12:veryLongFunctionNameOfMine",
    "arn:aws:iam::123456789012:role-with-a-long-name-of-20",
    "/home/Ann/projects/telegram2/signals/lib",
    "/home/ada/projects/signals/src/strategies/mean",
    "12:30:45 arn:aws:dynamodb:eu-west-1:123456789012:table/telegram-chats",
  ];
  for (const text of harmless) assert.is(redact(text), text);
});

const url = `http://127.0.0.1/bot${token}/getMe`;

units("safeError() reaches every error that an error stands for, and survives what is odd", () => {
  const error = new AggregateError([new Error(url), url], url, { cause: new Error(url, { cause: { url } }) });
  Object.assign(error, { error: new TypeError(url), self: error, url, list: [url, [url]] });
  assert.is(safeError(error), error, "the same error");
  assert.is(shown(error).indexOf(secret), -1);
  const frozen = Object.freeze(new Error("nothing secret"));
  for (const odd of [null, undefined, 5, "text", frozen]) assert.is(safeError(odd), odd);
});

units("safeError() of an error that cannot be changed gives another one, and not an error of its own", () => {
  const frozen = Object.freeze(new TypeError(url));
  const { name, message } = safeError(frozen) as Error;
  assert.equal([name, message], ["TypeError", "http://127.0.0.1/bot<token>/getMe"]);
  const accessor = Object.defineProperty(new Error("x"), "odd", {
    get: () => {
      throw new Error("do not look");
    },
    enumerable: true,
  });
  assert.is((safeError(accessor) as Error).message, "x");
});

units("safeError() changes no object but errors: what they hold is the user's, and is still in use", () => {
  const agent = {
    headers: { authorization: "Basic YWRhOnMzY3JldA==" },
    key: new TextEncoder().encode(token),
  };
  const mine = { token, list: [url], map: new Map([[1, url]]), agent };
  const before = inspect(mine, { depth: 9 });
  const list = [new Error(url), mine];
  const error = Object.assign(new Error("x", { cause: mine }), { config: mine, list, agent });
  const safe = safeError(error);
  assert.is(shown(safe).indexOf(secret), -1);
  assert.is(inspect(mine, { depth: 9 }), before);
  assert.is(list[1], mine);
  assert.is((safeError(Object.freeze(error)) as Error).message, "x");
  const thrown = safeError(mine);
  assert.is(shown(thrown).indexOf(secret), -1);
  assert.is(inspect(mine, { depth: 9 }), before);
});

units("safeError() of what is large or deep takes no time, and shows no secret", () => {
  let chain: object = { url };
  let causes = new Error(url);
  let shared: unknown[] = [url];
  for (let depth = 0; depth < 20_000; depth++) chain = { next: chain };
  for (let depth = 0; depth < 5000; depth++) causes = new Error("x", { cause: causes });
  for (let depth = 0; depth < 30; depth++) shared = Array.from({ length: 8 }, () => shared);
  const wide = Array.from({ length: 100_000 }, () => ({ url }));
  for (const value of [chain, shared, wide]) {
    const safe = safeError(Object.assign(new Error("found"), { value })) as Error & { value?: unknown };
    assert.is(safe.message, "found");
    assert.is(safe.value, Array.isArray(value) ? "<Array>" : "<Object>");
  }
  const safe = safeError(causes) as Error;
  assert.is(safe.message, "x");
  for (let cause: unknown = safe; cause instanceof Error; cause = cause.cause) {
    assert.not.ok(cause.message.includes(secret));
  }
});

units.run();
