/** From the first start to the last update: what a bot finds, what it does without DynamoDB, and how it ends. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { CreateTableCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { MeanReversionTelegramBot } from "../../lib/bot/bot.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { StorageError } from "../../lib/chats/storage.ts";
import type { LocalUser } from "../../lib/local/mod.ts";
import type { TradingSignal } from "../../lib/signals/signal.ts";
import { TelegramError } from "../../lib/telegram/errors.ts";
import { ConfigError } from "../../lib/util/validate.ts";
import { assert, suite } from "../harness.ts";
import {
  deadAddress,
  FastClock,
  pause,
  said,
  type Scene,
  soon,
  subscribers,
  until,
  withBot,
  withBotOverHttp,
} from "../support/bot.ts";
import { clientAt, failureOf, TableName } from "../support/storage.ts";

const test = suite("initialize()");

test("initialize() creates the table, sets the menu, and reports", async () => {
  await withBot(async ({ bot, server, gate, logs }) => {
    assert.equal(await bot.initialize(), { storage: "dynamodb", chats: 0, username: "local_test_bot" });
    assert.is(gate.count("CreateTable"), 1);
    const menu = server.calls.find(({ method }) => method === "setMyCommands")?.payload["commands"];
    const names = (menu as { command: string }[]).map(({ command }) => command);
    assert.equal(names.sort(), ["help", "start", "status", "stop"]);
    assert.is(logs.lines.length, 1);
    assert.match(
      logs.of("info")[0] ?? "",
      "@local_test_bot is ready: 0 active chats, kept in the DynamoDB table",
    );
  }, { state: "made", isEmpty: true, bot: { clock: new FastClock(50) } });
});

test("initialize() is harmless when it is called again, or twice at once", async () => {
  await withBot(async ({ bot, server, gate, logs }) => {
    const [one, two] = await Promise.all([bot.initialize(), bot.initialize()]);
    assert.equal(one, two);
    const requests = (): number => gate.requests - gate.count("Query");
    const before = requests();
    assert.equal(await bot.initialize(), one);
    await bot.startBot();
    assert.is(requests(), before);
    assert.ok(gate.count("Query") <= 1, "one question for broadcasts that were left unfinished");
    assert.is(server.countCalls("getMe"), 1);
    assert.is(logs.lines.length, 1);
  }, { state: "made" });
});

test("initialize() creates no table where there is one, so a policy without CreateTable will do", async () => {
  await withBot(async ({ bot, gate }) => {
    gate.deny("CreateTable");
    assert.is((await bot.initialize()).storage, "dynamodb");
    assert.is(gate.count("CreateTable"), 0);
  }, { state: "made" });
});

test("a restart finds exactly the chats that it left", async () => {
  await withBot(async ({ bot, server, another, settled }) => {
    const boss = server.user();
    const users = Array.from({ length: 10 }, () => server.user());
    const group = server.group({ title: "Desk", administrators: [boss] });
    for (const user of users) user.say("/start");
    group.say(boss, "/start");
    users[0]?.say("/stop");
    users[1]?.block();
    users[2]?.say("/stop");
    users[2]?.say("/start");
    await settled();
    const supergroup = group.migrate();
    await settled();
    await bot.stopBot();
    const next = another();
    assert.equal(await next.initialize(), { storage: "dynamodb", chats: 9, username: "local_test_bot" });
    const report = await next.broadcast("signal");
    assert.equal([report.recipients, report.sent], [9, 9]);
    const got = [...users, group, supergroup].map((chat) => said(chat).includes("signal"));
    assert.equal(got, [false, false, ...Array(8).fill(true), false, true]);
    const { totalChats, activeChats, inactiveChats, totalMessages, isPolling } = await next.getStatistics();
    assert.equal([totalChats, activeChats, inactiveChats, totalMessages, isPolling], [12, 9, 3, 15, false]);
  });
});

test("useDynamoDB: false is memory without a warning, and registers as ever", async () => {
  await withBot(async ({ bot, server, gate, logs, settled }) => {
    gate.deny();
    const result = await bot.initialize();
    assert.equal(result, { storage: "memory", chats: 0, username: "local_test_bot" });
    await bot.startBot();
    const user = server.user();
    user.say("hello");
    await settled();
    assert.equal(said(user), ["Welcome! You are subscribed."]);
    assert.is((await bot.broadcast("signal")).sent, 1);
    user.say("/status");
    await user.received("in memory, until the bot restarts");
    assert.equal([logs.of("warn"), logs.of("error")], [[], []]);
    assert.is(gate.requests, 0);
  }, { state: "made", bot: { useDynamoDB: false } });
});

test("initialize() uses a storage of the user's own, and leaves it open", async () => {
  let closed = 0;
  class Own extends InMemoryChatStorage {
    override close(): void {
      closed++;
    }
  }
  const storage = new Own();
  await storage.saveChat(7);
  await withBot(async ({ bot }) => {
    assert.equal(await bot.initialize(), { storage: "memory", chats: 1, username: "local_test_bot" });
    await bot.stopBot();
    assert.is(closed, 0);
  }, { state: "made", bot: { storage } });
});

test("cleanupInactiveChats() deactivates who has long not written, and leaves them out of broadcasts", async () => {
  await withBot(async ({ bot, server, table, item, settled }) => {
    const [fresh, stale] = [server.user(), server.user()];
    fresh.say("/start");
    stale.say("/start");
    await settled();
    const old = new Date(Date.now() - 40 * 86_400_000).toISOString();
    await table.put({ ...await item(stale), last_active: { S: old } });
    assert.is(await bot.cleanupInactiveChats({ daysThreshold: 30 }), 1);
    assert.equal((await item(stale))?.["removed_reason"], { S: "inactive" });
    assert.is((await bot.broadcast("signal")).recipients, 1);
    assert.instance(await failureOf(bot.cleanupInactiveChats({ daysThreshold: 0 })), RangeError);
  });
});

test.run();

const unusable = suite("initialize() where DynamoDB cannot be used", {}, 60_000);

interface Trouble {
  readonly make: (scene: Scene) => unknown;
  /** What the one message says, cause and remedy. */
  readonly says: readonly string[];
  readonly isEmpty?: boolean;
  readonly client?: () => DynamoDBClient;
  readonly regionName?: string;
}

