/** Who may leave when: priorities, paces, chats' own limits and floods, for any demand, on a clock moved by hand. */
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import type {
  ChatFloodError,
  SendPermit,
  SendPriority,
  SendRequest,
} from "../../../lib/telegram/rate_limit/send_request.ts";
import { SendScheduler } from "../../../lib/telegram/rate_limit/scheduler.ts";
import { assert, suite } from "../../harness.ts";
import { StepClock } from "../../support/clocks.ts";

const aBit = 1e-6;
const catchUpSeconds = 0.1;
const secondMs = 1000;

interface Left {
  readonly at: number;
  readonly name: string;
  readonly request: SendRequest;
  readonly turn: SendPermit;
}

/** A turnstile, and everyone who has passed it. */
class Hall {
  readonly clock = new StepClock();
  readonly floods: number[] = [];
  readonly lowered: number[] = [];
  readonly left: Left[] = [];
  readonly rejected: { readonly name: string; readonly reason: unknown }[] = [];
  readonly closing = new AbortController();
  readonly turnstile: SendScheduler;
  /** What becomes of a message, unless told otherwise. */
  answer: (left: Left) => void = ({ turn }) => turn.succeeded();

  constructor(messagesPerSecond: number = 30) {
    this.turnstile = new SendScheduler({
      messagesPerSecond,
      clock: this.clock,
      onFlood: (_, seconds) => this.floods.push(seconds),
      onLowered: (perSecond) => this.lowered.push(perSecond),
      signal: this.closing.signal,
    });
  }

  /** Each chat of a broadcast was drawn at random, unless told otherwise. */
  enter(name: string, request: SendRequest): void {
    this.turnstile.acquire({ isDrawn: request.priority !== "reply", ...request }).then(
      (turn) => {
        const left = { at: this.clock.passedMs, name, request, turn };
        this.left.push(left);
        this.answer(left);
      },
      (reason) => this.rejected.push({ name, reason }),
    );
  }

  enterAll(priority: SendPriority, count: number, from: number = 1): void {
    for (let chatId = from; chatId < from + count; chatId++) {
      this.enter(`${priority} ${chatId}`, { priority, chatId });
    }
  }

  get names(): string[] {
    return this.left.map(({ name }) => name);
  }

  /** Seconds from the first to the last who left, of those whose name begins so. */
  seconds(start: string = ""): number {
    const times = this.left.filter(({ name }) => name.startsWith(start)).map(({ at }) => at);
    return ((times.at(-1) ?? NaN) - (times[0] ?? NaN)) / secondMs;
  }
}

/** At most so many in any stretch, times ascending; a moment's catching up is allowed. */
function assertPace(times: readonly number[], perSecond: number): void {
  for (let from = 0; from < times.length; from++) {
    for (let to = from; to < times.length; to++) {
      const seconds = ((times[to] ?? 0) - (times[from] ?? 0)) / secondMs;
      const most = (seconds + catchUpSeconds) * perSecond + 2;
      assert.ok(to - from + 1 <= most + aBit, `${to - from + 1} in ${seconds} s at ${perSecond}/s`);
    }
  }
}

/** Never more than so many in any stretch of that length. */
function assertWindow(times: readonly number[], messages: number, withinMs: number): void {
  for (let from = 0; from + messages < times.length; from++) {
    const stretch = (times[from + messages] ?? 0) - (times[from] ?? 0);
    assert.ok(stretch >= withinMs - aBit, `${messages + 1} within ${stretch} ms`);
  }
}

const order = suite("Turnstile: whose turn it is");

/** The names of those who left, a letter each. */
function letters({ names }: Hall): string {
  return names.map(([letter]) => letter).join("");
}

order(
  "replies have a third of the pace beside urgent messages, two thirds beside bulk, and else all",
  async () => {
    const hall = new Hall(1);
    hall.enter("x", { priority: "bulk", chatId: 100 });
    hall.enterAll("bulk", 6);
    hall.enterAll("urgent", 6, 11);
    hall.enterAll("reply", 12, 21);
    await hall.clock.drain();
    assert.is(letters(hall), "xruuruuruu" + "rrbrrbrrbrrbr" + "bb");
  },
);

order("confirmations go before all other replies, and have a share with them", async () => {
  const hall = new Hall(1);
  hall.enterAll("reply", 4, 21);
  for (let chatId = 1; chatId <= 3; chatId++) {
    hall.enter("confirmation", { priority: "reply", isConfirmation: true, chatId });
  }
  hall.enterAll("urgent", 8, 31);
  await hall.clock.drain();
  assert.is(letters(hall), "r" + "cuucuucuu" + "ruurr");
});

