/** Scenes that histories by chance play too seldom. */
import { unmarshall } from "@aws-sdk/util-dynamodb";
import { assert, suite } from "../harness.ts";
import { chatsOf, windowOf } from "./broadcast_oracle.ts";
import { sdkItem } from "./dynamodb/dynamodb.ts";
import { LedgerName, TableName } from "./plan.ts";
import { Scene, type SceneOptions } from "./scene.ts";
import { warmUp } from "./warm_up.ts";

const test = suite("scenes of the simulation");

test.before(warmUp);

test("updates that are confirmed from the spool outlive a loss of power", async () => {
  const scene = new Scene(1);
  const bot = scene.machine({ hasSpool: true });
  bot.disk.keptShare = () => 0;
  await scene.act(() => bot.start());
  await scene.pass(5000);
  assert.ok(bot.isReady);
  await scene.act(() => {
    scene.disturb("dynamodb", { refused: 1 });
    // More than Telegram gives at once: the oldest have to be confirmed to get at the others.
    for (let count = 0; count < 150; count++) scene.users.say(scene.users.newUser(), "/start");
  });
  await scene.pass(20_000);
  const { pendingUpdates } = scene.telegram.server;
  assert.ok(pendingUpdates < 150, "no update was confirmed");
  await scene.act(() => bot.kill({ isPowerLost: true }));
  await scene.act(() => {
    scene.network.heal();
    bot.start();
  });
  await scene.pass(60_000);
  assert.equal(scene.problems(), []);
});

/** A bot that polls and one that does not, and people who are subscribed. */
async function withReaders(
  seed: number,
  messagesPerSecond: number,
  count: number,
  options: SceneOptions = {},
) {
  const scene = new Scene(seed, { messagesPerSecond, ...options });
  const poller = scene.machine();
  const sender = scene.machine({ name: "b", isPoller: false });
  await scene.act(() => poller.start());
  await scene.pass(3000);
  const readers = scene.subscribe(count);
  // Each is answered, and the oracle takes later answers for those to later commands.
  await scene.pass(count * 1000 / messagesPerSecond + 75_000);
  await scene.act(() => sender.start());
  await scene.pass(3000);
  assert.ok(poller.isReady && sender.isReady);
  return { scene, poller, sender, readers };
}

test("a process that waits for the end of a flood keeps its lease", async () => {
  const { scene, poller, sender } = await withReaders(1, 30, 90);
  await scene.act(() => scene.broadcast(sender, "text1"));
  await scene.pass(1000);
  await scene.act(() => void scene.telegram.server.flood(50));
  await scene.act(() => scene.broadcast(poller, "text1"));
  await scene.pass(90_000);
  assert.equal(scene.problems(), []);
  assert.is(scene.oracle.broadcasts.get("text1")?.reports.at(-1)?.sent, 90);
});

test("the flood of a few chats holds up no others", async () => {
  const { scene, sender, readers } = await withReaders(1, 30, 150);
  for (const reader of readers.slice(70, 72)) reader.flood(60);
  await scene.act(() => scene.broadcast(sender, "text1"));
  await scene.pass(20_000);
  const reached = readers.filter(({ inbox }) => inbox.some(({ text }) => text?.startsWith("Broadcast")));
  assert.is(reached.length, 148);
  await scene.pass(60_000);
  assert.equal(scene.problems(), []);
  assert.is(scene.oracle.broadcasts.get("text1")?.reports.at(-1)?.sent, 150);
});

test("a /stop that another instance has confirmed ends what a broadcast sends", async () => {
  const { scene, sender, readers } = await withReaders(1, 10, 120);
  await scene.act(() => scene.broadcast(sender, "text1"));
  await scene.pass(2000);
  await scene.act(() => {
    for (const reader of readers) scene.users.say(reader, "/stop");
  });
  await scene.pass(60_000);
  assert.ok(scene.oracle.counts.confirmedStops > 20);
  assert.equal(scene.problems(), []);
});