function clientThatThrows(error: object): DynamoDBClient {
  const client = clientAt("http://127.0.0.1:9");
  Object.assign(client.config, {
    credentials: () => Promise.reject(Object.assign(new Error("thrown"), error)),
  });
  return client;
}

const serviceError = (type: string, message: string) => ({ gate }: Scene) =>
  void gate.fail({ status: 400, type, message });

const troubles: Readonly<Record<string, Trouble>> = {
  "no credentials": {
    make: () => {},
    client: () =>
      clientThatThrows({
        name: "CredentialsProviderError",
        message: "Could not load credentials from any providers",
      }),
    says: ["credentials", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
  },
  "credentials that are not valid": {
    make: serviceError(
      "UnrecognizedClientException",
      "The security token included in the request is invalid.",
    ),
    says: ["credentials", "AWS_ACCESS_KEY_ID"],
  },
  "credentials that have expired": {
    make: serviceError("ExpiredTokenException", "The security token included in the request is expired"),
    says: ["credentials", "AWS_SESSION_TOKEN"],
  },
  "a wrong secret": {
    make: serviceError(
      "InvalidSignatureException",
      "The request signature we calculated does not match the signature you provided.",
    ),
    says: ["credentials", "AWS_SECRET_ACCESS_KEY"],
  },
  "a wrong clock": {
    make: serviceError(
      "InvalidSignatureException",
      "Signature expired: 20261123T100000Z is now earlier than",
    ),
    says: ["clock"],
  },
  "DescribeTable denied": {
    make: ({ gate }) => void gate.deny("DescribeTable"),
    says: ["dynamodb:DescribeTable", "IAM", TableName],
  },
  "CreateTable denied where there is no table": {
    make: ({ gate }) => void gate.deny("CreateTable"),
    says: ["dynamodb:CreateTable", "IAM", TableName],
    isEmpty: true,
  },
  "Scan denied": {
    make: ({ gate }) => void gate.deny("Scan"),
    says: ["dynamodb:Scan", "IAM", TableName],
  },
  "everything denied": {
    make: ({ gate }) => void gate.deny(),
    says: ["dynamodb:DescribeTable", "IAM"],
  },
  "a region that is none": {
    make: serviceError(
      "InvalidSignatureException",
      "Credential should be scoped to a valid region, not 'us-est-1'.",
    ),
    says: ["region", "us-east-1", "AWS_REGION"],
  },
  "a region whose name is not found": {
    make: () => {},
    client: () =>
      clientThatThrows({
        code: "ENOTFOUND",
        message: "getaddrinfo ENOTFOUND dynamodb.us-est-1.amazonaws.com",
      }),
    says: ["region", "AWS_REGION", "us-est-1"],
    regionName: "us-est-1",
  },
  "a port where nobody listens": {
    make: () => {},
    client: () => clientAt("http://127.0.0.1:1"),
    says: ["cannot be reached", "network", "AWS_ENDPOINT_URL_DYNAMODB"],
  },
  "connections that are cut": {
    make: ({ gate }) => void gate.refuse(),
    says: ["cannot be reached", "network"],
  },
  "a service that fails": {
    make: ({ gate }) =>
      void gate.fail({
        status: 500,
        type: "InternalServerError",
        message: "The request processing has failed",
      }),
    says: ["DynamoDB", "DescribeTable"],
  },
  "a table with another key": {
    make: ({ table }) =>
      table.direct.send(
        new CreateTableCommand({
          TableName,
          BillingMode: "PAY_PER_REQUEST",
          KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
          AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
        }),
      ),
    says: ["key id (S, HASH)", "chat_id (N, HASH)", "TELEGRAM_CHATS_TABLE"],
    isEmpty: true,
  },
};

for (
  const [name, { make, says, isEmpty = false, client, regionName = "us-east-1" }] of Object.entries(troubles)
) {
  unusable(`initialize() names the trouble, once, and goes on in memory: ${name}`, async () => {
    await withBot(async (scene) => {
      await make(scene);
      await checkFallback(scene, says);
    }, { state: "made", isEmpty, bot: { regionName, ...(client && { client: client() }) } });
  });
}

async function checkFallback({ bot, logs }: Scene, says: readonly string[]): Promise<void> {
  const started = performance.now();
  const { storage, chats } = await bot.initialize();
  const ms = performance.now() - started;
  assert.equal([storage, chats], ["memory", 0]);
  assert.ok(ms < 5500, `it took ${Math.round(ms)} ms`);
  assert.is(logs.of("error").length, 1, logs.text);
  assert.equal(logs.of("warn"), []);
  const [message = ""] = logs.of("error");
  for (const words of says) assert.ok(message.includes(words), `${words} is not in: ${message}`);
  assert.match(message, "in memory");
  assert.match(logs.of("info")[0] ?? "", /ready: 0 active chats, kept in memory/);
}

/** What takes seconds of real time, all at the same time: each test then waits for its own. */
const slow: Readonly<Record<string, () => Promise<void>>> = {
  "initialize() takes no longer than five seconds where DynamoDB is silent": () =>
    fallsBack(({ gate }) => gate.hang(), ["cannot be reached", "network"]),
  "initialize() takes no longer than five seconds where only Scan is silent": () =>
    fallsBack(({ gate }) => gate.hang({ action: "Scan" }), ["no answer to Scan", "network"]),
  "initialize() takes no longer than five seconds where DynamoDB is slow first, and then silent": () =>
    fallsBack(({ gate }) => {
      gate.delay({ action: "DescribeTable", ms: 1500 });
      gate.hang({ action: "Scan" });
    }, ["cannot be reached"]),
  "initialize() names throttling of an on-demand table": () =>
    fallsBack(({ gate }) => gate.throttle({ action: "Scan" }), ["throttles Scan", TableName]),
  "initialize() names throttling of a provisioned table": () =>
    fallsBack(({ gate }) => gate.throttle({ type: "ProvisionedThroughputExceededException" }), [
      "throttles DescribeTable",
    ]),
  "initialize() takes no longer than five seconds where Telegram leaves the menu unanswered": () =>
    withBot(async ({ bot, server, logs }) => {
      server.fault({ method: "setMyCommands", times: Infinity, answer: "hang" });
      assert.ok(await soon(bot.initialize(), 5500), "it waits for the menu");
      assert.match(logs.of("warn")[0] ?? "", "menu");
    }, { state: "made" }),
  "nothing is lost while DynamoDB is silent, and it is said once at either end": () =>
    withBot(async (scene) => {
      const { server, gate, logs, item } = scene;
      gate.hang();
      const user = server.user();
      user.say("one");
      user.say("two");
      await until(() => logs.of("error").length > 0, "the outage is not said", 6000);
      assert.is(server.pendingUpdates, 2);
      gate.clear();
      await until(() => server.pendingUpdates === 0, "not confirmed", 6000);
      assert.equal((await item(user))?.["message_count"], { N: "2" });
      assert.equal([logs.of("error").length, logs.of("info", "is back").length], [1, 1]);
    }, { bot: { clock: new FastClock(20) } }),
};

function fallsBack(make: (scene: Scene) => unknown, says: readonly string[]): Promise<void> {
  return withBot(async (scene) => {
    make(scene);
    await checkFallback(scene, says);
  }, { state: "made" });
}

let running: Map<string, Promise<void>> | undefined;
for (const name of Object.keys(slow)) {
  unusable(name, async () => {
    running ??= new Map(Object.entries(slow).map(([each, body]) => [each, body()]));
    for (const each of running.values()) each.catch(() => {});
    await running.get(name);
  });
}

unusable(
  "a machine without credentials hears of credentials, even where its metadata service is silent",
  async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    const changes = {
      AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://127.0.0.1:${port}`,
      AWS_EC2_METADATA_DISABLED: undefined,
      AWS_ACCESS_KEY_ID: undefined,
      AWS_SECRET_ACCESS_KEY: undefined,
      AWS_SESSION_TOKEN: undefined,
      AWS_PROFILE: undefined,
      AWS_SHARED_CREDENTIALS_FILE: "/nowhere/credentials",
      AWS_CONFIG_FILE: "/nowhere/config",
    };
    await withEnvironment(changes, async () => {
      await withBotOverHttp(async (scene) => {
        process.env["AWS_ENDPOINT_URL_DYNAMODB"] = scene.gate.endpoint;
        try {
          await checkFallback(scene, ["credentials", "AWS_ACCESS_KEY_ID"]);
        } finally {
          delete process.env["AWS_ENDPOINT_URL_DYNAMODB"];
        }
      }, { state: "made", bot: { client: undefined } });
    });
    await closed(silent);
  },
);