order("what one side of the shares does not use is the other's at once", async () => {
  const hall = new Hall(10);
  hall.enterAll("urgent", 30);
  await hall.clock.pass(1000);
  hall.enter("status", { priority: "reply", chatId: 100 });
  const asked = hall.clock.passedMs;
  await hall.clock.drain();
  assert.ok(hall.seconds() <= 3.01, "nothing is lost");
  const status = hall.left.find(({ name }) => name === "status");
  assert.ok((status?.at ?? Infinity) - asked <= 101);
  hall.enterAll("reply", 30, 200);
  await hall.clock.drain();
  assert.ok(hall.seconds("reply") <= 2.91, `${hall.seconds("reply")} s`);
});

order("a broadcast that hands over one message at a time has its share at any pace", async () => {
  for (const pace of [30, 1000]) {
    const hall = new Hall(pace);
    let chatId = 10_000;
    const next = async (): Promise<void> => {
      if (++chatId > 10_300) return;
      for (let hop = 0; hop < 20; hop++) await Promise.resolve();
      hall.enter("urgent", { priority: "urgent", chatId });
    };
    hall.answer = ({ request, turn }) => {
      turn.succeeded();
      if (request.priority === "urgent") void next();
    };
    await next();
    hall.enterAll("reply", 2000);
    await hall.clock.drain();
    assert.ok(hall.seconds("urgent") <= 300 / pace * 1.55, `at ${pace}/s: ${hall.seconds("urgent")} s`);
    assert.ok(hall.seconds() <= 2300 / pace * 1.02, `at ${pace}/s: ${hall.seconds()} s in all`);
  }
});

order("a reply waits for the next slot and for no broadcast, at any pace", async () => {
  for (const pace of [1, 30]) {
    const hall = new Hall(pace);
    hall.enterAll("bulk", 200);
    hall.enterAll("urgent", 200, 1001);
    await hall.clock.pass(10_500);
    const asked = hall.clock.passedMs;
    hall.enter("status", { priority: "reply", chatId: 5000 });
    await hall.clock.pass(2000);
    const status = hall.left.find(({ name }) => name === "status");
    assert.ok(status !== undefined && status.at - asked <= secondMs / pace + 1, `at ${pace}/s`);
  }
});

order("calls that are no messages wait for no slot", async () => {
  const hall = new Hall(1);
  hall.enterAll("reply", 5);
  for (let count = 0; count < 50; count++) hall.enter(`call ${count}`, { priority: "call" });
  await setImmediate();
  assert.is(hall.left.filter(({ name }) => name.startsWith("call")).length, 50);
});

order(
  "a chat that is held back by its own limit holds up nobody, and is written to first when its time comes",
  async () => {
    const hall = new Hall(10);
    let held = 0;
    for (let count = 1; count <= 5; count++) {
      hall.enter(`one ${count}`, { priority: "bulk", chatId: 1, onHeld: () => held++ });
    }
    hall.enterAll("bulk", 60, 10);
    await hall.clock.drain();
    const ones = hall.left.filter(({ name }) => name.startsWith("one"));
    assert.equal(ones.map(({ name }) => name), ["one 1", "one 2", "one 3", "one 4", "one 5"]);
    assert.ok(held >= 2);
    const first = hall.left[0]?.at ?? 0;
    assert.equal(ones.map(({ at }) => at - first), [0, 100, 200, 3000, 3100]);
    assert.ok(hall.seconds("bulk") < 6.3, "the others lose nothing");
  },
);

order(
  "one chat's messages leave in their order, also where its own flood holds it back for longer and longer",
  async () => {
    const hall = new Hall(100);
    hall.answer = ({ name, turn }) => name === "four" ? turn.rateLimited(10) : turn.succeeded();
    const write = (name: string): void => hall.enter(name, { priority: "reply", chatId: 1 });
    for (const name of ["one", "two", "three"]) write(name);
    await hall.clock.pass(100);
    write("five");
    await hall.clock.pass(100);
    // A late answer to something said before.
    hall.left[2]?.turn.rateLimited(20);
    write("six");
    await hall.clock.pass(100);
    write("seven");
    await hall.clock.drain();
    assert.equal(hall.names, ["one", "two", "three", "five", "six", "seven"]);
  },
);

order("who is aborted never leaves, and leaves nothing behind", async () => {
  const hall = new Hall(1);
  const aborts = Array.from({ length: 300 }, () => new AbortController());
  hall.enter("first", { priority: "reply", chatId: 1 });
  for (const [index, { signal }] of aborts.entries()) {
    hall.enter(`${index}`, { priority: "reply", chatId: index % 3 === 0 ? 1 : 1000 + index, signal });
  }
  await hall.clock.pass(2500);
  const before = hall.left.length;
  const reason = new Error("enough");
  for (const abort of aborts) abort.abort(reason);
  await setImmediate();
  assert.is(hall.rejected.length, 301 - before);
  assert.ok(hall.rejected.every((each) => each.reason === reason));
  assert.is(hall.clock.sleepers, 0, "nothing keeps the program alive");
  hall.enter("last", { priority: "reply", chatId: 2 });
  await hall.clock.drain();
  assert.equal(hall.names.slice(before), ["last"]);
});

