import { UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { type Chat, type ChatEvent, iso } from "../lib/chat.ts";
import { migrateChat } from "../lib/storage/chat_storage.ts";
import { assert, suite } from "./harness.ts";
import { dayMs, noon, secondMs } from "./support/chats.ts";
import {
  pythonId,
  pythonItem,
  type RawItem,
  sharedTable,
  TableName,
  TestClock,
  TestLogger,
} from "./support/storage.ts";

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
          last_active: { S: iso(noon) },
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
  assert.equal(stopped?.["removed_at"], { S: iso(noon) });
  assert.equal(stopped?.["removed_reason"], { S: "stopped" });
  await storage.apply(pythonId, [message(10, noon, "start")]);
  const { removed_reason, ...back } = await table.item(pythonId) as RawItem;
  assert.is(removed_reason, undefined);
  assert.equal(back, {
    ...pythonItem(),
    last_active: { S: iso(noon) },
    message_count: { N: "44" },
    last_update_id: { N: "10" },
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
  "migrated_to",
  "migrated_from",
  "last_update_id",
  "last_member_update_id",
];

/** What these have to be once a message, a /stop and a /start have passed. */
const typeOfAttribute: Record<string, string> = {
  is_active: "BOOL",
  last_active: "S",
  message_count: "N",
  user_info: "M",
  last_update_id: "N",
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

malformed("every operator's method and cleanup take attributes of any type", async () => {
  const table = await freshTable();
  const logger = new TestLogger();
  const clock = new TestClock(noon + 90 * dayMs);
  const storage = table.storage({ clock, logger });
  let chatId = 0;
  await Promise.all(attributes.flatMap((attribute) =>
    formsOf(attribute).map(async ([form, value]) => {
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
  ));
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

malformed.after(async () => {
  await expectNoTrespass();
  await closeTable();
});
malformed.run();
