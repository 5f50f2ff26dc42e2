/** Scenes of takeovers: by processes whose list of chats is old, of runs that were handed over, and of groups that move. */
import { unmarshall } from "@aws-sdk/util-dynamodb";
import type { LocalGroup, LocalUser } from "../../lib/local/mod.ts";
import type { Group } from "../crash/simulated_users.ts";
import { assert, suite } from "../harness.ts";
import type { BotMachine } from "./bot_machine.ts";
import { chatsOf, WatchedBroadcast } from "./broadcast_oracle.ts";
import { type Item, sdkItem } from "./dynamodb/dynamodb.ts";
import type { BroadcastReport } from "../../lib/broadcast/report.ts";
import { LedgerName } from "./plan.ts";
import { Scene, withReaders } from "./scene.ts";
import { warmUp } from "./warm_up.ts";

const test = suite("scenes of takeovers");

test.before(warmUp);

/** A bot that polls, and one whose list lacks 60 of the 300 people who are subscribed, as it was read before they returned. */
async function withReturned() {
  const scene = new Scene(1);
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
  return { scene, poller, sender, readers, returning };
}

const broadcastsOf = ({ inbox }: LocalUser | LocalGroup): number =>
  inbox.filter(({ text }) => text?.startsWith("Broadcast")).length;

/** How many got it so many times. */
function timesOf(readers: readonly LocalUser[]): Record<number, number> {
  const times: Record<number, number> = {};
  for (const reader of readers) times[broadcastsOf(reader)] = (times[broadcastsOf(reader)] ?? 0) + 1;
  return times;
}

function killAtWindow(scene: Scene, machine: BotMachine, number: number): void {
  let windows = 0;
  scene.onWrite = (_table, before, after) => {
    if (after?.["record"]?.S !== "run" || before?.["cursor"]?.N === after["cursor"]?.N) return;
    if (++windows === number) machine.kill();
  };
}

/** Has a bot call for the signal while it cannot read the list, until it has taken the run over. */
async function takeOverUnread(scene: Scene, bot: BotMachine, mode: "skip" | "resend"): Promise<void> {
  await scene.act(() => scene.disturb("dynamodb", { unanswered: 1 }, "Scan"));
  let isTaken = false;
  scene.onWrite = (_table, before, after) => {
    if (after?.["record"]?.S === "run" && before?.["fence"]?.N !== after["fence"]?.N) isTaken = true;
  };
  await scene.act(() => scene.signal(bot, "signal1", mode));
  while (!isTaken) await scene.pass(20);
}

const lastReport = (scene: Scene): BroadcastReport | undefined =>
  scene.oracle.broadcasts.get("signal1")?.reports.at(-1);

for (const mode of ["skip", "resend"] as const) {
  test(`one that cannot read the list takes over, dies, and hides nobody from the next one, with ${mode}`, async () => {
    const { scene, poller, sender, readers } = await withReturned();
    killAtWindow(scene, poller, 2);
    await scene.act(() => scene.signal(poller, "signal1", mode));
    await scene.pass(10_000);
    await scene.act(() => scene.disturb("dynamodb", { unanswered: 1 }, "Scan"));
    killAtWindow(scene, sender, 1);
    await scene.act(() => scene.signal(sender, "signal1", mode));
    await scene.pass(200_000);
    assert.equal([poller.kills, sender.kills], [1, 1]);
    await scene.act(() => {
      scene.network.heal();
      poller.start();
    });
    await scene.pass(20_000);
    await scene.act(() => scene.signal(poller, "signal1", mode));
    await scene.pass(90_000);
    assert.equal(scene.problems(), []);
    if (mode === "resend") assert.is(timesOf(readers)[0], undefined);
    else assert.is(timesOf(readers)[2], undefined);
  });

  for (const window of [1, 2]) {
    test(`after a death in window ${window} one whose list is read later counts each chat once, with ${mode}`, async () => {
      const { scene, poller, sender, readers } = await withReturned();
      killAtWindow(scene, poller, window);
      await scene.act(() => scene.signal(poller, "signal1", mode));
      await scene.pass(10_000);
      await takeOverUnread(scene, sender, mode);
      await scene.pass(500);
      await scene.act(() => scene.network.heal());
      await scene.pass(200_000);
      assert.equal(scene.problems(), []);
      assert.is(lastReport(scene)?.recipients, 300);
      if (mode === "resend") assert.is(timesOf(readers)[0], undefined);
    });
  }

  test(`chats that wait when a bot is stopped get it from one that did not know them, with ${mode}`, async () => {
    const { scene, poller, sender, readers, returning } = await withReturned();
    for (const reader of returning) reader.flood(90);
    await scene.act(() => scene.signal(poller, "signal1", mode));
    await scene.pass(4500);
    await scene.act(() => poller.stop());
    while (poller.isUp) await scene.pass(1000);
    await takeOverUnread(scene, sender, mode);
    await scene.pass(500);
    await scene.act(() => scene.network.heal());
    await scene.pass(200_000);
    assert.equal(scene.problems(), []);
    assert.equal(timesOf(readers), { 1: 300 });
    assert.is(lastReport(scene)?.recipients, 300);
  });
}