order("who comes with an aborted signal is sent away at once", async () => {
  const hall = new Hall();
  hall.enter("late", { priority: "reply", chatId: 1, signal: AbortSignal.abort("why") });
  await setImmediate();
  assert.equal(hall.rejected, [{ name: "late", reason: "why" }]);
});

order("a close sends everyone away who waits, held or not, and everyone who comes later", async () => {
  const hall = new Hall(5);
  hall.enterAll("bulk", 200);
  for (let count = 0; count < 100; count++) hall.enter(`one ${count}`, { priority: "urgent", chatId: 5 });
  hall.answer = ({ name, turn }) => name === "bulk 1" ? turn.rateLimited(600) : turn.succeeded();
  await hall.clock.pass(1000);
  const before = hall.left.length;
  hall.closing.abort("closed");
  hall.enter("late", { priority: "call" });
  await setImmediate();
  assert.is(hall.rejected.length, 301 - before);
  assert.ok(hall.rejected.every(({ reason }) => reason === "closed"));
  assert.is(hall.clock.sleepers, 0);
});

interface Demand {
  readonly afterMs: number;
  readonly priority: SendPriority;
  readonly chatId: number;
  readonly isPaid: boolean;
  readonly abortMs: number | undefined;
}

const demands: fc.Arbitrary<Demand[]> = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.constant(0), fc.constant(0), fc.nat(100), fc.nat(4000)),
    priority: fc.constantFrom<SendPriority>("reply", "urgent", "bulk", "bulk"),
    chatId: fc.oneof(fc.integer({ min: 1, max: 400 }), fc.constantFrom(1, 2, -1, -2)),
    isPaid: fc.boolean(),
    abortMs: fc.option(fc.nat(5000), { nil: undefined, freq: 6 }),
  }),
  { minLength: 1, maxLength: 150 },
);

order(
  "for any demand: everyone leaves once or is aborted, no limit is ever passed, and each chat has its order",
  async () => {
    const paces = fc.constantFrom(1, 7, 30, 100);
    const property = fc.asyncProperty(paces, demands, async (pace, demand) => {
      const hall = new Hall(pace);
      const expected: string[] = [];
      for (const [index, { afterMs, priority, chatId, isPaid, abortMs }] of demand.entries()) {
        await hall.clock.pass(afterMs);
        const abort = new AbortController();
        if (abortMs !== undefined) void hall.clock.sleep(abortMs).then(() => abort.abort());
        hall.enter(`${index}`, { priority, chatId, isPaid, signal: abort.signal });
        expected.push(`${index}`);
      }
      await hall.clock.drain();
      const ended = [...hall.names, ...hall.rejected.map(({ name }) => name)];
      assert.equal(ended.sort(), expected.sort());
      assert.ok(hall.rejected.every(({ name }) => demand[Number(name)]?.abortMs !== undefined));
      const times = (wanted: (request: SendRequest) => boolean): number[] =>
        hall.left.filter(({ request }) => wanted(request)).map(({ at }) => at);
      const isPaid = ({ priority, isPaid }: SendRequest): boolean => isPaid === true && priority !== "reply";
      assertPace(times((request) => !isPaid(request)), pace);
      assertPace(times(isPaid), pace);
      for (const chatId of new Set(demand.map(({ chatId }) => chatId))) {
        assertWindow(times((request) => request.chatId === chatId), 3, 3000);
        if (chatId < 0) assertWindow(times((request) => request.chatId === chatId), 20, 60_000);
        for (const priority of ["reply", "urgent", "bulk"] as const) {
          const own = hall.left.filter(({ request }) =>
            request.chatId === chatId && request.priority === priority && !isPaid(request)
          );
          const numbers = own.map(({ name }) => Number(name));
          assert.equal(numbers, [...numbers].sort((a, b) => a - b), `chat ${chatId}, ${priority}`);
        }
      }
    });
    await fc.assert(property, { numRuns: 40 });
  },
);

order("full demand is served at the full pace, and hundreds who wait are not lost", async () => {
  for (const pace of [1, 30, 1000]) {
    const hall = new Hall(pace);
    hall.enterAll("bulk", 500);
    await hall.clock.drain();
    assert.is(hall.left.length, 500);
    const seconds = hall.seconds();
    assert.ok(seconds <= 499 / pace + 0.002 && seconds >= 499 / pace - catchUpSeconds, `${seconds} s`);
  }
});