test("a write whose answer was lost is answered as what it is", async () => {
  const scene = new Scene(1);
  const bot = scene.machine();
  await scene.act(() => bot.start());
  await scene.pass(3000);
  await scene.act(() => {
    // Written, and without an answer: the client sends it again.
    scene.disturb("dynamodb", { unanswered: 0.5 }, "UpdateItem telegram-chats 1");
    scene.subscribe(20);
  });
  await scene.pass(3000);
  await scene.act(() => scene.network.heal());
  await scene.pass(60_000);
  scene.oracle.judgeAnswers(0, () => false);
  assert.equal(scene.problems(), []);
});

test("what is not written when a bot is stopped comes again", async () => {
  const scene = new Scene(1);
  const bot = scene.machine();
  await scene.act(() => bot.start());
  await scene.pass(3000);
  await scene.act(() => {
    scene.disturb("dynamodb", { refused: 1 });
    scene.subscribe(20);
  });
  await scene.pass(8000);
  await scene.act(() => bot.stop());
  await scene.pass(30_000);
  assert.not.ok(bot.isUp);
  await scene.act(() => {
    scene.network.heal();
    bot.start();
  });
  await scene.pass(30_000);
  assert.equal(scene.problems(), []);
});

test("a /stop that waits in the queue holds until a bot that is stopped has ended its broadcast", async () => {
  const { scene, poller, readers } = await withReaders(1, 5, 90);
  await scene.act(() => scene.broadcast(poller, "text1"));
  await scene.pass(1000);
  await scene.act(() => {
    scene.disturb("dynamodb", { refused: 1 }, "telegram-chats");
    for (const reader of readers.filter((_, index) => index % 2 === 0)) scene.users.say(reader, "/stop");
  });
  await scene.pass(10_000);
  assert.ok(scene.oracle.counts.confirmedStops > 5);
  await scene.act(() => poller.stop());
  await scene.pass(60_000);
  await scene.act(() => {
    scene.network.heal();
    poller.start();
  });
  await scene.pass(60_000);
  assert.equal(scene.problems(), []);
});

test("a /stop in the spool holds after a restart, before it is written", async () => {
  const scene = new Scene(1);
  const bot = scene.machine({ hasSpool: true });
  await scene.act(() => bot.start());
  await scene.pass(3000);
  const readers = scene.subscribe(40);
  await scene.pass(80_000);
  await scene.act(() => {
    scene.disturb("dynamodb", { refused: 1 }, "UpdateItem telegram-chats 1");
    for (const reader of readers.slice(0, 30)) scene.users.say(reader, "/stop");
    // More than Telegram gives at once: the oldest have to be confirmed to get at the others.
    scene.subscribe(120);
  });
  await scene.pass(40_000);
  assert.ok(scene.oracle.counts.confirmedStops > 20);
  await scene.act(() => bot.kill());
  await scene.act(() => bot.start());
  while (!bot.isReady) await scene.pass(5);
  await scene.act(() => scene.broadcast(bot, "text1"));
  await scene.pass(20_000);
  await scene.act(() => scene.network.heal());
  await scene.pass(60_000);
  assert.equal(scene.problems(), []);
});

test("without a spool a /stop holds after a restart: a broadcast waits for the first poll", async () => {
  const scene = new Scene(1);
  const bot = scene.machine();
  await scene.act(() => bot.start());
  await scene.pass(3000);
  const readers = scene.subscribe(40);
  await scene.pass(80_000);
  await scene.act(() => {
    scene.disturb("dynamodb", { refused: 1 }, "UpdateItem telegram-chats 1");
    for (const reader of readers.slice(0, 30)) scene.users.say(reader, "/stop");
  });
  await scene.pass(20_000);
  assert.ok(scene.oracle.counts.confirmedStops > 20);
  await scene.act(() => bot.kill());
  await scene.act(() => {
    scene.disturb("telegram", { baseMs: 1000 }, "getUpdates");
    bot.start();
  });
  while (!bot.isReady) await scene.pass(5);
  await scene.act(() => scene.broadcast(bot, "text1"));
  await scene.pass(20_000);
  await scene.act(() => scene.network.heal());
  await scene.pass(60_000);
  assert.equal(scene.problems(), []);
});