unusable("in memory for want of DynamoDB, only /start registers, and the rest is told once", async () => {
  await withBot(async ({ bot, server, logs }) => {
    const [talker, starter, returner] = [server.user(), server.user(), server.user()];
    const has = (user: LocalUser, ...texts: string[]): Promise<void> =>
      until(() => said(user).join() === texts.join(), `instead of ${texts.join()}: ${said(user).join()}`);
    for (const text of ["hello", "anyone?", "/help"]) talker.say(text);
    starter.say("/start");
    starter.say("hello");
    returner.say("/stop");
    returner.block();
    returner.unblock();
    const unread = "I cannot read my list of subscribers just now. /start subscribes this chat.";
    await has(talker, unread, "I send trading signals to this chat.");
    await has(starter, "Welcome! You are subscribed.");
    await has(returner, "You are unsubscribed.");
    assert.instance(await failureOf(bot.broadcast("nothing")), StorageError);
    const enough = new AbortController();
    const first = bot.broadcast("signal", { whenUnreadable: "send", signal: enough.signal });
    await starter.received("signal");
    starter.say("/stop");
    talker.say("/start");
    await talker.received("Welcome!");
    await starter.received("You are unsubscribed.");
    const second = bot.broadcast("signal 2", { whenUnreadable: "send", signal: enough.signal });
    await talker.received("signal 2");
    enough.abort();
    assert.equal([(await first).recipientsFrom, (await second).recipientsFrom], ["memory", "memory"]);
    assert.equal([(await first).sent, (await second).sent], [1, 1]);
    assert.equal([said(starter).at(-1), said(talker).at(-1)], ["You are unsubscribed.", "signal 2"]);
    assert.is(logs.of("error").length, 1);
    assert.ok(server.pendingUpdates > 0, "Telegram keeps what is in memory only");
  }, { before: ({ gate }) => void gate.deny() });
});