order("a group takes 20 messages a minute, and nobody else waits for it", async () => {
  const hall = new Hall(30);
  for (let count = 0; count < 45; count++) hall.enter(`group ${count}`, { priority: "bulk", chatId: -5 });
  for (let count = 0; count < 45; count++) {
    hall.enter(`@name ${count}`, { priority: "bulk", chatId: "@name" });
  }
  hall.enterAll("bulk", 300);
  await hall.clock.drain();
  for (const start of ["group", "@name"]) {
    const times = hall.left.filter(({ name }) => name.startsWith(start)).map(({ at }) => at);
    assertWindow(times, 20, 60_000);
    assert.ok(hall.seconds(start) <= 125, `${hall.seconds(start)}`);
  }
  assert.ok(hall.seconds("bulk") < 13);
});

order.run();

const floods = suite("Turnstile: floods");

floods("a flood of everything pauses everything, calls too, for as long as Telegram says", async () => {
  const hall = new Hall(30);
  let until = 0;
  hall.answer = ({ at, request, turn }) => {
    if (request.priority === "call") return turn.released();
    if (until === 0 || at < until) {
      until ||= at + 7000;
      return turn.rateLimited(Math.ceil((until - at) / secondMs));
    }
    turn.succeeded();
  };
  hall.enterAll("bulk", 10);
  await hall.clock.pass(2000);
  hall.enter("getChat", { priority: "call" });
  hall.enterAll("reply", 5, 100);
  const before = hall.left.length;
  assert.ok(hall.turnstile.pauseMs > 0);
  assert.ok(before <= 3, "two probes find out that it concerns all");
  await hall.clock.pass(until - hall.clock.passedMs - 1);
  assert.is(hall.left.length, before, "nothing leaves in the pause");
  await hall.clock.drain();
  assert.is(hall.names[before], "getChat");
  assert.is(hall.names[before + 1], "reply 100");
  assert.equal(hall.floods.length, 1, "it is told once");
});

floods("the flood answers of all that was under way lower the pace once", async () => {
  const hall = new Hall(100);
  hall.answer = () => {};
  hall.enterAll("bulk", 400);
  await hall.clock.pass(1005);
  const underWay = hall.left.splice(0);
  assert.ok(underWay.length > 90);
  for (const { turn } of underWay) turn.rateLimited(2);
  hall.answer = ({ turn }) => turn.succeeded();
  await hall.clock.drain();
  const rate = (hall.left.length - 1) / hall.seconds();
  assert.ok(rate > 40 && rate < 60, `${rate}/s: what was learned is 100 in 1 + 1 s, less a little`);
  assert.equal(hall.floods, [2]);
});

floods("a chat's own flood holds up nobody else: what has left later shows it", async () => {
  const hall = new Hall(10);
  hall.answer = ({ name, turn }) => {
    if (name !== "one") return void hall.clock.sleep(80).then(() => turn.succeeded());
    void hall.clock.sleep(80).then(() => turn.rateLimited(30));
  };
  hall.enter("one", { priority: "bulk", chatId: 1 });
  hall.enterAll("bulk", 100, 10);
  await hall.clock.pass(15_000);
  assert.is(hall.left.length, 101);
  assert.ok(hall.seconds() <= 10.3, `the pace stays: ${hall.seconds()} s`);
  assert.ok(hall.turnstile.pauseMs <= 0);
});

floods("a chat's own flood is found out by one probe where nothing else is under way", async () => {
  const hall = new Hall(10);
  let probes = 0;
  hall.enter("one", { priority: "reply", chatId: 1 });
  hall.answer = ({ turn }) => turn.rateLimited(30);
  await setImmediate();
  hall.answer = ({ turn }) => {
    probes++;
    void hall.clock.sleep(80).then(() => turn.succeeded());
  };
  hall.enter("one again", { priority: "reply", chatId: 1 });
  hall.enterAll("bulk", 50, 10);
  await hall.clock.pass(250);
  assert.is(probes, 1, "the others wait for the first one's answer, at half the pace");
  await hall.clock.pass(10_000);
  assert.is(probes, 50);
  await hall.clock.drain();
  assert.is(hall.names.at(-1), "one again");
  assert.ok((hall.left.at(-1)?.at ?? 0) - (hall.left[0]?.at ?? 0) >= 30_000);
});

