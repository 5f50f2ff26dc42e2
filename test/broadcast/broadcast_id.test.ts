/** Broadcasts with an id: sent once, whoever calls, however often, and finished by whoever is left. */
import { GetItemCommand, PutItemCommand, ScanCommand } from "@aws-sdk/client-dynamodb";
import { StorageError } from "../../lib/chats/storage.ts";
import { DynamoDBLedger, runOf } from "../../lib/dynamodb/ledger.ts";
import type { LocalUser } from "../../lib/local/mod.ts";
import type { BroadcastOptions, BroadcastReport, Ledger } from "../../mod.ts";
import { assert, suite } from "../harness.ts";
import {
  FastClock,
  pause,
  said,
  type Scene,
  type SceneOptions,
  subscribers,
  until,
  withBot,
} from "../support/bot.ts";
import { failureOf, LedgerName, type RawItem } from "../support/storage.ts";

const test = suite("broadcast(): broadcastId", {}, 60_000);
const png = new Uint8Array(1000).fill(7);
const made: SceneOptions = { state: "made", hasLedger: true };
const id = "BTC-USD 2026-11-25T14:05Z long";

const plain = (value: unknown): Record<string, unknown> => JSON.parse(JSON.stringify(value));
/** The report that a later call gets. */
const repeated = (report: BroadcastReport, differs = false): Record<string, unknown> => ({
  ...plain(report),
  wasAlreadySent: true,
  differs,
});

async function ledgerItems({ table }: Scene): Promise<RawItem[]> {
  const { Items = [] } = await table.direct.send(new ScanCommand({ TableName: LedgerName }));
  return Items as RawItem[];
}

async function run({ table }: Scene, broadcastId: string = id): Promise<ReturnType<typeof runOf>> {
  const Key = { broadcast_id: { S: broadcastId }, record: { S: "run" } };
  const { Item } = await table.direct.send(
    new GetItemCommand({ TableName: LedgerName, Key, ConsistentRead: true }),
  );
  return runOf(Item ?? {});
}

test("a second call sends nothing and gives the first one's report, here and from another bot", async () => {
  await withBot(async (scene) => {
    const { bot, server, another } = scene;
    const users = await subscribers(scene, 150);
    server.unheard(() => users.slice(0, 20).forEach((user) => user.block()));
    const first = await bot.broadcast("signal", { broadcastId: id });
    assert.equal([first.broadcastId, first.recipients, first.sent, first.deactivated], [id, 150, 130, 20]);
    assert.is(first.errors.length, 20);
    const calls = server.countCalls("sendMessage");
    assert.equal(plain(await bot.broadcast("signal", { broadcastId: id })), repeated(first));
    const other = await another().broadcast("something else", { broadcastId: id });
    assert.equal(plain(other), repeated(first, true));
    assert.match(
      String(other),
      /^Nothing was sent now: it was sent at [-\d]{10} [:\d]{8} UTC, to 130 of 150 chats in .*\. That text was another one\.$/,
    );
    assert.is(server.countCalls("sendMessage"), calls);
    for (const user of users.slice(20)) assert.equal(said(user), ["signal"]);
  }, made);
});

test("a run whose message was lost or replaced is an error that says where to look", async () => {
  await withBot(async ({ bot, table }) => {
    await bot.broadcast("creates the table", { broadcastId: "first" });
    const Item: RawItem = {
      ...{ broadcast_id: { S: id }, record: { S: "run" }, state: { S: "running" }, owner: { S: "another" } },
      ...{ fence: { N: "1" }, lease_until: { N: "0" }, started_at: { S: "2026-11-20T12:00:00.000Z" } },
      ...{ on_unknown: { S: "skip" }, message_name: { S: "message-1" }, cursor: { N: "7" } },
    };
    for (const text of [undefined, "", "null", '{"text":5}', "{"]) {
      const message_parts = { N: text === undefined ? "0" : "1" };
      await table.direct.send(
        new PutItemCommand({ TableName: LedgerName, Item: { ...Item, message_parts } }),
      );
      const part = { broadcast_id: { S: id }, record: { S: "message-1#0" }, text: { S: text ?? "" } };
      await table.direct.send(new PutItemCommand({ TableName: LedgerName, Item: part }));
      const error = await failureOf(bot.broadcast("x", { broadcastId: id }));
      assert.instance(error, StorageError);
      assert.match(
        error.message,
        /^The ledger's "message-1" of the broadcast .* is not what was written there/,
      );
    }
  }, made);
});

