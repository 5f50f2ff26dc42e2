/** Which replies go first, which are given up, and how many wait, in virtual time. */
import { assert, suite } from "../harness.ts";
import { VirtualTelegram } from "../support/virtual_telegram.ts";

const test = suite("ReplySender");

function repliesTo({ taken }: VirtualTelegram, chatId: number): string[] {
  return taken.filter((call) => call.chatId === chatId).map(({ text }) => text.split("\n")[0] ?? "");
}

test("confirmations of /stop go before others' replies, and a chat's own keep their order", async () => {
  const telegram = new VirtualTelegram({ messagesPerSecond: 10 });
  for (let chatId = 1; chatId <= 30; chatId++) telegram.help(chatId);
  for (let chatId = 21; chatId <= 40; chatId++) telegram.stop(chatId);
  await telegram.clock.drain();
  const order = telegram.taken.map(({ chatId }) => chatId);
  const lastStop = order.lastIndexOf(40);
  assert.is(order.slice(0, lastStop).filter((chatId) => chatId <= 20).length, 1, "the first had left");
  for (let chatId = 21; chatId <= 30; chatId++) {
    const [help = "", stopped] = repliesTo(telegram, chatId);
    assert.match(help, "trading signals");
    assert.is(stopped, "You are unsubscribed.");
  }
  assert.is(telegram.outbox.dropped, 0);
});

test("a reply whose turn does not come within ten seconds is dropped, counted and told", async () => {
  const telegram = new VirtualTelegram({ messagesPerSecond: 10 });
  const { clock, outbox, logger } = telegram;
  for (let chatId = 1; chatId <= 300; chatId++) telegram.help(chatId);
  await clock.pass(9900);
  assert.is(outbox.dropped, 0);
  await clock.pass(300);
  assert.ok(outbox.dropped >= 198 && outbox.dropped <= 200, `${outbox.dropped}`);
  assert.equal([outbox.pending, telegram.taken.length + outbox.dropped], [0, 300]);
  assert.match(logger.lines[0] ?? "", /^Chat \d+ is not answered: its turn has not come in time\.$/);
  assert.is(clock.sleepers, 0, "nothing is left of them");
  telegram.help(1);
  await clock.drain();
  assert.is(repliesTo(telegram, 1).length, 2);
});

test("a confirmation is not dropped with a reply before it that waits for less", async () => {
  const telegram = new VirtualTelegram({ messagesPerSecond: 10 });
  for (let chatId = 1; chatId <= 300; chatId++) telegram.help(chatId);
  telegram.stop(300);
  await telegram.clock.drain();
  assert.equal(repliesTo(telegram, 300), ["You are unsubscribed."]);
});

test("what has left in time is not dropped, however long its answer takes", async () => {
  const telegram = new VirtualTelegram({ latencyMs: 30_000 });
  telegram.help(1);
  await telegram.clock.drain();
  assert.equal([telegram.taken.length, telegram.outbox.dropped], [1, 0]);
});

test("a reply is given up after one flood of its chat, and those behind it ask nobody", async () => {
  const telegram = new VirtualTelegram();
  telegram.refuse = ({ chatId }) => chatId === -1 ? 30 : undefined;
  telegram.help(-1, 5);
  await telegram.clock.drain();
  assert.equal([telegram.calls.length, telegram.outbox.dropped, telegram.outbox.pending], [1, 5, 0]);
  assert.match(telegram.logger.lines[0] ?? "", "Chat -1 is not answered");
  await telegram.clock.pass(31_000);
  telegram.refuse = () => undefined;
  telegram.help(-1);
  await telegram.clock.drain();
  assert.is(repliesTo(telegram, -1).length, 1, "it is answered again");
});

test("a /stop said in a flood of the bot is confirmed after it, and a /help is not answered", async () => {
  for (const [floodMs, isSignal] of [[20_000, true], [3_600_000, true], [25_000, false]] as const) {
    const telegram = new VirtualTelegram();
    const { clock, outbox } = telegram;
    const until = clock.passedMs + 1000 + floodMs;
    telegram.refuse = ({ at }) =>
      at < until - floodMs || at >= until ? undefined : Math.ceil((until - at) / 1000);
    const signal = telegram.broadcast(
      Array.from({ length: isSignal ? 60 : 1 }, (_, index) => index + 1),
      "signal",
    );
    await clock.pass(2500);
    assert.is(telegram.gate.rests, isSignal ? 1 : 0);
    for (const chatId of [101, 102, 103, 104]) telegram.stop(chatId);
    for (const chatId of [201, 202]) telegram.help(chatId);
    await clock.pass(floodMs / 2);
    assert.is(telegram.taken.filter(({ text }) => text.includes("unsubscribed")).length, 0);
    await clock.drain();
    await signal;
    for (const chatId of [101, 102, 103, 104]) {
      assert.equal(repliesTo(telegram, chatId), ["You are unsubscribed."]);
    }
    for (const chatId of [201, 202]) assert.equal(repliesTo(telegram, chatId), []);
    assert.is(outbox.dropped, 2);
  }
});

