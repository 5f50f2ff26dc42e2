/** Each fault of a network in each thing that crosses it: nobody is lost, nothing is done twice, and it is said once. */
import type { IncomingMessage } from "node:http";
import type { LocalUser } from "../../lib/local/mod.ts";
import { webhookCallback } from "../../lib/telegram/webhook.ts";
import { assert, suite } from "../harness.ts";
import {
  FastClock,
  plantActive,
  type Scene,
  type SceneOptions,
  subscribers,
  until,
  withBotOverHttp,
} from "../support/bot.ts";
import { clientAt } from "../support/client.ts";
import { Middlebox, type Mishap } from "../support/middlebox.ts";
import { serve } from "../support/webhook_servers.ts";

const test = suite("networks, a matrix", {}, 60_000);

/** By then everything is as if there had been no fault. */
const recoveredWithinMs = 30_000;

/** Whether a message may have arrived that met it: it is not sent again then. */
const mayHaveArrived: Readonly<Record<Mishap, boolean>> = {
  "reset": true,
  "lose": true,
  "cut": true,
  "slow": false,
  "page 502": true,
  "page 403": true,
  "page 200": true,
  "empty 200": true,
  "redirect": false,
};

const png = new Uint8Array(1000).fill(7);

const timesIn = ({ inbox }: LocalUser, words: string): number =>
  inbox.filter(({ text, caption }) => (text ?? caption ?? "").includes(words)).length;

const method = (name: string) => ({ url = "" }: IncomingMessage): boolean => url.endsWith(`/${name}`);

const action = (...names: string[]) => ({ headers }: IncomingMessage): boolean =>
  names.includes(String(headers["x-amz-target"]).split(".")[1] ?? "");

const heard = (promises: readonly Promise<unknown>[]): Promise<unknown> => Promise.all(promises);

/** Has the body run with a bot whose requests to Telegram pass the box. */
function withTelegramBehind(
  body: (scene: Scene & { readonly box: Middlebox }) => Promise<void>,
  options: SceneOptions["bot"] = {},
): Promise<void> {
  return withBotOverHttp(async (scene) => {
    await using box = await Middlebox.before(scene.server.apiRoot);
    const bot = scene.another({ apiRoot: box.url, clock: new FastClock(5), ...options });
    await body({ ...scene, bot, box });
    await bot.stopBot();
  }, { state: "made" });
}

/** Has the body run with a bot whose requests to DynamoDB pass the box. */
function withDynamoDBBehind(
  body: (scene: Scene & { readonly box: Middlebox }) => Promise<void>,
): Promise<void> {
  return withBotOverHttp(async (scene) => {
    await using box = await Middlebox.before(scene.gate.endpoint);
    const bot = scene.another({ client: clientAt(box.url) });
    await body({ ...scene, bot, box });
    await bot.stopBot();
  }, { state: "made" });
}

