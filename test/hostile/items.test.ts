/** Hostile items: what other programs may keep in the tables of chats and of broadcasts. */
import { isDeepStrictEqual } from "node:util";
import { PutItemCommand } from "@aws-sdk/client-dynamodb";
import type { LocalUser } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { said, type Scene, subscribers, withBot } from "../support/bot.ts";
import { randomOf } from "../support/histories.ts";
import { runScript } from "../support/script.ts";
import {
  LedgerName,
  type RawItem,
  startTable,
  type TableFixture,
  TestClock,
  TestLogger,
} from "../support/storage.ts";
import {
  confirmed,
  countOf,
  expectClear,
  expectPlain,
  expectQuiet,
  expectServed,
  expectUnharmed,
  limitMs,
  linesAtMost,
  playInBatches,
  seed,
} from "./corpus.ts";
import { type HostileItem, hostileItem, hostileRun, saneItem, unusableIds } from "./items.ts";

const test = suite(`hostile items (HOSTILE_SEED=${seed})`, undefined, limitMs);
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

/** Puts the items into the table, beside others whose keys are nobody's; their chats are open on the server. */
async function plantHostile({ server, table }: Scene, items: readonly HostileItem[]): Promise<Odd[]> {
  const now = Date.now();
  const odd = items.map((each): Odd => ({ ...each, user: server.user({ id: each.chatId, opened: true }) }));
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

test("hostile runs in the ledger: a report, or an error that says which item it is", async () => {
  const random = randomOf(seed + 3);
  const runs = Array.from({ length: countOf("runs") }, (_, index) => hostileRun(random, `run-${index}`));
  await playInBatches(runs, 100, playRuns);
});

async function playRuns(runs: readonly RawItem[]): Promise<void> {
  await withBot(async (scene) => {
    const { bot, table: { direct }, logs } = scene;
    await subscribers(scene, 3);
    await bot.broadcast("creates the table", { broadcastId: "first" });
    for (const Item of runs) await direct.send(new PutItemCommand({ TableName: LedgerName, Item }));
    const resumed = await bot.resumeBroadcasts().catch((error) => error as Error);
    if (resumed instanceof Error) expectClear(resumed);
    for (const { broadcast_id } of runs) {
      const run = bot.broadcast("x", { broadcastId: String(broadcast_id?.S), maxAgeMs: 120_000 });
      const report = await run.catch((error) => error as Error);
      if (report instanceof Error) expectClear(report);
      else for (const figure of Object.values(report)) assert.is.not(figure, NaN, String(broadcast_id?.S));
    }
    expectUnharmed();
    for (const { message } of logs.lines) expectPlain(message);
    await expectServed(scene);
  }, { hasLedger: true });
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

async function playItems(items: readonly HostileItem[]): Promise<void> {
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
    expectUnharmed();
    expectQuiet(scene.logs);
    await expectServed(scene);
  }, { before: async (scene) => void (odd = await plantHostile(scene, items)) });
}

test("hostile items: broadcasts, /stop and /start as with any other", async () => {
  const [random, now] = [randomOf(seed), Date.now()];
  const items = Array.from(
    { length: countOf("items") },
    (_, index) => hostileItem(random, 40_001 + index, now),
  );
  await playInBatches(items, 100, playItems);
});

test("cleanup meets those whose last_active is a time, and no other", async () => {
  const table = await startTable({ isOverHttp: true });
  try {
    const now = Date.now();
    const random = randomOf(seed + 2);
    const odd = Array.from(
      { length: 300 + countOf("items") },
      (_, index) => hostileItem(random, index + 1, now),
      // The embedded engine cannot keep such a name.
    ).filter(({ item }) => !JSON.stringify(item).includes("__proto__"));
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
