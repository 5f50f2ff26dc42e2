/** The toolkit on a grammY bot that somebody has already, of either build. */
import { Bot as NodeBot } from "grammy";
import { run } from "@grammyjs/runner";
import { Bot as WebBot } from "grammy/web";
import { type Subscriptions, subscriptions, type SubscriptionsOptions } from "../../lib/bot/plugin.ts";
import type { ChatStorage } from "../../lib/chats/storage.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { assert, suite } from "../harness.ts";
import { grammyBotOn, Logs, said, type Scene, until, withBot, withBotOverHttp } from "../support/bot.ts";

const test = suite("subscriptions() on anyone's grammY bot");

const builds = { "grammy/web": WebBot, grammy: NodeBot as unknown as typeof WebBot };
const ticket = { direction: "long", symbol: "BTC-USD", entry: 2, stop: 1, target: 4 } as const;

interface Guest extends Scene {
  /** Somebody's own bot. */
  readonly theirs: WebBot;
  readonly storage: ChatStorage;
  readonly failures: unknown[];
  readonly subscribers: Subscriptions;
}

async function withTheirs(
  Bot: typeof WebBot,
  body: (guest: Guest) => Promise<void>,
  options: Partial<SubscriptionsOptions> = {},
): Promise<void> {
  // The other build has a way of its own to send requests.
  const start = Bot === WebBot ? withBot : withBotOverHttp;
  await start(async (scene) => {
    const { server, table, logs } = scene;
    const storage = table.storage();
    const theirs = grammyBotOn(server, Bot);
    const failures: unknown[] = [];
    theirs.catch(({ error }) => void failures.push(error));
    const subscribers = subscriptions({ storage, logger: logs, messagesPerSecond: 1000, ...options });
    theirs.use(subscribers);
    const running = theirs.start();
    try {
      await body({ ...scene, theirs, storage, failures, subscribers });
    } finally {
      await subscribers.close();
      await theirs.stop();
      await running;
    }
  }, { state: "made", isEmpty: true, hasLedger: true });
}

for (const [build, Bot] of Object.entries(builds)) {
  test(`${build}: kept before the update is confirmed, answered, and handed on`, async () => {
    const seen: string[] = [];
    await withTheirs(Bot, async ({ theirs, server, item, gate, failures }) => {
      theirs.on("message:text", (ctx) => void seen.push(ctx.message.text));
      const user = server.user();
      user.say("/start");
      await user.received("Welcome!");
      user.say("/stop");
      await user.received("You are unsubscribed");
      await until(() => seen.join() === "/start,/stop", "not handed on");
      assert.equal((await item(user))?.["removed_reason"], { S: "stopped" });
      gate.deny("UpdateItem");
      user.say("/start");
      await until(() => failures.length === 1, "the bot's error handler is not told");
      assert.is((failures[0] as Error).name, "StorageError");
    });
  });

  test(`${build}: a signal and a picture reach whoever is subscribed, once`, async () => {
    await withTheirs(Bot, async ({ theirs, server, subscribers }) => {
      const [ada, ben, cleo] = [server.user(), server.user(), server.user()];
      for (const user of [ada, ben, cleo]) user.say("/start");
      for (const user of [ada, ben, cleo]) await user.received("Welcome!");
      cleo.say("/stop");
      await cleo.received("You are unsubscribed");
      const first = await subscribers.sendSignal(theirs.api, ticket, { broadcastId: "one" });
      assert.equal([first.sent, first.recipients], [2, 2]);
      const again = await subscribers.sendSignal(theirs.api, ticket, { broadcastId: "one" });
      assert.equal(again.sent, first.sent);
      const photo = new Uint8Array([0x89, 0x50, 0x4e, 0x47]);
      assert.is((await subscribers.broadcast(theirs.api, { text: "A chart", photo })).sent, 2);
      assert.is(server.uploads, 1);
      assert.equal(said(ada).slice(1), ["🟢 LONG BTC-USD", "A chart"]);
      assert.is(said(cleo).length, 2);
    });
  });
}