for (const window of [1, 2]) {
  test(`who leaves between a death in window ${window} and the takeover counts as unsubscribed`, async () => {
    const { scene, poller, sender, readers } = await withReaders(1, 30, 300);
    killAtWindow(scene, sender, window);
    await scene.act(() => scene.broadcast(sender, "text1"));
    await scene.pass(10_000);
    await scene.act(() => {
      for (const reader of readers.filter((each) => broadcastsOf(each) === 0).slice(-30)) {
        scene.users.say(reader, "/stop");
      }
    });
    await scene.pass(30_000);
    await scene.act(() => scene.broadcast(poller, "text1"));
    await scene.pass(90_000);
    assert.is(sender.kills, 1);
    assert.equal(scene.problems(), []);
    const { recipients, skips } = scene.oracle.broadcasts.get("text1")?.reports.at(-1) ?? {};
    assert.is(recipients, 300);
    assert.ok((skips?.unsubscribed ?? 0) > 0);
  });
}

for (const readable of ["first", "second"] as const) {
  test(`an order of the caller's holds over a takeover where only the ${readable} process can read the list`, async () => {
    const { scene, poller, sender, readers } = await withReaders(1, 30, 300);
    const order = ({ chat_id }: { readonly chat_id: number }): number => chat_id * 7919 % 1009;
    scene.oracle.begin(
      new WatchedBroadcast({
        ...{ id: "signal1", mode: "skip", begunAt: scene.scheduler.now, messages: 1 },
        ...{ eligible: readers.map(({ chatId }) => chatId), messagesPerSecond: 30, mayUseMemory: true },
      }),
    );
    const disturb = (): void => scene.disturb("dynamodb", { unanswered: 1 }, "Scan");
    if (readable === "second") await scene.act(disturb);
    killAtWindow(scene, sender, 2);
    await scene.act(() => sender.sendSignal("signal1", { broadcastId: "signal1", order }));
    await scene.pass(60_000);
    assert.is(sender.kills, 1);
    scene.network.heal();
    if (readable === "first") await scene.act(disturb);
    let recipients: number | undefined;
    await scene.act(() =>
      poller.sendSignal("signal1", { broadcastId: "signal1", order }, (report) => {
        recipients = report?.recipients;
      })
    );
    await scene.pass(100_000);
    // Where the order cannot be made, the run waits.
    assert.is(recipients, readable === "first" ? undefined : 300);
    await scene.act(() => scene.network.heal());
    await scene.pass(60_000);
    assert.is(recipients, 300);
    const { 0: missed = 0, 2: twice = 0 } = timesOf(readers);
    assert.ok(twice === 0 && missed <= 100, `${missed} were missed, ${twice} got it twice`);
    assert.equal(scene.problems(), []);
  });
}

test("a signal that has expired when its process dies goes to nobody any more", async () => {
  const { scene, poller, sender, readers } = await withReaders(1, 30, 300);
  killAtWindow(scene, sender, 2);
  const options = { broadcastId: "signal1", maxAgeMs: 8000 };
  await scene.act(() => scene.signal(sender, "signal1", "resend", options));
  await scene.pass(20_000);
  const before = timesOf(readers);
  await scene.act(() => scene.signal(poller, "signal1", "resend"));
  await scene.pass(60_000);
  assert.is(sender.kills, 1);
  assert.equal(timesOf(readers), before);
  const { sent = 0, unknown = 0, skips: { expired = 0 } = {} } = lastReport(scene) ?? {};
  assert.equal([expired > 100, sent + unknown + expired], [true, 300]);
});

const runOf = (scene: Scene, id: string): Item =>
  scene.dynamodb.items(LedgerName).find((item) => item["broadcast_id"]?.S === id && item["state"]) ?? {};

/** Two bots, of which one polls, people, and three groups that are subscribed. */
async function withGroups(people = 10) {
  const { scene, poller, sender, readers } = await withReaders(1, 10, people);
  const groups = Array.from({ length: 3 }, () => scene.users.newGroup());
  await scene.act(() => {
    for (const { chat, owner } of groups) scene.users.heardInGroup(chat, chat.say(owner, "/start"));
  });
  await scene.pass(75_000);
  const move = (isMoving: (group: Group) => boolean = () => true): Promise<void> =>
    scene.act(() => {
      for (const group of groups.filter(isMoving)) scene.users.migrate(group);
    });
  const restart = async (): Promise<void> => {
    await scene.act(() => poller.stop());
    while (poller.isUp) await scene.pass(1000);
    await scene.act(() => poller.start());
  };
  return {
    scene,
    poller,
    sender,
    readers,
    groups,
    move,
    restart,
    got: () => groups.map(({ chat }) => broadcastsOf(chat)),
  };
}

