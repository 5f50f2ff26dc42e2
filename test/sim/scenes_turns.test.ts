/** Scenes of several broadcasts at once: which one leaves first, and who is in doubt where their process dies. */
import { unmarshall } from "@aws-sdk/util-dynamodb";
import { assert, suite } from "../harness.ts";
import { sdkItem } from "./dynamodb/dynamodb.ts";
import { LedgerName } from "./plan.ts";
import { type Scene, withReaders } from "./scene.ts";
import { warmUp } from "./warm_up.ts";

const test = suite("scenes of turns");

test.before(warmUp);

const ids = ["signal1", "signal2", "signal3", "signal4"];

/** The runs that the ledger has, by their ids. */
function runsOf(scene: Scene): Record<string, unknown>[] {
  return scene.dynamodb.items(LedgerName)
    .map((item) => unmarshall(sdkItem(item)))
    .filter(({ record }) => record === "run")
    .sort((one, other) => String(one["broadcast_id"]).localeCompare(String(other["broadcast_id"])));
}

/** The texts of all messages, in the order in which they have arrived. */
function textsOf(scene: Scene): string[] {
  return scene.telegram.server.calls
    .filter(({ method }) => method === "sendMessage")
    .map(({ payload }) => String(payload["text"]));
}

test("of signals that wait for each other one is in doubt where their process dies", async () => {
  const { scene, poller, sender } = await withReaders(1, 30, 300);
  await scene.act(() => scene.signal(sender, "signal1"));
  await scene.pass(200);
  await scene.act(() => {
    for (const id of ids.slice(1)) scene.signal(sender, id);
  });
  await scene.pass(15_000);
  assert.equal(runsOf(scene).map(({ state }) => state), ["finished", "running", "running", "running"]);
  await scene.act(() => sender.kill());
  await scene.pass(30_000);
  await scene.act(() => void poller.bot?.resumeBroadcasts());
  await scene.pass(60_000);
  assert.equal(scene.problems(), []);
  const runs = runsOf(scene).map(({ state, recipients, unknown }) => ({ state, recipients, unknown }));
  const whole = { state: "finished", recipients: 300, unknown: 0 };
  assert.equal(runs.filter((_, index) => index !== 1), [whole, whole, whole]);
  assert.is(runs[1]?.recipients, 300);
  assert.ok(Number(runs[1]?.unknown) > 0);
});

test("a signal has left before the next one begins, but one to a few chats goes between", async () => {
  const { scene, sender, readers } = await withReaders(1, 30, 150);
  const few = new Set(readers.slice(0, 3).map(({ chatId }) => chatId));
  await scene.act(() => {
    for (const name of ["first", "second"]) void sender.bot?.broadcast(name, { priority: "urgent" });
  });
  await scene.pass(1000);
  await scene.act(() => {
    void sender.bot?.broadcast("few", { priority: "urgent", filter: ({ chat_id }) => few.has(chat_id) });
  });
  await scene.pass(12_000);
  const texts = textsOf(scene).slice(-303);
  const [first, second, last] = ["first", "second", "few"].map((name) => texts.lastIndexOf(name));
  assert.is(texts.filter((text) => text === "first").length, 150);
  assert.is(texts.filter((text) => text === "second").length, 150);
  assert.is(texts.filter((text) => text === "few").length, 3);
  assert.ok(Number(last) < 50, `the few had it as ${last}`);
  const early = texts.slice(0, first).filter((text) => text === "second").length;
  assert.ok(early <= 5, `${early} of the second before the first had left`);
  assert.is(second, 302);
});

test.run();
