/** Whether a chat may be written to, where the storage is slow, silent for a while, or may be read and not written. */
import { ConsentCheck } from "../../lib/chats/consent_check.ts";
import type { Chat, ChatEvent } from "../../lib/chats/events.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { ChatRegistry } from "../../lib/chats/registry.ts";
import {
  type ApplyResult,
  ChatStorage,
  type ChatStorageOptions,
  type LoadOptions,
  type StopLog,
  StorageError,
} from "../../lib/chats/storage.ts";
import { assert, suite } from "../harness.ts";
import { StepClock } from "../support/clocks.ts";
import { TestLogger } from "../support/storage.ts";

const test = suite("consent while somebody sends");

/** A storage that others share, with a log of /stops, whose answers are on their way for as long as a test says. */
class SharedStorage extends ChatStorage {
  readonly kind = "shared";
  readonly #kept: InMemoryChatStorage;
  readonly #clock: StepClock;
  readonly stopped = new Set<number>();
  answerMs: (asked: "chat" | "list" | "log" | "sending") => number = () => 1;
  isSendingDenied = false;
  hasLog = true;
  isListDenied = false;
  sendingUntil: number[] = [];
  reads = 0;

  constructor(clock: StepClock, options: ChatStorageOptions) {
    super(options);
    this.#kept = new InMemoryChatStorage(options);
    this.#clock = clock;
  }

  async createTableIfNotExists(): Promise<void> {}

  apply(chatId: number, events: readonly ChatEvent[]): Promise<ApplyResult> {
    return this.#kept.apply(chatId, events);
  }

  scan(): AsyncIterable<Chat[]> {
    return this.#kept.scan();
  }

  /** As another process does it. */
  async stop(chatId: number): Promise<void> {
    await this.deactivateChat(chatId);
    this.stopped.add(chatId);
  }

  async getChat(chatId: number): Promise<Chat | undefined> {
    this.reads++;
    const chat = await this.#kept.getChat(chatId);
    await this.#clock.sleep(this.answerMs("chat"));
    return chat;
  }

  override async loadActiveChats(work?: LoadOptions): Promise<Set<number>> {
    const chats = await super.loadActiveChats(work);
    await this.#clock.sleep(this.answerMs("list"));
    if (this.isListDenied) throw new StorageError("denied", "no list");
    return chats;
  }

  override async readStopLog(): Promise<StopLog | undefined> {
    if (!this.hasLog) return undefined;
    const log = { count: this.stopped.size, since: 0, chats: new Set(this.stopped) };
    await this.#clock.sleep(this.answerMs("log"));
    return log;
  }

  override async beginSending(untilMs: number): Promise<StopLog | undefined> {
    if (this.isSendingDenied) throw new StorageError("denied", "no sending");
    this.sendingUntil.push(untilMs);
    return await this.readStopLog();
  }
}

interface Scene {
  readonly clock: StepClock;
  readonly storage: SharedStorage;
  readonly check: ConsentCheck;
  /** What was said of the memory, and how often the list was read, or could not be. */
  readonly told: string[];
  readonly refreshed: number[];
  /** Whether the chat is subscribed, as the check says. */
  ask(chatId: number): Promise<boolean>;
}

async function withCheck(
  body: (scene: Scene) => Promise<void>,
  { patienceMs }: { readonly patienceMs?: number } = {},
): Promise<void> {
  const clock = new StepClock();
  const storage = new SharedStorage(clock, { clock, logger: new TestLogger() });
  for (let id = 1; id <= 20; id++) await storage.saveChat(id);
  const registry = new ChatRegistry(storage, undefined, clock);
  const over = new AbortController();
  const told: string[] = [];
  const refreshed: number[] = [];
  const check = new ConsentCheck({
    ...{ registry, clock, patienceMs, signal: over.signal },
    onRefused: () => {},
    onMemory: ({ message }) => told.push(message),
    onRefreshed: () => refreshed.push(clock.passedMs),
  });
  const loaded = registry.refresh();
  await clock.pass(10);
  await loaded;
  const ask = async (chatId: number): Promise<boolean> => {
    let isActive: boolean | undefined;
    const asked = Promise.resolve(check.standingOf(chatId)).then((standing) => isActive = standing.isActive);
    while (isActive === undefined) await clock.pass(1);
    await asked;
    return isActive;
  };
  try {
    await body({ clock, storage, check, told, refreshed, ask });
  } finally {
    over.abort();
  }
}