test("a text that differs from the one under its id is reported and logged, one that does not is not", async () => {
  await withBot(async (scene) => {
    const { bot, another, logs } = scene;
    const users = await subscribers(scene, 3);
    const elsewhere = another();
    await elsewhere.initialize();
    const both = await Promise.all(
      ["one", "other"].map((text) => bot.broadcast(text, { broadcastId: "both", priority: "urgent" })),
    );
    assert.equal(both.map(({ differs, wasAlreadySent }) => [differs, wasAlreadySent]), [
      [false, false],
      [true, false],
    ]);
    const signal = { direction: "long", symbol: "BTC-USD", entry: 3, stop: 2, target: 5 } as const;
    await bot.sendSignal(signal, { broadcastId: "signal" });
    await pause(5000);
    const calls = [
      elsewhere.sendSignal(signal, { broadcastId: "signal" }),
      elsewhere.sendSignal({ ...signal, target: 6 }, { broadcastId: "signal" }),
      elsewhere.broadcast("any", { broadcastId: "signal", perChat: () => "own" }),
      bot.broadcast("own", { broadcastId: "own", perChat: () => "own" }),
    ];
    assert.equal((await Promise.all(calls)).map(({ differs }) => differs), [false, true, undefined, false]);
    assert.is((await elsewhere.broadcast("own", { broadcastId: "own" })).differs, undefined);
    assert.is(said(users[0] as LocalUser).length, 3);
    const filter = (): boolean => true;
    await bot.broadcast("A", { broadcastId: "filtered", filter });
    const filtered = ["A", "B"].map((text) => elsewhere.broadcast(text, { broadcastId: "filtered", filter }));
    assert.equal((await Promise.all(filtered)).map(({ differs }) => differs), [false, true]);
    const told = logs.of("warn").filter((line) => line.includes("another text"));
    assert.equal(told.map((line) => /"(\w+)"/.exec(line)?.[1]), ["both", "signal", "filtered"]);
  }, made);
});

test("calls at the same moment, of one bot and of three, are one broadcast", async () => {
  await withBot(async (scene) => {
    const { bot, another } = scene;
    const users = await subscribers(scene, 30);
    const bots = [bot, bot, another(), another()];
    const reports = await Promise.all(bots.map((each) => each.broadcast("signal", { broadcastId: id })));
    for (const report of reports) assert.equal(plain(report), plain(reports[0]));
    for (const user of users) assert.equal(said(user), ["signal"]);
  }, made);
});

test("without a broadcastId there is no ledger, and nothing asks for one to be made", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 3);
    await scene.bot.broadcast("signal");
    const asked = scene.gate.log.filter(({ table }) => table === LedgerName).map(({ action }) => action);
    assert.ok(asked.length <= 1 && asked.every((action) => action === "Query"), asked.join());
  }, made);
});

test("a policy without the ledger's statement: the error says so, and nobody is written to", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    await subscribers(scene, 3);
    const error = await failureOf(bot.broadcast("signal", { broadcastId: id }));
    assert.instance(error, StorageError);
    assert.match(error.message, /AWS denies dynamodb:\w+ on the table "telegram-broadcasts"/);
    assert.is(server.countCalls("sendMessage"), 0);
    assert.is((await bot.broadcast("signal")).sent, 3, "without an id it goes out");
  }, { state: "made", mayTrespass: true });
});

test("an action that is denied is found out before anyone is written to", async () => {
  await withBot(async (scene) => {
    const { bot, gate, server } = scene;
    await subscribers(scene, 3);
    await bot.broadcast("signal", { broadcastId: "first" });
    const calls = server.countCalls("sendMessage");
    for (const action of ["GetItem", "UpdateItem", "Query"]) {
      const fault = gate.deny(action);
      const error = await failureOf(scene.another().broadcast("signal", { broadcastId: action }));
      fault.clear();
      assert.match(error.message, `AWS denies dynamodb:${action} on the table "telegram-broadcasts"`);
    }
    assert.is(server.countCalls("sendMessage"), calls);
    assert.is((await bot.broadcast("signal", { broadcastId: "UpdateItem" })).sent, 3, "it was not begun");
  }, made);
});