unusable.run();

const refused = suite("initialize() where Telegram is the trouble", {}, 60_000);

const signal: TradingSignal = {
  ...{ direction: "long", symbol: "BTC-USD", entry: 67250.5, stop: 66980, target: 67800 },
};

refused("a refused token is a clear error, and does not touch DynamoDB", async () => {
  await withBot(async ({ server, another, gate, logs }) => {
    const bot = another({ botToken: "123456:AAwrong-token" });
    for (const attempt of [() => bot.initialize(), () => bot.startBot(), () => bot.broadcast("signal")]) {
      const error = await failureOf(attempt()) as TelegramError;
      assert.instance(error, TelegramError);
      assert.is(error.reason, "token");
      assert.match(error.message, "TELEGRAM_BOT_TOKEN");
      assert.match(error.message, "@BotFather");
    }
    assert.is(gate.requests, 0);
    assert.is(server.countCalls("setMyCommands"), 0);
    assert.equal(logs.lines, []);
  }, { state: "made" });
});

refused("Telegram out of reach is a clear error, and the next attempt may succeed", async () => {
  await withBot(async ({ another, server }) => {
    const apiRoot = await deadAddress();
    const bot = another({ apiRoot, clock: new FastClock(50) });
    const error = await failureOf(bot.initialize()) as TelegramError;
    assert.instance(error, TelegramError);
    assert.is(error.reason, "unreachable");
    assert.match(error.message, apiRoot);
    assert.match(error.message, "TELEGRAM_API_ROOT");
    const patient = another({ clock: new FastClock(50) });
    const fault = server.fault({
      method: "getMe",
      times: 2,
      answer: { error_code: 502, description: "Bad Gateway" },
    });
    assert.is((await patient.initialize()).storage, "dynamodb");
    assert.is(fault.hits, 2);
    const once = another({ clock: new FastClock(50) });
    const down = server.fault({ method: "getMe", times: Infinity, answer: "reset" });
    assert.instance(await failureOf(once.initialize()), TelegramError);
    down.clear();
    const ill = server.fault({
      method: "getMe",
      times: Infinity,
      answer: { error_code: 500, description: "Internal Server Error" },
    });
    const refusal = await failureOf(another({ clock: new FastClock(50) }).initialize());
    assert.match(
      refusal.message,
      /^Telegram is there at .*, but does not serve the bot \(.*500.*\)\. Try again/,
    );
    ill.clear();
    assert.is((await once.initialize()).storage, "dynamodb");
  }, { state: "made" });
});