test("nothing that the bot has installed sends a broadcast twice, or changes it", async () => {
  await withTheirs(WebBot, async ({ theirs, server, subscribers }) => {
    const user = server.user();
    user.say("/start");
    await user.received("Welcome!");
    theirs.api.config.use(async (prev, method, payload, signal) => {
      if (method === "sendMessage") await prev(method, payload, signal);
      return await prev(method, { ...payload, parse_mode: "HTML" }, signal);
    });
    const before = user.inbox.length;
    await subscribers.broadcast(theirs.api, "a < b");
    assert.equal(said(user).slice(before), ["a < b"]);
  });
});

test("under a runner that hands over a chat's updates side by side, a /stop holds", async () => {
  await withBot(async ({ server, table, logs }) => {
    const storage = table.storage();
    await using subscribers = subscriptions({ storage, logger: logs });
    const users = Array.from({ length: 10 }, () => server.user());
    const theirs = new WebBot(server.token, { client: { apiRoot: server.apiRoot } });
    theirs.use(subscribers);
    const runner = run(theirs);
    for (const user of users) user.say("/start"), user.say("/stop"), user.say("thanks");
    for (const user of users) {
      await user.received("You are unsubscribed");
      const isCounted = async (): Promise<boolean> =>
        (await storage.getChat(user.chatId))?.message_count === 3;
      await until(isCounted, "not every message is counted");
    }
    assert.is((await storage.loadActiveChats()).size, 0);
    await runner.stop();
  }, { state: "made", isEmpty: true });
});

test("/start is theirs to require, and the words are theirs", async () => {
  await withTheirs(WebBot, async ({ server, item }) => {
    const user = server.user();
    user.say("hello");
    user.say("/help");
    await user.received("Ask Ada");
    assert.is(await item(user), undefined);
  }, { autoRegisterChats: false, messages: { help: () => "Ask Ada" } });
});

test("what strangers may register is theirs to limit", async () => {
  await withTheirs(WebBot, async ({ server, item }) => {
    const person = server.user();
    const groups = [1, 2].map((title) =>
      server.group({ title: `${title}`, administrators: [person], bot: "left" })
    );
    const channel = server.channel({ title: "News", administrators: [person], bot: "left" });
    channel.addBot(person);
    for (const group of groups) group.addBot(person);
    await groups[0]?.received("Welcome!");
    await groups[1]?.received("No more of you");
    groups[1]?.say(person, "/start");
    groups[0]?.say(person, "/help");
    await groups[0]?.received("I send trading signals");
    assert.equal([groups[0]?.inbox.length, groups[1]?.inbox.length, channel.inbox.length], [2, 1, 0]);
    for (const chat of [groups[1], channel]) assert.is(await item(chat as never), undefined);
  }, {
    chatTypes: ["private", "group"],
    chatsPerAdder: 1,
    messages: { tooManyChats: () => "No more of you" },
  });
});

test("a program without a poller sends to whoever is in the table", async () => {
  await withBot(async ({ server, table, logs }) => {
    const storage = table.storage();
    await storage.createTableIfNotExists();
    const user = server.user({ opened: true });
    await storage.saveChat(user.chatId);
    await using subscribers = subscriptions({ storage, logger: logs });
    const { token, options } = grammyBotOn(server).api;
    const api = { token, options };
    assert.is((await subscribers.broadcast(api, "Hello")).sent, 1);
    assert.equal(said(user), ["Hello"]);
  }, { state: "made" });
});

test("a chat that is gone, and cannot be kept so, is told to the logger in words", async () => {
  await withTheirs(WebBot, async ({ server, gate, logs }) => {
    const user = server.user();
    const answer = { error_code: 403, description: "Forbidden: bot was blocked by the user" };
    server.fault({ method: "sendMessage", chatId: user.chatId, answer });
    const other = server.user();
    other.say("/start");
    await other.received("subscribed");
    // The first write is let through.
    gate.before("UpdateItem", () => void gate.deny("UpdateItem"));
    user.say("/start");
    await until(() => logs.lines.length > 0, "nothing is told");
    assert.type(logs.lines[0]?.message, "string");
    assert.match(logs.text, `Chat ${user.chatId} is gone, which could not be kept: `);
  });
});

