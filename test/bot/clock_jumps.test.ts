/** The clock is set by an hour, or the machine sleeps for eight: nobody is lost, nothing is said twice, no timer runs wild. */
import process from "node:process";
import { type LocalUser, startBotApiServer } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { pause, said, type Scene, subscribers, until, withBot } from "../support/bot.ts";
import { clientAt } from "../support/client.ts";
import { JumpClock } from "../support/clocks.ts";
import { Nat } from "../support/nat.ts";
import type { Link } from "../sim/hosts.ts";
import { currentHosts } from "../sim/world.ts";
import { startScript } from "../support/script.ts";
import { VirtualTelegram } from "../support/virtual_telegram.ts";

const hourMs = 3_600_000;
const night = 8 * hourMs;
const factor = 10;

/** A bot whose clock jumps, behind a network that is down for a while after a night. */
class Laptop {
  readonly clock: JumpClock = new JumpClock(factor);
  readonly #links: Link[] = [];

  /** The address of a server as this machine has it. */
  before(address: string): string {
    const link = currentHosts().link(address);
    this.#links.push(link);
    return link.url;
  }

  async sleepThroughTheNight(): Promise<void> {
    const wake = this.clock.suspend();
    for (const link of this.#links) link.down();
    wake(night);
    await pause(150);
    for (const link of this.#links) link.up();
  }
}

const jumps: Readonly<Record<string, (laptop: Laptop) => unknown>> = {
  "+1 h": ({ clock }) => clock.jump(hourMs),
  "-1 h": ({ clock }) => clock.jump(-hourMs),
  "8 h asleep": (laptop) => laptop.sleepThroughTheNight(),
};

/** How many of these words somebody has. */
const times = (user: LocalUser, words: string): number =>
  said(user).filter((line) => line.startsWith(words)).length;

/** A minute, of which little may be slept away in many small pieces. */
async function assertCalm({ clock }: Laptop): Promise<void> {
  const [before, since] = [clock.sleeps, clock.elapsed()];
  await pause(1000);
  const perSecond = (clock.sleeps - before) / (clock.elapsed() - since) * 1000;
  assert.ok(perSecond < 5, `${perSecond} sleeps a second`);
}

const test = suite("clocks that jump", {}, 60_000);

for (const [name, jump] of Object.entries(jumps)) {
  const laptopTest = (title: string, body: (scene: Scene, laptop: Laptop) => Promise<unknown>): void => {
    test(`${name}: ${title}`, async () => {
      await withBot((scene) => body(scene, new Laptop()), { state: "made", hasLedger: true });
    });
  };

  laptopTest("what people say before and after is kept and answered once", async (scene, laptop) => {
    const { server, gate, another, item, settled } = scene;
    const bot = another({
      clock: laptop.clock,
      apiRoot: laptop.before(server.apiRoot),
      client: clientAt(laptop.before(gate.endpoint)),
    });
    await bot.startBot();
    const [ada, ben] = [server.user(), server.user()];
    ada.say("/start");
    await ada.received("Welcome");
    await jump(laptop);
    ben.say("/start");
    ada.say("/status");
    await Promise.all([ben.received("Welcome"), ada.received("subscribed")]);
    await settled();
    await assertCalm(laptop);
    assert.equal([times(ada, "Welcome"), times(ben, "Welcome")], [1, 1]);
    assert.equal((await item(ada))?.["message_count"], { N: "2" });
    assert.equal((await item(ben))?.["message_count"], { N: "1" });
    await bot.stopBot();
  });

  for (const broadcastId of [undefined, "once"]) {
    const how = broadcastId === undefined ? "a broadcast" : "a broadcast with an id";
    laptopTest(`${how} that is under way reaches everybody once`, async (scene, laptop) => {
      const { server, gate, another } = scene;
      const users = await subscribers(scene, 150);
      const bot = another({
        clock: laptop.clock,
        apiRoot: laptop.before(server.apiRoot),
        client: clientAt(laptop.before(gate.endpoint)),
        messagesPerSecond: 30,
      });
      const running = bot.broadcast("signal", { order: "ascending", ...broadcastId && { broadcastId } });
      await users[20]?.received("signal");
      await jump(laptop);
      const report = await running;
      // Some were on their way into the night: as many as leave in a second at most.
      const onItsWay = name === "8 h asleep" ? 30 : 0;
      assert.is(report.sent + report.unknown, 150, String(report));
      assert.ok(report.unknown <= onItsWay, String(report));
      assert.is(report.stopped, undefined);
      const has = users.map((user) => times(user, "signal"));
      assert.ok(has.every((each) => each <= 1) && has.filter((each) => each === 1).length >= report.sent);
      await assertCalm(laptop);
      await bot.stopBot();
    });
  }

  laptopTest("what waits for DynamoDB in an outage is kept once, and said once", async (scene, laptop) => {
    const { server, gate, another, item, logs } = scene;
    const bot = another({ clock: laptop.clock, apiRoot: laptop.before(server.apiRoot) });
    await bot.startBot();
    gate.throttle({ action: "UpdateItem" });
    const users = Array.from({ length: 20 }, () => server.user());
    for (const user of users) user.say("/start");
    await until(() => bot.health.queuedUpdates > 0, "nothing is queued");
    await jump(laptop);
    await assertCalm(laptop);
    gate.clear();
    await until(() => !bot.health.isDegraded, "the outage does not end");
    for (const user of users) {
      assert.equal((await item(user))?.["message_count"], { N: "1" });
      assert.ok(times(user, "Welcome") <= 1);
    }
    assert.is(logs.of("error", "DynamoDB").length, 1, logs.text);
    await bot.stopBot();
  });
}

const old = suite("clocks that jump: what is too old", {}, 60_000);

old("a signal that a night has interrupted goes to nobody any more, and that is said", async () => {
  await withBot(async (scene) => {
    const laptop = new Laptop();
    const { server, another, logs } = scene;
    const users = await subscribers(scene, 100);
    const bot = another({
      clock: laptop.clock,
      apiRoot: laptop.before(server.apiRoot),
      messagesPerSecond: 30,
    });
    const running = bot.broadcast("signal", { order: "ascending", maxAgeMs: 120_000 });
    await users[20]?.received("signal");
    await laptop.sleepThroughTheNight();
    const report = await running;
    assert.ok(report.skips.expired >= 60, String(report));
    assert.is(report.sent + report.unknown + report.skips.expired, 100, String(report));
    assert.match(logs.of("warn", "has expired before").join(), /before \d+ of 100 chats/);
    assert.ok(users.filter((user) => times(user, "signal") > 0).length <= report.sent + report.unknown);
  }, { state: "made" });
});

old("a clock that is set back makes no signal young again", async () => {
  const clock = new JumpClock(50);
  await withBot(async (scene) => {
    const users = await subscribers(scene, 100);
    const running = scene.bot.broadcast("signal", { order: "ascending", maxAgeMs: 60_000 });
    await users[5]?.received("signal");
    running.pause();
    clock.jump(-hourMs);
    const report = await running;
    assert.ok(report.skips.expired > 0 && report.sent + report.skips.expired === 100, String(report));
  }, { state: "made", bot: { clock, messagesPerSecond: 30 } });
});

const lease = suite("clocks that jump: a broadcast's lease", {}, 60_000);

lease("who wakes up sends no more of what another process has finished meanwhile", async () => {
  const clock = new JumpClock(factor);
  await withBot(async (scene) => {
    const { another } = scene;
    const users = await subscribers(scene, 150);
    const sleeper = another({ clock, messagesPerSecond: 10 });
    const options = { broadcastId: "a", order: "ascending", onUnknown: "resend" } as const;
    const running = sleeper.broadcast("signal", options);
    await users[20]?.received("signal");
    const wake = clock.suspend();
    await pause(100);
    const had = users.filter((user) => times(user, "signal") === 1).length;
    const { resumed: [report] } = await another({ clock: new JumpClock(100) }).resumeBroadcasts();
    assert.is(report?.sent, 150);
    wake(night);
    assert.equal(JSON.stringify(await running), JSON.stringify(report));
    const has = users.map((user) => times(user, "signal"));
    assert.equal([Math.max(...has), has.filter((each) => each === 2).length], [2, had]);
  }, { state: "made", hasLedger: true });
});

for (const [name, aheadMs] of [["ahead", hourMs], ["behind", -hourMs]] as const) {
  lease(`whose clock is an hour ${name} of the others' is not taken for dead while it lives`, async () => {
    await withBot(async (scene) => {
      const { another, logs } = scene;
      const users = await subscribers(scene, 60);
      const running = another({ clock: new JumpClock(1, aheadMs), messagesPerSecond: 10 })
        .broadcast("signal", { broadcastId: "a" });
      await until(() => running.progress.done > 5, "nobody is written to");
      const follower = another({ clock: new JumpClock(1) });
      assert.is((await follower.broadcast("signal", { broadcastId: "a" })).sent, 60);
      assert.is((await running).unknown, 0);
      for (const user of users) assert.is(times(user, "signal"), 1);
      assert.equal(logs.of("info", "goes on where"), []);
    }, { state: "made", hasLedger: true });
  });

  lease(`whose clock was an hour ${name} is followed within its lease when it has died`, async () => {
    await withBot(async (scene) => {
      const { another } = scene;
      await subscribers(scene, 150);
      const clock = new JumpClock(factor, aheadMs);
      const dead = another({ clock, messagesPerSecond: 30 });
      const running = dead.broadcast("signal", { broadcastId: "a" });
      await until(() => running.progress.done > 5, "nobody is written to");
      const wake = clock.suspend();
      running.pause();
      const follower = new JumpClock(factor);
      const since = follower.elapsed();
      const { resumed: [report] } = await another({ clock: follower }).resumeBroadcasts();
      assert.is(report?.recipients, 150);
      assert.ok(follower.elapsed() - since < 60_000, "it took longer than a minute");
      wake(0);
      running.resume();
      await running;
    }, { state: "made", hasLedger: true });
  });
}

const frozen = suite("clocks that jump: a process that stands still", {}, 60_000);

// Windows has no such signals.
if (process.platform !== "win32") {
  frozen(
    "goes on where its connections have died meanwhile: each word is heard and answered, once",
    async () => {
      await using server = await startBotApiServer();
      await using nat = await Nat.before(server.apiRoot);
      const env = { TELEGRAM_BOT_TOKEN: server.token, TELEGRAM_API_ROOT: nat.url };
      const running = startScript(["test/support/plain_bot.ts"], env, "-A");
      try {
        const [ada, ben] = [server.user(), server.user()];
        ada.say("/start");
        await ada.received("subscribed");
        running.kill("SIGSTOP");
        await nat.down();
        ada.say("/status");
        ben.say("/start");
        await pause(5500);
        running.kill("SIGCONT");
        await pause(500);
        await nat.up();
        await Promise.all([ben.received("subscribed"), until(() => ada.inbox.length === 2, "no answer")]);
        await until(() => server.pendingUpdates === 0, "the words are not confirmed");
        assert.equal([ada.inbox.length, ben.inbox.length], [2, 1]);
      } finally {
        running.kill("SIGKILL");
        await running.ended;
      }
    },
  );
}

const pace = suite("clocks that jump: paces and floods");

for (const [name, ms] of [["+1 h", hourMs], ["-1 h", -hourMs], ["8 h asleep", night]] as const) {
  pace(
    `${name}: a group gets no more than twenty in a minute, a person no more than three at once`,
    async () => {
      const telegram = new VirtualTelegram({ latencyMs: 10 });
      const { clock } = telegram;
      for (const chatId of [-5, 5]) {
        for (let count = 0; count < 30; count++) void telegram.broadcast([chatId], `${chatId} ${count}`);
      }
      await clock.pass(1500);
      clock.shift(ms);
      await clock.pass(180_000);
      assert.is(telegram.taken.length, 60, "somebody is forgotten");
      const most = (chatId: number, withinMs: number): number => {
        const at = telegram.taken.filter((call) => call.chatId === chatId).map((call) => call.at);
        return Math.max(
          ...at.map((from) => at.filter((each) => each >= from && each < from + withinMs).length),
        );
      };
      assert.equal([most(-5, 59_000), most(-5, 2900), most(5, 2900)], [20, 3, 3]);
    },
  );

  pace(`${name}: replies that wait for their turn are not dropped`, async () => {
    const telegram = new VirtualTelegram({ messagesPerSecond: 10 });
    for (let chatId = 1; chatId <= 50; chatId++) telegram.help(chatId);
    await telegram.clock.pass(1000);
    telegram.clock.shift(ms);
    await telegram.clock.pass(10_000);
    assert.is(telegram.taken.length, 50);
  });

  pace(`${name}: a flood's hour ends in time, nobody is lost, and few timers are set`, async () => {
    const telegram = new VirtualTelegram();
    const { clock, closing } = telegram;
    // Telegram's own clock goes right.
    let nowMs = (): number => clock.passedMs;
    const untilMs = nowMs() + hourMs;
    telegram.refuse = () => nowMs() < untilMs ? Math.ceil((untilMs - nowMs()) / 1000) : undefined;
    const sleep = clock.sleep.bind(clock);
    let sleeps = 0;
    clock.sleep = (ms, signal) => (sleeps++, sleep(ms, signal));
    const done = telegram.broadcast(Array.from({ length: 50 }, (_, index) => index + 1), "signal");
    await clock.pass(60_000);
    assert.ok(telegram.gate.pauseMs > 3_000_000, "the bot does not rest");
    const asked = telegram.calls.length;
    clock.shift(ms);
    if (ms === night) nowMs = () => clock.passedMs + night;
    const since = clock.passedMs;
    await clock.drain(untilMs - since + 60_000);
    await done;
    assert.is(telegram.reached("signal").length, 50);
    const tookMs = (telegram.taken[0]?.at ?? NaN) - since;
    assert.ok(tookMs <= (ms === night ? 30_000 : untilMs - since + 5000), `it took ${tookMs} ms`);
    assert.ok(telegram.calls.length - asked <= 50 + 20, `${telegram.calls.length - asked} calls`);
    assert.ok(sleeps < 1000, `${sleeps} timers`);
    closing.abort();
  });
}

test.run();
old.run();
lease.run();
frozen.run();
pace.run();