refused("a signal of a bot that has not started waits for Telegram", async () => {
  await withBot(async (scene) => {
    const { bot, server, logs } = scene;
    const [user] = await subscribers(scene, 1);
    const down = server.fault({ method: "getMe", times: Infinity, answer: "reset" });
    const sending = bot.sendSignal(signal, { maxAgeMs: 600_000 });
    await until(() => down.hits > 10, "it does not try again");
    down.clear();
    assert.is((await sending).sent, 1);
    await user?.received("LONG");
    assert.equal(logs.of("warn").length, 1);
    assert.match(
      logs.of("warn")[0] ?? "",
      /^Telegram cannot be reached at .*The signal is sent as soon as it can\.$/,
    );
  }, { state: "made" });
});

refused(
  "a signal that expires while Telegram is down, or is ended, rejects; a broadcast rejects at once",
  async () => {
    await withBot(async (scene) => {
      const { bot, another, server } = scene;
      await subscribers(scene, 1);
      const down = server.fault({ method: "getMe", times: Infinity, answer: "reset" });
      const error = await failureOf(bot.sendSignal(signal, { maxAgeMs: 60_000 })) as TelegramError;
      assert.is(error.reason, "unreachable");
      const hits = down.hits;
      assert.ok(hits > 9, `it has tried ${hits} times in a minute`);
      assert.is((await failureOf(bot.broadcast("text")) as TelegramError).reason, "unreachable");
      assert.ok(down.hits - hits <= 3);
      const ending = new AbortController();
      const ended = bot.sendSignal(signal, { signal: ending.signal });
      const stopped = another();
      const unsent = stopped.sendSignal(signal);
      unsent.catch(() => {});
      await pause(20_000);
      ending.abort(new Error("the price has moved"));
      assert.is((await failureOf(ended)).message, "the price has moved");
      await stopped.stopBot();
      assert.is((await failureOf(unsent)).name, "BotStoppedError");
      down.clear();
      assert.is((await bot.sendSignal(signal)).sent, 1);
    }, { state: "made" });
  },
);

refused("a getMe that is answered by 429 waits as told, and then goes on", async () => {
  await withBot(async ({ bot, server }) => {
    const answer = {
      error_code: 429,
      description: "Too Many Requests: retry after 1",
      parameters: { retry_after: 1 },
    };
    server.fault({ method: "getMe", answer });
    assert.is((await bot.initialize()).storage, "dynamodb");
    assert.is(server.countCalls("getMe"), 2);
  }, { state: "made" });
});

refused("startBot() says what it is where Telegram fails between getMe and polling", async () => {
  for (const answer of [{ error_code: 401, description: "Unauthorized" }, "reset"] as const) {
    await withBot(async ({ bot, server }) => {
      await bot.initialize();
      server.fault({ method: "deleteWebhook", times: Infinity, answer });
      const error = await failureOf(bot.startBot());
      assert.instance(error, TelegramError, `${error.name}: ${error.message}`);
    }, { state: "made", bot: { clock: new FastClock(50) } });
  }
});

refused("what is wrong with the options is said at once, all of it, and never the token", () => {
  const options = {
    botToken: "12345:has spaces in it",
    tableName: "no/slashes",
    regionName: "Virginia",
    messagesPerSecond: 0,
    apiRoot: "telegram.example",
  };
  try {
    new MeanReversionTelegramBot(options);
    assert.unreachable();
  } catch (error) {
    assert.instance(error, ConfigError);
    const { message } = error as Error;
    for (const name of Object.keys(options)) assert.match(message, name);
    assert.not.match(message, "has spaces");
  }
});

refused.run();

const lifecycle = suite("startBot(), stopBot(), finished", {}, 60_000);

lifecycle("startBot() deletes a webhook, and polls", async () => {
  await withBot(async ({ bot, server, settled }) => {
    await fetch(`${server.apiRoot}/bot${server.token}/setWebhook?url=https://example.org/`)
      .then((response) => response.body?.cancel());
    await bot.startBot();
    const user = server.user();
    user.say("/start");
    await settled();
    assert.equal(said(user), ["Welcome! You are subscribed."]);
    assert.is((await bot.getStatistics()).isPolling, true);
  }, { state: "made" });
});

lifecycle("startBot() polls once, however often it is called", async () => {
  await withBot(async ({ bot, server, logs }) => {
    await Promise.all([bot.startBot(), bot.startBot(), bot.startBot()]);
    await bot.startBot();
    const user = server.user();
    user.say("/start");
    await user.received("Welcome!");
    await pause(50);
    assert.equal(logs.of("warn"), [], "no conflict with itself");
    assert.is(server.countCalls("deleteWebhook"), 1);
  }, { state: "made" });
});