test("each /start and /stop of hundreds is confirmed, also beside a signal and behind a flood", async () => {
  for (const floodMs of [0, 5000, 20_000]) {
    const telegram = new VirtualTelegram();
    const { clock, outbox } = telegram;
    const until = clock.passedMs + 1000 + floodMs;
    telegram.refuse = ({ at }) =>
      at < until - floodMs || at >= until ? undefined : Math.ceil((until - at) / 1000);
    const signal = telegram.broadcast(Array.from({ length: 60 }, (_, index) => index + 1), "signal");
    await clock.pass(1500);
    for (let chatId = 101; chatId <= 350; chatId++) telegram.stop(chatId);
    await clock.drain();
    await signal;
    const confirmed = telegram.taken.filter(({ text }) => text.startsWith("You are unsubscribed."));
    assert.equal([confirmed.length, outbox.dropped], [250, 0]);
  }
});

test("a /stop is confirmed where one or two people alone meet a flood, and where one flood follows another", async () => {
  for (const people of [1, 2, 3, 5]) {
    for (const lengthsMs of [[40_000], [1_200_000], [5000, 5000], [5000, 20_000, 60_000]]) {
      const telegram = new VirtualTelegram();
      const { clock, outbox } = telegram;
      let at = clock.passedMs;
      const floods = lengthsMs.map((ms) => ({ from: at, until: at += ms }));
      telegram.refuse = (call) => {
        const flood = floods.find(({ from, until }) => call.at >= from && call.at < until);
        return flood && Math.ceil((flood.until - call.at) / 1000);
      };
      for (let chatId = 1; chatId <= people; chatId++) telegram.stop(chatId);
      await clock.drain();
      assert.equal([telegram.taken.length, outbox.dropped], [people, 0], `${people} people, ${lengthsMs}`);
    }
  }
});

test("a chat's short flood is waited out by the replies behind", async () => {
  const telegram = new VirtualTelegram();
  let hits = 0;
  telegram.refuse = ({ chatId }) => chatId === -1 && hits++ === 0 ? 4 : undefined;
  telegram.help(-1, 3);
  await telegram.clock.drain();
  assert.equal([repliesTo(telegram, -1).length, telegram.outbox.dropped], [2, 1]);
});

test("a thousand replies wait at a time, the last two hundred places for confirmations", async () => {
  const telegram = new VirtualTelegram({ messagesPerSecond: 1000 });
  const { clock, outbox } = telegram;
  // Nothing leaves, as replies rest.
  telegram.refuse = () => 5;
  const refused = [1, 2, 3].map((chatId) => telegram.api.sendMessage(chatId, "hello"));
  await clock.pass(3000);
  assert.is(telegram.gate.rests, 0, "broadcasts do not");
  telegram.refuse = () => undefined;
  for (let chatId = 1001; chatId <= 1900; chatId++) telegram.help(chatId);
  assert.equal([outbox.pending, outbox.dropped], [800, 100]);
  for (let chatId = 2001; chatId <= 2300; chatId++) telegram.stop(chatId);
  assert.equal([outbox.pending, outbox.dropped], [1000, 200]);
  await clock.drain();
  await Promise.all(refused);
  assert.equal([outbox.pending, outbox.dropped, telegram.taken.length], [0, 200, 1003]);
});

test("messages of a user's own code are in the replies' share, and are not dropped", async () => {
  const telegram = new VirtualTelegram({ messagesPerSecond: 3 });
  const { clock, api } = telegram;
  const people = Array.from({ length: 60 }, (_, index) => 1000 + index);
  const own = Promise.all(people.map((chatId) => api.sendMessage(chatId, "own")));
  const running = telegram.broadcast(people, "signal");
  const start = clock.passedMs;
  await clock.drain();
  await Promise.all([own, running]);
  assert.is(telegram.reached("own").length, 60);
  assert.ok(telegram.secondsUntilLast("signal", start) <= 31);
});

test.run();
