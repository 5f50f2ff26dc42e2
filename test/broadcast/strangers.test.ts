/** What strangers, refusals and floods do to a signal and to each other, in virtual time. */
import fc from "fast-check";
import { assert, suite } from "../harness.ts";
import { VirtualTelegram } from "../support/virtual_telegram.ts";

const perSecond = 30;
const people = Array.from({ length: 300 }, (_, index) => 1000 + index);
const alone = people.length / perSecond;
/** What is left beside replies that have their third of the pace. */
const besideReplies = alone * 3 / 2;
const signal = "signal";

/** Those who got the signal, in no order. */
function reached(telegram: VirtualTelegram): number[] {
  return telegram.reached(signal).sort((one, other) => one - other);
}

const test = suite("strangers and a signal");

test("three groups in slow mode with twelve /help each take nothing from a signal", async () => {
  const telegram = new VirtualTelegram();
  const { clock, outbox, gate } = telegram;
  telegram.refuse = ({ chatId }) => chatId < 0 ? 150 : undefined;
  for (const chatId of [-1, -2, -3]) telegram.help(chatId, 12);
  const start = clock.passedMs;
  const running = telegram.broadcast(people, signal);
  await clock.drain();
  await running;
  assert.equal(reached(telegram), people);
  const first = telegram.taken.find(({ text }) => text === signal);
  assert.ok((first?.at ?? Infinity) - start <= 1000);
  const seconds = telegram.secondsUntilLast(signal, start);
  assert.ok(seconds <= alone * 1.02, `${seconds} s`);
  assert.is(telegram.calls.filter(({ chatId }) => chatId < 0).length, 3, "each group is asked once");
  assert.equal([outbox.dropped, outbox.pending], [36, 0]);
  assert.equal([gate.messagesPerSecond, gate.rests], [perSecond, 0]);
  assert.not.ok(telegram.logger.lines.some((line) => line.includes("limits the rate")));
});

test("fifty accounts with forty commands each have a third of the pace beside a signal, and no more", async () => {
  const telegram = new VirtualTelegram();
  const { clock, outbox } = telegram;
  for (let chatId = 1; chatId <= 50; chatId++) telegram.help(chatId, 40);
  await clock.pass(500);
  const start = clock.passedMs;
  const running = telegram.broadcast(people, signal);
  await clock.drain();
  await running;
  assert.equal(reached(telegram), people);
  const [first] = telegram.taken.filter(({ text }) => text === signal);
  assert.ok((first?.at ?? Infinity) - start <= 1000);
  const seconds = telegram.secondsUntilLast(signal, start);
  assert.ok(seconds <= besideReplies * 1.02, `${seconds} s`);
  const replies = telegram.taken.filter(({ text }) => text !== signal);
  const meanwhile = replies.filter(({ at }) => at >= start && at <= start + seconds * 1000).length;
  assert.ok(meanwhile >= seconds * perSecond / 3 - 2, `${meanwhile} replies meanwhile`);
  assert.is(replies.length + outbox.dropped, 1000, "twenty a chat are answered, or dropped and counted");
});

test("a hundred strangers who say /stop, again and again, take a third of the pace from a signal", async () => {
  const telegram = new VirtualTelegram();
  const { clock, outbox } = telegram;
  let isOver = false;
  const strangers = async (): Promise<void> => {
    for (let round = 0; !isOver; round++) {
      for (let chatId = 1; chatId <= 100; chatId++) telegram.stop(chatId + 100 * (round % 5));
      await clock.sleep(1000);
    }
  };
  const attack = strangers();
  const start = clock.passedMs;
  const running = telegram.broadcast(people, signal).then(() => void (isOver = true));
  await clock.drain(120_000);
  await Promise.all([running, attack]);
  assert.equal(reached(telegram), people);
  assert.ok(telegram.secondsUntilLast(signal, start) <= besideReplies * 1.02);
  assert.ok(outbox.dropped > 0);
});

