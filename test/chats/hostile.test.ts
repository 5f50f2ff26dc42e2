/**
 * Hostile input: updates and items that nobody should send or keep. In `npm test` some thousands; for more:
 * `HOSTILE_UPDATES=10000 HOSTILE_ITEMS=10000 npx tsx test/run.ts hostile`. A failure names its seed: `HOSTILE_SEED=…`.
 */
import process from "node:process";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import type { Update } from "grammy/types";
import { Api } from "grammy/web";
import type { BotApiServer, LocalUser } from "../../lib/local/mod.ts";
import { chatKeysOf, UpdateParser } from "../../lib/chats/update.ts";
import { assert, suite } from "../harness.ts";
import { FastClock, type Logs, said, type Scene, soon, until, withBot } from "../support/bot.ts";
import { randomOf } from "../support/histories.ts";
import {
  type HostileItem,
  hostileItem,
  type HostilePool,
  hostileUpdate,
  rawAnswers,
  saneItem,
  unusableIds,
} from "../support/hostile.ts";
import { runScript } from "../support/script.ts";
import { type RawItem, startTable, type TableFixture, TestClock, TestLogger } from "../support/storage.ts";

const seed = Number(process.env["HOSTILE_SEED"] || Date.now() % 1_000_000_000);
const updates = Number(process.env["HOSTILE_UPDATES"] || 2000);
const items = Number(process.env["HOSTILE_ITEMS"] || 100);
/** Whatever comes, nobody reads more lines than these. */
const linesAtMost = 50;
const lineAtMost = 2000;

/** For all of them; in `npm test` it takes seconds. */
const limitMs = 1_800_000;

const test = suite(`hostile input (HOSTILE_SEED=${seed})`, undefined, limitMs);

const rejections: unknown[] = [];
process.on("unhandledRejection", (reason) => rejections.push(reason));

function expectQuiet({ lines }: Logs): void {
  assert.equal(rejections, []);
  const loud = lines.filter(({ level }) => level !== "info");
  const start = loud.slice(0, 5).map(({ message }) => message.slice(0, 300)).join("\n");
  assert.ok(loud.length <= linesAtMost, `${loud.length} lines, beginning with\n${start}`);
  for (const { message } of lines) assert.ok(message.length <= lineAtMost, `${message.length} characters`);
}

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
  return Array.from({ length: 12 }, () => {
    const words = Array.from(
      { length: 8 },
      () => ["/start", "/stop", "hello"][Math.floor(random() * 3)] as string,
    );
    return new Person(server.user({ first_name: "Ada 😀" }), ["/start", ...words]);
  });
}

/** Chats that exist, so that whatever is said for them has its answer. */
function hostilePool({ server }: Scene, real: readonly Person[]): HostilePool {
  const privateIds = Array.from({ length: 30 }, () => server.user({ opened: true }).chatId);
  const groupIds = Array.from({ length: 20 }, () => server.group({ title: "Desk" }).chatId);
  for (const id of [2 ** 31, 253_402_300_799, 1, 5]) server.user({ id, opened: true });
  for (const id of [-1, -5]) server.group({ id, title: "Odd" });
  return { privateIds, groupIds, realIds: real.map(({ user }) => user.chatId) };
}

test(`${updates} hostile updates harm nobody`, async () => {
  await withBot(async (scene) => {
    const { server, settled, logs, bot } = scene;
    const real = people(scene);
    const pool = hostilePool(scene, real);
    const random = randomOf(seed);
    const spoken = updates / 20;
    for (let pushed = 0; pushed < updates; pushed++) {
      server.push(hostileUpdate(random, pool));
      if (pushed % Math.ceil(spoken / 10) === 0) real[Math.floor(random() * real.length)]?.speak();
      if (pushed % 500 === 499) await settled();
    }
    server.push({ message: { chat: { id: 5, type: "private" }, date: 1, text: "x".repeat(5_000_000) } });
    for (const person of real) while (!person.isDone) person.speak();
    await confirmed(server);
    for (const person of real) await person.expectExact(scene);
    const report = await bot.broadcast("after all that");
    assert.is(report.stopped, undefined);
    for (const { user } of real) {
      const isActive = (await scene.item(user))?.["is_active"]?.BOOL === true;
      assert.is(said(user).includes("after all that"), isActive, "the broadcast reaches whom it should");
    }
    expectQuiet(logs);
  });
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
    expectQuiet(logs);
  }, { bot: { clock: new FastClock(100) } });
});

