/** The write queue by itself: order, exactness, bounds, whatever its storage does. */
import { appendFile, mkdir, mkdtemp, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { ChatEvent } from "../../lib/chats/events.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { openSpool, type Spool } from "../../lib/chats/spool.ts";
import { StorageError } from "../../lib/chats/storage.ts";
import { WriteQueue } from "../../lib/chats/write_queue.ts";
import { type ChatWrite, NotWrittenError, type WriteTarget } from "../../lib/chats/writer.ts";
import { assert, suite } from "../harness.ts";
import { FastClock, Logs, pause, soon, until } from "../support/bot.ts";
import { rm } from "../support/leaks.ts";
import { failureOf } from "../support/storage.ts";

const noon = Date.UTC(2026, 10, 20, 12);
const down = new StorageError("unreachable", "DynamoDB cannot be reached.");

function said(chatId: number, updateId: number, kind: "start" | "stop" | "message" = "message"): ChatWrite {
  const event: ChatEvent = { kind, at: noon + 1000 * updateId, updateId, registers: true };
  return { kind: "event", chatId, event };
}

/** A storage of chats that does what it is told to before, or after, each write. */
class Moody implements WriteTarget {
  readonly chats = new InMemoryChatStorage();
  readonly writes: number[] = [];
  before: () => void = () => {};
  after: () => void = () => {};

  async apply(...[chatId, events]: Parameters<WriteTarget["apply"]>): ReturnType<WriteTarget["apply"]> {
    await pause(0);
    this.before();
    const applied = await this.chats.apply(chatId, events);
    this.writes.push(events.length);
    this.after();
    return applied;
  }

  migrate(): Promise<void> {
    return Promise.resolve();
  }
}

interface Scene {
  readonly target: Moody;
  readonly queue: WriteQueue;
  readonly logs: Logs;
}

async function withQueue(
  body: (scene: Scene) => Promise<void>,
  factor: number = 100,
  spool?: Spool,
): Promise<void> {
  const target = new Moody();
  const logs = new Logs();
  const queue = new WriteQueue({
    target,
    clock: new FastClock(factor),
    logger: logs,
    spool,
    onlyCounts: (write) => write.kind === "event" && write.event.kind === "message",
  });
  try {
    await body({ target, queue, logs });
  } finally {
    target.before = target.after = (): void => {};
    await queue.close();
  }
}

const test = suite("WriteQueue");

test("what comes at once for one chat is one write, and each write hears what it did", () =>
  withQueue(async ({ target, queue }) => {
    const kept = [1, 2, 3].map((id) => queue.enqueue(said(7, id)).written);
    const results = await Promise.all(kept);
    assert.equal(target.writes, [3]);
    assert.equal(results.map(({ before, after }) => [before?.message_count, after?.message_count]), [
      [undefined, 1],
      [1, 2],
      [2, 3],
    ]);
  }));

test("a spool file that cannot be emptied at the end of an outage is emptied later, however busy the queue is", async () => {
  const folder = await mkdtemp(join(tmpdir(), "queue-"));
  const path = join(folder, "spool.jsonl");
  const before = await openSpool(path, 4242);
  await before.append([{ kind: "migration", from: -5, to: -1005, at: noon }]);
  await before.close();
  // A line that is to be set aside, which a folder in its place prevents.
  await appendFile(path, "5\n");
  const spool = await openSpool(path, 4242);
  try {
    assert.is((await spool.read()).unreadable, 1);
    await mkdir(spool.asidePath);
    await withQueue(
      async ({ target, queue, logs }) => {
        target.before = () => {
          throw down;
        };
        queue.enqueue(said(7, 2));
        await until(() => queue.isDegraded && queue.queued === 1, "nothing is queued");
        target.before = () => {};
        await until(() => !queue.isDegraded, "the outage goes on");
        await until(
          () => logs.lines.some(({ message }) => message.includes("cannot be written")),
          "no warning",
        );
        let isBusy = true;
        const busy = [1, 2, 3].map(async (chatId) => {
          for (let id = 3; isBusy; id++) await queue.enqueue(said(chatId, id)).written;
        });
        await pause(50);
        await rm(spool.asidePath, { recursive: true });
        try {
          const isEmpty = async (): Promise<boolean> => (await stat(path)).size === 0;
          for (let looks = 0; !await isEmpty(); looks++) {
            assert.ok(looks < 500, "the file is not emptied");
            await pause(20);
          }
        } finally {
          isBusy = false;
          await Promise.all(busy);
        }
      },
      100,
      spool,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("what is told again is kept once, and says so", () =>
  withQueue(async ({ queue }) => {
    assert.is((await queue.enqueue(said(7, 1)).written).isRepeated, false);
    assert.is((await queue.enqueue(said(7, 1)).written).isRepeated, true);
    assert.is((await queue.enqueue(said(7, 2)).written).isRepeated, false);
  }));

test("one write that is at fault rejects, and those around it are kept", () =>
  withQueue(async ({ target, queue }) => {
    const bad: ChatWrite = {
      kind: "event",
      chatId: 7,
      event: { kind: "message", at: NaN, updateId: 2, registers: true },
    };
    const [first, second, third] = [said(7, 1), bad, said(7, 3)].map((write) => queue.enqueue(write));
    await first?.written;
    assert.instance(await failureOf(second?.written ?? Promise.resolve()), RangeError);
    await third?.written;
    assert.is((await target.chats.getChat(7))?.message_count, 2);
  }));

test("any writes, made through any failures, are kept once, in each chat's order", async () => {
  const write = fc.record({
    chat: fc.integer({ min: 1, max: 3 }),
    kind: fc.constantFrom("start", "stop", "message"),
  });
  const failures = fc.array(fc.constantFrom("none", "before", "after"), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(fc.array(write, { minLength: 1, maxLength: 25 }), failures, async (all, moods) => {
      await withQueue(async ({ target, queue }) => {
        const next = (mood: string) => (): void => {
          if (moods[0] !== mood) return void (moods[0] === "none" && moods.shift());
          moods.shift();
          throw down;
        };
        target.before = next("before");
        target.after = next("after");
        const writes = all.map(({ chat, kind }, index) => said(chat, index + 1, kind as "start"));
        await Promise.all(writes.map((each) => queue.enqueue(each).written));
        const plain = new InMemoryChatStorage();
        for (const each of writes) if (each.kind === "event") await plain.apply(each.chatId, [each.event]);
        for (const chat of [1, 2, 3]) {
          assert.equal(await target.chats.getChat(chat), await plain.getChat(chat));
        }
      }, 2000);
    }),
    { numRuns: 60 },
  );
});

test("a queue that is full gives up counts, says how many, and keeps the rest", () =>
  withQueue(async ({ target, queue, logs }) => {
    target.before = () => {
      throw down;
    };
    await queue.enqueue(said(7, 1, "start")).acknowledged;
    for (let id = 2; id <= 50_000; id++) queue.enqueue(said(7, id));
    await until(() => queue.queued === 50_000, "it does not fill");
    await queue.enqueue(said(7, 50_001)).acknowledged;
    assert.is(await queue.enqueue(said(7, 50_002, "stop")).acknowledged, "queued");
    assert.is(queue.queued, 50_001);
    target.before = (): void => {};
    await until(() => !queue.isDegraded, "it does not recover");
    const chat = await target.chats.getChat(7);
    assert.equal([chat?.message_count, chat?.removed_reason], [50_001, "stopped"]);
    assert.match(logs.of("info")[0] ?? "", "1 message found no room in the queue, and was not counted.");
    assert.is(logs.of("error").length, 1);
  }));

test("a queue with no room left acknowledges nothing more, until there is", () =>
  withQueue(async ({ target, queue }) => {
    target.before = () => {
      throw down;
    };
    for (let id = 1; id <= 100_000; id++) queue.enqueue(said(7, id, "start"));
    await until(() => queue.queued === 100_000, "it does not fill");
    const { acknowledged } = queue.enqueue(said(7, 100_001, "stop"));
    assert.not.ok(await soon(acknowledged, 200), "there is no room for it");
    target.before = (): void => {};
    await acknowledged;
  }));

test("close() keeps what it can, and rejects what it cannot", () =>
  withQueue(async ({ target, queue, logs }) => {
    let failures = 1;
    target.before = () => {
      if (failures-- > 0) throw down;
    };
    const { written: kept } = queue.enqueue(said(7, 1));
    await pause(5);
    await queue.close();
    await kept;
    assert.instance(await failureOf(queue.enqueue(said(7, 2)).written), NotWrittenError);
    assert.equal(logs.lines, []);
  }, 2));

test.run();