test("no failure of polling holds a broadcast back for longer than five seconds", async () => {
  const scene = new Scene(1);
  const bot = scene.machine();
  await scene.act(() => bot.start());
  await scene.pass(3000);
  scene.subscribe(20);
  await scene.pass(80_000);
  // The ledger's table is there from now on.
  await scene.act(() => scene.broadcast(bot, "text0"));
  await scene.pass(5000);
  await scene.act(() => bot.kill());
  await scene.act(() => {
    scene.disturb("telegram", { dropped: 1 }, "getUpdates");
    bot.start();
  });
  while (!bot.isReady) await scene.pass(5);
  await scene.act(() => scene.broadcast(bot, "text1"));
  await scene.pass(4500);
  assert.is(scene.oracle.counts.signals, 20);
  await scene.pass(1500);
  assert.is(scene.oracle.counts.signals, 40);
  // The next one does not wait.
  await scene.act(() => scene.broadcast(bot, "text2"));
  await scene.pass(1500);
  assert.is(scene.oracle.counts.signals, 60);
  assert.equal(scene.problems(), []);
});

test("of two processes that begin the same broadcast at once, one sends it", async () => {
  const { scene, poller, sender } = await withReaders(1, 30, 20);
  await scene.act(() => {
    scene.broadcast(poller, "text1");
    scene.broadcast(sender, "text1");
  });
  await scene.pass(30_000);
  assert.equal(scene.problems(), []);
  assert.equal(scene.oracle.broadcasts.get("text1")?.reports.map(({ sent }) => sent), [20, 20]);
});

for (const mode of ["skip", "resend"] as const) {
  test(`a process dies in its second window, and another one goes on with ${mode}`, async () => {
    const { scene, poller, sender } = await withReaders(1, 30, 150);
    await scene.act(() => scene.broadcast(sender, "text1", mode));
    const isInSecond = (): boolean => scene.dynamodb.items(LedgerName).some((item) => "window_after" in item);
    while (!isInSecond()) await scene.pass(20);
    // All of it is sent, and that it is finished cannot be written.
    await scene.act(() => scene.disturb("dynamodb", { refused: 1 }, "UpdateItem telegram-broadcasts"));
    await scene.pass(10_000);
    await scene.act(() => sender.kill());
    await scene.act(() => scene.network.heal());
    await scene.act(() => scene.broadcast(poller, "text1", mode));
    await scene.pass(60_000);
    assert.equal(scene.problems(), []);
    const { recipients, unknown } = scene.oracle.broadcasts.get("text1")?.reports.at(-1) ?? {};
    assert.is(recipients, 150);
    assert.is(unknown === 0, mode === "resend");
  });
}

test("a window is not sent to before the ledger has it", async () => {
  const { scene, poller, sender } = await withReaders(1, 30, 150);
  await scene.act(() => scene.broadcast(sender, "text1"));
  while (scene.oracle.counts.signals < 50) await scene.pass(20);
  await scene.act(() => scene.disturb("dynamodb", { refused: 1 }, "UpdateItem telegram-broadcasts"));
  await scene.pass(8000);
  await scene.act(() => sender.kill());
  await scene.act(() => scene.network.heal());
  await scene.act(() => scene.broadcast(poller, "text1"));
  await scene.pass(60_000);
  assert.equal(scene.problems(), []);
});

test("a message whose answer is lost is not sent again", async () => {
  const { scene, sender } = await withReaders(1, 30, 60);
  await scene.act(() => scene.disturb("telegram", { answerReset: 0.2 }, "sendMessage"));
  await scene.act(() => scene.broadcast(sender, "text1"));
  await scene.pass(60_000);
  assert.equal(scene.problems(), []);
  assert.ok((scene.oracle.broadcasts.get("text1")?.reports.at(-1)?.unknown ?? 0) > 3);
});