test("what fails for many chats is told ten times a minute", async () => {
  await withTheirs(WebBot, async ({ server, logs, settled }) => {
    const answer = { error_code: 400, description: "Bad Request: not today" };
    server.fault({ method: "sendMessage", times: Infinity, answer });
    for (let count = 0; count < 40; count++) server.user().say("/start");
    await settled();
    assert.is(logs.of("warn", "could not be answered").length, 10);
    assert.is(logs.lines.length, 10);
  });
});

test("a table that cannot be read sends to nobody, and is read again with the next call", async () => {
  await withTheirs(WebBot, async ({ theirs, gate, server, subscribers }) => {
    gate.deny("DescribeTable");
    await rejects(subscribers.broadcast(theirs.api, "x"), /denies dynamodb:DescribeTable/);
    gate.clear();
    server.user().say("/start");
    await until(async () => (await subscribers.broadcast(theirs.api, "x")).sent === 1, "not read again");
  });
});

test("one list of chats serves one bot, and closed subscriptions send nothing", async () => {
  const subscribers = subscriptions({ storage: new InMemoryChatStorage(), logger: new Logs() });
  const api = { token: "1:one", options: undefined };
  for (const none of [undefined, {}, { token: "" }, "Hello"]) {
    await rejects(subscribers.broadcast(none as never, "x"), /needs the bot's api first/);
  }
  assert.is((await subscribers.broadcast(api, "x")).recipients, 0);
  await rejects(subscribers.broadcast({ ...api, token: "2:two" }, "x"), /another bot's/);
  await subscribers.close();
  await rejects(subscribers.broadcast(api, "x"), /were closed/);
});

test("closed before its list is read, a broadcast is refused, and not kept as one that is done", async () => {
  await withBot(async ({ server, table, logs }) => {
    const storage = table.storage();
    await storage.createTableIfNotExists();
    const user = server.user({ opened: true });
    await storage.saveChat(user.chatId);
    const { token, options } = grammyBotOn(server).api;
    const api = { token, options };
    const first = subscriptions({ storage, logger: logs });
    const refused = rejects(first.broadcast(api, "Hello", { broadcastId: "b" }), /were closed/);
    await first.close();
    await refused;
    await using second = subscriptions({ storage, logger: logs });
    assert.is((await second.broadcast(api, "Hello", { broadcastId: "b" })).sent, 1);
  }, { state: "made", hasLedger: true });
});

test("what cannot be meant is a mistake in the configuration, by its name", () => {
  const mistakes: readonly [unknown, RegExp][] = [
    [undefined, /options must be an object such as \{ storage \}/],
    [{}, /^storage is not set: it must be a ChatStorage\.$/],
    [{ storage: "telegram-chats" }, /^storage must be a ChatStorage: current value is "telegram-chats"/],
    [{ storage: new InMemoryChatStorage(), messages: { hi: () => "x" } }, /^hi is not a name in messages: /],
    [{ storage: new InMemoryChatStorage(), messagesPerSecond: 0 }, /^messagesPerSecond must be/],
    [
      { storage: new InMemoryChatStorage(), allowedUsers: [1] },
      /^allowedUsers is not an option here: it belongs/,
    ],
    [{ storage: new InMemoryChatStorage(), chatTypes: ["dm"] }, /^chatTypes must be a list/],
    [{ storage: new InMemoryChatStorage(), chatsPerAdder: 0 }, /^chatsPerAdder must be/],
  ];
  for (const [options, message] of mistakes) {
    assert.throws(() => subscriptions(options as SubscriptionsOptions), message);
  }
});

async function rejects(promise: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await promise.then(() => undefined, (reason: Error) => reason);
  assert.match(error?.message ?? "nothing was thrown", message);
}

test.run();