test("one write for a hundred chats, and items under 1 KB", async () => {
  await withBot(async (scene) => {
    const { bot, gate } = scene;
    await subscribers(scene, 250);
    await bot.broadcast("warm up", { broadcastId: "other" });
    const { length } = gate.log;
    const report = await bot.broadcast("signal", { broadcastId: id });
    assert.is(report.sent, 250);
    // The message, three windows (a little smaller than 120, for those still under way), and the end; a sign of life
    // more for each five seconds that a slow machine takes.
    const counted = (wanted: string): number =>
      gate.log.slice(length).filter(({ action, table }) => action === wanted && table === LedgerName).length;
    const writes = counted("UpdateItem");
    assert.ok(writes >= 5 && writes <= 6 + report.durationMs / 5000, `${writes} writes`);
    assert.is(counted("GetItem"), 1);
    for (const item of await ledgerItems(scene)) assert.ok(JSON.stringify(item).length < 2000);
  }, { ...made, bot: { messagesPerSecond: 60 } });
});

test("a bot that is stopped in the middle leaves the rest to the next start; nobody is in doubt", async () => {
  const clock = new FastClock(4);
  await withBot(async (scene) => {
    const { bot, another, logs } = scene;
    const users = await subscribers(scene, 300);
    const running = bot.broadcast("signal", { broadcastId: id, order: "ascending" });
    running.pause();
    await bot.initialize();
    running.resume();
    await users[30]?.received("signal");
    running.pause();
    clock.setFactor(40);
    await bot.stopBot();
    const left = await running;
    assert.match(left.stopped ?? "", /the bot was stopped; resumeBroadcasts\(\), or the next start, goes on/);
    assert.ok(left.skips.stopped > 200);
    await another().initialize();
    await until(() => logs.of("info", "is finished").length > 0, "it was not finished");
    for (const user of users) assert.equal(said(user), ["signal"]);
    const report = await another().broadcast("signal", { broadcastId: id });
    assert.equal([report.recipients, report.sent, report.unknown], [300, 300, 0]);
    assert.is(report.stopped, undefined);
  }, { ...made, bot: { clock, messagesPerSecond: 30 } });
});

/** A run as a process leaves it that dies in the first window: whatever it writes after that never arrives. */
async function abandoned(
  { another, table }: Scene,
  options: BroadcastOptions = {},
  message: string = "signal",
): Promise<void> {
  const ledger: Ledger = new DynamoDBLedger({ tableName: LedgerName, client: table.direct });
  ledger.save = () => new Promise(() => {});
  // Its lease holds for all of the window.
  const bot = another({ ledger, clock: new FastClock(5), messagesPerSecond: 50 });
  const running = bot.broadcast(message, { broadcastId: id, order: "ascending", ...options });
  running.catch(() => {});
  await until(() => running.progress.done >= 100, "the window was not sent");
}

test("whoever is in doubt is counted as unknown, and not written to again", async () => {
  const clock = new FastClock(50);
  await withBot(async (scene) => {
    const users = await subscribers(scene, 250);
    await abandoned(scene, {});
    const { resumed, left } = await scene.bot.resumeBroadcasts();
    assert.equal(left, []);
    const [report] = resumed;
    assert.equal([report?.recipients, report?.sent, report?.unknown], [250, 150, 100]);
    for (const user of users) assert.equal(said(user), ["signal"]);
    assert.match(report?.errors[0]?.message ?? "", "died");
  }, { ...made, bot: { clock, messagesPerSecond: 50 } });
});

