/** Scenes of updates, and of what becomes of a /stop, that histories by chance play too seldom. */
import { unmarshall } from "@aws-sdk/util-dynamodb";
import type { LocalUser } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { sdkItem } from "./dynamodb/dynamodb.ts";
import { TableName } from "./plan.ts";
import { Scene, withReaders } from "./scene.ts";
import { warmUp } from "./warm_up.ts";

const test = suite("scenes of updates");

test.before(warmUp);

const broadcastsOf = ({ inbox }: LocalUser): number =>
  inbox.filter(({ text }) => text?.startsWith("Broadcast")).length;

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

for (const when of ["before", "during"] as const) {
  test(`who has subscribed after a /stop that comes again ${when} a broadcast is not left out while that cannot be written`, async () => {
    const scene = new Scene(1, { messagesPerSecond: 2 });
    const bot = scene.machine();
    await scene.act(() => bot.start());
    await scene.pass(3000);
    const readers = scene.subscribe(20);
    await scene.pass(90_000);
    let written = 0;
    scene.onWrite = (table, _before, after) => {
      const isReader = table === TableName && Number(after?.["chat_id"]?.N) > 0;
      if (isReader && ++written === readers.length) bot.kill();
    };
    await scene.act(() => {
      for (const text of ["/stop", "/start"]) for (const reader of readers) scene.users.say(reader, text);
    });
    await scene.pass(1000);
    assert.ok(!bot.isUp && scene.telegram.server.pendingUpdates === 2 * readers.length);
    const denyWrites = (): void => scene.disturb("dynamodb", { reset: 1 }, "UpdateItem telegram-chats 1");
    await scene.act(() => {
      denyWrites();
      if (when === "during") scene.disturb("telegram", { refused: 1 }, "getUpdates");
      bot.start();
    });
    while (!bot.isReady) await scene.pass(5);
    await scene.act(() => scene.signal(bot, "signal1"));
    await scene.act(() => scene.broadcast(bot, "text2"));
    // Without a poll the bot waits five seconds for one.
    await scene.pass(8000);
    assert.ok(readers.some((reader) => broadcastsOf(reader) === 1));
    await scene.act(() => {
      scene.network.heal();
      denyWrites();
    });
    await scene.pass(60_000);
    assert.equal(readers.map(broadcastsOf), readers.map(() => 2));
    await scene.act(() => scene.network.heal());
    await scene.pass(60_000);
    assert.equal(scene.problems(), []);
  });
}

test("who has subscribed after a /stop that the spool still has is not left out after a restart", async () => {
  const scene = new Scene(1);
  const bot = scene.machine({ hasSpool: true });
  await scene.act(() => bot.start());
  await scene.pass(3000);
  const [returning, leaving] = scene.subscribe(2) as [LocalUser, LocalUser];
  const disturb = (chatId: number): void =>
    scene.disturb("dynamodb", { reset: 1 }, `UpdateItem telegram-chats ${chatId}`);
  await scene.pass(80_000);
  await scene.act(() => {
    for (const reader of [returning, leaving]) {
      disturb(reader.chatId);
      scene.users.say(reader, "/stop");
    }
  });
  await scene.pass(80_000);
  // The queue is not empty, so that the spool is kept.
  await scene.act(() => {
    scene.network.heal();
    disturb(leaving.chatId);
  });
  await scene.pass(80_000);
  await scene.act(() => scene.users.say(returning, "/start"));
  await scene.pass(5000);
  await scene.act(() => {
    bot.kill();
    disturb(returning.chatId);
    scene.disturb("telegram", { refused: 1 }, "getUpdates");
    bot.start();
  });
  while (!bot.isReady) await scene.pass(5);
  await scene.act(() => scene.broadcast(bot, "text1"));
  await scene.pass(20_000);
  assert.equal([returning, leaving].map(broadcastsOf), [1, 0]);
  await scene.act(() => scene.network.heal());
  await scene.pass(60_000);
  assert.equal(scene.problems(), []);
});

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

test("a block that overtakes a message on its way to a webhook holds, on whatever machine", async () => {
  const scene = new Scene(1, { webhook: { baseMs: 5, tailMs: 5000, heldUp: 0.3 } });
  const machines = ["a", "b"].map((name) => scene.machine({ name, hasWebhook: true }));
  await scene.act(() => machines.forEach((machine) => machine.start()));
  await scene.pass(3000);
  let overtaken = 0;
  scene.onWrite = (table, before, after) => {
    if (table === TableName && before === undefined && after?.["is_active"]?.BOOL === false) overtaken++;
  };
  for (let round = 0; round < 5; round++) {
    const people = scene.subscribe(4);
    for (const text of ["", "a word"]) {
      await scene.act(() => {
        for (const person of people) {
          if (text !== "") scene.users.say(person, text);
          scene.users.block(person);
        }
      });
      await scene.pass(60_000);
      assert.equal(scene.problems(), []);
      await scene.act(() => scene.users.unblockAll());
      await scene.pass(60_000);
    }
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

test("a group's /start that comes again after the move is counted once, though a message had registered the supergroup", async () => {
  const scene = new Scene(1, { webhook: { baseMs: 5, tailMs: 20 } });
  const bot = scene.machine({ hasWebhook: true });
  const sender = scene.machine({ name: "b", isPoller: false });
  await scene.act(() => [bot, sender].forEach((machine) => machine.start()));
  await scene.pass(3000);
  const { users } = scene;
  const group = users.newGroup();
  const { chatId } = group.chat;
  // The supergroup speaks before anything of the group is written; then the bot dies before it can confirm the /start.
  await scene.act(() => {
    scene.disturb("dynamodb", { refused: 1 }, `UpdateItem telegram-chats ${chatId}`);
    users.heardInGroup(group.chat, group.chat.say(group.owner, "/start"));
    users.migrate(group);
    users.heardInGroup(group.chat, group.chat.say(group.owner, "a word"));
  });
  await scene.pass(10_000);
  scene.onWrite = (table, _before, after) => {
    if (table !== TableName || after?.["chat_id"]?.N !== String(chatId)) return;
    scene.onWrite = () => {};
    bot.kill();
  };
  await scene.act(() => scene.network.heal());
  for (let tries = 0; bot.isUp && tries < 600; tries++) await scene.pass(100);
  assert.not.ok(bot.isUp);
  // The broadcast meets the move.
  await scene.act(() => scene.broadcast(sender, "text1"));
  await scene.pass(10_000);
  await scene.act(() => bot.start());
  await scene.pass(90_000);
  assert.is(scene.telegram.server.pendingUpdates, 0);
  const items = scene.dynamodb.items(TableName).map((item) => unmarshall(sdkItem(item)));
  const { message_count } = items.find(({ chat_id }) => chat_id === group.chat.chatId) ?? {};
  assert.is(message_count, 2);
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