test("an answer that was on its way for too long is asked for again", async () => {
  await withCheck(async ({ clock, storage, check, told }) => {
    storage.answerMs = (asked) => asked === "list" ? 60_000 : 3000;
    check.begin();
    await clock.pass(4000);
    const standing = check.standingOf(1);
    await clock.pass(100);
    await storage.stop(1);
    storage.answerMs = () => 1;
    await clock.pass(5000);
    assert.equal([(await standing).isActive, told], [false, []]);
  });
});

test("a storage whose answers are all too old is one that cannot be read", async () => {
  await withCheck(async ({ clock, storage, check, told, ask }) => {
    storage.answerMs = () => 3000;
    check.begin();
    assert.is(await ask(1), true);
    assert.match(told[0] ?? "", "longer than 2.75 s");
    assert.ok(clock.passedMs < 1_020_000);
  });
});

test("one late answer is waited for where others come, and the list in memory does where none comes", async () => {
  await withCheck(async ({ clock, storage, check, told, ask }) => {
    storage.answerMs = (asked) => asked === "list" ? 60_000 : 1;
    check.begin();
    assert.is(await ask(1), true);
    await storage.stop(2);
    storage.answerMs = () => 1500;
    const standing = check.standingOf(2);
    await clock.pass(1);
    storage.answerMs = () => 1;
    for (let count = 0; count < 10; count++) {
      await clock.pass(200);
      assert.is(await ask(3 + count), true);
    }
    assert.equal([(await standing).isActive, told], [false, []]);
    storage.answerMs = () => 60_000;
    assert.is(await ask(20), true);
    assert.match(told[0] ?? "", "longer than 0.6 s");
  }, { patienceMs: 600 });
});

test("a table that can be read again is, before its list is", async () => {
  await withCheck(async ({ clock, storage, check, told, ask }) => {
    storage.answerMs = () => 60_000;
    check.begin();
    assert.is(await ask(1), true);
    assert.is(told.length, 1);
    await storage.stop(2);
    storage.answerMs = (asked) => asked === "list" ? 60_000 : 1;
    await clock.pass(1000);
    assert.is(await ask(1), true, "this one finds it out");
    await clock.pass(60_000);
    assert.is(await ask(2), false);
    assert.is(told.length, 1);
  }, { patienceMs: 600 });
});

test("whoever waits for the list is told when it cannot be read", async () => {
  await withCheck(async ({ clock, storage, check, refreshed }) => {
    storage.answerMs = () => 3000;
    storage.isListDenied = true;
    check.begin();
    assert.is(check.isReading, true);
    await clock.pass(7000);
    assert.equal([check.isReading, refreshed.length], [false, 1]);
    storage.isListDenied = false;
    await clock.pass(20_000);
    assert.is(refreshed.length, 2);
  });
});

test("after a long rest others are told that somebody sends before anybody is written to", async () => {
  await withCheck(async ({ clock, storage, check, ask }) => {
    check.begin();
    await clock.pass(100);
    const reads = storage.reads;
    assert.is(await ask(1), true);
    assert.equal([storage.reads, storage.sendingUntil.length], [reads, 1], "by the log");
    await clock.pass(30 * 60_000);
    assert.is(await ask(1), true);
    assert.ok((storage.sendingUntil.at(-1) ?? 0) > clock.passedMs);
    assert.is(storage.sendingUntil.length, 2);
  });
});

test("a log that is read while others do not know that somebody sends proves nothing", async () => {
  await withCheck(async ({ clock, storage, check, ask }) => {
    check.begin();
    await clock.pass(100);
    storage.isSendingDenied = true;
    await clock.pass(30 * 60_000);
    assert.is(await ask(1), true);
    await clock.pass(10);
    const { reads } = storage;
    assert.is(await ask(1), true);
    assert.is(storage.reads, reads + 1);
  });
});

