/** Hostile updates: through the whole bot, from Telegram to the table and back. */
import fc from "fast-check";
import type { Update } from "grammy/types";
import { Api } from "grammy/web";
import type { LocalUser } from "../../lib/local/mod.ts";
import { chatKeysOf, UpdateParser } from "../../lib/chats/update.ts";
import { assert, suite } from "../harness.ts";
import { FastClock, said, type Scene, soon, until, withBot } from "../support/bot.ts";
import { randomOf } from "../support/histories.ts";
import { TestClock } from "../support/storage.ts";
import {
  confirmed,
  countOf,
  expectQuiet,
  expectServed,
  expectUnharmed,
  limitMs,
  playAll,
  seed,
} from "./corpus.ts";
import { type HostilePool, hostileUpdate, rawAnswers } from "./updates.ts";

const test = suite(`hostile updates (HOSTILE_SEED=${seed})`, undefined, limitMs);

test("what is read in an update is well-formed and short, whatever it holds", async () => {
  const pool: HostilePool = { privateIds: [5, 6], groupIds: [-5, -6], realIds: [7] };
  const random = randomOf(seed);
  const drawn = fc.oneof(
    fc.constant(0).map(() => hostileUpdate(random, pool)),
    fc.dictionary(fc.constantFrom("message", "channel_post", "my_chat_member"), fc.anything()),
  );
  const parser = new UpdateParser({ registers: true, clock: new TestClock(0) });
  const api = new Api("1:A");
  api.config.use(() => Promise.resolve({ ok: true, result: [] } as never));
  const kinds = new Set<string>();
  await fc.assert(
    fc.asyncProperty(drawn, async (rest) => {
      const update = { ...rest, update_id: 1 } as unknown as Update;
      assert.is(chatKeysOf([update]).length, 1);
      const { write } = await parser.parse(update, { api, botUsername: "local_test_bot" }) ?? {};
      const isMembership = write?.kind === "event" && ["removed", "returned"].includes(write.event.kind);
      kinds.add(isMembership ? "membership" : write?.kind === "event" ? "message" : write?.kind ?? "none");
      if (write?.kind !== "event" || !("userInfo" in write.event)) return;
      for (const value of Object.values(write.event.userInfo ?? {})) {
        if (typeof value !== "string") continue;
        assert.ok(Array.from(value).length <= 256);
        assert.is(new TextDecoder().decode(new TextEncoder().encode(value)), value);
      }
    }),
    { numRuns: 5000, seed },
  );
  assert.equal([...kinds].sort(), ["membership", "message", "migration", "none"]);
});

const idsFrom = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => first + index);

/** Chats that exist, so that whatever is said for them has its answer. */
const pool: HostilePool = {
  privateIds: idsFrom(20_001, 30),
  groupIds: idsFrom(-20_020, 20),
  realIds: idsFrom(30_001, 12),
};

function openChats({ server }: Scene): void {
  for (const id of [...pool.privateIds, 2 ** 31, 253_402_300_799, 1, 5]) server.user({ id, opened: true });
  for (const id of [...pool.groupIds, -1, -5]) server.group({ id, title: "Desk" });
}

/** What a real person says, and what is kept of it in the end. */
class Person {
  readonly user: LocalUser;
  readonly says: readonly string[];
  #said = 0;

  constructor(user: LocalUser, says: readonly string[]) {
    this.user = user;
    this.says = says;
  }

  get isDone(): boolean {
    return this.#said === this.says.length;
  }

  speak(): void {
    if (!this.isDone) this.user.say(this.says[this.#said++] as string);
  }

  async expectExact({ item }: Scene): Promise<void> {
    const kept = await item(this.user);
    const isActive = this.says.lastIndexOf("/start") >= this.says.lastIndexOf("/stop");
    assert.equal(kept?.["is_active"], { BOOL: isActive }, String(this.user.chatId));
    assert.equal(kept?.["message_count"], { N: String(this.says.length) }, String(this.user.chatId));
    assert.equal(kept?.["removed_reason"], isActive ? undefined : { S: "stopped" });
    assert.equal(kept?.["user_info"], {
      M: { first_name: { S: "Ada 😀" }, user_id: { N: String(this.user.chatId) } },
    });
  }
}

function people({ server }: Scene): Person[] {
  const random = randomOf(seed + 1);
  return pool.realIds.map((id) => {
    const words = Array.from(
      { length: 8 },
      () => ["/start", "/stop", "hello"][Math.floor(random() * 3)] as string,
    );
    return new Person(server.user({ id, first_name: "Ada 😀" }), ["/start", ...words]);
  });
}

/** Real people speak while the updates come; in the end each is as if there had been nobody else. */
async function playUpdates(updates: readonly object[]): Promise<void> {
  await withBot(async (scene) => {
    const { server, settled, logs, bot } = scene;
    const real = people(scene);
    openChats(scene);
    const random = randomOf(seed);
    const speakers = Math.ceil(updates.length / 200);
    for (const [index, update] of updates.entries()) {
      server.push(update);
      if (index % speakers === 0) real[Math.floor(random() * real.length)]?.speak();
      if (index % 500 === 499) await settled();
    }
    for (const person of real) while (!person.isDone) person.speak();
    await confirmed(server);
    for (const person of real) await person.expectExact(scene);
    const report = await bot.broadcast("after all that");
    assert.is(report.stopped, undefined);
    for (const { user } of real) {
      const isActive = (await scene.item(user))?.["is_active"]?.BOOL === true;
      assert.is(said(user).includes("after all that"), isActive, "the broadcast reaches whom it should");
    }
    expectUnharmed();
    expectQuiet(logs);
    await expectServed(scene);
  });
}

const huge = { message: { chat: { id: 5, type: "private" }, date: 1, text: "x".repeat(5_000_000) } };

test("hostile updates harm nobody", async () => {
  const random = randomOf(seed);
  const updates: object[] = Array.from({ length: countOf("updates") }, () => hostileUpdate(random, pool));
  await playAll([...updates, huge], playUpdates);
});

test("answers that are none end no polling", async () => {
  await withBot(async ({ server, settled, item, logs }) => {
    const user = server.user();
    let count = 0;
    for (const [what, answer] of rawAnswers) {
      const fault = server.fault({ method: "getUpdates", answer });
      user.say(`/start, after ${what}`);
      // The poll that was waiting has this one; the fault has the next.
      await until(() => fault.hits > 0, `${what} was not asked for`);
      user.say("hello");
      await soon(settled(), 30_000);
      assert.is(server.pendingUpdates, 0, `polling is stuck after ${what}`);
      count += 2;
      assert.equal((await item(user))?.["message_count"], { N: String(count) }, what);
    }
    expectUnharmed();
    expectQuiet(logs);
  }, { bot: { clock: new FastClock(100) } });
});

test.run();