floods("a probe that tells nothing is followed by the next one", async () => {
  const hall = new Hall(10);
  hall.answer = ({ turn }) => turn.rateLimited(60);
  hall.enter("one", { priority: "bulk", chatId: 1 });
  await setImmediate();
  // A chat that has blocked the bot; another whose answer was lost.
  hall.answer = ({ name, turn }) =>
    void hall.clock.sleep(80).then(() => /bulk (10|11)$/.test(name) ? turn.released() : turn.succeeded());
  hall.enterAll("bulk", 20, 10);
  await hall.clock.pass(5000);
  assert.is(hall.left.length, 21, "nobody waits for the pause's end");
});

floods("two chats' own floods at once hold up nobody else", async () => {
  const hall = new Hall(10);
  hall.answer = ({ name, turn }) =>
    void hall.clock.sleep(80).then(() => /^(one|two)/.test(name) ? turn.rateLimited(30) : turn.succeeded());
  hall.enter("one", { priority: "bulk", chatId: 1 });
  hall.enter("two", { priority: "bulk", chatId: 2 });
  hall.enterAll("bulk", 60, 10);
  await hall.clock.pass(10_000);
  assert.is(hall.left.length, 62);
  assert.ok(hall.seconds() < 8, `a second until it is clear: ${hall.seconds()} s`);
});

floods("the pace stays where a chat's own flood is found out long after, by the next message", async () => {
  const hall = new Hall(30);
  hall.answer = ({ turn }) => turn.rateLimited(60);
  hall.enter("one", { priority: "reply", chatId: 1 });
  await hall.clock.pass(10_000);
  hall.answer = ({ turn }) => turn.succeeded();
  hall.enterAll("bulk", 90, 10);
  await hall.clock.drain();
  assert.ok(hall.seconds("bulk") <= 3.1, `${hall.seconds("bulk")} s`);
});

floods("groups' and channels' floods pause nobody and lower no pace, whatever their number", async () => {
  const hall = new Hall(30);
  hall.answer = ({ request: { chatId }, turn }) =>
    typeof chatId === "number" && chatId > 0 ? turn.succeeded() : turn.rateLimited(3600);
  for (let chatId = 1; chatId <= 300; chatId++) {
    hall.enter("group", { priority: "bulk", chatId: -chatId });
    hall.enter("channel", { priority: "bulk", chatId: `@channel${chatId}` });
    hall.enter("person", { priority: "bulk", chatId });
  }
  await hall.clock.pass(40_000);
  assert.is(hall.left.length, 900);
  assert.ok(hall.seconds() <= 30.1, `${hall.seconds()} s`);
  assert.equal([hall.floods, hall.turnstile.rests, hall.turnstile.messagesPerSecond], [[], 0, 30]);
});

floods("a flood of the bot is found out where everybody was written to a moment ago, too", async () => {
  for (const seconds of [5, 3600]) {
    const hall = new Hall(30);
    hall.enterAll("urgent", 60);
    await hall.clock.pass(2000);
    assert.is(hall.left.length, 60);
    hall.answer = ({ turn }) => turn.rateLimited(seconds);
    hall.enterAll("urgent", 60);
    await hall.clock.pass(4000);
    assert.equal([hall.floods.length, hall.turnstile.rests, hall.left.length], [1, 1, 63]);
  }
});

floods("after a rest it goes on at the pace that was learned", async () => {
  const hall = new Hall(30);
  hall.answer = ({ turn }) => turn.rateLimited(5);
  hall.enterAll("bulk", 3);
  await hall.clock.pass(3000);
  assert.equal([hall.floods, hall.turnstile.rests], [[5], 1]);
  assert.ok(hall.turnstile.pauseMs > 3000 && hall.turnstile.messagesPerSecond < 16);
  hall.answer = ({ turn }) => turn.succeeded();
  hall.enterAll("bulk", 60, 10);
  await hall.clock.drain();
  const times = hall.left.slice(3).map(({ at }) => at);
  assert.ok((times.at(-1) ?? 0) - (times[0] ?? 0) >= 59 / 16 * 1000);
});

floods("a flood of seconds lowers the pace once, however many are asked to prove it", async () => {
  for (const floodMs of [5000, 20_000]) {
    const hall = new Hall(30);
    const from = hall.clock.passedMs + 1500;
    const until = from + floodMs;
    const enter = (chatId: number): void => hall.enter(`${chatId}`, { priority: "urgent", chatId });
    hall.answer = ({ request: { chatId }, turn }) =>
      void hall.clock.sleep(20).then(() => {
        const { passedMs } = hall.clock;
        if (passedMs < from || passedMs >= until) return turn.succeeded();
        turn.rateLimited(Math.ceil((until - passedMs) / 1000));
        enter(Number(chatId));
      });
    for (let chatId = 1; chatId <= 90; chatId++) enter(chatId);
    await hall.clock.pass(1500 + floodMs);
    assert.is(hall.turnstile.rests, 1);
    assert.ok(hall.turnstile.messagesPerSecond > 14, `${hall.turnstile.messagesPerSecond} messages a second`);
    await hall.clock.drain();
    const seconds = ((hall.left.at(-1)?.at ?? NaN) - until) / 1000;
    assert.ok(seconds <= 2 * 47 / 30 + 1, `the other half of the signal takes ${seconds} s`);
  }
});