test("others are told after all where they could not be at first, and the list is read again", async () => {
  await withCheck(async ({ clock, storage, check, refreshed, ask }) => {
    storage.isSendingDenied = true;
    check.begin();
    await clock.pass(100);
    assert.is(refreshed.length, 1);
    const { reads } = storage;
    assert.is(await ask(1), true);
    assert.is(storage.reads, reads + 1, "it is read itself");
    storage.isSendingDenied = false;
    await clock.pass(5000);
    assert.is(await ask(1), true);
    await clock.pass(100);
    assert.is(refreshed.length, 2);
    const { reads: after } = storage;
    assert.is(await ask(1), true);
    assert.is(storage.reads, after, "by the log");
  });
});

test("a chat that has just been read is not read again until its reading is too old", async () => {
  await withCheck(async ({ clock, storage, check, ask }) => {
    storage.answerMs = (asked) => asked === "list" ? 60_000 : 100;
    check.begin();
    check.lookAhead([1]);
    // It is read once others were told that somebody sends.
    await clock.pass(100);
    await clock.pass(2750);
    assert.equal([await ask(1), storage.reads], [true, 1]);
    await storage.stop(1);
    await clock.pass(1);
    assert.equal([await ask(1), storage.reads], [false, 2]);
    assert.equal([await ask(1), storage.reads], [false, 3], "an inactive one is read each time");
  });
});

for (
  const [name, change] of Object.entries<(storage: SharedStorage) => void>({
    "where others could not be told that somebody sends": (storage) => storage.isSendingDenied = true,
    "where no log is kept": (storage) => storage.hasLog = false,
  })
) {
  test(`each chat is read each time ${name}`, async () => {
    await withCheck(async ({ storage, check, ask }) => {
      storage.answerMs = (asked) => asked === "list" ? 60_000 : 1;
      change(storage);
      check.begin();
      assert.is(await ask(1), true);
      await storage.stop(1);
      assert.equal([await ask(1), storage.reads], [false, 2]);
    });
  });
}

test("a reading that began before others knew that somebody sends is not relied on", async () => {
  await withCheck(async ({ clock, storage, check, ask }) => {
    storage.isSendingDenied = true;
    storage.answerMs = (asked) => asked === "list" ? 60_000 : 1;
    check.begin();
    // It is too early yet to tell others again.
    await clock.pass(4950);
    storage.isSendingDenied = false;
    storage.answerMs = (asked) => ({ list: 60_000, chat: 200, log: 20, sending: 20 })[asked];
    const first = check.standingOf(1);
    await clock.pass(51);
    // Another process confirms it at once.
    await storage.stop(1);
    // Now others are told.
    const next = check.standingOf(2);
    await clock.pass(1000);
    assert.equal([(await first).isActive, (await next).isActive], [true, true]);
    assert.is(await ask(1), false);
  });
});

test("a reading from before a time in which others did not know that somebody sends is not relied on", async () => {
  await withCheck(async ({ clock, storage, check, ask }) => {
    const at = (time: number): Promise<void> => clock.pass(time - clock.now());
    check.begin();
    await clock.pass(100);
    // It is in the log from now on, so that it is read itself.
    await storage.stop(1);
    await storage.reactivateChat(1);
    const known = (): number => storage.sendingUntil.at(-1) ?? 0;
    const lapsesAt = known();
    storage.isSendingDenied = true;
    await at(lapsesAt - 2700);
    assert.is(await ask(2), true);
    await at(lapsesAt - 20);
    assert.is(await ask(1), true);
    await at(lapsesAt + 200);
    // Another process confirms it at once.
    await storage.stop(1);
    storage.isSendingDenied = false;
    // It is time to tell others again.
    await at(lapsesAt + 2400);
    assert.is(await ask(2), true);
    assert.ok(known() > lapsesAt, "others are told again while the reading is young");
    assert.is(await ask(1), false);
  });
});

test.run();
