/** Which call may leave when: priorities, rates, chats' own limits and floods, for any demand, on a clock moved by hand. */
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

interface Sent {
  readonly at: number;
  readonly name: string;
  readonly request: SendRequest;
  readonly permit: SendPermit;
}

/** A scheduler, and the calls that it has let leave. */
class Scene {
  readonly clock = new StepClock();
  readonly floods: number[] = [];
  readonly lowered: number[] = [];
  readonly left: Sent[] = [];
  readonly rejected: { readonly name: string; readonly reason: unknown }[] = [];
  readonly closing = new AbortController();
  readonly scheduler: SendScheduler;
  /** What becomes of a message, unless told otherwise. */
  answer: (left: Sent) => void = ({ permit }) => permit.succeeded();

  constructor(messagesPerSecond: number = 30) {
    this.scheduler = new SendScheduler({
      messagesPerSecond,
      clock: this.clock,
      onFlood: (_, seconds) => this.floods.push(seconds),
      onLowered: (perSecond) => this.lowered.push(perSecond),
      signal: this.closing.signal,
    });
  }

  /** Each chat of a broadcast was drawn at random, unless told otherwise. */
  request(name: string, request: SendRequest): void {
    this.scheduler.acquire({ drawnFrom: request.priority === "reply" ? undefined : 1, ...request }).then(
      (permit) => {
        const left = { at: this.clock.passedMs, name, request, permit };
        this.left.push(left);
        this.answer(left);
      },
      (reason) => this.rejected.push({ name, reason }),
    );
  }