floods("a question is put to those whom a broadcast is for before those who ask for a reply", async () => {
  const hall = new Hall(30);
  hall.answer = ({ name, turn }) => name === "one" ? turn.rateLimited(30) : void 0;
  hall.enter("one", { priority: "reply", chatId: 1 });
  await setImmediate();
  hall.enterAll("reply", 5, 10);
  hall.enterAll("urgent", 5, 20);
  await hall.clock.pass(1500);
  assert.equal(hall.names, ["one", "urgent 20", "urgent 21"], "one a second, as nobody has answered");
});

floods("a question is put to one who is drawn before those who are next in the order", async () => {
  const hall = new Hall(30);
  hall.answer = ({ name, turn }) => name === "one" ? turn.rateLimited(3600) : turn.released();
  hall.enter("one", { priority: "urgent", chatId: 1, isDrawn: false });
  await setImmediate();
  for (let chatId = 10; chatId < 15; chatId++) {
    hall.enter(`next ${chatId}`, { priority: "urgent", chatId, isDrawn: false });
  }
  hall.enter("reply", { priority: "reply", chatId: 20 });
  let asked = 0;
  hall.enter("asks", { priority: "bulk", chatId: 25, isDrawn: false, onUnclearFlood: () => asked++ });
  await hall.clock.pass(500);
  assert.ok(hall.turnstile.isUnclear && asked > 0);
  assert.equal(hall.names, ["one"], "they wait a second for somebody to be drawn");
  hall.answer = ({ turn }) => turn.succeeded();
  hall.enter("drawn", { priority: "urgent", chatId: 30 });
  await hall.clock.pass(1000);
  assert.equal(hall.names.slice(0, 2), ["one", "drawn"]);
  assert.is(hall.left.length, 9, "nobody waits any longer");
  assert.not.ok(hall.turnstile.isUnclear);
});

floods("those next in the order go on, slowly, where nobody is drawn", async () => {
  const hall = new Hall(30);
  hall.answer = ({ turn }) => turn.rateLimited(3600);
  for (let chatId = 1; chatId <= 5; chatId++) {
    hall.enter(`${chatId}`, { priority: "urgent", chatId, isDrawn: false });
  }
  await hall.clock.pass(4500);
  assert.is(hall.left.length, 5);
  assert.equal([hall.floods, hall.turnstile.rests], [[], 0], "which proves no rest");
});

floods("a probe that hangs holds up the next one for a second", async () => {
  const hall = new Hall(30);
  hall.answer = ({ name, turn }) => name === "one" ? turn.rateLimited(600) : void 0;
  hall.enter("one", { priority: "bulk", chatId: 1 });
  hall.enterAll("bulk", 10, 10);
  await hall.clock.pass(5500);
  assert.is(hall.left.length, 7);
});

const patience = { ownFloodAtMostMs: 600_000 } as const;

floods("who does not wait for a chat's own flood of hours is told how long it is", async () => {
  const hall = new Hall(30);
  hall.answer = ({ name, turn }) => name === "first" ? turn.rateLimited(7200) : turn.succeeded();
  hall.enter("first", { priority: "bulk", chatId: 1, ...patience });
  hall.enter("again", { priority: "bulk", chatId: 1, ...patience });
  await hall.clock.pass(100);
  assert.is(hall.rejected.length, 0, "it may be the bot's");
  hall.enter("other", { priority: "bulk", chatId: 2 });
  await hall.clock.pass(1500);
  const [{ name, reason } = { name: "", reason: undefined }] = hall.rejected;
  assert.is(name, "again");
  const { name: error, retryAfterSeconds } = reason as ChatFloodError;
  assert.is(error, "ChatFloodError");
  assert.ok(retryAfterSeconds > 7190 && retryAfterSeconds <= 7200, `${retryAfterSeconds}`);
  hall.enter("later", { priority: "bulk", chatId: 1, ...patience });
  hall.enter("patient", { priority: "bulk", chatId: 1 });
  await hall.clock.pass(100);
  assert.equal(hall.rejected.map(({ name }) => name), ["again", "later"]);
  await hall.clock.drain();
  assert.is(hall.names.at(-1), "patient");
});