test('"resend" writes again to whoever is in doubt, and leaves nobody out', async () => {
  const clock = new FastClock(50);
  await withBot(async (scene) => {
    const users = await subscribers(scene, 250);
    await abandoned(scene, { onUnknown: "resend", disableNotification: true });
    const report = await scene.bot.broadcast("signal", { broadcastId: id });
    assert.equal([report.recipients, report.sent, report.unknown], [250, 250, 0]);
    for (const [index, user] of users.entries()) assert.is(said(user).length, index < 100 ? 2 : 1);
    const loud = scene.server.calls.filter(({ payload }) =>
      payload["text"] === "signal" && payload["disable_notification"] !== true
    );
    assert.is(loud.length, 0, "the run goes on as it was begun");
  }, { ...made, bot: { clock, messagesPerSecond: 50 } });
});

test("what is left over expires all the same", async () => {
  const clock = new FastClock(50);
  await withBot(async (scene) => {
    await subscribers(scene, 250);
    await abandoned(scene, { maxAgeMs: 12_000 });
    const report = await scene.bot.broadcast("signal", { broadcastId: id });
    assert.equal([report.recipients, report.unknown, report.skips.expired], [250, 100, 150]);
  }, { ...made, bot: { clock, messagesPerSecond: 10 } });
});

test("what no ledger can keep is finished by calling again, and resumeBroadcasts() lists it", async () => {
  const clock = new FastClock(50);
  await withBot(async (scene) => {
    const users = await subscribers(scene, 150);
    const perChat = ({ chat_id }: { chat_id: number }): string => `for ${chat_id}`;
    await abandoned(scene, { perChat });
    const { resumed, left } = await scene.bot.resumeBroadcasts();
    assert.equal(resumed, []);
    assert.equal(left.map(({ broadcast_id }) => broadcast_id), [id]);
    assert.match(left[0]?.reason ?? "", "call broadcast() with the same broadcastId and the same functions");
    const wrong = await failureOf(scene.bot.broadcast("signal", { broadcastId: id }));
    assert.match(wrong.message, "the same functions");
    const report = await scene.bot.broadcast("signal", { broadcastId: id, perChat });
    assert.equal([report.sent, report.unknown], [50, 100]);
    for (const user of users) assert.equal(said(user), [`for ${user.chatId}`]);
  }, { ...made, bot: { clock, messagesPerSecond: 50 } });
});

test("a call with the functions finishes it, also while the start waits for the dead one's lease", async () => {
  const clock = new FastClock(20);
  await withBot(async (scene) => {
    const users = await subscribers(scene, 150);
    const filter = (): boolean => true;
    await abandoned(scene, { filter });
    await scene.bot.initialize();
    void scene.bot.resumeBroadcasts();
    const report = await scene.bot.broadcast("signal", { broadcastId: id, filter });
    assert.equal([report.sent, report.unknown], [50, 100]);
    for (const user of users) assert.equal(said(user), ["signal"]);
  }, { ...made, bot: { clock, messagesPerSecond: 50 } });
});

test("functions that only a later call brings change nothing", async () => {
  const clock = new FastClock(50);
  await withBot(async (scene) => {
    const users = await subscribers(scene, 150);
    await abandoned(scene);
    const [filter, perChat] = [(): boolean => false, (): string => "another text"];
    const report = await scene.bot.broadcast("signal", { broadcastId: id, filter, perChat });
    assert.equal([report.sent, report.unknown], [50, 100]);
    for (const user of users) assert.equal(said(user), ["signal"]);
  }, { ...made, bot: { clock, messagesPerSecond: 50 } });
});

test("a photo is in the ledger once it is uploaded, and is finished without another upload", async () => {
  const clock = new FastClock(20);
  await withBot(async (scene) => {
    const { bot, another, server } = scene;
    const users = await subscribers(scene, 300);
    const running = bot.broadcast({ text: "chart", photo: png }, { broadcastId: id, order: "ascending" });
    await users[150]?.received("chart");
    running.pause();
    await bot.stopBot();
    assert.match((await run(scene)).message_name ?? "", /^message-[0-9a-f]{16}$/);
    const { resumed } = await another().resumeBroadcasts();
    assert.is(resumed[0]?.sent, 300);
    assert.is(server.uploads, 1);
    for (const user of users) assert.equal(said(user), ["chart"]);
  }, { ...made, bot: { clock, messagesPerSecond: 50 } });
});

