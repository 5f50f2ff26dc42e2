/** The registry keeps up with the storage, and with what it writes itself. */
import fc from "fast-check";
import type { ChatEvent } from "../../lib/chats/events.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { ChatRegistry } from "../../lib/chats/registry.ts";
import type { LoadOptions } from "../../lib/chats/storage.ts";
import { assert, suite } from "../harness.ts";
import { noon } from "../support/chats.ts";
import { TestClock } from "../support/storage.ts";

const test = suite("ChatRegistry");

const unreached: ChatEvent = { kind: "unreached", at: noon };
const reached: ChatEvent = { kind: "reached", at: noon };
const message = (kind: "message" | "start" | "stop", updateId: number): ChatEvent => ({
  kind,
  at: noon,
  updateId,
  registers: true,
});

async function storageOf(chats: number): Promise<InMemoryChatStorage> {
  const storage = new InMemoryChatStorage({ clock: new TestClock(noon) });
  for (let id = 1; id <= chats; id++) await storage.saveChat(id);
  return storage;
}

const struckOf = (registry: ChatRegistry, chats: number): number[] =>
  Array.from({ length: chats }, (_, index) => index + 1).filter((id) => registry.hasStrikes(id));

test("hasStrikes() knows from load() whom other processes struck, and forgets whom they found", async () => {
  const storage = await storageOf(4);
  const registry = new ChatRegistry(storage);
  await storage.apply(2, [unreached]);
  await storage.apply(3, [unreached, unreached]);
  await storage.apply(4, [unreached, unreached, unreached]);
  assert.equal(struckOf(registry, 4), []);
  assert.equal(await registry.load(), [1, 2, 3]);
  assert.equal(struckOf(registry, 4), [2, 3]);
  await storage.apply(3, [reached]);
  await registry.load();
  assert.equal(struckOf(registry, 4), [2]);
});

test("hasStrikes() keeps up with what the registry writes", async () => {
  const registry = new ChatRegistry(await storageOf(6));
  await registry.load();
  for (let id = 1; id <= 6; id++) await registry.apply(id, [unreached]);
  assert.equal(struckOf(registry, 6), [1, 2, 3, 4, 5, 6]);
  await registry.apply(1, [reached]);
  await registry.apply(2, [message("message", 1)]);
  await registry.apply(3, [message("stop", 1)]);
  await registry.apply(4, [unreached, unreached]);
  await registry.migrate(5, -1005, noon);
  assert.equal(struckOf(registry, 6), [6]);
  assert.not(registry.hasStrikes(-1005));
  assert.equal(await registry.load(), [-1005, 1, 2, 6]);
  assert.equal(struckOf(registry, 6), [6]);
});

/** A storage in which something happens when it has been read, and before the reader hears of it. */
class Interrupted extends InMemoryChatStorage {
  meanwhile: () => Promise<unknown> = () => Promise.resolve();

  override async loadActiveChats(work?: LoadOptions): Promise<Set<number>> {
    const active = await super.loadActiveChats(work);
    await this.meanwhile();
    return active;
  }
}

test("hasStrikes() holds what is written while a load is under way against what that has read", async () => {
  const storage = new Interrupted({ clock: new TestClock(noon) });
  for (let id = 1; id <= 3; id++) await storage.saveChat(id);
  await storage.apply(1, [unreached]);
  await storage.apply(3, [unreached, unreached]);
  const registry = new ChatRegistry(storage);
  storage.meanwhile = async () => {
    await registry.apply(1, [reached]);
    await registry.apply(2, [unreached]);
    await registry.apply(3, [unreached]);
  };
  assert.equal(await registry.load(), [1, 2]);
  assert.equal(struckOf(registry, 3), [2]);
});

test("load() tells a caller of its own of strikes, too", async () => {
  const storage = await storageOf(2);
  await storage.apply(2, [unreached]);
  const told: number[] = [];
  await new ChatRegistry(storage).load({ onStrikes: (chatId) => void told.push(chatId) });
  assert.equal(told, [2]);
});

/** Storages whose loads end when a test says so, each with what it has read. */
class Slow extends InMemoryChatStorage {
  readonly answers: ((ids: readonly number[]) => void)[] = [];

  override loadActiveChats(): Promise<Set<number>> {
    return new Promise((resolve) => this.answers.push((ids) => resolve(new Set(ids))));
  }
}

test("load() of which a later one has ended before changes nothing: what it has read is older", async () => {
  const storage = new Slow({ clock: new TestClock(noon) });
  const registry = new ChatRegistry(storage);
  const [older, newer] = [registry.load(), registry.load()];
  storage.answers[1]?.([1, 2]);
  assert.equal(await newer, [1, 2]);
  storage.answers[0]?.([1]);
  assert.equal(await older, [1, 2]);
  assert.ok(registry.isSubscribed(2));
});

test("look() learns what the storage says of a chat, unless something is written meanwhile", async () => {
  const storage = await storageOf(3);
  const registry = new ChatRegistry(storage);
  await registry.load();
  await storage.deactivateChat(1);
  await storage.deactivateChat(2);
  assert.is((await registry.look(1))?.is_active, false);
  assert.equal([...registry.snapshot()], [2, 3]);
  const looking = registry.look(2);
  const writing = registry.apply(2, [{ kind: "reactivated", at: noon }]);
  await Promise.all([looking, writing]);
  assert.equal([...registry.snapshot()], [2, 3]);
  assert.is(await registry.look(7), undefined);
  assert.equal([...registry.snapshot()], [2, 3]);
});

test("apply() has a group's late /stop end its supergroup's subscription, after late messages, too", async () => {
  for (const kind of ["message", "start"] as const) {
    const registry = new ChatRegistry(await storageOf(0));
    await registry.load();
    await registry.apply(-5, [message("start", 1)]);
    await registry.migrate(-5, -1_000_000_000_005, noon);
    await registry.apply(-5, [message(kind, 2)]);
    await registry.apply(-5, [message("stop", 3)]);
    assert.is((await registry.getChat(-1_000_000_000_005))?.is_active, false, kind);
    assert.is(registry.isActive(-1_000_000_000_005), false, kind);
  }
});

test("snapshot() is ascending, and has whoever came, went, or has a /start that waits", async () => {
  const chance = fc.array(fc.tuple(fc.integer({ min: -30, max: 30 }).filter(Boolean), fc.boolean()));
  await fc.assert(fc.asyncProperty(chance, chance, async (first, later) => {
    const registry = new ChatRegistry(new InMemoryChatStorage({ clock: new TestClock(noon) }));
    const expected = new Set<number>();
    for (const [index, [chatId, isIn]] of [...first, ...later].entries()) {
      if (index === first.length) await registry.load();
      await registry.apply(chatId, [{ kind: isIn ? "saved" : "deactivated", at: noon }]);
      if (isIn) expected.add(chatId);
      else expected.delete(chatId);
      assert.equal([...registry.snapshot()], [...expected].sort((a, b) => a - b));
    }
    const forget = registry.overlayConsent(99, true);
    assert.equal([...registry.snapshot()], [...expected, 99].sort((a, b) => a - b));
    forget();
  }));
});

test.run();