test("a /stop counts while the message waits for the end of its chat's flood", async () => {
  const { scene, poller, readers } = await withReaders(1, 30, 40);
  const flooded = readers.slice(10, 13);
  await scene.act(() => {
    for (const reader of flooded) reader.flood(20);
  });
  await scene.act(() => scene.broadcast(poller, "text1"));
  await scene.pass(10_000);
  await scene.act(() => {
    for (const reader of flooded) scene.users.say(reader, "/stop");
  });
  await scene.pass(60_000);
  assert.equal(scene.problems(), []);
  assert.is(scene.oracle.counts.confirmedStops, 3);
});

for (const mode of ["skip", "resend"] as const) {
  test(`after a crash in many chats' floods a hundred are in doubt at most, with ${mode}`, async () => {
    const { scene, poller, sender, readers } = await withReaders(1, 30, 500);
    await scene.act(() => {
      for (const reader of readers.filter((_, index) => index % 5 === 0)) reader.flood(60);
    });
    await scene.act(() => scene.broadcast(sender, "text1", mode));
    // The others have it, the floods have ended, and their chats are written to.
    while (scene.oracle.counts.signals < 430) await scene.pass(20);
    await scene.act(() => sender.kill());
    await scene.act(() => scene.broadcast(poller, "text1", mode));
    await scene.pass(120_000);
    assert.equal(scene.problems(), []);
    const { recipients, sent, unknown } = scene.oracle.broadcasts.get("text1")?.reports.at(-1) ?? {};
    assert.is(recipients, 500);
    assert.is((sent ?? 0) + (unknown ?? 0), 500);
    assert.is(unknown === 0, mode === "resend");
  });
}

test("an update that comes to a webhook several times, and to several machines, is counted once", async () => {
  const webhook = { baseMs: 5, tailMs: 2000, answerReset: 0.2, heldUp: 0.2, unanswered: 0.15 };
  const scene = new Scene(1, { webhook });
  const [one, other] = [scene.machine({ hasWebhook: true }), scene.machine({ name: "b", hasWebhook: true })];
  await scene.act(() => one.start());
  await scene.act(() => other.start());
  await scene.pass(3000);
  const people = scene.subscribe(10);
  await scene.act(() => {
    for (const text of ["a word", "/stop", "another word"]) {
      for (const person of people) scene.users.say(person, text);
    }
  });
  await scene.pass(30_000);
  await scene.act(() => one.kill());
  await scene.pass(10 * 60_000);
  const { heldUp = 0, answerReset = 0, unanswered = 0 } = scene.route?.met ?? {};
  assert.ok(heldUp > 3 && answerReset > 3 && unanswered > 0);
  assert.is(scene.telegram.server.pendingUpdates, 0);
  assert.equal(scene.problems(), []);
});

test("a block that overtakes the first message on its way to a webhook holds, on whatever machine", async () => {
  const scene = new Scene(1, { webhook: { baseMs: 5, tailMs: 5000, heldUp: 0.3 } });
  const machines = ["a", "b"].map((name) => scene.machine({ name, hasWebhook: true }));
  await scene.act(() => machines.forEach((machine) => machine.start()));
  await scene.pass(3000);
  let overtaken = 0;
  scene.onWrite = (table, before, after) => {
    if (table === TableName && before === undefined && after?.["is_active"]?.BOOL === false) overtaken++;
  };
  for (let round = 0; round < 5; round++) {
    await scene.act(() => scene.subscribe(4).forEach((person) => scene.users.block(person)));
    await scene.pass(60_000);
    assert.equal(scene.problems(), []);
    await scene.act(() => scene.users.unblockAll());
    await scene.pass(60_000);
  }
  assert.ok(overtaken > 2);
  assert.equal(scene.problems(), []);
});