  requestAll(priority: SendPriority, count: number, from: number = 1): void {
    for (let chatId = from; chatId < from + count; chatId++) {
      this.request(`${priority} ${chatId}`, { priority, chatId });
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
function assertRate(times: readonly number[], perSecond: number): void {
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

const order = suite("SendScheduler: order");

/** The names of those who left, a letter each. */
function letters({ names }: Scene): string {
  return names.map(([letter]) => letter).join("");
}

order(
  "replies have a third of the rate beside urgent messages, two thirds beside bulk, and else all",
  async () => {
    const scene = new Scene(1);
    scene.request("x", { priority: "bulk", chatId: 100 });
    scene.requestAll("bulk", 6);
    scene.requestAll("urgent", 6, 11);
    scene.requestAll("reply", 12, 21);
    await scene.clock.drain();
    assert.is(letters(scene), "xruuruuruu" + "rrbrrbrrbrrbr" + "bb");
  },
);

order("confirmations go before all other replies, and have a share with them", async () => {
  const scene = new Scene(1);
  scene.requestAll("reply", 4, 21);
  for (let chatId = 1; chatId <= 3; chatId++) {
    scene.request("confirmation", { priority: "reply", isConfirmation: true, chatId });
  }
  scene.requestAll("urgent", 8, 31);
  await scene.clock.drain();
  assert.is(letters(scene), "r" + "cuucuucuu" + "ruurr");
});

order("what one side of the shares does not use is the other's at once", async () => {
  const scene = new Scene(10);
  scene.requestAll("urgent", 30);
  await scene.clock.pass(1000);
  scene.request("status", { priority: "reply", chatId: 100 });
  const asked = scene.clock.passedMs;
  await scene.clock.drain();
  assert.ok(scene.seconds() <= 3.01, "nothing is lost");
  const status = scene.left.find(({ name }) => name === "status");
  assert.ok((status?.at ?? Infinity) - asked <= 101);
  scene.requestAll("reply", 30, 200);
  await scene.clock.drain();
  assert.ok(scene.seconds("reply") <= 2.91, `${scene.seconds("reply")} s`);
});

order("a broadcast that hands over one message at a time has its share at any rate", async () => {
  for (const rate of [30, 1000]) {
    const scene = new Scene(rate);
    let chatId = 10_000;
    const next = async (): Promise<void> => {
      if (++chatId > 10_300) return;
      for (let hop = 0; hop < 20; hop++) await Promise.resolve();
      scene.request("urgent", { priority: "urgent", chatId });
    };
    scene.answer = ({ request, permit }) => {
      permit.succeeded();
      if (request.priority === "urgent") void next();
    };
    await next();
    scene.requestAll("reply", 2000);
    await scene.clock.drain();
    assert.ok(scene.seconds("urgent") <= 300 / rate * 1.55, `at ${rate}/s: ${scene.seconds("urgent")} s`);
    assert.ok(scene.seconds() <= 2300 / rate * 1.02, `at ${rate}/s: ${scene.seconds()} s in all`);
  }
});

order("a reply waits for the next slot and for no broadcast, at any rate", async () => {
  for (const rate of [1, 30]) {
    const scene = new Scene(rate);
    scene.requestAll("bulk", 200);
    scene.requestAll("urgent", 200, 1001);
    await scene.clock.pass(10_500);
    const asked = scene.clock.passedMs;
    scene.request("status", { priority: "reply", chatId: 5000 });
    await scene.clock.pass(2000);
    const status = scene.left.find(({ name }) => name === "status");
    assert.ok(status !== undefined && status.at - asked <= secondMs / rate + 1, `at ${rate}/s`);
  }
});

order("calls that are no messages wait for no slot", async () => {
  const scene = new Scene(1);
  scene.requestAll("reply", 5);
  for (let count = 0; count < 50; count++) scene.request(`call ${count}`, { priority: "call" });
  await setImmediate();
  assert.is(scene.left.filter(({ name }) => name.startsWith("call")).length, 50);
});

order(
  "a chat that is held back by its own limit holds up nobody, and is written to first when its time comes",
  async () => {
    const scene = new Scene(10);
    let held = 0;
    for (let count = 1; count <= 5; count++) {
      scene.request(`one ${count}`, { priority: "bulk", chatId: 1, onHeld: () => held++ });
    }
    scene.requestAll("bulk", 60, 10);
    await scene.clock.drain();
    const ones = scene.left.filter(({ name }) => name.startsWith("one"));
    assert.equal(ones.map(({ name }) => name), ["one 1", "one 2", "one 3", "one 4", "one 5"]);
    assert.ok(held >= 2);
    const first = scene.left[0]?.at ?? 0;
    assert.equal(ones.map(({ at }) => at - first), [0, 100, 200, 3000, 3100]);
    assert.ok(scene.seconds("bulk") < 6.3, "the others lose nothing");
  },
);

order(
  "one chat's messages leave in their order, also where its own flood holds it back for longer and longer",
  async () => {
    const scene = new Scene(100);
    scene.answer = ({ name, permit }) => name === "four" ? permit.rateLimited(10) : permit.succeeded();
    const write = (name: string): void => scene.request(name, { priority: "reply", chatId: 1 });
    for (const name of ["one", "two", "three"]) write(name);
    await scene.clock.pass(100);
    write("five");
    await scene.clock.pass(100);
    // A late answer to something said before.
    scene.left[2]?.permit.rateLimited(20);
    write("six");
    await scene.clock.pass(100);
    write("seven");
    await scene.clock.drain();
    assert.equal(scene.names, ["one", "two", "three", "five", "six", "seven"]);
  },
);

order("who is aborted never leaves, and leaves nothing behind", async () => {
  const scene = new Scene(1);
  const aborts = Array.from({ length: 300 }, () => new AbortController());
  scene.request("first", { priority: "reply", chatId: 1 });
  for (const [index, { signal }] of aborts.entries()) {
    scene.request(`${index}`, { priority: "reply", chatId: index % 3 === 0 ? 1 : 1000 + index, signal });
  }
  await scene.clock.pass(2500);
  const before = scene.left.length;
  const reason = new Error("enough");
  for (const abort of aborts) abort.abort(reason);
  await setImmediate();
  assert.is(scene.rejected.length, 301 - before);
  assert.ok(scene.rejected.every((each) => each.reason === reason));
  assert.is(scene.clock.sleepers, 0, "nothing keeps the program alive");
  scene.request("last", { priority: "reply", chatId: 2 });
  await scene.clock.drain();
  assert.equal(scene.names.slice(before), ["last"]);
});

order("who comes with an aborted signal is sent away at once", async () => {
  const scene = new Scene();
  scene.request("late", { priority: "reply", chatId: 1, signal: AbortSignal.abort("why") });
  await setImmediate();
  assert.equal(scene.rejected, [{ name: "late", reason: "why" }]);
});

order("a close sends everyone away who waits, held or not, and everyone who comes later", async () => {
  const scene = new Scene(5);
  scene.requestAll("bulk", 200);
  for (let count = 0; count < 100; count++) scene.request(`one ${count}`, { priority: "urgent", chatId: 5 });
  scene.answer = ({ name, permit }) => name === "bulk 1" ? permit.rateLimited(600) : permit.succeeded();
  await scene.clock.pass(1000);
  const before = scene.left.length;
  scene.closing.abort("closed");
  scene.request("late", { priority: "call" });
  await setImmediate();
  assert.is(scene.rejected.length, 301 - before);
  assert.ok(scene.rejected.every(({ reason }) => reason === "closed"));
  assert.is(scene.clock.sleepers, 0);
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
    const rates = fc.constantFrom(1, 7, 30, 100);
    const property = fc.asyncProperty(rates, demands, async (rate, demand) => {
      const scene = new Scene(rate);
      const expected: string[] = [];
      for (const [index, { afterMs, priority, chatId, isPaid, abortMs }] of demand.entries()) {
        await scene.clock.pass(afterMs);
        const abort = new AbortController();
        if (abortMs !== undefined) void scene.clock.sleep(abortMs).then(() => abort.abort());
        scene.request(`${index}`, { priority, chatId, isPaid, signal: abort.signal });
        expected.push(`${index}`);
      }
      await scene.clock.drain();
      const ended = [...scene.names, ...scene.rejected.map(({ name }) => name)];
      assert.equal(ended.sort(), expected.sort());
      assert.ok(scene.rejected.every(({ name }) => demand[Number(name)]?.abortMs !== undefined));
      const times = (wanted: (request: SendRequest) => boolean): number[] =>
        scene.left.filter(({ request }) => wanted(request)).map(({ at }) => at);
      const isPaid = ({ priority, isPaid }: SendRequest): boolean => isPaid === true && priority !== "reply";
      assertRate(times((request) => !isPaid(request)), rate);
      assertRate(times(isPaid), rate);
      for (const chatId of new Set(demand.map(({ chatId }) => chatId))) {
        assertWindow(times((request) => request.chatId === chatId), 3, 3000);
        if (chatId < 0) assertWindow(times((request) => request.chatId === chatId), 20, 60_000);
        for (const priority of ["reply", "urgent", "bulk"] as const) {
          const own = scene.left.filter(({ request }) =>
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

/** Sends to so many chats at full demand, each message checked after its permit; gives when they left. */
async function sendChecked(scene: Scene, count: number, checkMs: () => number): Promise<number[]> {
  const times: number[] = [];
  const send = async (chatId: number): Promise<void> => {
    for (let isAgain = false;; isAgain = true) {
      const permit = await scene.scheduler.acquire({ priority: "urgent", chatId, isAgain });
      if (!isAgain) await scene.clock.sleep(checkMs());
      if (!permit.isStale) {
        times.push(scene.clock.passedMs);
        return permit.succeeded();
      }
      permit.returned();
    }
  };
  for (let chatId = 1; chatId <= count; chatId++) void send(chatId);
  await scene.clock.drain();
  return times;
}

order("messages whose checks were slow do not leave all at once", async () => {
  for (const rate of [10, 30, 200]) {
    const scene = new Scene(rate);
    // All checks are done at the full second, as after an outage.
    const untilSecond = (): number => secondMs - scene.clock.passedMs % secondMs;
    const lumps = await sendChecked(scene, 200, untilSecond);
    assert.is(lumps.length, 200);
    // A permit holds for as long as missed slots are made up for.
    for (const [index, at] of lumps.entries()) {
      const within = lumps.filter((other) => other >= at && other <= at + 500).length;
      assert.ok(within <= rate * (0.5 + 2 * catchUpSeconds) + 2, `${within} from ${index} on, at ${rate}/s`);
    }
  }
});

order("a message that is returned has taken nothing of the rate, and nothing of its chat's", async () => {
  const scene = new Scene(10);
  const begunAt = scene.clock.passedMs;
  for (let times = 0; times < 5; times++) {
    for (const chatId of [1, -1]) (await scene.scheduler.acquire({ priority: "urgent", chatId })).returned();
  }
  assert.is(scene.clock.passedMs, begunAt);
  scene.requestAll("urgent", 3, 1);
  for (let times = 0; times < 3; times++) scene.request("group", { priority: "urgent", chatId: -1 });
  await scene.clock.pass(1000);
  assert.is(scene.left.length, 6);
});

order("full demand is served at the full rate, and hundreds who wait are not lost", async () => {
  for (const rate of [1, 30, 1000]) {
    const scene = new Scene(rate);
    scene.requestAll("bulk", 500);
    await scene.clock.drain();
    assert.is(scene.left.length, 500);
    const seconds = scene.seconds();
    assert.ok(seconds <= 499 / rate + 0.002 && seconds >= 499 / rate - catchUpSeconds, `${seconds} s`);
  }
});

order("a group takes 20 messages a minute, and nobody else waits for it", async () => {
  const scene = new Scene(30);
  for (let count = 0; count < 45; count++) scene.request(`group ${count}`, { priority: "bulk", chatId: -5 });
  for (let count = 0; count < 45; count++) {
    scene.request(`@name ${count}`, { priority: "bulk", chatId: "@name" });
  }
  scene.requestAll("bulk", 300);
  await scene.clock.drain();
  for (const start of ["group", "@name"]) {
    const times = scene.left.filter(({ name }) => name.startsWith(start)).map(({ at }) => at);
    assertWindow(times, 20, 60_000);
    assert.ok(scene.seconds(start) <= 125, `${scene.seconds(start)}`);
  }
  assert.ok(scene.seconds("bulk") < 13);
});

order.run();

const floods = suite("SendScheduler: floods");

floods("a flood of everything pauses everything, calls too, for as long as Telegram says", async () => {
  const scene = new Scene(30);
  let until = 0;
  scene.answer = ({ at, request, permit }) => {
    if (request.priority === "call") return permit.released();
    if (until === 0 || at < until) {
      until ||= at + 7000;
      return permit.rateLimited(Math.ceil((until - at) / secondMs));
    }
    permit.succeeded();
  };
  scene.requestAll("bulk", 10);
  await scene.clock.pass(2000);
  scene.request("getChat", { priority: "call" });
  scene.requestAll("reply", 5, 100);
  const before = scene.left.length;
  assert.ok(scene.scheduler.pauseMs > 0);
  assert.ok(before <= 3, "two probes find out that it concerns all");
  await scene.clock.pass(until - scene.clock.passedMs - 1);
  assert.is(scene.left.length, before, "nothing leaves in the pause");
  await scene.clock.drain();
  assert.is(scene.names[before], "getChat");
  assert.is(scene.names[before + 1], "reply 100");
  assert.equal(scene.floods.length, 1, "it is told once");
});

floods("the flood answers of all that was under way lower the rate once", async () => {
  const scene = new Scene(100);
  scene.answer = () => {};
  scene.requestAll("bulk", 400);
  await scene.clock.pass(1005);
  const underWay = scene.left.splice(0);
  assert.ok(underWay.length > 90);
  for (const { permit } of underWay) permit.rateLimited(2);
  scene.answer = ({ permit }) => permit.succeeded();
  await scene.clock.drain();
  const rate = (scene.left.length - 1) / scene.seconds();
  assert.ok(rate > 40 && rate < 60, `${rate}/s: what was learned is 100 in 1 + 1 s, less a little`);
  assert.equal(scene.floods, [2]);
});

floods("a chat's own flood holds up nobody else: what has left later shows it", async () => {
  const scene = new Scene(10);
  scene.answer = ({ name, permit }) => {
    if (name !== "one") return void scene.clock.sleep(80).then(() => permit.succeeded());
    void scene.clock.sleep(80).then(() => permit.rateLimited(30));
  };
  scene.request("one", { priority: "bulk", chatId: 1 });
  scene.requestAll("bulk", 100, 10);
  await scene.clock.pass(15_000);
  assert.is(scene.left.length, 101);
  assert.ok(scene.seconds() <= 10.3, `the rate stays: ${scene.seconds()} s`);
  assert.ok(scene.scheduler.pauseMs <= 0);
});

floods("a chat's own flood is found out by one probe where nothing else is under way", async () => {
  const scene = new Scene(10);
  let probes = 0;
  scene.request("one", { priority: "reply", chatId: 1 });
  scene.answer = ({ permit }) => permit.rateLimited(30);
  await setImmediate();
  scene.answer = ({ permit }) => {
    probes++;
    void scene.clock.sleep(80).then(() => permit.succeeded());
  };
  scene.request("one again", { priority: "reply", chatId: 1 });
  scene.requestAll("bulk", 50, 10);
  await scene.clock.pass(250);
  assert.is(probes, 1, "the others wait for the first one's answer, at half the rate");
  await scene.clock.pass(10_000);
  assert.is(probes, 50);
  await scene.clock.drain();
  assert.is(scene.names.at(-1), "one again");
  assert.ok((scene.left.at(-1)?.at ?? 0) - (scene.left[0]?.at ?? 0) >= 30_000);
});

floods("a probe that tells nothing is followed by the next one", async () => {
  const scene = new Scene(10);
  scene.answer = ({ permit }) => permit.rateLimited(60);
  scene.request("one", { priority: "bulk", chatId: 1 });
  await setImmediate();
  // A chat that has blocked the bot; another whose answer was lost.
  scene.answer = ({ name, permit }) =>
    void scene.clock.sleep(80).then(() =>
      /bulk (10|11)$/.test(name) ? permit.released() : permit.succeeded()
    );
  scene.requestAll("bulk", 20, 10);
  await scene.clock.pass(5000);
  assert.is(scene.left.length, 21, "nobody waits for the pause's end");
});

floods("two chats' own floods at once hold up nobody else", async () => {
  const scene = new Scene(10);
  scene.answer = ({ name, permit }) =>
    void scene.clock.sleep(80).then(() =>
      /^(one|two)/.test(name) ? permit.rateLimited(30) : permit.succeeded()
    );
  scene.request("one", { priority: "bulk", chatId: 1 });
  scene.request("two", { priority: "bulk", chatId: 2 });
  scene.requestAll("bulk", 60, 10);
  await scene.clock.pass(10_000);
  assert.is(scene.left.length, 62);
  assert.ok(scene.seconds() < 8, `a second until it is clear: ${scene.seconds()} s`);
});

floods("the rate stays where a chat's own flood is found out long after, by the next message", async () => {
  const scene = new Scene(30);
  scene.answer = ({ permit }) => permit.rateLimited(60);
  scene.request("one", { priority: "reply", chatId: 1 });
  await scene.clock.pass(10_000);
  scene.answer = ({ permit }) => permit.succeeded();
  scene.requestAll("bulk", 90, 10);
  await scene.clock.drain();
  assert.ok(scene.seconds("bulk") <= 3.1, `${scene.seconds("bulk")} s`);
});

floods("groups' and channels' floods pause nobody and lower no rate, whatever their number", async () => {
  const scene = new Scene(30);
  scene.answer = ({ request: { chatId }, permit }) =>
    typeof chatId === "number" && chatId > 0 ? permit.succeeded() : permit.rateLimited(3600);
  for (let chatId = 1; chatId <= 300; chatId++) {
    scene.request("group", { priority: "bulk", chatId: -chatId });
    scene.request("channel", { priority: "bulk", chatId: `@channel${chatId}` });
    scene.request("person", { priority: "bulk", chatId });
  }
  await scene.clock.pass(40_000);
  assert.is(scene.left.length, 900);
  assert.ok(scene.seconds() <= 30.1, `${scene.seconds()} s`);
  assert.equal([scene.floods, scene.scheduler.rests, scene.scheduler.messagesPerSecond], [[], 0, 30]);
});

floods("a flood of the bot is found out where everybody was written to a moment ago, too", async () => {
  for (const seconds of [5, 3600]) {
    const scene = new Scene(30);
    scene.requestAll("urgent", 60);
    await scene.clock.pass(2000);
    assert.is(scene.left.length, 60);
    scene.answer = ({ permit }) => permit.rateLimited(seconds);
    scene.requestAll("urgent", 60);
    await scene.clock.pass(4000);
    assert.equal([scene.floods.length, scene.scheduler.rests, scene.left.length], [1, 1, 63]);
  }
});

floods("after a rest it goes on at the rate that was learned", async () => {
  const scene = new Scene(30);
  scene.answer = ({ permit }) => permit.rateLimited(5);
  scene.requestAll("bulk", 3);
  await scene.clock.pass(3000);
  assert.equal([scene.floods, scene.scheduler.rests], [[5], 1]);
  assert.ok(scene.scheduler.pauseMs > 3000 && scene.scheduler.messagesPerSecond < 16);
  scene.answer = ({ permit }) => permit.succeeded();
  scene.requestAll("bulk", 60, 10);
  await scene.clock.drain();
  const times = scene.left.slice(3).map(({ at }) => at);
  assert.ok((times.at(-1) ?? 0) - (times[0] ?? 0) >= 59 / 16 * 1000);
});

floods("a flood of seconds lowers the rate once, however many are asked to prove it", async () => {
  for (const floodMs of [5000, 20_000]) {
    const scene = new Scene(30);
    const from = scene.clock.passedMs + 1500;
    const until = from + floodMs;
    const enter = (chatId: number): void => scene.request(`${chatId}`, { priority: "urgent", chatId });
    scene.answer = ({ request: { chatId }, permit }) =>
      void scene.clock.sleep(20).then(() => {
        const { passedMs } = scene.clock;
        if (passedMs < from || passedMs >= until) return permit.succeeded();
        permit.rateLimited(Math.ceil((until - passedMs) / 1000));
        enter(Number(chatId));
      });
    for (let chatId = 1; chatId <= 90; chatId++) enter(chatId);
    await scene.clock.pass(1500 + floodMs);
    assert.is(scene.scheduler.rests, 1);
    assert.ok(
      scene.scheduler.messagesPerSecond > 14,
      `${scene.scheduler.messagesPerSecond} messages a second`,
    );
    await scene.clock.drain();
    const seconds = ((scene.left.at(-1)?.at ?? NaN) - until) / 1000;
    assert.ok(seconds <= 2 * 47 / 30 + 1, `the other half of the signal takes ${seconds} s`);
  }
});

floods("a question is put to those whom a broadcast is for before those who ask for a reply", async () => {
  const scene = new Scene(30);
  scene.answer = ({ name, permit }) => name === "one" ? permit.rateLimited(30) : void 0;
  scene.request("one", { priority: "reply", chatId: 1 });
  await setImmediate();
  scene.requestAll("reply", 5, 10);
  scene.requestAll("urgent", 5, 20);
  await scene.clock.pass(1500);
  assert.equal(scene.names, ["one", "urgent 20", "urgent 21"], "one a second, as nobody has answered");
});

floods("a question is put to one who is drawn before those who are next in the order", async () => {
  const scene = new Scene(30);
  scene.answer = ({ name, permit }) => name === "one" ? permit.rateLimited(3600) : permit.released();
  scene.request("one", { priority: "urgent", chatId: 1, drawnFrom: undefined });
  await setImmediate();
  for (let chatId = 10; chatId < 15; chatId++) {
    scene.request(`next ${chatId}`, { priority: "urgent", chatId, drawnFrom: undefined });
  }
  scene.request("reply", { priority: "reply", chatId: 20 });
  let asked = 0;
  scene.request("asks", {
    priority: "bulk",
    chatId: 25,
    drawnFrom: undefined,
    onUnclearFlood: () => asked++,
  });
  await scene.clock.pass(500);
  assert.ok(scene.scheduler.isUnclear && asked > 0);
  assert.equal(scene.names, ["one"], "they wait a second for somebody to be drawn");
  scene.answer = ({ permit }) => permit.succeeded();
  scene.request("drawn", { priority: "urgent", chatId: 30 });
  await scene.clock.pass(1000);
  assert.equal(scene.names.slice(0, 2), ["one", "drawn"]);
  assert.is(scene.left.length, 9, "nobody waits any longer");
  assert.not.ok(scene.scheduler.isUnclear);
});

floods("those next in the order go on, slowly, where nobody is drawn", async () => {
  const scene = new Scene(30);
  scene.answer = ({ permit }) => permit.rateLimited(3600);
  for (let chatId = 1; chatId <= 5; chatId++) {
    scene.request(`${chatId}`, { priority: "urgent", chatId, drawnFrom: undefined });
  }
  await scene.clock.pass(4500);
  assert.is(scene.left.length, 5);
  assert.equal([scene.floods, scene.scheduler.rests], [[], 0], "which proves no rest");
});

floods("a probe that hangs holds up the next one for a second", async () => {
  const scene = new Scene(30);
  scene.answer = ({ name, permit }) => name === "one" ? permit.rateLimited(600) : void 0;
  scene.request("one", { priority: "bulk", chatId: 1 });
  scene.requestAll("bulk", 10, 10);
  await scene.clock.pass(5500);
  assert.is(scene.left.length, 7);
});

const patience = { ownFloodAtMostMs: 600_000 } as const;

floods("who does not wait for a chat's own flood of hours is told how long it is", async () => {
  const scene = new Scene(30);
  scene.answer = ({ name, permit }) => name === "first" ? permit.rateLimited(7200) : permit.succeeded();
  scene.request("first", { priority: "bulk", chatId: 1, ...patience });
  scene.request("again", { priority: "bulk", chatId: 1, ...patience });
  await scene.clock.pass(100);
  assert.is(scene.rejected.length, 0, "it may be the bot's");
  scene.request("other", { priority: "bulk", chatId: 2 });
  await scene.clock.pass(1500);
  const [{ name, reason } = { name: "", reason: undefined }] = scene.rejected;
  assert.is(name, "again");
  const { name: error, retryAfterSeconds } = reason as ChatFloodError;
  assert.is(error, "ChatFloodError");
  assert.ok(retryAfterSeconds > 7190 && retryAfterSeconds <= 7200, `${retryAfterSeconds}`);
  scene.request("later", { priority: "bulk", chatId: 1, ...patience });
  scene.request("patient", { priority: "bulk", chatId: 1 });
  await scene.clock.pass(100);
  assert.equal(scene.rejected.map(({ name }) => name), ["again", "later"]);
  await scene.clock.drain();
  assert.is(scene.names.at(-1), "patient");
});

floods(
  "a flood of the bot for hours is nobody's own: everyone waits for it, and leaves after it",
  async () => {
    const scene = new Scene(30);
    const until = scene.clock.passedMs + 7_200_000;
    scene.answer = ({ at, permit }) =>
      at < until ? permit.rateLimited(Math.ceil((until - at) / 1000)) : permit.succeeded();
    for (const chatId of [1, 2, 3]) scene.request("refused", { priority: "bulk", chatId, ...patience });
    await scene.clock.pass(2000);
    assert.is(scene.scheduler.rests, 1);
    for (const chatId of [1, 2, 3]) scene.request("waiting", { priority: "bulk", chatId, ...patience });
    await scene.clock.pass(5000);
    assert.is(scene.left.length, 3);
    scene.requestAll("bulk", 30, 10);
    await scene.clock.pass(7_190_000);
    assert.equal([scene.left.length, scene.rejected], [3 + 9, []], "a few have tested the rest");
    await scene.clock.drain();
    assert.equal([scene.left.length, scene.rejected, scene.scheduler.rests], [3 + 3 + 30, [], 1]);
  },
);

floods("who waits for so long and no longer leaves when that is over, wherever it waits", async () => {
  const scene = new Scene(10);
  const waitAtMostMs = 10_000;
  scene.requestAll("reply", 150, 100);
  scene.request("line", { priority: "reply", chatId: 1, waitAtMostMs });
  scene.answer = ({ name, permit }) => name === "reply 100" ? permit.rateLimited(60) : permit.succeeded();
  await scene.clock.pass(1000);
  scene.request("chat", { priority: "urgent", chatId: 100, waitAtMostMs });
  scene.request("in time", { priority: "urgent", chatId: 2, waitAtMostMs });
  await scene.clock.pass(9500);
  assert.equal(scene.rejected.map(({ name }) => name), ["line"]);
  await scene.clock.pass(1000);
  assert.equal(scene.rejected.map(({ name }) => name), ["line", "chat"]);
  assert.ok(scene.rejected.every(({ reason }) => (reason as Error).name === "PermitTimeoutError"));
  await scene.clock.drain();
  assert.is(scene.left.length, 151);
});

/** A server with a limit for all that tells nothing of it but 429s, at a latency that varies. */
async function against(
  scene: Scene,
  takes: (at: number) => number | undefined,
  latencies: () => number,
  count: number,
): Promise<{ readonly refused: number; readonly sent: number; readonly seconds: number }> {
  let [refused, sent, last] = [0, 0, 0];
  const start = scene.clock.passedMs;
  const send = (chatId: number): void => scene.request(`${chatId}`, { priority: "bulk", chatId });
  scene.answer = async ({ request, permit }) => {
    await scene.clock.sleep(latencies());
    const seconds = takes(scene.clock.passedMs);
    await scene.clock.sleep(latencies());
    if (seconds === undefined) {
      sent++;
      last = scene.clock.passedMs;
      return permit.succeeded();
    }
    refused++;
    permit.rateLimited(seconds);
    send(request.chatId as number);
  };
  for (let chatId = 1; chatId <= count; chatId++) send(chatId);
  await scene.clock.drain();
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
    const scene = new Scene(30);
    let seed = 1;
    const latencies = (): number => 20 + (seed = seed * 16807 % 2147483647) % 40;
    const { refused, sent, seconds } = await against(scene, bucket(15), latencies, 1500);
    assert.is(sent, 1500);
    assert.ok(scene.lowered.length > 0 && scene.lowered.every((rate) => rate > 12), `${scene.lowered}`);
    assert.ok(refused <= 75, `${refused} refused`);
    assert.ok(seconds <= 125, `${seconds} s`);
  },
);

floods("an answer that overtakes another does not keep the rate from being lowered", async () => {
  const scene = new Scene(1000);
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
  const { refused, sent, seconds } = await against(scene, takes, latencies, 10_000);
  assert.is(sent, 10_000);
  assert.ok(refused <= 400, `${refused} refused`);
  assert.ok(seconds <= 27, `${seconds} s`);
});

floods("a flood that ends before it is found out whose it was lowers no rate", async () => {
  for (const priority of ["reply", "urgent"] as const) {
    const scene = new Scene(30);
    scene.answer = ({ permit }) => permit.rateLimited(5);
    scene.request("one", { priority, chatId: 1 });
    await scene.clock.pass(1000);
    assert.is(scene.scheduler.messagesPerSecond, 15);
    await scene.clock.pass(5000);
    assert.is(scene.scheduler.messagesPerSecond, 30);
    scene.answer = ({ permit }) => permit.succeeded();
    scene.requestAll("urgent", 91, 10);
    await scene.clock.drain();
    assert.ok(scene.seconds("urgent") <= 3.1, `${scene.seconds("urgent")} s`);
  }
});

floods("the rate comes back", async () => {
  const scene = new Scene(30);
  scene.answer = ({ permit }) => permit.rateLimited(5);
  scene.requestAll("bulk", 3);
  await scene.clock.pass(6000);
  assert.is(scene.scheduler.rests, 1);
  scene.answer = ({ permit }) => permit.succeeded();
  scene.requestAll("bulk", 6000, 10);
  await scene.clock.drain();
  const times = scene.left.map(({ at }) => at);
  const rate = (from: number): number => 59 / ((times[from + 59] ?? 0) - (times[from] ?? 0)) * secondMs;
  assert.ok(rate(10) < 20, `${rate(10)}`);
  assert.ok(rate(5900) > 29.5, `${rate(5900)}`);
});

floods.run();

const others = suite("SendScheduler: paid messages, and clocks");

others("what is paid for leaves at the bot's rate, and all else at thirty a second", async () => {
  const scene = new Scene(1000);
  scene.scheduler.limitUnpaid();
  for (let chatId = 1; chatId <= 3000; chatId++) {
    scene.request("paid", { priority: "bulk", chatId, isPaid: true });
  }
  scene.requestAll("urgent", 60, 5001);
  scene.requestAll("reply", 60, 6001);
  await scene.clock.drain();
  const times = (start: RegExp): number[] =>
    scene.left.filter(({ name }) => start.test(name)).map(({ at }) => at);
  assertRate(times(/^paid/), 1000);
  assertRate(times(/^(urgent|reply)/), 30);
  assert.ok(scene.seconds("paid") <= 3.01, `${scene.seconds("paid")}`);
  assert.ok(scene.seconds("reply") <= 4.1 && scene.seconds("urgent") <= 4.1, "they wait for none of it");
});

others("a clock that is set back, or far forward, loses nobody and lets no burst leave", async () => {
  for (const shiftMs of [-3_600_000, -10, 3_600_000, -365 * 86_400_000]) {
    const scene = new Scene(10);
    scene.requestAll("bulk", 100);
    for (let count = 0; count < 6; count++) {
      scene.request(`one ${count}`, { priority: "urgent", chatId: 1000 });
    }
    await scene.clock.pass(3050);
    scene.clock.shift(shiftMs);
    scene.requestAll("reply", 10, 200);
    await scene.clock.pass(30_000);
    assert.is(scene.left.length, 116, `${shiftMs} ms`);
    assertRate(scene.left.map(({ at }) => at), 10);
  }
});

others("a clock that is set back in a flood's pause does not make the pause longer", async () => {
  const scene = new Scene(10);
  scene.answer = ({ permit }) => permit.rateLimited(10);
  scene.requestAll("bulk", 3);
  await scene.clock.pass(3000);
  scene.answer = ({ permit }) => permit.succeeded();
  scene.requestAll("bulk", 5, 10);
  const started = scene.left.map(({ at }) => at);
  // Nobody reads it between the beginning of the wait and the change.
  await scene.clock.pass(6000);
  scene.clock.shift(-3_600_000);
  assert.is(scene.left.length, 3);
  await scene.clock.drain();
  const afterMs = (scene.left[3]?.at ?? 0) - Math.max(...started);
  assert.ok(afterMs >= 10_000 && afterMs <= 10_200, `${afterMs} ms`);
});

others("the slowest of rates does not keep the machine busy", async () => {
  const scene = new Scene(1e-7);
  const longest: number[] = [];
  const sleep = scene.clock.sleep.bind(scene.clock);
  scene.clock.sleep = (ms, signal) => {
    longest.push(ms);
    return sleep(ms, signal);
  };
  scene.requestAll("reply", 2);
  await setImmediate();
  assert.is(scene.left.length, 1);
  assert.ok(longest.length === 1 && (longest[0] ?? 0) < 2 ** 31, "no timer can wait longer");
});

others.run();
