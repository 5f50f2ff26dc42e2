/** When a broadcast has begun, as its handle tells; and ids that are unique for a while. */
import { ScanCommand } from "@aws-sdk/client-dynamodb";
import type { BroadcastBeginning } from "../../lib/broadcast/beginning.ts";
import { type Clock, systemClock } from "../../lib/util/clock.ts";
import { assert, suite } from "../harness.ts";
import { HandClock, said, type Scene, type SceneOptions, subscribers, withBot } from "../support/bot.ts";
import { failureOf, LedgerName } from "../support/storage.ts";

const test = suite("the beginning of a broadcast", {}, 60_000);
const made: SceneOptions = { state: "made", hasLedger: true };
const id = "BTC-USD 2026-11-25T14:05Z long";
const signal = { direction: "long", symbol: "BTC-USD", entry: 67250.5, stop: 66980, target: 67800 } as const;

async function idsInLedger({ table }: Scene): Promise<(string | undefined)[]> {
  const { Items = [] } = await table.direct.send(new ScanCommand({ TableName: LedgerName }));
  return Items.flatMap(({ broadcast_id, record }) => record?.S === "run" ? [broadcast_id?.S] : []);
}

const isNew = (broadcastId: string): BroadcastBeginning => ({
  broadcastId,
  isRepeated: false,
  isDurable: true,
});
const isOld = (broadcastId: string): BroadcastBeginning => ({
  broadcastId,
  isRepeated: true,
  isDurable: true,
});

test("begun resolves when the ledger has the run, and before the last chat has the message", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 100);
    const run = scene.bot.sendSignal(signal, { broadcastId: id });
    assert.equal(await run.begun, isNew(id));
    assert.equal(await idsInLedger(scene), [id]);
    assert.ok(scene.server.countCalls("sendMessage") < 100, "it is still being sent");
    await run;
  }, { ...made, bot: { messagesPerSecond: 30 } });
});

test("a second call is told at once that the first has begun it, here and from another bot", async () => {
  await withBot(async (scene) => {
    const { bot, another } = scene;
    await subscribers(scene, 100);
    const first = bot.sendSignal(signal, { broadcastId: id });
    const second = bot.sendSignal(signal, { broadcastId: id });
    assert.equal(await second.begun, isOld(id));
    const third = another().sendSignal(signal, { broadcastId: id });
    assert.equal(await third.begun, isOld(id));
    assert.ok(scene.server.countCalls("sendMessage") < 100, "it is still being sent");
    await Promise.all([first, second, third]);
    assert.equal(await bot.sendSignal(signal, { broadcastId: id }).begun, isOld(id));
  }, { ...made, bot: { messagesPerSecond: 30 } });
});

test("in an outage a signal has begun without the ledger, and is not durable", async () => {
  await withBot(async (scene) => {
    const { bot, gate } = scene;
    await subscribers(scene, 1);
    await bot.initialize();
    gate.fail({ status: 500, type: "InternalServerError", message: "away" });
    const run = bot.sendSignal(signal, { broadcastId: id });
    assert.equal(await run.begun, { broadcastId: id, isRepeated: false, isDurable: false });
    assert.is((await run).sent, 1);
  }, made);
});

test("without an id nothing is durable; nor in memory", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 1);
    const run = scene.bot.broadcast("hello");
    assert.equal(await run.begun, { broadcastId: undefined, isRepeated: false, isDurable: false });
    assert.is((await run).sent, 1);
    const forgetful = scene.another({ useDynamoDB: false, client: undefined, tableName: undefined });
    const { isDurable } = await forgetful.broadcast("hello", { broadcastId: id }).begun;
    assert.is(isDurable, false);
  }, made);
});

test("what fails before it begins rejects both promises; one that nobody waits for is no failure", async () => {
  await withBot(async ({ bot }) => {
    const run = bot.sendSignal({ ...signal, stop: 1e9 }, { broadcastId: id });
    const error = await failureOf(run);
    assert.instance(error, RangeError);
    assert.is(await failureOf(run.begun), error);
    await failureOf(bot.sendSignal({ ...signal, stop: 1e9 }));
  }, made);
});

/** A quarter of an hour. */
const uniqueForMs = 900_000;
const noon = Date.UTC(2026, 10, 25, 12);

/** Bots whose clocks a test sets. */
async function withHandClock(
  body: (scene: Scene, clock: HandClock, at: (time: number) => void) => Promise<void>,
): Promise<void> {
  const clock = new HandClock(noon);
  const at = (time: number): void => void clock.advance(time - clock.now());
  await withBot((scene) => body(scene, clock, at), { ...made, bot: { clock } });
}

test("an id that is unique for a while is sent once within it, also over the end of a period, by any bot", async () => {
  await withHandClock(async (scene, _clock, at) => {
    const { bot, another } = scene;
    const [ada] = await subscribers(scene, 1);
    const options = { broadcastId: "news", uniqueForMs };
    const send = (by = bot): Promise<unknown> => by.broadcast("news", options);
    const other = another();
    at(noon + 600_000);
    await send();
    for (const minutes of [11, 14, 15, 16, 24]) {
      at(noon + minutes * 60_000);
      await send();
      await send(other);
    }
    assert.equal(ada && said(ada), ["news"]);
    at(noon + 26 * 60_000);
    await send(other);
    await send();
    assert.equal(ada && said(ada), ["news", "news"]);
    assert.equal((await idsInLedger(scene)).sort(), [
      "news 2026-11-25T12:00:00.000Z",
      "news 2026-11-25T12:15:00.000Z",
    ]);
  });
});

test("two bots that send it at once, at the end of a period by one clock and at the beginning by the other", async () => {
  await withBot(async (scene) => {
    const [ada] = await subscribers(scene, 1);
    let ahead = 0;
    const clockAt = (ms: number): Clock => ({ ...systemClock, now: () => systemClock.now() + ahead + ms });
    const bots = [-1, 0].map((ms) => scene.another({ clock: clockAt(ms) }));
    for (const bot of bots) await bot.initialize();
    ahead = noon - systemClock.now();
    await Promise.all(bots.map((each) => each.broadcast("news", { broadcastId: "news", uniqueForMs })));
    assert.equal(ada && said(ada), ["news"]);
  }, made);
});

test.run();