// By the first id the order begins with the first group, so that the supergroups come behind all; by the others elsewhere.
for (const id of ["text3", "text1"]) {
  test(`groups that have ${id}, and move then, do not get it again when the bot is restarted`, async () => {
    const { scene, poller, readers, move, restart, got } = await withGroups();
    readers[5]?.flood(60);
    await scene.act(() => scene.broadcast(poller, id));
    await scene.pass(3000);
    assert.equal(got(), [1, 1, 1]);
    await move();
    await scene.pass(8000);
    await restart();
    await scene.pass(90_000);
    assert.equal(scene.problems(), []);
    assert.equal(got(), [0, 0, 0]);
  });

  test(`groups that have ${id}, and move once its process is dead, do not get it from the next one`, async () => {
    const { scene, sender, poller, readers, move, got } = await withGroups();
    readers[5]?.flood(60);
    await scene.act(() => scene.broadcast(sender, id));
    await scene.pass(3000);
    assert.equal(got(), [1, 1, 1]);
    await scene.act(() => sender.kill());
    await move();
    await scene.pass(8000);
    await scene.act(() => scene.broadcast(poller, id));
    await scene.pass(120_000);
    assert.equal(got(), [0, 0, 0]);
    assert.equal(scene.problems(), []);
    const { state, sent, unknown } = runOf(scene, id);
    assert.equal([state?.S, Number(sent?.N) + Number(unknown?.N)], ["finished", 13]);
  });

  test(`groups that wait for ${id}, and move, get it when the bot is restarted`, async () => {
    const { scene, poller, groups, move, restart, got } = await withGroups();
    for (const { chat } of groups) chat.flood(60);
    await scene.act(() => scene.broadcast(poller, id));
    await scene.pass(5000);
    await move();
    await scene.pass(8000);
    await restart();
    await scene.pass(200_000);
    assert.equal(scene.problems(), []);
    assert.equal(got(), [1, 1, 1]);
    const { state, sent } = runOf(scene, id);
    assert.equal([state?.S, sent?.N], ["finished", "13"]);
  });
}

for (const mode of ["skip", "resend"] as const) {
  test(`groups in doubt that move before a takeover have one turn, with ${mode}`, async () => {
    const { scene, poller, sender, groups, move, got } = await withGroups(98);
    // Two are under way when the ledger has the third one as the next window.
    await scene.act(() => scene.disturb("telegram", { unanswered: 1 }, "sendMessage -"));
    killAtWindow(scene, sender, 2);
    await scene.act(() => scene.broadcast(sender, "text3", mode));
    await scene.pass(30_000);
    assert.is(sender.kills, 1);
    await scene.act(() => scene.network.heal());
    const pending = chatsOf(unmarshall(sdkItem(runOf(scene, "text3"))), "pending");
    const isMoving = groups.map(({ chat }) => pending.includes(chat.chatId));
    assert.is(isMoving.filter(Boolean).length, 2);
    await move(({ chat }) => pending.includes(chat.chatId));
    // This one comes behind the supergroups, in a window of its own.
    const late = scene.users.newGroup();
    await scene.act(() => scene.users.heardInGroup(late.chat, late.chat.say(late.owner, "/start")));
    await scene.pass(75_000);
    killAtWindow(scene, poller, 1);
    await scene.act(() => scene.broadcast(poller, "text3", mode));
    await scene.pass(30_000);
    assert.is(poller.kills, 1);
    // The third process knows, too, that the supergroups have had their turns.
    await scene.act(() => poller.start());
    await scene.pass(60_000);
    assert.equal(scene.problems(), []);
    const times = mode === "resend" ? 1 : 0;
    // When the second process dies, one of the two is in doubt again.
    assert.is(Math.min(...got().filter((_, index) => isMoving[index])), times);
    const { state, sent, unknown } = runOf(scene, "text3");
    assert.equal([state?.S, Number(sent?.N) + Number(unknown?.N)], ["finished", 102]);
    assert.is(broadcastsOf(late.chat), times);
  });
}

test("groups that move between the parts of a message count as reached", async () => {
  const { scene, poller, move, got } = await withGroups();
  await scene.act(() => scene.broadcast(poller, "parts1"));
  while (Math.min(...got()) === 0) await scene.pass(50);
  await move();
  await scene.pass(60_000);
  assert.equal(scene.problems(), []);
  assert.ok(got().some((parts) => parts > 0 && parts < 3), String(got()));
  assert.is(scene.oracle.broadcasts.get("parts1")?.reports.at(-1)?.sent, 13);
});

test("groups that have a signal, and move then, do not get it again when the list is read later", async () => {
  const { scene, poller, readers, move, got } = await withGroups();
  readers[5]?.flood(30);
  await scene.act(() => {
    scene.disturb("dynamodb", { baseMs: 12_000 }, "Scan");
    scene.signal(poller, "signal1");
  });
  await scene.pass(3000);
  assert.equal(got(), [1, 1, 1]);
  await move();
  await scene.pass(90_000);
  assert.equal(scene.problems(), []);
  assert.equal(got(), [0, 0, 0]);
  assert.is(lastReport(scene)?.sent, 13);
});

test.run();