for (const mishap of Object.keys(mayHaveArrived) as Mishap[]) {
  for (const upload of [false, true]) {
    test(`${mishap}, in ${upload ? "an upload" : "a broadcast"}: nobody has it twice, all are accounted for, the others have it`, () =>
      withTelegramBehind(async (scene) => {
        const { bot, box, logs } = scene;
        const users = await subscribers(scene, 20);
        await bot.initialize();
        box.befall(mishap, 2, method(upload ? "sendPhoto" : "sendMessage"));
        const text = "a signal";
        const report = await bot.broadcast(upload ? { text, photo: png } : text);
        assert.is(box.met, 2);
        assert.is(report.sent + report.unknown, 20);
        const bound = mayHaveArrived[mishap] ? 2 : 0;
        assert.ok(report.unknown <= bound, `${report.unknown} of the two are unknown`);
        const has = users.map((user) => timesIn(user, text));
        assert.ok(has.every((times) => times <= 1), "somebody has it twice");
        const reached = has.filter((times) => times === 1).length;
        assert.ok(reached >= report.sent, "somebody who counts does not have it");
        assert.ok(logs.of("warn").length <= 1, `it is said more than once:\n${logs.text}`);
      }, { messagesPerSecond: 60 }));
  }

  test(`${mishap}, in a poll: each word is heard, once, and that polls fail is said at most once`, () =>
    withTelegramBehind(async ({ bot, box, server, logs, settled, item }) => {
      await bot.startBot();
      box.befall(mishap, 2, method("getUpdates"));
      const users = Array.from({ length: 5 }, () => server.user());
      for (const user of users) user.say("/start");
      await heard(users.map((user) => user.received("Welcome")));
      await settled();
      await until(() => box.met === 2, "the fault was not met", recoveredWithinMs);
      for (const user of users) {
        assert.is(timesIn(user, "Welcome"), 1);
        assert.equal((await item(user))?.["message_count"], { N: "1" });
      }
      assert.ok(logs.of("warn").length <= 1, `it is said more than once:\n${logs.text}`);
    }));

  test(`${mishap}, in a reply: the word is kept, and the next one is answered`, () =>
    withTelegramBehind(async ({ bot, box, server, logs, item }) => {
      await bot.startBot();
      const ada = server.user();
      box.befall(mishap, 1, method("sendMessage"));
      ada.say("/start");
      await until(async () => (await item(ada)) !== undefined, "the /start is not kept", recoveredWithinMs);
      await until(() => box.met === 1, "the fault was not met", recoveredWithinMs);
      ada.say("/status");
      await ada.received("subscribed");
      assert.ok(timesIn(ada, "Welcome") <= 1);
      assert.ok(logs.of("warn").length <= 1, `it is said more than once:\n${logs.text}`);
    }));

  test(`${mishap}, in DynamoDB's reads: everybody who is in the table has the signal, once`, () =>
    withDynamoDBBehind(async (scene) => {
      const { bot, box, server, table, logs } = scene;
      const users = await subscribers(scene, 20);
      box.befall(mishap, 2, action("Scan", "Query", "GetItem", "BatchGetItem", "DescribeTable"));
      await bot.initialize();
      assert.is(box.met, 2);
      assert.is((await bot.broadcast("a signal")).sent, 20);
      // Another process registers somebody: a read that fails later must not hide them for good.
      const late = server.user({ opened: true });
      await plantActive(table, late.chatId);
      box.befall(mishap, 2, action("Scan", "Query", "GetItem", "BatchGetItem"));
      assert.ok((await bot.broadcast("another")).sent >= 20);
      for (const user of users) assert.equal([timesIn(user, "a signal"), timesIn(user, "another")], [1, 1]);
      assert.ok(logs.of("warn").length <= 1, `it is said more than once:\n${logs.text}`);
    }));

  test(`${mishap}, in DynamoDB's writes: each word is kept once, and answered once`, () =>
    withDynamoDBBehind(async ({ bot, box, server, logs, settled, item }) => {
      await bot.startBot();
      const users = Array.from({ length: 5 }, () => server.user());
      box.befall(mishap, 2, action("PutItem", "UpdateItem", "TransactWriteItems", "BatchWriteItem"));
      for (const user of users) user.say("/start");
      await heard(users.map((user) => user.received("Welcome")));
      await settled();
      assert.is(box.met, 2);
      const [ada] = users as [LocalUser];
      box.befall(mishap, 2, action("PutItem", "UpdateItem", "TransactWriteItems", "BatchWriteItem"));
      ada.say("/stop");
      await ada.received("unsubscribed");
      await settled();
      await until(
        async () => (await item(ada))?.["is_active"]?.BOOL === false,
        "the /stop is not kept",
        recoveredWithinMs,
      );
      assert.equal((await item(ada))?.["message_count"], { N: "2" });
      for (const user of users) assert.is(timesIn(user, "Welcome"), 1);
      for (const user of users.slice(1)) assert.equal((await item(user))?.["message_count"], { N: "1" });
      assert.ok(logs.of("warn").length <= 1, `it is said more than once:\n${logs.text}`);
    }));

  // Telegram takes 200 for an answer, whoever gave it.
  const isTaken = mishap.endsWith("200");
  const then = isTaken
    ? "it is lost with Telegram, and the next is heard"
    : "it comes again, is kept and answered once";
  test(`${mishap}, on the way to a webhook: ${then}`, () =>
    withBotOverHttp(async ({ bot, server, logs, item }) => {
      await bot.initialize();
      const callback = webhookCallback(bot, { secretToken: "s3cret-of-the-test" });
      await using host = await serve("Node", callback);
      await using box = await Middlebox.before(host.url);
      const url = `${box.url}/`;
      const set = `setWebhook?url=${encodeURIComponent(url)}&secret_token=s3cret-of-the-test`;
      await (await fetch(`${server.apiRoot}/bot${server.token}/${set}`)).text();
      const ada = server.user();
      box.befall(mishap, 1);
      ada.say("/start");
      if (isTaken) {
        await until(() => server.pendingUpdates === 0, "it is not confirmed", recoveredWithinMs);
        ada.say("/start");
      }
      await ada.received("Welcome");
      await until(() => server.pendingUpdates === 0, "it is not confirmed", recoveredWithinMs);
      assert.is(box.met, 1);
      assert.is(timesIn(ada, "Welcome"), 1);
      assert.equal((await item(ada))?.["message_count"], { N: "1" });
      assert.equal(logs.of("warn"), []);
    }, { state: "made", server: { clock: new FastClock(5) } }));
}

test.run();