lifecycle("startBot() after stopBot() is refused, and stopBot() before startBot() is harmless", async () => {
  await withBot(async ({ bot, another }) => {
    await bot.stopBot();
    await bot.stopBot();
    await bot.finished;
    assert.match((await failureOf(bot.startBot())).message, "Make a new one");
    const other = another();
    await other.startBot();
    await other.stopBot();
    assert.match((await failureOf(other.startBot())).message, "Make a new one");
    assert.match((await failureOf(other.startBot({ retry: true }))).message, "Make a new one");
    await using unused = another();
    assert.ok(unused.grammy);
  }, { state: "made" });
});

lifecycle("stopBot() during a long poll is quick, confirms, and resolves finished", async () => {
  await withBot(async ({ bot, server, settled }) => {
    const user = server.user();
    user.say("/start");
    await user.received("Welcome!");
    const started = performance.now();
    await bot.stopBot();
    assert.ok(performance.now() - started < 1000);
    await bot.finished;
    assert.is(server.pendingUpdates, 0);
    assert.is((await bot.getStatistics()).isPolling, false);
    await settled();
  });
});

lifecycle("await using stops the bot", async () => {
  await withBot(async ({ another, server }) => {
    let finished: Promise<void> | undefined;
    {
      await using bot = another();
      await bot.startBot();
      finished = bot.finished;
      server.user().say("/start");
    }
    assert.ok(await soon(finished, 100));
    const polls = server.countCalls("getUpdates");
    await pause(50);
    assert.is(server.countCalls("getUpdates"), polls);
  }, { state: "made" });
});

lifecycle("a handler stops the bot, also within another bot's handler", async () => {
  await withBot(async ({ bot, server, another }) => {
    const inner = another();
    inner.grammy.command("quit", () => bot.stopBot());
    bot.grammy.command("quit", ({ update }) => inner.handleUpdate(update));
    await bot.startBot();
    const owner = server.user();
    owner.say("/start");
    await owner.received("Welcome");
    owner.say("/quit");
    assert.ok(await soon(bot.finished, 1000));
    assert.is(server.pendingUpdates, 0, "the command is confirmed");
  }, { state: "made" });
});

lifecycle("stopBot() during startBot() ends it", async () => {
  await withBot(async ({ bot, server }) => {
    server.fault({ method: "getMe", answer: { delayMs: 100 } });
    const starting = bot.startBot().catch(() => {});
    await pause(30);
    await bot.stopBot();
    await starting;
    const polls = server.countCalls("getUpdates");
    server.user().say("/start");
    await pause(50);
    assert.is(server.countCalls("getUpdates"), polls, "it does not poll");
    assert.ok(await soon(bot.finished, 100));
  }, { state: "made" });
});

lifecycle("a user's own command runs, behind ours", async () => {
  await withBot(async ({ bot, server, settled, item }) => {
    const seen: string[] = [];
    bot.grammy.command("price", async (ctx) => {
      seen.push(`${await item(ctx.chat.id) !== undefined}`);
      await ctx.reply("67250");
    });
    bot.grammy.on("message:text", (ctx) => void seen.push(ctx.message.text));
    bot.grammy.on("edited_message", () => void seen.push("edited"));
    await bot.startBot();
    const user = server.user();
    user.say("/price");
    await settled();
    assert.equal(said(user), ["Welcome! You are subscribed.", "67250"]);
    const message = user.say("/stop");
    user.edit(message, "/start");
    await settled();
    assert.equal(seen, ["true", "/stop", "edited"]);
  }, { state: "made" });
});

lifecycle("a handler that never ends holds nobody back for ever, and is told", async () => {
  await withBot(async ({ bot, server, logs }) => {
    bot.grammy.command("slow", () => new Promise<void>(() => {}));
    await bot.startBot();
    const [ada, bob] = [server.user(), server.user()];
    ada.say("/slow");
    await ada.received("Welcome!");
    bob.say("/start");
    await bob.received("Welcome!");
    await until(() => logs.of("warn").length > 0, "it is not told");
    assert.match(logs.of("warn")[0] ?? "", /A handler of update \d+ takes longer than 30 s/);
  }, { state: "made", bot: { clock: new FastClock(30) } });
});

lifecycle("a handler that throws is logged, and does not stop the bot", async () => {
  await withBot(async ({ bot, server, logs, settled, item }) => {
    bot.grammy.command("boom", () => {
      throw new Error("my own mistake");
    });
    bot.grammy.command("none", () => {
      return Promise.reject(undefined);
    });
    bot.grammy.command("text", () => Promise.reject("just a text"));
    await bot.startBot();
    const user = server.user();
    for (const command of ["/boom", "/none", "/text", "/status"]) user.say(command);
    await settled();
    assert.equal((await item(user))?.["message_count"], { N: "4" });
    assert.match(logs.of("error")[0] ?? "", /Update \d+ failed in a handler: Error: my own mistake\n/);
    assert.match(logs.of("error")[2] ?? "", "just a text");
    assert.is(logs.of("error").length, 3);
    await user.received("This chat is subscribed");
  }, { state: "made" });
});