test("people who were drawn, and not asked before a stop, are written to by the next one", async () => {
  const clock = new FastClock(40);
  await withBot(async (scene) => {
    const { bot, another, server } = scene;
    const users = await subscribers(scene, 40);
    const answer = { error_code: 400, description: "Bad Request: SOMETHING_OF_NEXT_YEAR" };
    server.fault({ method: "sendMessage", chatId: users[0]?.chatId ?? 0, answer });
    const hanging = server.fault({ method: "sendMessage", times: Infinity, answer: "hang" });
    const running = bot.broadcast("signal", { broadcastId: id, order: "ascending" });
    await until(() => hanging.hits > 0, "nobody is asked");
    await bot.stopBot();
    await running;
    hanging.clear();
    const { hits } = hanging;
    assert.ok(hits <= 5, "not more than were drawn");
    const report = await another().broadcast("signal", { broadcastId: id });
    assert.equal([report.sent, report.failed, report.unknown, report.recipients], [39 - hits, 1, hits, 40]);
  }, { ...made, bot: { clock } });
});

test("people who were drawn are written to, though somebody takes the message before the ledger knows of them", async () => {
  await withBot(async (scene) => {
    const { bot, server, gate } = scene;
    const users = await subscribers(scene, 40);
    const [late, refusing] = users.map(({ chatId }) => chatId);
    const answer = { error_code: 400, description: "Bad Request: SOMETHING_OF_NEXT_YEAR" };
    server.fault({ method: "sendMessage", chatId: late ?? 0, answer: { delayMs: 1500 } });
    server.fault({ method: "sendMessage", chatId: refusing ?? 0, answer });
    await bot.initialize();
    gate.delay({ action: "UpdateItem", ms: 1000 });
    const report = await bot.broadcast("signal", { broadcastId: id, order: "ascending" });
    assert.equal([report.sent, report.failed, report.recipients], [39, 1, 40]);
    assert.is(server.countCalls("sendMessage"), 40, "and nobody twice");
  }, made);
});

test("a message that Telegram refuses can be put right, and called for again under its id", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    const users = await subscribers(scene, 20);
    const answer = { error_code: 400, description: "Bad Request: can't parse entities" };
    server.fault({ method: "sendMessage", answer });
    const report = await bot.broadcast("signal", { broadcastId: id });
    assert.equal([report.sent, report.failed, report.skipped], [0, 1, 19]);
    assert.match(report.stopped ?? "", /can't parse entities.*can be called for again under its broadcastId/);
    const { resumed, left } = await bot.resumeBroadcasts();
    assert.equal([resumed.length, left.length, server.countCalls("sendMessage")], [0, 1, 1]);
    assert.match(left[0]?.reason ?? "", "can't parse entities");
    const again = await bot.broadcast("put right", { broadcastId: id });
    assert.equal([again.sent, again.failed, again.skipped, again.stopped], [20, 0, 0, undefined]);
    for (const user of users) assert.equal(said(user), ["put right"]);
    assert.equal(plain(await bot.broadcast("signal", { broadcastId: id })), repeated(again, true));
    assert.is(server.countCalls("sendMessage"), 21);
  }, made);
});

test("whoever has registered elsewhere gets a signal with an id, too, however early the list is read", async () => {
  for (const known of [0, 1, 20, 150]) {
    await withBot(async (scene) => {
      const { bot } = scene;
      const signal = { direction: "long", symbol: "BTC-USD", entry: 2, stop: 1, target: 4 } as const;
      await bot.sendSignal(signal, { broadcastId: "an earlier one" });
      const elsewhere = await subscribers(scene, 12);
      const report = await bot.sendSignal(signal, { broadcastId: id });
      assert.equal([report.recipients, report.sent], [known + 12, known + 12]);
      for (const user of elsewhere) assert.is(said(user).length, 1);
    }, { ...made, hasLedger: true, before: (scene) => subscribers(scene, known) });
  }
});