floods(
  "a flood of the bot for hours is nobody's own: everyone waits for it, and leaves after it",
  async () => {
    const hall = new Hall(30);
    hall.answer = ({ turn }) => turn.rateLimited(7200);
    for (const chatId of [1, 2, 3]) hall.enter("refused", { priority: "bulk", chatId, ...patience });
    await hall.clock.pass(2000);
    assert.is(hall.turnstile.rests, 1);
    hall.answer = ({ turn }) => turn.succeeded();
    for (const chatId of [1, 2, 3, 4, 5]) hall.enter("waiting", { priority: "bulk", chatId, ...patience });
    await hall.clock.pass(7_190_000);
    assert.equal([hall.left.length, hall.rejected], [3, []]);
    await hall.clock.drain();
    assert.equal([hall.left.length, hall.rejected], [8, []]);
  },
);

floods("who waits for so long and no longer leaves when that is over, wherever it waits", async () => {
  const hall = new Hall(10);
  const waitAtMostMs = 10_000;
  hall.enterAll("reply", 150, 100);
  hall.enter("line", { priority: "reply", chatId: 1, waitAtMostMs });
  hall.answer = ({ name, turn }) => name === "reply 100" ? turn.rateLimited(60) : turn.succeeded();
  await hall.clock.pass(1000);
  hall.enter("chat", { priority: "urgent", chatId: 100, waitAtMostMs });
  hall.enter("in time", { priority: "urgent", chatId: 2, waitAtMostMs });
  await hall.clock.pass(9500);
  assert.equal(hall.rejected.map(({ name }) => name), ["line"]);
  await hall.clock.pass(1000);
  assert.equal(hall.rejected.map(({ name }) => name), ["line", "chat"]);
  assert.ok(hall.rejected.every(({ reason }) => (reason as Error).name === "LateTurnError"));
  await hall.clock.drain();
  assert.is(hall.left.length, 151);
});

/** A server with a limit for all that tells nothing of it but 429s, at a latency that varies. */
async function against(
  hall: Hall,
  takes: (at: number) => number | undefined,
  latencies: () => number,
  count: number,
): Promise<{ readonly refused: number; readonly sent: number; readonly seconds: number }> {
  let [refused, sent, last] = [0, 0, 0];
  const start = hall.clock.passedMs;
  const send = (chatId: number): void => hall.enter(`${chatId}`, { priority: "bulk", chatId });
  hall.answer = async ({ request, turn }) => {
    await hall.clock.sleep(latencies());
    const seconds = takes(hall.clock.passedMs);
    await hall.clock.sleep(latencies());
    if (seconds === undefined) {
      sent++;
      last = hall.clock.passedMs;
      return turn.succeeded();
    }
    refused++;
    turn.rateLimited(seconds);
    send(request.chatId as number);
  };
  for (let chatId = 1; chatId <= count; chatId++) send(chatId);
  await hall.clock.drain();
  return { refused, sent, seconds: (last - start) / secondMs };
}

/** A bucket that is refilled steadily; what comes to an empty one is refused, and tells nothing of a pause. */
function bucket(perSecond: number): (at: number) => number | undefined {
  let [tokens, filledAt] = [perSecond, 0];
  return (at) => {
    tokens = Math.min(perSecond, tokens + (at - filledAt) / secondMs * perSecond);
    filledAt = at;
    if (tokens < 1) return 1;
    tokens--;
    return undefined;
  };
}

floods(
  "a flood of everything is not mistaken for chats' own, also where single messages pass in it",
  async () => {
    const hall = new Hall(30);
    let seed = 1;
    const latencies = (): number => 20 + (seed = seed * 16807 % 2147483647) % 40;
    const { refused, sent, seconds } = await against(hall, bucket(15), latencies, 1500);
    assert.is(sent, 1500);
    assert.ok(hall.lowered.length > 0 && hall.lowered.every((pace) => pace > 12), `${hall.lowered}`);
    assert.ok(refused <= 75, `${refused} refused`);
    assert.ok(seconds <= 125, `${seconds} s`);
  },
);

floods("an answer that overtakes another does not keep the pace from being lowered", async () => {
  const hall = new Hall(1000);
  let pausedUntil = 0;
  const tokens = bucket(500);
  const takes = (at: number): number | undefined => {
    if (at < pausedUntil) return Math.ceil((pausedUntil - at) / secondMs);
    const seconds = tokens(at);
    if (seconds !== undefined) pausedUntil = at + secondMs;
    return seconds;
  };
  let seed = 1;
  const latencies = (): number => 20 + (seed = seed * 16807 % 2147483647) % 60;
  const { refused, sent, seconds } = await against(hall, takes, latencies, 10_000);
  assert.is(sent, 10_000);
  assert.ok(refused <= 400, `${refused} refused`);
  assert.ok(seconds <= 27, `${seconds} s`);
});