/** As large as an item may be: whatever would make it a byte longer is refused. */
async function plantFull(table: TableFixture, item: RawItem): Promise<void> {
  let fits = 390_000;
  for (let step = 2 ** 14; step >= 1; step /= 2) {
    const filler = { S: "x".repeat(fits + step) };
    await table.put({ ...item, filler }).then(() => fits += step, () => {});
  }
  await table.put({ ...item, filler: { S: "x".repeat(fits) } });
}

interface Odd extends HostileItem {
  readonly user: LocalUser;
}

/** Items of chats that are open on the server, and others whose keys are nobody's. */
async function plantHostile({ server, table }: Scene, count: number): Promise<Odd[]> {
  const random = randomOf(seed);
  const now = Date.now();
  const odd = Array.from({ length: count }, (): Odd => {
    const user = server.user({ opened: true });
    return { ...hostileItem(random, user.chatId, now), user };
  });
  await table.plant(odd.map(({ item }) => item));
  await table.plant(unusableIds.map((N) => ({ ...saneItem(5, now), chat_id: { N } })));
  server.user({ id: 77, opened: true });
  const all = [...odd, ...await plantFullOnes({ server, table }, now)];
  // As the table gives them back: it writes numbers and orders sets in its own way.
  const read: Odd[] = [];
  for (const each of all) read.push({ ...each, item: await table.item(each.chatId) as RawItem });
  return read;
}

/** Full items: as ours are, with the ids and the reason of an earlier life, and with a count that grows a digit. */
async function plantFullOnes(
  { server, table }: Pick<Scene, "server" | "table">,
  now: number,
): Promise<Odd[]> {
  const extras: RawItem[] = [
    {},
    { removed_reason: { S: "blocked" }, removed_at: { S: "2026-01-01T00:00:00.000Z" } },
    { last_update_id: { N: "9007199254740993" }, message_count: { N: "99" }, removed_at: { S: "x" } },
  ];
  return await Promise.all(extras.map(async (extra) => {
    const user = server.user({ opened: true });
    const item = { ...saneItem(user.chatId, now), ...extra };
    await plantFull(table, item);
    return { user, chatId: user.chatId, item, isActive: true, lastActive: now };
  }));
}

const ours = [
  ...["chat_id", "is_active", "added_at", "last_active", "message_count", "user_info", "removed_at"],
  ...["removed_reason", "migrated_to", "migrated_from", "last_update_id", "last_member_update_id"],
  ...["last_word_update_id", "added_by"],
];

/** What other programs keep: attributes that are not ours, and their members of a map that is. */
function foreignPart(item: RawItem): RawItem {
  const rest = Object.fromEntries(Object.entries(item).filter(([name]) => !ours.includes(name)));
  const { first_name: _first, user_id: _user, ...members } = item["user_info"]?.M ?? {};
  return { ...rest, members: { M: members } };
}

async function expectStanding({ item }: Scene, odd: readonly Odd[], isActive: boolean): Promise<void> {
  for (const { chatId, item: planted } of odd) {
    const now = await item(chatId) as RawItem;
    assert.equal(now["is_active"], { BOOL: isActive }, JSON.stringify(planted).slice(0, 3000));
    // Not by assert.equal(), which asks an item with an attribute "hasOwnProperty" for that method.
    assert.ok(
      isDeepStrictEqual(foreignPart(now), foreignPart(planted)),
      `${chatId}: what other programs keep`,
    );
  }
}

/** Everybody says it, and has been answered. */
async function all({ server }: Scene, odd: readonly Odd[], text: string): Promise<void> {
  for (const { user } of odd) user.say(text);
  await confirmed(server);
}