test("a /stop in a supergroup that a webhook delivers before what its group has said holds", async () => {
  const scene = new Scene(1, { webhook: { baseMs: 5, tailMs: 5000, heldUp: 0.3 } });
  const machines = ["a", "b"].map((name) => scene.machine({ name, hasWebhook: true }));
  await scene.act(() => machines.forEach((machine) => machine.start()));
  await scene.pass(3000);
  const { users } = scene;
  const groups = Array.from({ length: 12 }, () => users.newGroup());
  let overtaken = 0;
  scene.onWrite = (table, before, after) => {
    const isFirst = table === TableName && before === undefined;
    if (isFirst && after?.["is_active"]?.BOOL === false && after["migrated_from"] === undefined) overtaken++;
  };
  await scene.act(() => {
    for (const group of groups) {
      users.heardInGroup(group.chat, group.chat.say(group.owner, "/start"));
      users.migrate(group);
      users.heardInGroup(group.chat, group.chat.say(group.owner, "/stop"));
    }
  });
  await scene.pass(90_000);
  assert.ok(overtaken > 2);
  assert.equal(scene.problems(), []);
});

test("the list that was read later holds where an earlier reading ends after it", async () => {
  const { scene, sender, readers } = await withReaders(1, 10, 80);
  const leaving = readers.slice(0, 40);
  await scene.act(() => {
    for (const reader of leaving) scene.users.say(reader, "/stop");
  });
  await scene.pass(75_000);
  const { now } = scene.scheduler;
  const slow = { service: "dynamodb", only: "Scan telegram-chats", conditions: { baseMs: 650 } } as const;
  await scene.act(() => {
    scene.network.disturb({ from: now, to: now + 500, ...slow });
    scene.broadcast(sender, "text1");
  });
  // The table is read; the answers are on their way.
  await scene.pass(1050);
  await scene.act(() => {
    for (const reader of leaving) scene.users.say(reader, "/start");
  });
  await scene.pass(60);
  await scene.act(() => scene.broadcast(sender, "text2"));
  await scene.pass(90_000);
  assert.equal(scene.problems(), []);
});

test("after a takeover a person who was drawn to test a flood, and had the message, does not get it again", async () => {
  // Telegram takes less than the bot sends, so that people are drawn to find out whom its floods concern.
  const { scene, poller, sender } = await withReaders(1, 30, 250, { telegramLimit: 20 });
  scene.onWrite = (_table, _before, after) => {
    if (after?.["record"]?.S !== "run") return;
    const run = unmarshall(sdkItem(after));
    const pending = new Set(chatsOf(run, "pending"));
    const done = chatsOf(run, "sampled").filter((chatId) => !pending.has(chatId));
    if (windowOf(run, done).length > 0) sender.kill();
  };
  await scene.act(() => scene.broadcast(sender, "text1", "resend"));
  await scene.pass(120_000);
  await scene.act(() => scene.broadcast(poller, "text1", "resend"));
  await scene.pass(120_000);
  assert.is(sender.kills, 1);
  assert.equal(scene.problems(), []);
});

test("a group's /stop just before its move counts, though the supergroup's administrators are not told at first", async () => {
  const scene = new Scene(1);
  const bot = scene.machine();
  await scene.act(() => bot.start());
  await scene.pass(3000);
  const group = scene.users.newGroup();
  const say = (text: string): void => scene.users.heardInGroup(group.chat, group.chat.say(group.owner, text));
  await scene.act(() => say("/start"));
  await scene.pass(70_000);
  await scene.act(() => bot.kill());
  const { now } = scene.scheduler;
  await scene.act(() => {
    say("/stop");
    scene.users.migrate(group);
    const trouble = { service: "telegram", only: `getChatAdministrators ${group.chat.chatId}` } as const;
    scene.network.disturb({ from: now, to: now + 1000, ...trouble, conditions: { failed: 1 } });
    bot.start();
  });
  await scene.pass(30_000);
  assert.ok((scene.network.met.failed ?? 0) > 0);
  const moved = scene.dynamodb.items(TableName).map((item) => unmarshall(sdkItem(item)))
    .find(({ chat_id }) => chat_id === group.chat.chatId);
  assert.is(moved?.["removed_reason"], "stopped");
  assert.equal(scene.problems(), []);
});

test.run();