test("twenty busy chats that are refused at once are refused for their own sake: nobody else waits", async () => {
  const telegram = new VirtualTelegram();
  const { clock, gate } = telegram;
  const busy = Array.from({ length: 20 }, (_, index) => index + 1);
  const seen = new Map<number, number>();
  telegram.refuse = ({ chatId }) => {
    if (chatId > 20) return undefined;
    seen.set(chatId, (seen.get(chatId) ?? 0) + 1);
    return seen.get(chatId) === 2 ? 3600 : undefined;
  };
  for (const chatId of busy) telegram.help(chatId, 3);
  await clock.pass(700);
  const start = clock.passedMs;
  const running = telegram.broadcast(people, signal);
  await clock.drain();
  await running;
  assert.ok([...seen.values()].every((count) => count === 2));
  assert.ok(telegram.secondsUntilLast(signal, start) <= alone * 1.1);
  assert.equal([gate.messagesPerSecond, gate.rests, telegram.outbox.dropped], [perSecond, 0, 40]);
});

test("a flood of the bot for two hours: a few messages test it once it is proved, and everything leaves afterwards", async () => {
  const telegram = new VirtualTelegram();
  const { clock, gate, logger, outbox } = telegram;
  const begin = clock.passedMs + 2000;
  const end = begin + 7_200_000;
  telegram.refuse = () =>
    clock.passedMs >= begin && clock.passedMs < end ? Math.ceil((end - clock.passedMs) / 1000) : undefined;
  const running = telegram.broadcast(people, signal);
  await clock.pass(1990);
  const inFlight = 80 / 1000 * perSecond + 1;
  const before = telegram.calls.length;
  await clock.pass(3000);
  assert.ok(
    telegram.calls.length - before <= inFlight + 3,
    `${telegram.calls.length - before} calls into it`,
  );
  assert.is(gate.rests, 1);
  assert.ok(gate.pauseMs > 7_190_000, `${gate.pauseMs} ms`);
  const told = logger.lines.filter((line) =>
    line.startsWith("Telegram limits the rate: it asks to wait for ")
  );
  assert.is(told.length, 1);
  assert.match(told[0] ?? "", /wait for 7(199|200|201) s/);
  const proved = telegram.calls.length;
  telegram.help(1);
  const asking = telegram.api.getChat(1);
  await clock.pass(3_600_000);
  await clock.pass(end - clock.passedMs - 1000);
  const tests = telegram.calls.slice(proved);
  assert.ok(tests.length > 0 && tests.length <= 9, `${tests.length} messages test it`);
  assert.ok(tests.every(({ method }) => method === "sendMessage"), "no other call leaves");
  assert.is(outbox.dropped, 1, "a reply does not wait for hours");
  await clock.drain();
  await Promise.all([running, asking]);
  assert.equal(reached(telegram), people);
  assert.is(gate.rests, 1);
});

test("one person's own flood of hours rests nobody, and the pace is what it was", async () => {
  const telegram = new VirtualTelegram();
  const { clock, gate } = telegram;
  const own = people[100] ?? 0;
  let hits = 0;
  telegram.refuse = ({ chatId }) => chatId === own && hits++ === 0 ? 7200 : undefined;
  const start = clock.passedMs;
  const running = telegram.broadcast(people, signal);
  await clock.pass(12_000);
  assert.is(telegram.reached(signal).length, 299);
  assert.ok(telegram.secondsUntilLast(signal, start) <= alone * 1.02);
  assert.equal([gate.messagesPerSecond, gate.rests, hits], [perSecond, 0, 1]);
  assert.ok(gate.pauseMs <= 0);
  await clock.drain();
  await running;
  assert.is(telegram.reached(signal).at(-1), own);
  assert.ok(telegram.secondsUntilLast(signal, start) >= 7200);
});