floods("a flood that ends before it is found out whose it was lowers no pace", async () => {
  for (const priority of ["reply", "urgent"] as const) {
    const hall = new Hall(30);
    hall.answer = ({ turn }) => turn.rateLimited(5);
    hall.enter("one", { priority, chatId: 1 });
    await hall.clock.pass(1000);
    assert.is(hall.turnstile.messagesPerSecond, 15);
    await hall.clock.pass(5000);
    assert.is(hall.turnstile.messagesPerSecond, 30);
    hall.answer = ({ turn }) => turn.succeeded();
    hall.enterAll("urgent", 91, 10);
    await hall.clock.drain();
    assert.ok(hall.seconds("urgent") <= 3.1, `${hall.seconds("urgent")} s`);
  }
});

floods("the pace comes back", async () => {
  const hall = new Hall(30);
  hall.answer = ({ turn }) => turn.rateLimited(5);
  hall.enterAll("bulk", 3);
  await hall.clock.pass(6000);
  assert.is(hall.turnstile.rests, 1);
  hall.answer = ({ turn }) => turn.succeeded();
  hall.enterAll("bulk", 6000, 10);
  await hall.clock.drain();
  const times = hall.left.map(({ at }) => at);
  const rate = (from: number): number => 59 / ((times[from + 59] ?? 0) - (times[from] ?? 0)) * secondMs;
  assert.ok(rate(10) < 20, `${rate(10)}`);
  assert.ok(rate(5900) > 29.5, `${rate(5900)}`);
});

floods.run();

const others = suite("Turnstile: paid messages, and clocks");

others("what is paid for leaves at the bot's pace, and all else at thirty a second", async () => {
  const hall = new Hall(1000);
  hall.turnstile.limitUnpaid();
  for (let chatId = 1; chatId <= 3000; chatId++) {
    hall.enter("paid", { priority: "bulk", chatId, isPaid: true });
  }
  hall.enterAll("urgent", 60, 5001);
  hall.enterAll("reply", 60, 6001);
  await hall.clock.drain();
  const times = (start: RegExp): number[] =>
    hall.left.filter(({ name }) => start.test(name)).map(({ at }) => at);
  assertPace(times(/^paid/), 1000);
  assertPace(times(/^(urgent|reply)/), 30);
  assert.ok(hall.seconds("paid") <= 3.01, `${hall.seconds("paid")}`);
  assert.ok(hall.seconds("reply") <= 4.1 && hall.seconds("urgent") <= 4.1, "they wait for none of it");
});

others("a clock that is set back, or far forward, loses nobody and lets no burst leave", async () => {
  for (const shiftMs of [-3_600_000, -10, 3_600_000, -365 * 86_400_000]) {
    const hall = new Hall(10);
    hall.enterAll("bulk", 100);
    for (let count = 0; count < 6; count++) hall.enter(`one ${count}`, { priority: "urgent", chatId: 1000 });
    await hall.clock.pass(3050);
    hall.clock.shift(shiftMs);
    hall.enterAll("reply", 10, 200);
    await hall.clock.pass(30_000);
    assert.is(hall.left.length, 116, `${shiftMs} ms`);
    assertPace(hall.left.map(({ at }) => at), 10);
  }
});

others("a clock that is set back in a flood's pause does not make the pause longer", async () => {
  const hall = new Hall(10);
  hall.answer = ({ turn }) => turn.rateLimited(10);
  hall.enterAll("bulk", 3);
  await hall.clock.pass(3000);
  hall.answer = ({ turn }) => turn.succeeded();
  hall.enterAll("bulk", 5, 10);
  const started = hall.left.map(({ at }) => at);
  // Nobody reads it between the beginning of the wait and the change.
  await hall.clock.pass(6000);
  hall.clock.shift(-3_600_000);
  assert.is(hall.left.length, 3);
  await hall.clock.drain();
  const afterMs = (hall.left[3]?.at ?? 0) - Math.max(...started);
  assert.ok(afterMs >= 10_000 && afterMs <= 10_200, `${afterMs} ms`);
});

others("the slowest of paces does not keep the machine busy", async () => {
  const hall = new Hall(1e-7);
  const longest: number[] = [];
  const sleep = hall.clock.sleep.bind(hall.clock);
  hall.clock.sleep = (ms, signal) => {
    longest.push(ms);
    return sleep(ms, signal);
  };
  hall.enterAll("reply", 2);
  await setImmediate();
  assert.is(hall.left.length, 1);
  assert.ok(longest.length === 1 && (longest[0] ?? 0) < 2 ** 31, "no timer can wait longer");
});

others.run();