lifecycle("whatever is thrown, the bot goes on", async () => {
  await withBot(async ({ bot, server, logs, settled }) => {
    const thrown: unknown[] = [
      null,
      Object.create(null),
      {
        toString() {
          throw new Error("no text either");
        },
      },
    ];
    bot.grammy.on("message:text", () => Promise.reject(thrown.shift()));
    await bot.startBot();
    const user = server.user();
    for (const text of ["one", "two", "three"]) user.say(text);
    await settled();
    assert.is(logs.of("error").length, 3);
    assert.match(logs.of("error")[2] ?? "", "something was thrown that cannot be shown");
  }, { state: "made" });
});

lifecycle("no handler begins after stopBot()", async () => {
  await withBot(async ({ bot, server }) => {
    const seen: string[] = [];
    bot.grammy.on("message:text", ({ message }) => {
      seen.push(message.text);
      return new Promise(() => {});
    });
    await bot.startBot();
    const user = server.user();
    for (const text of ["one", "two", "three"]) user.say(text);
    await until(() => seen.length === 1, "no handler has begun");
    assert.ok(await soon(bot.stopBot(), 5000), "it waits for ever");
    await pause(100);
    assert.equal(seen, ["one"]);
    assert.is(server.pendingUpdates, 3, "they come again");
  }, { state: "made", bot: { clock: new FastClock(20) } });
});

lifecycle("stopBot() does not wait for ever for a broadcast, whose report then says so", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    await subscribers(scene, 3);
    server.fault({
      method: "sendMessage",
      times: Infinity,
      answer: {
        error_code: 429,
        description: "Too Many Requests: retry after 300",
        parameters: { retry_after: 300 },
      },
    });
    const broadcast = bot.broadcast("signal");
    await until(() => server.countCalls("sendMessage") > 0, "it has not begun");
    assert.ok(await soon(bot.stopBot(), 8000), "it waits for the flood to end");
    const report = await broadcast;
    assert.match(report.stopped ?? "", "the bot was stopped");
    assert.is(report.skipped, 3);
  }, { bot: { clock: new FastClock(20) } });
});

lifecycle("stopBot() waits for a handler, but not for ever, and what hangs comes again", async () => {
  await withBot(async ({ bot, server, another }) => {
    const seen: string[] = [];
    bot.grammy.command("hang", () => new Promise(() => {}));
    bot.grammy.command("slow", async () => {
      await pause(100);
      seen.push("slow ended");
    });
    await bot.startBot();
    const [one, two, three] = [server.user(), server.user(), server.user()];
    one.say("/slow");
    two.say("/hang");
    three.say("/start");
    await three.received("Welcome!");
    assert.ok(await soon(bot.stopBot(), 2000), "it gives up on what hangs");
    assert.equal(seen, ["slow ended"]);
    const next = another();
    next.grammy.on("message:text", (ctx) => void seen.push(ctx.message.text));
    await next.startBot();
    await until(() => server.pendingUpdates === 0, "not confirmed");
    assert.ok(seen.includes("/hang"), "it comes again");
    assert.not.ok(seen.includes("/slow"), "what came before it was confirmed");
  }, { state: "made", bot: { clock: new FastClock(20) } });
});

lifecycle("a handler may stop the bot, which then does not wait for it, nor hears it again", async () => {
  await withBot(async ({ bot, server, another, logs }) => {
    const steps: string[] = [];
    bot.grammy.command("quit", async (ctx) => {
      await ctx.reply("Bye");
      await bot.stopBot();
      steps.push("stopped");
      throw new Error("after the stop");
    });
    await bot.startBot();
    const boss = server.user();
    boss.say("/quit");
    assert.ok(await soon(bot.finished, 2000), "it ends at once");
    await until(() => logs.of("error", "after the stop").length === 1, "the handler did not go on");
    assert.equal(steps, ["stopped"]);
    assert.is(server.pendingUpdates, 0, "it is confirmed");
    const next = another();
    next.grammy.command("quit", () => void steps.push("again"));
    await next.startBot();
    boss.say("/start");
    await boss.received("Welcome");
    assert.equal(steps, ["stopped"]);
  }, { state: "made" });
});

lifecycle("a handler that takes long holds up no other chat of its batch", async () => {
  await withBot(async ({ bot, server }) => {
    let release: (() => void) | undefined;
    bot.grammy.command("slow", () => new Promise<void>((resolve) => release = resolve));
    const [slow, quick] = [server.user(), server.user()];
    slow.say("/slow");
    quick.say("/start");
    await bot.startBot();
    await quick.received("Welcome!");
    await until(() => release !== undefined, "the handler did not run");
    release?.();
  }, { state: "made" });
});

lifecycle.run();

const outage = suite("a bot whose DynamoDB fails for a while", {}, 60_000);

