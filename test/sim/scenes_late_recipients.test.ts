/** Scenes of a signal whose process does not know all chats when it begins, and dies before it has sent to all. */
import { unmarshall } from "@aws-sdk/util-dynamodb";
import { assert, suite } from "../harness.ts";
import { chatsOf, windowOf } from "./broadcast_oracle.ts";
import { sdkItem } from "./dynamodb/dynamodb.ts";
import { Scene, type SceneOptions } from "./scene.ts";
import { warmUp } from "./warm_up.ts";

const test = suite("scenes of late recipients");

test.before(warmUp);

/** A bot that polls, and one whose list lacks 60 of the 300 people who are subscribed, as it was read before they returned. */
async function withReturned(options: SceneOptions = {}) {
  const scene = new Scene(1, options);
  const [poller, sender] = [scene.machine(), scene.machine({ name: "b", isPoller: false })];
  await scene.act(() => poller.start());
  await scene.pass(3000);
  const readers = scene.subscribe(300);
  await scene.pass(85_000);
  const returning = readers.filter((_, index) => index % 5 === 0);
  for (const text of ["/stop", "/start"]) {
    await scene.act(() => {
      for (const reader of returning) scene.users.say(reader, text);
    });
    await scene.pass(75_000);
    if (text === "/stop") await scene.act(() => sender.start());
  }
  return { scene, poller, sender };
}

for (const mode of ["skip", "resend"] as const) {
  test(`after a takeover chats that another instance has registered get a signal, too, with ${mode}`, async () => {
    const { scene, poller, sender } = await withReturned();
    let windows = 0;
    scene.onWrite = (_table, before, after) => {
      if (after?.["record"]?.S !== "run" || before?.["cursor"]?.N === after["cursor"]?.N) return;
      if (++windows === 3) sender.kill();
    };
    await scene.act(() => scene.signal(sender, "signal1", mode));
    await scene.pass(60_000);
    await scene.act(() => scene.signal(poller, "signal1", mode));
    await scene.pass(60_000);
    assert.is(sender.kills, 1);
    assert.equal(scene.problems(), []);
    const { sent = 0, unknown = 0 } = scene.oracle.broadcasts.get("signal1")?.reports.at(-1) ?? {};
    assert.is(sent + unknown, 300);
    assert.is(unknown === 0, mode === "resend");
  });

  test(`after a takeover chats that joined within the window are not in doubt, with ${mode}`, async () => {
    // Telegram takes less than the bot sends: people are drawn to find out whom its floods concern, and the window is rewritten.
    const { scene, poller, sender } = await withReturned({ telegramLimit: 20 });
    scene.onWrite = (_table, _before, after) => {
      if (after?.["record"]?.S !== "run") return;
      const run = unmarshall(sdkItem(after));
      if (windowOf(run, chatsOf(run, "unsent")).length > 0) sender.kill();
    };
    await scene.act(() => scene.signal(sender, "signal1", mode));
    await scene.pass(120_000);
    await scene.act(() => scene.signal(poller, "signal1", mode));
    await scene.pass(120_000);
    assert.is(sender.kills, 1);
    assert.equal(scene.problems(), []);
    assert.is(scene.oracle.broadcasts.get("signal1")?.reports.at(-1)?.recipients, 300);
  });
}

test("after a takeover chats get a signal, too, that a process did not know which could not read the list", async () => {
  for (const mode of ["skip", "resend"] as const) {
    const { scene, poller, sender } = await withReturned();
    await scene.act(() => scene.disturb("dynamodb", { unanswered: 1 }, "Scan"));
    scene.onWrite = (_table, before, after) => {
      if (after?.["record"]?.S !== "run" || before?.["cursor"]?.N === after["cursor"]?.N) return;
      if (unmarshall(sdkItem(after))["window_after"] !== undefined) sender.kill();
    };
    await scene.act(() => scene.signal(sender, "signal1", mode));
    await scene.pass(30_000);
    await scene.act(() => scene.network.heal());
    await scene.act(() => scene.signal(poller, "signal1", mode));
    await scene.pass(60_000);
    assert.is(sender.kills, 1);
    assert.equal(scene.problems(), []);
    const { recipients, sent, unknown = 0 } = scene.oracle.broadcasts.get("signal1")?.reports.at(-1) ?? {};
    assert.equal([recipients, sent], [300, 300 - unknown]);
    assert.ok(mode === "resend" ? unknown === 0 : unknown > 0 && unknown <= 100);
  }
});

test("a signal whose list was never read waits for it until the outage ends", async () => {
  const scene = new Scene(1);
  const [poller, sender] = [scene.machine(), scene.machine({ name: "b", isPoller: false })];
  await scene.act(() => poller.start());
  await scene.pass(3000);
  scene.subscribe(12);
  await scene.pass(75_000);
  await scene.act(() => {
    scene.disturb("dynamodb", { refused: 1 });
    sender.start();
  });
  await scene.pass(3000);
  assert.ok(sender.isReady);
  await scene.act(() => scene.signal(sender, "signal1"));
  await scene.pass(5000);
  await scene.act(() => scene.network.heal());
  await scene.pass(60_000);
  assert.equal(scene.problems(), []);
  assert.is(scene.oracle.broadcasts.get("signal1")?.reports.at(-1)?.sent, 12);
});

test.run();
