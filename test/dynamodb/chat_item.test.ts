import { isDeepStrictEqual } from "node:util";
import { UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import type { Chat, ChatEvent } from "../../lib/chats/events.ts";
import { migrateChat } from "../../lib/chats/storage.ts";
import { createSemaphore } from "../../lib/util/async.ts";
import { toIso } from "../../lib/util/clock.ts";
import { assert, suite } from "../harness.ts";
import { dayMs, noon, secondMs } from "../support/chats.ts";
import {
  failureOf,
  pythonId,
  pythonItem,
  type RawItem,
  sharedTable,
  TableName,
  TestClock,
  TestLogger,
} from "../support/storage.ts";

const { freshTable, expectNoTrespass, closeTable } = sharedTable();

const message = (updateId: number, at = noon, kind: "message" | "start" | "stop" = "message"): ChatEvent => ({
  kind,
  at,
  updateId,
  registers: true,
});

const python = suite("TelegramDynamoDBStorage: items of the Python bot");

python("getChat() reads an active chat without our attributes", async () => {
  const table = await freshTable();
  await table.put(pythonItem());
  const chat = await table.storage().getChat(pythonId) as Chat;
  assert.is(chat.is_active, true);
  assert.is(chat.message_count, 42);
  assert.is(chat.last_active, "2026-11-20T11:16:54.224392+00:00");
  assert.is(chat.removed_at, null);
  assert.is(chat.user_info["chat_type"], "private");
  assert.not("removed_reason" in chat);
  assert.not("last_update_id" in chat);
});

python(
  "apply() changes what the message changes, and keeps every other attribute and key to the bit",
  async () => {
    for (const belief of [undefined, "absent", "active"] as const) {
      for (const removed of [{}, { removed_at: { NULL: true } }] as RawItem[]) {
        const table = await freshTable();
        const item = pythonItem(removed);
        await table.put(item);
        const userInfo = { username: "johnny", user_id: pythonId, last_name: undefined };
        await table.storage().apply(pythonId, [{ ...message(9), userInfo } as ChatEvent], belief);
        assert.equal(await table.item(pythonId), {
          ...item,
          last_active: { S: toIso(noon) },
          message_count: { N: "43" },
          last_update_id: { N: "9" },
          user_info: { M: { ...item["user_info"]?.M, username: { S: "johnny" } } },
        });
      }
    }
  },
);

python("apply() stops and restarts a Python chat, and writes our form of times", async () => {
  const table = await freshTable();
  await table.put(pythonItem());
  const storage = table.storage();
  await storage.apply(pythonId, [message(9, noon, "stop")], "active");
  const stopped = await table.item(pythonId);
  assert.equal(stopped?.["is_active"], { BOOL: false });
  assert.equal(stopped?.["removed_at"], { S: toIso(noon) });
  assert.equal(stopped?.["removed_reason"], { S: "stopped" });
  await storage.apply(pythonId, [message(10, noon, "start")]);
  const { removed_reason, ...back } = await table.item(pythonId) as RawItem;
  assert.is(removed_reason, undefined);
  assert.equal(back, {
    ...pythonItem(),
    last_active: { S: toIso(noon) },
    message_count: { N: "44" },
    last_update_id: { N: "10" },
    last_word_update_id: { N: "10" },
    removed_at: { NULL: true },
  });
});

python(
  "apply() counts and stays stopped where Python deactivated, whatever reason of ours lies around",
  async () => {
    for (const removed_reason of ["blocked", "left", "gone", "inactive", "migrated", "stopped"]) {
      const table = await freshTable();
      await table.put(pythonItem({
        is_active: { BOOL: false },
        removed_at: { S: "2026-11-20T11:30:00.224392+00:00" },
        removed_reason: { S: removed_reason },
      }));
      const storage = table.storage();
      assert.is((await storage.getChat(pythonId))?.removed_reason, undefined);
      await storage.apply(pythonId, [message(9)], "active");
      const { after } = await storage.apply(pythonId, [{ kind: "returned", at: noon, registers: true }]);
      assert.is(after?.is_active, false, removed_reason);
      assert.is(after?.message_count, 43);
      await storage.apply(pythonId, [message(10, noon, "start")]);
      assert.is((await storage.getChat(pythonId))?.is_active, true);
    }
  },
);

python(
  "apply() does not trust a reason without any removed_at, nor one of Python's reactivated chats",
  async () => {
    const table = await freshTable();
    await table.put(pythonItem({ is_active: { BOOL: false }, removed_reason: { S: "blocked" } }));
    const storage = table.storage();
    assert.is((await storage.apply(pythonId, [message(9)])).after?.is_active, false);
    await table.put(pythonItem({ removed_at: { NULL: true }, removed_reason: { S: "blocked" } }));
    assert.is((await storage.getChat(pythonId))?.removed_reason, undefined);
    await storage.apply(pythonId, [message(9, noon, "stop")], "active");
    assert.is((await storage.getChat(pythonId))?.removed_reason, "stopped");
  },
);

python("deactivateChat(), reactivateChat() and saveChat() leave what they do not know", async () => {
  const table = await freshTable();
  await table.put(pythonItem());
  const storage = table.storage();
  assert.is(await storage.saveChat(pythonId, { first_name: "John" }), "unchanged");
  assert.equal(await table.item(pythonId), pythonItem());
  assert.is(await storage.deactivateChat(pythonId), true);
  assert.is(await storage.reactivateChat(pythonId), true);
  assert.equal(await table.item(pythonId), pythonItem({ removed_at: { NULL: true } }));
});

python("cleanupInactiveChats() ends a stale Python chat, and only while it reads as it did", async () => {
  const table = await freshTable();
  await table.put(pythonItem());
  const clock = new TestClock(noon + 40 * dayMs);
  const storage = table.storage({ clock, logger: new TestLogger() });
  const hook = table.gate.before("UpdateItem", async () => {
    hook.clear();
    await table.direct.send(
      new UpdateItemCommand({
        TableName,
        Key: { chat_id: { N: String(pythonId) } },
        UpdateExpression: "SET last_active = :now",
        ExpressionAttributeValues: { ":now": { S: "2026-12-30T12:00:00.000001+00:00" } },
      }),
    );
  });
  assert.is(await storage.cleanupInactiveChats({ daysThreshold: 30 }), 0);
  clock.ms += 40 * dayMs;
  assert.is(await storage.cleanupInactiveChats({ daysThreshold: 30 }), 1);
  assert.is((await storage.getChat(pythonId))?.removed_reason, "inactive");
});

python(
  "apply() heeds last_active in every form of the same time, whatever the chat is taken for",
  async () => {
    const forms = {
      "2026-11-20T12:00:00Z": 0,
      "2026-11-20T12:00:00.000Z": 0,
      "2026-11-20T12:00:00+00:00": 0,
      "2026-11-20T12:00:00.999999+00:00": 999,
      "2026-11-20T15:00:00+03:00": 0,
      "2026-11-20T07:00:00-05:00": 0,
    };
    for (const [last_active, moreMs] of Object.entries(forms)) {
      for (const belief of [undefined, "active"] as const) {
        const table = await freshTable();
        await table.put(pythonItem({ last_active: { S: last_active } }));
        const storage = table.storage();
        await storage.apply(pythonId, [{ kind: "removed", reason: "blocked", at: noon - 1 }], belief);
        await storage.apply(pythonId, [message(1, noon - 3600 * secondMs)], belief);
        const chat = await storage.getChat(pythonId) as Chat;
        assert.is(chat.is_active, true, `${last_active}, believed ${belief}: an older 403 ends it`);
        assert.is(Date.parse(chat.last_active ?? ""), noon + moreMs, `${last_active}, believed ${belief}`);
        assert.is(chat.message_count, 43);
      }
    }
  },
);

python.run();

const malformed = suite("TelegramDynamoDBStorage: malformed attributes", {}, 60_000);

const values: [string, RawItem[string] | undefined][] = [
  ["missing", undefined],
  ["NULL", { NULL: true }],
  ["S", { S: "garbage" }],
  ["empty S", { S: "" }],
  ["N", { N: "17" }],
  ["fraction", { N: "0.12345678901234567890123" }],
  ["BOOL", { BOOL: false }],
  ["M", { M: { a: { S: "b" } } }],
  ["L", { L: [{ S: "a" }] }],
  ["SS", { SS: ["a"] }],
  ["NS", { NS: ["1"] }],
  ["B", { B: new Uint8Array([1]) }],
];
const attributes = [
  "is_active",
  "added_at",
  "last_active",
  "message_count",
  "user_info",
  "removed_at",
  "removed_reason",
  "strikes",
  "migrated_to",
  "migrated_from",
  "last_update_id",
  "last_word_update_id",
  "last_member_update_id",
];

/** What these have to be once a message, a /stop and a /start have passed. */
const typeOfAttribute: Record<string, string> = {
  is_active: "BOOL",
  last_active: "S",
  message_count: "N",
  user_info: "M",
  last_update_id: "N",
  last_word_update_id: "N",
};

/** A condition on any of these compares their value as it was read; dynalite, unlike DynamoDB, finds no maps equal. */
const compared = attributes.filter((name) =>
  !["added_at", "message_count", "user_info", "migrated_to"].includes(name)
);
const formsOf = (attribute: string): typeof values =>
  values.filter(([form]) => !compared.includes(attribute) || (form !== "M" && form !== "L"));

malformed("apply() leaves an is_active that is no boolean to nobody who would read it as true", async () => {
  const table = await freshTable();
  const forms: (RawItem[string] | undefined)[] = [{ S: "true" }, { N: "1" }, { NULL: true }, undefined];
  for (const [id, is_active] of forms.entries()) {
    const { is_active: _replaced, ...rest } = pythonItem({ chat_id: { N: String(id + 1) } });
    await table.put(is_active === undefined ? rest : { ...rest, is_active });
    await table.storage().apply(id + 1, [message(1001, noon, "stop")], "active");
    assert.equal((await table.item(id + 1))?.["is_active"], { BOOL: false }, JSON.stringify(is_active));
  }
});

for (const attribute of attributes) {
  malformed(`apply() takes /stop, a message and /start with ${attribute} of any type`, async () => {
    const table = await freshTable();
    const storage = table.storage();
    let chatId = 0;
    await Promise.all(
      formsOf(attribute).flatMap(([form, value]) =>
        (["active", undefined] as const).map(async (belief) => {
          const id = ++chatId;
          const { [attribute]: _replaced, ...rest } = pythonItem({ chat_id: { N: String(id) } });
          const item = value === undefined ? rest : { ...rest, [attribute]: value };
          await table.put(item);
          const what = `${attribute} ${form}, believed ${belief}`;
          const userInfo = { username: "new" };
          const before = (await storage.getChat(id))?.message_count ?? NaN;
          const updates = [message(1001, noon, "stop"), message(1002), message(1003, noon, "start")];
          for (const [index, update] of updates.entries()) {
            await storage.apply(id, [{ ...update, userInfo } as ChatEvent], belief);
            const chat = await storage.getChat(id) as Chat;
            assert.is(chat.is_active, index === 2, `${what}: ${update.kind}`);
            assert.is(chat.message_count, before + index + 1, `${what}: ${update.kind}`);
          }
          const raw = await table.item(id) as RawItem;
          for (const [key, type] of Object.entries(typeOfAttribute)) {
            assert.equal(Object.keys(raw[key] ?? {}), [type], `${what}: ${key} is repaired`);
          }
          assert.equal(raw["user_info"]?.M?.["username"], { S: "new" }, what);
          assert.equal(raw["plan"], item["plan"], what);
        })
      ),
    );
  });
}

malformed("apply() takes strikes of any form: what is no whole number above 0 is none", async () => {
  const table = await freshTable();
  const storage = table.storage();
  const forms: RawItem[string][] = [
    ...formsOf("strikes").flatMap(([, value]) => value ?? []),
    ...["0", "-1", "1.5", "1E+100", "9007199254740993", "2"].map((N) => ({ N })),
  ];
  const told: number[] = [];
  for (const [index, strikes] of forms.entries()) {
    const chatId = index + 1;
    const what = JSON.stringify(strikes);
    const held = ["17", "2"].includes(strikes.N ?? "") ? Number(strikes.N) : undefined;
    const put = (): Promise<void> => table.put(pythonItem({ chat_id: { N: String(chatId) }, strikes }));
    await put();
    assert.is((await storage.getChat(chatId))?.strikes, held, what);
    const { after } = await storage.apply(chatId, [{ kind: "unreached", at: noon }], "active");
    assert.equal([after?.is_active, after?.strikes], held ? [false, undefined] : [true, 1], what);
    assert.equal((await table.item(chatId))?.["strikes"], held ? undefined : { N: "1" }, what);
    await put();
    await storage.apply(chatId, [message(9)], "active");
    assert.equal((await table.item(chatId))?.["strikes"], undefined, what);
    await put();
    if (held) told.push(chatId);
  }
  const struck: number[] = [];
  await storage.loadActiveChats({ onStrikes: (chatId) => void struck.push(chatId) });
  assert.equal(struck.sort((a, b) => a - b), told);
});

malformed("every operator's method and cleanup take attributes of any type", async () => {
  const table = await freshTable();
  const logger = new TestLogger();
  const clock = new TestClock(noon + 90 * dayMs);
  const storage = table.storage({ clock, logger });
  let chatId = 0;
  // More at once, and a slow machine would have the SDK try again what is still being written.
  const limit = createSemaphore(8);
  await Promise.all(
    attributes.flatMap((attribute) =>
      formsOf(attribute).map(([form, value]) =>
        limit(async () => {
          const id = ++chatId;
          const { [attribute]: _replaced, ...rest } = pythonItem({ chat_id: { N: String(id) } });
          await table.put(value === undefined ? rest : { ...rest, [attribute]: value });
          const what = `${attribute} ${form}`;
          await storage.deactivateChat(id);
          assert.is((await storage.getChat(id))?.is_active, false, what);
          assert.is(await storage.reactivateChat(id), true, what);
          assert.is(await storage.saveChat(id, { username: "x" }), "unchanged", what);
          assert.is((await storage.getChat(id))?.is_active, true, what);
          if (id % 3 === 0) await migrateChat(storage, id, -1000 - id, noon);
        })
      )
    ),
  );
  await storage.cleanupInactiveChats({ daysThreshold: 30 });
  await storage.getStatistics();
  assert.is((await storage.getStatistics()).totalChats, chatId + Math.floor(chatId / 3));
});

malformed("a group whose item has numbers beyond JavaScript's moves with their digits", async () => {
  const table = await freshTable();
  const digits = "12345678901234567890";
  const chat_id = { N: "-5" };
  const user_info = { M: { title: { S: "Desk" }, ref: { N: digits }, share: { N: "0.25" } } };
  await table.put(pythonItem({ chat_id, user_info, message_count: { N: digits } }));
  const storage = table.storage();
  await migrateChat(storage, -5, -1005, noon);
  const chat = await storage.getChat(-1005) as Chat;
  assert.equal([chat.is_active, chat.user_info], [true, { title: "Desk", ref: digits, share: 0.25 }]);
  assert.is((await storage.getChat(-5))?.removed_reason, "migrated");
  assert.equal((await table.item(-5))?.["user_info"], user_info, "the group's own item is left as it was");
});

malformed(
  "cleanupInactiveChats() leaves a chat alone that has no readable last_active, and logs how many",
  async () => {
    const table = await freshTable();
    const logger = new TestLogger();
    const storage = table.storage({ clock: new TestClock(noon + 90 * dayMs), logger });
    const unreadable = [undefined, { NULL: true }, { S: "garbage" }, { S: "" }, { N: "1700000000" }] as const;
    for (const [index, value] of unreadable.entries()) {
      const { last_active: _replaced, ...rest } = pythonItem({ chat_id: { N: String(index + 1) } });
      await table.put(value === undefined ? rest : { ...rest, last_active: value });
    }
    await table.put(pythonItem({ chat_id: { N: "99" } }));
    assert.is(await storage.cleanupInactiveChats({ daysThreshold: 30 }), 1);
    assert.is((await storage.loadActiveChats()).size, unreadable.length);
    assert.is(logger.lines.length, 1);
    assert.match(logger.lines[0] ?? "", /\b5\b.*last_active/);
  },
);

/** An item with so much in it that not a byte more is taken. */
async function putFull(put: (item: RawItem) => Promise<void>, item: RawItem): Promise<RawItem> {
  let fits = 390_000;
  for (let step = 2 ** 14; step >= 1; step /= 2) {
    const filler = { S: "x".repeat(fits + step) };
    await put({ ...item, filler }).then(() => fits += step, () => {});
  }
  const full = { ...item, filler: { S: "x".repeat(fits) } };
  await put(full);
  return full;
}

malformed(
  "apply() keeps whether a chat is active in an item that has no room for more, and tells it once",
  async () => {
    const table = await freshTable();
    const logger = new TestLogger();
    const storage = table.storage({ logger });
    const full = await putFull((item) => table.put(item), pythonItem());
    const expectKept = async (isActive: boolean): Promise<void> => {
      // Not by assert.equal(), which would print it.
      const wanted = { ...full, is_active: { BOOL: isActive } };
      assert.ok(
        isDeepStrictEqual(await table.item(pythonId), wanted),
        `all but is_active (${isActive}) stays`,
      );
    };
    for (const belief of ["active", "absent", undefined] as const) {
      await table.put(full);
      const stopped = await storage.apply(pythonId, [message(9, noon, "stop")], belief);
      assert.equal([stopped.before?.is_active, stopped.after?.is_active], [true, false]);
      await expectKept(false);
      assert.is(
        (await storage.apply(pythonId, [message(10)], belief)).after?.is_active,
        false,
        "it stays stopped",
      );
      await storage.apply(pythonId, [message(11, noon, "start")], belief);
      await expectKept(true);
      await storage.apply(pythonId, [{ kind: "removed", reason: "blocked", at: noon }], belief);
      await expectKept(false);
    }
    assert.is(logger.lines.length, 1);
    assert.match(logger.lines[0] ?? "", new RegExp(`chat ${pythonId} .*size`, "i"));
  },
);

malformed("a full item that is stopped is so in spite of a reason that was left behind", async () => {
  const table = await freshTable();
  const storage = table.storage({ logger: new TestLogger() });
  const left: RawItem = { removed_reason: { S: "blocked" }, removed_at: { S: "2026-01-01T00:00:00.000Z" } };
  await putFull((item) => table.put(item), pythonItem(left));
  await storage.apply(pythonId, [message(9, noon, "stop")], "active");
  assert.is((await storage.apply(pythonId, [message(10)])).after?.is_active, false);
  assert.is((await storage.apply(pythonId, [message(11, noon, "start")])).after?.is_active, true);
});

malformed("a full item holds its /stop against a writer that comes between", async () => {
  const table = await freshTable();
  const storage = table.storage({ logger: new TestLogger() });
  await putFull((item) => table.put(item), pythonItem());
  let writes = 0;
  const hook = table.gate.before("UpdateItem", async () => {
    // Before the write of no more than is_active.
    if (++writes < 3) return;
    hook.clear();
    await table.direct.send(
      new UpdateItemCommand({
        TableName,
        Key: { chat_id: { N: String(pythonId) } },
        UpdateExpression: "SET last_active = :now",
        ExpressionAttributeValues: { ":now": { S: "2026-11-20T11:17:54.224392+00:00" } },
      }),
    );
  });
  const { after } = await storage.apply(pythonId, [message(9, noon, "stop")], "active");
  assert.ok(writes >= 3);
  assert.is(after?.is_active, false);
  assert.equal((await table.item(pythonId))?.["is_active"], { BOOL: false });
});

malformed(
  "a full group takes its standing to its supergroup, without its user_info if that has no room",
  async () => {
    const table = await freshTable();
    const storage = table.storage({ logger: new TestLogger() });
    await putFull(
      ({ filler, ...item }) => table.put({ ...item, user_info: { M: { filler: filler ?? { NULL: true } } } }),
      {
        chat_id: { N: "-5" },
        is_active: { BOOL: true },
        message_count: { N: "7" },
        added_at: { S: toIso(noon) },
      },
    );
    await migrateChat(storage, -5, -1005, noon);
    const chat = await storage.getChat(-1005) as Chat;
    assert.equal([chat.is_active, chat.message_count, chat.migrated_from], [true, 7, -5]);
    await storage.apply(-1005, [message(9, noon, "stop")], "active");
    await migrateChat(storage, -5, -1005, noon);
    assert.equal(await storage.loadActiveChats(), new Set());
  },
);

malformed(
  "a group with a thousand members in its user_info moves to a supergroup that is known",
  async () => {
    const table = await freshTable();
    const members = Object.fromEntries(
      Array.from({ length: 1000 }, (_, index) => [`key ${index}`, { N: "1" }]),
    );
    await table.put(
      pythonItem({ chat_id: { N: "-5" }, user_info: { M: { ...members, title: { S: "Old" } } } }),
    );
    const storage = table.storage();
    await storage.apply(-1005, [{ ...message(1), userInfo: { title: "New" } } as ChatEvent]);
    await migrateChat(storage, -5, -1005, noon);
    assert.equal((await table.item(-1005))?.["user_info"], { M: { ...members, title: { S: "New" } } });
  },
);

malformed("a count with no room for one more is counted anew", async () => {
  const table = await freshTable();
  const storage = table.storage();
  const odd = ["9.9E+125", "-9.9E+125", "1E-130", "0.12345678901234567890123456789012345678", "9".repeat(38)];
  for (const [id, N] of odd.entries()) {
    await table.put(pythonItem({ chat_id: { N: String(id + 1) }, message_count: { N } }));
    for (const [index, event] of [message(1), message(2, noon, "stop"), message(3)].entries()) {
      const { after } = await storage.apply(id + 1, [event]);
      assert.is(after?.message_count, index + 1, N);
    }
    assert.equal((await table.item(id + 1))?.["message_count"], { N: "3" }, N);
    await table.put(pythonItem({ chat_id: { N: String(id + 1) }, message_count: { N } }));
    assert.is((await storage.apply(id + 1, [message(4, noon, "stop")], "active")).after?.is_active, false, N);
  }
  const figures = await storage.getStatistics();
  assert.ok(Object.values(figures).flat().every((figure) => Number.isFinite(figure)));
});

malformed("an item whose key can be no chat's id is no chat", async () => {
  const table = await freshTable();
  const keys = [
    "0",
    "1.5",
    "4503599627370496",
    "9007199254740993",
    "1E+100",
    "7.0000000000000000000000000001",
  ];
  for (const N of keys) await table.put(pythonItem({ chat_id: { N } }));
  await table.put(pythonItem({ chat_id: { N: "-4503599627370495" } }));
  const storage = table.storage({ clock: new TestClock(noon + 90 * dayMs), logger: new TestLogger() });
  assert.equal(await storage.loadActiveChats(), new Set([-4503599627370495]));
  assert.is((await storage.getStatistics()).totalChats, 1);
  const scanned: Chat[] = [];
  for await (const page of storage.scan()) scanned.push(...page);
  assert.equal(scanned.map(({ chat_id }) => chat_id), [-4503599627370495]);
  assert.is(await storage.cleanupInactiveChats({ daysThreshold: 30 }), 1);
});

malformed("what is said of times and addresses in an item is short, and can be one", async () => {
  const table = await freshTable();
  const S = "9".repeat(100_000);
  await table.put(pythonItem({ added_at: { S }, last_active: { S }, migrated_to: { N: "1.5" } }));
  const storage = table.storage();
  const chat = await storage.getChat(pythonId) as Chat;
  assert.equal([chat.added_at, chat.last_active, chat.migrated_to], [undefined, undefined, undefined]);
  await storage.apply(pythonId, [message(9, noon, "stop")]);
  assert.equal((await table.item(pythonId))?.["added_at"], { S }, "it stays as it is");
});

malformed("apply() counts, stops and blocks in spite of ids and times that nobody gave", async () => {
  const table = await freshTable();
  const storage = table.storage();
  const odd: RawItem[] = [
    ...["9007199254740993", "9007199254740991", "4611686018427387904", "-5", "1E+100"].map((N) => ({
      last_update_id: { N },
      last_member_update_id: { N },
    })),
    { last_active: { S: "9999-12-31T23:59:59.999Z" } },
    { last_active: { S: "9999-12-31T23:59:59.999Z" }, last_update_id: { N: "9007199254740991" } },
  ];
  for (const more of odd) {
    for (const belief of ["active", undefined] as const) {
      const what = `${JSON.stringify(more)}, believed ${belief}`;
      await table.put(pythonItem(more));
      assert.is((await storage.apply(pythonId, [message(9)], belief)).after?.message_count, 43, what);
      assert.is((await storage.apply(pythonId, [message(9)], belief)).after?.message_count, 43, what);
      assert.is((await storage.getChat(pythonId))?.last_active, toIso(noon), `${what}: it is mended`);
      for (
        const event of [
          message(10, noon, "stop"),
          { kind: "removed", reason: "blocked", at: noon } as ChatEvent,
        ]
      ) {
        await table.put(pythonItem(more));
        assert.is((await storage.apply(pythonId, [event], belief)).after?.is_active, false, what);
        assert.equal((await table.item(pythonId))?.["is_active"], { BOOL: false }, what);
      }
    }
  }
});

/** As JSON.parse() makes it; an assignment would set the prototype. */
const named = (name: string, value: object): RawItem => Object.fromEntries([[name, value]]) as RawItem;

malformed("names that every object has are data, and keep nothing from being read", async () => {
  for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
    const table = await freshTable();
    const inherited = named(name, { M: { is_active: { BOOL: true }, first_name: { S: "Eve" } } });
    const { is_active: _none, ...item } = pythonItem(inherited);
    await table.put({ ...item, user_info: { M: named(name, { S: "x" }) } });
    const storage = table.storage();
    const chat = await storage.getChat(pythonId) as Chat;
    assert.is(chat.is_active, false, name);
    assert.is(chat.user_info.first_name, undefined, name);
    assert.equal([...await storage.loadActiveChats()], [], name);
    // The guess is wrong: the refusal has the item with it.
    const { after } = await storage.apply(pythonId, [message(9, noon, "start")], "active");
    assert.is(after?.is_active, true, name);
    assert.equal([...await storage.loadActiveChats()], [pythonId], name);
  }
});

malformed("saveChat() keeps a name that every object has, or refuses it", async () => {
  const table = await freshTable();
  const storage = table.storage();
  await storage.saveChat(5, JSON.parse('{"username":"ada","constructor":"x","toString":5}'));
  // Not by assert.equal(), which takes the member for the class.
  const kept = Object.entries((await table.item(5))?.["user_info"]?.M ?? {}).sort();
  assert.equal(kept, [["constructor", { S: "x" }], ["toString", { N: "5" }], ["username", { S: "ada" }]]);
  const refused = await failureOf(storage.saveChat(6, JSON.parse('{"__proto__":"x"}')));
  assert.match(
    refused.message,
    /^Cannot save the chat as "userInfo" must be an object .* without a name "__proto__"/,
  );
});

malformed.after(async () => {
  await expectNoTrespass();
  await closeTable();
});
malformed.run();