const outages: Readonly<Record<string, (scene: Scene) => unknown>> = {
  throttled: ({ gate }) => gate.throttle(),
  refused: ({ gate }) => gate.refuse(),
  denied: ({ gate }) => gate.deny("UpdateItem"),
  "failing with 500": ({ gate }) =>
    gate.fail({ status: 500, type: "InternalServerError", message: "The request processing has failed" }),
  "failing with 503": ({ gate }) =>
    gate.fail({ status: 503, type: "ServiceUnavailable", message: "The service is unavailable" }),
};

for (const [name, make] of Object.entries(outages)) {
  outage(`nothing is lost while DynamoDB is ${name}, and it is said once at either end`, async () => {
    await withBot(async (scene) => {
      const { server, gate, logs, settled, item } = scene;
      const [known, fresh, leaver] = [server.user(), server.user(), server.user()];
      known.say("/start");
      leaver.say("/start");
      await settled();
      make(scene);
      known.say("one");
      known.say("two");
      fresh.say("/start");
      leaver.say("/stop");
      await until(() => logs.of("error").length > 0, "the outage is not said");
      await pause(150);
      assert.ok(server.pendingUpdates > 0, "nothing is confirmed that is not kept");
      gate.clear();
      await settled();
      assert.equal((await item(known))?.["message_count"], { N: "3" });
      assert.equal((await item(fresh))?.["is_active"], { BOOL: true });
      assert.equal((await item(leaver))?.["removed_reason"], { S: "stopped" });
      assert.equal(said(fresh), ["Welcome! You are subscribed."]);
      assert.is(said(leaver).at(-1), "You are unsubscribed.");
      assert.is(logs.of("error").length, 1, logs.text);
      assert.is(logs.of("info", "is back").length, 1, logs.text);
    }, { bot: { clock: new FastClock(20) } });
  });
}

outage("nothing is counted twice where DynamoDB's answers are lost", async () => {
  await withBot(async ({ server, gate, settled, item }) => {
    const users = Array.from({ length: 10 }, () => server.user());
    gate.loseAnswers({ action: "UpdateItem", share: 0.4 });
    for (let round = 0; round < 4; round++) for (const user of users) user.say("hello");
    await settled();
    gate.clear();
    for (const user of users) {
      assert.equal((await item(user))?.["message_count"], { N: "4" });
      assert.equal(said(user), ["Welcome! You are subscribed."]);
    }
  }, { bot: { clock: new FastClock(20) } });
});

outage("stopBot() during an outage confirms nothing that is not kept; the next bot hears it", async () => {
  await withBot(async ({ bot, server, gate, logs, another, settled, item }) => {
    const [kept, lost] = [server.user(), server.user()];
    kept.say("/start");
    await settled();
    gate.deny();
    lost.say("/start");
    kept.say("/stop");
    await until(() => logs.of("error").length > 0, "the outage is not said");
    assert.ok(await soon(bot.stopBot(), 8000), "it ends");
    assert.is(server.pendingUpdates, 2);
    gate.clear();
    await another().startBot();
    await settled();
    assert.equal((await item(lost))?.["is_active"], { BOOL: true });
    assert.equal((await item(kept))?.["removed_reason"], { S: "stopped" });
    assert.equal((await item(kept))?.["message_count"], { N: "2" });
  });
});

outage("a user's handler whose own DynamoDB fails does not repeat what was answered for ever", async () => {
  await withBot(async ({ bot, server }) => {
    let calls = 0;
    bot.grammy.command("stats", () => {
      calls++;
      throw new StorageError("throttled", "DynamoDB throttles Scan.");
    });
    await bot.startBot();
    const user = server.user();
    user.say("/start");
    user.say("/stats");
    await until(() => calls > 0, "not called");
    await pause(300);
    assert.ok(calls <= 3, `the handler ran ${calls} times in six seconds of its clock`);
    assert.is(server.pendingUpdates, 0);
  }, { state: "made", bot: { clock: new FastClock(20) } });
});

outage("a broadcast fails clearly during an outage, and reaches everyone after it", async () => {
  await withBot(async ({ bot, server, gate, settled }) => {
    const user: LocalUser = server.user();
    user.say("/start");
    await settled();
    gate.refuse({ action: "Scan" });
    assert.instance(await failureOf(bot.broadcast("signal")), StorageError);
    gate.clear();
    assert.is((await bot.broadcast("signal")).sent, 1);
  });
});

outage.run();

async function withEnvironment(
  changes: Readonly<Record<string, string | undefined>>,
  body: () => Promise<void>,
): Promise<void> {
  const before = Object.keys(changes).map((name) => [name, process.env[name]] as const);
  const set = ([name, value]: readonly [string, string | undefined]): void => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  Object.entries(changes).forEach(set);
  try {
    await body();
  } finally {
    before.forEach(set);
  }
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
