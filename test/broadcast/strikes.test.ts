/** Broadcasts to chats that Telegram does not find: three in a row end one, and nothing else is written. */
import type { LocalUser } from "../../lib/local/mod.ts";
import type { BroadcastReport } from "../../lib/broadcast/report.ts";
import { assert, suite } from "../harness.ts";
import { said, type Scene, subscribers, withBot } from "../support/bot.ts";

const test = suite("broadcast(): strikes", {}, 60_000);

const answer = { error_code: 400, description: "Bad Request: chat not found" };

/** Broadcasts once while Telegram does not find these. */
async function missing({ bot, server }: Scene, ...users: LocalUser[]): Promise<BroadcastReport> {
  const faults = users.map(({ chatId }) => server.fault({ chatId, times: Infinity, answer }));
  const report = await bot.broadcast("signal");
  for (const fault of faults) fault.clear();
  return report;
}

async function strikesOf({ item }: Scene, user: LocalUser): Promise<string | undefined> {
  return (await item(user))?.["strikes"]?.N;
}

test("the third broadcast in a row that does not find a chat ends it, and counts it as deactivated", async () => {
  await withBot(async (scene) => {
    const [lost, found] = await subscribers(scene, 2) as [LocalUser, LocalUser];
    for (const strikes of ["1", "2"]) {
      const { sent, failed, deactivated, errors } = await missing(scene, lost);
      assert.equal([sent, failed, deactivated], [1, 1, 0]);
      assert.equal([errors[0]?.chat_id, errors[0]?.outcome], [lost.chatId, "failed"]);
      assert.is(await strikesOf(scene, lost), strikes);
    }
    const { sent, failed, deactivated } = await missing(scene, lost);
    assert.equal([sent, failed, deactivated], [1, 0, 1]);
    const item = await scene.item(lost);
    assert.equal([item?.["is_active"], item?.["removed_reason"]], [{ BOOL: false }, { S: "gone" }]);
    assert.is(item?.["strikes"], undefined);
    assert.equal((await scene.bot.broadcast("signal")).recipients, 1);
    assert.is(await strikesOf(scene, found), undefined);
  }, { state: "made" });
});

test("a broadcast that finds a chat again clears its strikes, in any process, and writes for no other", async () => {
  await withBot(async (scene) => {
    const [lost] = await subscribers(scene, 10) as [LocalUser];
    await missing(scene, lost);
    await missing(scene, lost);
    const other = scene.another();
    await other.initialize();
    scene.gate.resetCounts();
    assert.is((await other.broadcast("found")).sent, 10);
    assert.equal(said(lost), ["found"]);
    // One write of the two says that somebody sends.
    assert.equal([scene.gate.count("GetItem"), scene.gate.count("UpdateItem")], [1, 2]);
    assert.is(await strikesOf(scene, lost), undefined);
    scene.gate.resetCounts();
    await other.broadcast("found");
    assert.is(scene.gate.count("UpdateItem"), 1);
    await missing(scene, lost);
    assert.is(await strikesOf(scene, lost), "1", "it begins anew");
  }, { state: "made" });
});

test("a message of the chat clears its strikes", async () => {
  await withBot(async (scene) => {
    const [lost] = await subscribers(scene, 1) as [LocalUser];
    await scene.bot.startBot();
    await missing(scene, lost);
    await missing(scene, lost);
    assert.is(await strikesOf(scene, lost), "2");
    lost.say("hello");
    await scene.settled();
    assert.is(await strikesOf(scene, lost), undefined);
    await missing(scene, lost);
    assert.equal((await scene.item(lost))?.["is_active"], { BOOL: true });
  }, { state: "made" });
});

test("a chat that refuses gets no strike", async () => {
  await withBot(async (scene) => {
    const [muted] = await subscribers(scene, 2) as [LocalUser];
    const description = "Bad Request: not enough rights to send text messages to the chat";
    scene.server.fault({ chatId: muted.chatId, times: Infinity, answer: { error_code: 400, description } });
    for (let times = 0; times < 4; times++) assert.is((await scene.bot.broadcast("signal")).failed, 1);
    assert.is(await strikesOf(scene, muted), undefined);
    assert.equal((await scene.item(muted))?.["is_active"], { BOOL: true });
  }, { state: "made" });
});

test("a strike that cannot be kept is told, and ends nothing; a send counts where its mark stays", async () => {
  await withBot(async (scene) => {
    const [lost] = await subscribers(scene, 2) as [LocalUser];
    await missing(scene, lost);
    scene.gate.fail({ action: "UpdateItem", status: 400, type: "AccessDeniedException", message: "no" });
    const { failed, errors } = await missing(scene, lost);
    assert.is(failed, 1);
    assert.match(errors[0]?.message ?? "", /chat not found.*not kept/);
    assert.is((await scene.bot.broadcast("signal")).sent, 2);
    scene.gate.clear();
    assert.is(await strikesOf(scene, lost), "1");
  }, { state: "made" });
});

test.run();
