/** Scenes of broadcasts that histories by chance play too seldom. */
import { unmarshall } from "@aws-sdk/util-dynamodb";
import { announcement } from "../crash/announcement.ts";
import { assert, suite } from "../harness.ts";
import type { BotMachine } from "./bot_machine.ts";
import { chatsOf, windowOf } from "./broadcast_oracle.ts";
import { sdkItem } from "./dynamodb/dynamodb.ts";
import { LedgerName } from "./plan.ts";
import { Scene, withReaders } from "./scene.ts";
import { warmUp } from "./warm_up.ts";

const test = suite("scenes of broadcasts");

test.before(warmUp);

test("a broadcast whose list cannot be read goes to nobody; a signal says that it went by what was in memory", async () => {
  const { scene, poller, sender } = await withReaders(1, 30, 60);
  await scene.act(() => scene.disturb("dynamodb", { refused: 1 }, "Scan"));
  let failure: unknown;
  await scene.act(() =>
    poller.broadcast(announcement("text0"), { broadcastId: "text0" }, (_, error) => failure = error)
  );
  await scene.pass(30_000);
  assert.match(String(failure), /DynamoDB/);
  assert.is(scene.oracle.counts.signals, 0);
  await scene.act(() => scene.signal(sender, "signal1"));
  await scene.pass(30_000);
  await scene.act(() => scene.network.heal());
  await scene.act(() => scene.signal(sender, "signal2"));
  await scene.pass(30_000);
  const from = ["signal1", "signal2"].map((id) =>
    scene.oracle.broadcasts.get(id)?.reports.at(-1)?.recipientsFrom
  );
  assert.equal(from, ["memory", "table"]);
  assert.equal(scene.problems(), []);
});

test("a message whose request never left, or that finds its topic closed, is sent all the same", async () => {
  const { scene, sender, readers } = await withReaders(1, 30, 20);
  const { server } = scene.telegram;
  const owner = server.user({ first_name: "Owner" });
  const forum = server.forum({ title: "Forum", administrators: [owner] });
  const topic = server.unheard(() => forum.createTopic(owner, "Signals"));
  await scene.act(() => void topic.say(owner, "/start"));
  await scene.pass(75_000);
  await scene.act(() => server.unheard(() => topic.close(owner)));
  scene.network.disturb({
    ...{ from: scene.scheduler.now, to: scene.scheduler.now + 1500, service: "telegram" },
    ...{ only: "sendMessage", conditions: { refused: 0.5 } },
  });
  await scene.act(() => scene.broadcast(sender, "text1"));
  await scene.pass(60_000);
  const { sent, failed, topics } = scene.oracle.broadcasts.get("text1")?.reports.at(-1) ?? {};
  assert.equal([sent, failed, topics?.length], [readers.length + 1, 0, 1]);
});

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

/** Groups become supergroups while a bot sends, which is restarted while one person is still waited for. */
async function withMoves(begin: (scene: Scene, bot: BotMachine) => void): Promise<void> {
  const { scene, poller, readers } = await withReaders(1, 10, 10);
  const groups = Array.from({ length: 3 }, () => scene.users.newGroup());
  await scene.act(() => {
    for (const { chat, owner } of groups) scene.users.heardInGroup(chat, chat.say(owner, "/start"));
  });
  await scene.pass(75_000);
  readers[5]?.flood(60);
  await scene.act(() => begin(scene, poller));
  await scene.pass(500);
  await scene.act(() => {
    for (const group of groups) scene.users.migrate(group);
  });
  await scene.pass(8000);
  await scene.act(() => poller.stop());
  await scene.pass(40_000);
  await scene.act(() => scene.network.heal());
  await scene.act(() => poller.start());
  await scene.pass(90_000);
  assert.equal(scene.problems(), []);
  const got = groups.map(({ chat }) => chat.inbox.filter(({ text }) => text?.startsWith("Broadcast")).length);
  assert.equal(got, [1, 1, 1]);
  const run = scene.dynamodb.items(LedgerName).find((item) => item["record"]?.S === "run");
  assert.equal([run?.["state"]?.S, run?.["sent"]?.N], ["finished", "13"]);
}

test("groups that move during a broadcast get it once, though the bot is restarted", async () => {
  // By the id the order begins with the first group, so that the supergroups come behind all.
  await withMoves((scene, bot) => scene.broadcast(bot, "text3"));
});

test("groups that move during a signal whose list is read later get it once, though the bot is restarted", async () => {
  await withMoves((scene, bot) => {
    scene.disturb("dynamodb", { baseMs: 6000 }, "Scan");
    scene.signal(bot, "signal1");
  });
});

test("a window is not sent to before the ledger has it", async () => {
  const { scene, poller, sender } = await withReaders(1, 30, 150);
  await scene.act(() => scene.broadcast(sender, "text1"));
  while (scene.oracle.counts.signals < 50) await scene.pass(20);
  await scene.act(() => scene.disturb("dynamodb", { refused: 1 }, "UpdateItem telegram-broadcasts"));
  await scene.pass(8000);
  await scene.act(() => sender.kill());
  await scene.act(() => scene.network.heal());
  await scene.act(() => scene.broadcast(poller, "text1"));
  await scene.pass(120_000);
  assert.equal(scene.problems(), []);
  const { sent = 0, unknown = 0 } = scene.oracle.broadcasts.get("text1")?.reports.at(-1) ?? {};
  assert.is(sent + unknown, 150);
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

test("a signal keeps its pace where each chat is read slowly, as others cannot be told that somebody sends", async () => {
  const { scene, sender } = await withReaders(1, 30, 150);
  await scene.act(() => {
    scene.disturb("dynamodb", { denied: 1 }, "UpdateItem telegram-chats 0");
    scene.disturb("dynamodb", { baseMs: 120, tailMs: 5 });
  });
  await scene.act(() => scene.signal(sender, "signal1"));
  await scene.pass(10_000);
  assert.equal(scene.problems(), []);
  assert.is(scene.oracle.broadcasts.get("signal1")?.reports.at(-1)?.sent, 150);
});

test.run();