test("reading calls have a pace of their own, and their flood pauses nothing else", async () => {
  const telegram = new VirtualTelegram();
  const { clock, api, gate } = telegram;
  let isFlooded = true;
  telegram.refuse = ({ method }) => method === "getChatAdministrators" && isFlooded ? 20 : undefined;
  const start = clock.passedMs;
  const asking = Promise.all(Array.from({ length: 30 }, (_, index) => api.getChatAdministrators(-1 - index)));
  const running = telegram.broadcast(people, signal);
  await clock.pass(1000);
  isFlooded = false;
  const acting = Promise.all(people.slice(0, 50).map((chatId) => api.sendChatAction(chatId, "typing")));
  await clock.pass(1000);
  await acting;
  await clock.drain();
  await Promise.all([asking, running]);
  assert.ok(telegram.secondsUntilLast(signal, start) <= alone * 1.02);
  const reads = telegram.calls.filter(({ method }) => method === "getChatAdministrators");
  assert.ok(reads.length <= 33, "the others wait until the lane's pause is over");
  const answered = reads.filter(({ at }) => at >= start + 20_000);
  assert.is(answered.length, 30);
  assert.ok((answered.at(-1)?.at ?? 0) - (answered[0]?.at ?? 0) >= 2800, "ten a second");
  assert.is(gate.rests, 0);
});

test("another call's flood holds back the same call to the same chat, and nothing else", async () => {
  const telegram = new VirtualTelegram();
  const { clock, api } = telegram;
  let hits = 0;
  telegram.refuse = ({ method, chatId }) =>
    method === "sendChatAction" && chatId === -5 && hits++ === 0 ? 100 : undefined;
  const start = clock.passedMs;
  const acting = api.sendChatAction(-5, "typing");
  await clock.pass(200);
  await Promise.all([
    clock.pass(200),
    api.sendChatAction(-6, "typing"),
    api.deleteMessage(-5, 1),
    api.sendMessage(-5, "hello"),
    api.getChat(-5),
  ]);
  await clock.drain();
  await acting;
  const times = telegram.taken.map(({ at }) => at - start);
  assert.is(times.filter((time) => time < 400).length, 4);
  assert.ok((times.at(-1) ?? 0) >= 100_000);
});

interface Stranger {
  readonly atMs: number;
  readonly chatId: number;
  readonly says: "help" | "stop";
  readonly times: number;
}

const strangers: fc.Arbitrary<Stranger[]> = fc.array(
  fc.record({
    atMs: fc.nat(12_000),
    chatId: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: -30, max: -1 })),
    says: fc.constantFrom("help", "stop"),
    times: fc.integer({ min: 1, max: 15 }),
  }),
  { maxLength: 60 },
);

test("for any strangers: all people have the signal, once, in its share of the pace", async () => {
  const property = fc.asyncProperty(strangers, fc.nat(), async (list, seed) => {
    const telegram = new VirtualTelegram();
    const { clock, gate, outbox } = telegram;
    const lastAt = new Map<number, number>();
    // Slow mode in every third group, and people whose chat takes one message in two seconds.
    telegram.refuse = ({ chatId, at }) => {
      if (chatId < 0) return chatId % 3 === 0 ? 10 + (seed + at) % 300 : undefined;
      const gapMs = at - (lastAt.get(chatId) ?? -Infinity);
      lastAt.set(chatId, at);
      return gapMs < 2000 ? 5 + (seed + at) % 300 : undefined;
    };
    for (const { atMs, chatId, says, times } of list) {
      void clock.sleep(atMs).then(() => {
        for (let time = 0; time < times; time++) {
          says === "help" ? telegram.help(chatId) : telegram.stop(chatId);
        }
      });
    }
    const start = clock.passedMs;
    const running = telegram.broadcast(people, signal);
    await clock.drain();
    await running;
    assert.equal(reached(telegram), people);
    const seconds = telegram.secondsUntilLast(signal, start);
    assert.ok(seconds <= besideReplies * 1.02, `${seconds} s`);
    // The last refusal may come when nobody is left who shows whose it was: it is forgotten when its time is over.
    await clock.pass(306_000);
    assert.equal([gate.rests, gate.messagesPerSecond, outbox.pending], [0, perSecond, 0]);
  });
  await fc.assert(property, { numRuns: 25 });
});

test.run();