test("a ledger that fails in the middle is waited for; nobody gets it twice", async () => {
  const clock = new FastClock(10);
  await withBot(async (scene) => {
    const { bot, gate, logs } = scene;
    const users = await subscribers(scene, 250);
    const running = bot.broadcast("signal", { broadcastId: id, order: "ascending" });
    // Before the bot hears of it: the second window is not written yet.
    users[50]?.onMessage(() => void gate.refuse());
    await until(() => logs.of("warn", "waits for its ledger").length > 0, "it did not say that it waits");
    assert.ok(running.progress.done <= 100);
    gate.clear();
    const report = await running;
    assert.equal([report.sent, report.unknown], [250, 0]);
    for (const user of users) assert.equal(said(user), ["signal"]);
  }, { ...made, bot: { clock, messagesPerSecond: 50 } });
});

test("a stop while the ledger is away ends, and the next one finishes it", async () => {
  const clock = new FastClock(20);
  await withBot(async (scene) => {
    const { bot, another, gate } = scene;
    const users = await subscribers(scene, 250);
    const running = bot.broadcast("signal", { broadcastId: id, order: "ascending" });
    await users[50]?.received("signal");
    const outage = gate.refuse();
    await until(() => running.progress.done >= 95, "the window was not sent");
    await bot.stopBot();
    assert.match((await running).stopped ?? "", /its ledger cannot be written|the bot was stopped/);
    outage.clear();
    const report = await another().broadcast("signal", { broadcastId: id });
    assert.is(report.recipients, 250);
    assert.ok(report.unknown <= 100, String(report));
    for (const user of users) assert.ok(said(user).length <= 1);
  }, { ...made, bot: { clock, messagesPerSecond: 50 } });
});

test("a stop does not wait for a chat's text that never comes, and another bot finishes it", async () => {
  const clock = new FastClock(20);
  await withBot(async (scene) => {
    const { bot, another } = scene;
    const users = await subscribers(scene, 20);
    const perChat = (): Promise<never> => new Promise(() => {});
    const running = bot.broadcast("signal", { broadcastId: id, perChat, onUnknown: "resend" });
    await until(() => running.progress.recipients > 0, "it has not begun");
    await bot.stopBot();
    await running;
    const report = await another().broadcast("signal", { broadcastId: id, perChat: () => "mine" });
    assert.is(report.recipients, 20);
    for (const user of users) assert.ok(said(user).length <= 1);
  }, { ...made, bot: { clock } });
});

test("a start that cannot read the chats resumes when it can", async () => {
  const clock = new FastClock(20);
  await withBot(async (scene) => {
    const { bot, gate } = scene;
    const users = await subscribers(scene, 150);
    await abandoned(scene);
    const outage = gate.deny("Scan");
    assert.is((await bot.initialize()).storage, "memory");
    const resuming = bot.resumeBroadcasts();
    await pause(200);
    outage.clear();
    const { resumed } = await resuming;
    assert.equal(resumed.map(({ sent, unknown }) => [sent, unknown]), [[50, 100]]);
    for (const user of users) assert.equal(said(user), ["signal"]);
  }, { ...made, bot: { clock, messagesPerSecond: 50 } });
});

test("resumeBroadcasts() says where it may not look", async () => {
  await withBot(async ({ bot, gate }) => {
    await bot.initialize();
    gate.deny("Query");
    assert.match((await failureOf(bot.resumeBroadcasts())).message, "AWS denies dynamodb:Query on the table");
  }, made);
});

test("in memory an id holds for as long as the process lives", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    const ada = server.user({ first_name: "Ada" }) as LocalUser;
    ada.say("/start");
    await ada.received("subscribed");
    const first = await bot.broadcast("signal", { broadcastId: id });
    assert.equal(plain(await bot.broadcast("signal", { broadcastId: id })), repeated(first));
    assert.is(said(ada).filter((text) => text === "signal").length, 1);
  }, { bot: { useDynamoDB: false } });
});

test("another table, by option", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 2);
    const error = await failureOf(scene.bot.broadcast("signal", { broadcastId: id }));
    assert.match(error.message, 'on the table "my-broadcasts"');
  }, { state: "made", mayTrespass: true, bot: { broadcastsTableName: "my-broadcasts" } });
});

test.run();