async function confirmed(server: BotApiServer): Promise<void> {
  await until(() => server.pendingUpdates === 0, "the updates were not all confirmed", limitMs);
}

async function expectReached(
  { bot }: Scene,
  text: string,
  odd: readonly Odd[],
  wanted: readonly Odd[],
): Promise<void> {
  const report = await bot.broadcast(text);
  assert.is(report.stopped, undefined);
  assert.equal([report.recipients, report.sent], [wanted.length, wanted.length], String(report));
  const reached = odd.filter(({ user }) => said(user).includes(text)).map(({ chatId }) => chatId);
  assert.equal(reached, wanted.map(({ chatId }) => chatId));
}

test(`${items} hostile items: broadcasts, /stop and /start as with any other`, async () => {
  let odd: Odd[] = [];
  await withBot(async (scene) => {
    const figures = await scene.bot.getStatistics();
    const active = odd.filter(({ isActive }) => isActive);
    assert.equal([figures.totalChats, figures.activeChats], [odd.length, active.length]);
    for (const figure of Object.values(figures)) {
      assert.ok(typeof figure !== "number" || Number.isFinite(figure));
    }
    await expectReached(scene, "one", odd, active);
    await all(scene, odd, "/stop");
    await expectStanding(scene, odd, false);
    await expectReached(scene, "two", odd, []);
    await all(scene, odd, "hello");
    await expectReached(scene, "three", odd, []);
    await all(scene, odd, "/start");
    await expectStanding(scene, odd, true);
    await expectReached(scene, "four", odd, odd);
    await all(scene, odd, "/status");
    for (const { user } of odd) await user.received("This chat is subscribed.");
    expectQuiet(scene.logs);
  }, { before: async (scene) => void (odd = await plantHostile(scene, items)) });
});

test("cleanup meets those whose last_active is a time, and no other", async () => {
  const table = await startTable({ isOverHttp: true });
  try {
    const now = Date.now();
    const random = randomOf(seed + 2);
    const odd = Array.from(
      { length: 300 + Math.min(items, 1000) },
      (_, index) => hostileItem(random, index + 1, now),
    );
    await table.plant(odd.map(({ item }) => item));
    await table.plant(unusableIds.map((N) => ({ ...saneItem(5, 0), chat_id: { N } })));
    const logger = new TestLogger();
    const storage = table.storage({ clock: new TestClock(now), logger });
    const stale = ({ isActive, lastActive = now }: HostileItem): boolean =>
      isActive && lastActive < now - 30 * 86_400_000;
    assert.ok(odd.filter(stale).length > 0);
    assert.is(await storage.cleanupInactiveChats({ daysThreshold: 30 }), odd.filter(stale).length);
    for (const each of odd) {
      const isActive = (await table.item(each.chatId))?.["is_active"]?.BOOL === true;
      assert.is(isActive, each.isActive && !stale(each), JSON.stringify(each.item["last_active"]));
    }
    assert.ok(logger.lines.length <= linesAtMost);
    await expectSafePrints(table, odd);
  } finally {
    await table.close();
  }
});

/** The script prints every chat in a line, and nothing that the terminal would obey. */
async function expectSafePrints({ gate }: TableFixture, odd: readonly HostileItem[]): Promise<void> {
  const env = {
    AWS_ENDPOINT_URL_DYNAMODB: gate.endpoint,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  };
  const manage = (...args: string[]): ReturnType<typeof runScript> =>
    runScript(["examples/manage_chats.ts", ...args], env);
  const worst = odd.find(({ item }) => JSON.stringify(item).includes("[2J"))?.chatId ?? 1;
  const printed = await Promise.all([
    manage("list"),
    manage("list", "--json"),
    manage("show", String(worst)),
  ]);
  for (const { status, output } of printed) {
    assert.is(status, 0, output.slice(0, 1000));
    // deno-lint-ignore no-control-regex -- they are what is looked for
    assert.not.match(output, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  }
  assert.is(printed[0]?.output.trimEnd().split("\n").length, odd.length);
  assert.is(JSON.parse(printed[1]?.output ?? "").length, odd.length);
}

test.run();
