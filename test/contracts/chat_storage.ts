/** The contract that every storage of chats has to fulfil. */
import type { Chat, ChatEvent } from "../../lib/chats/events.ts";
import { type ChatStorage, migrateChat } from "../../lib/chats/storage.ts";
import { toIso } from "../../lib/util/clock.ts";
import { assert, suite } from "../harness.ts";
import { dayMs, noon, secondMs } from "../support/chats.ts";
import { failureOf, TestClock, TestLogger } from "../support/storage.ts";

/** An empty storage, and what a check needs to observe it. */
export interface Subject {
  readonly storage: ChatStorage;
  /** Runs `other` once, between the storage's next read and its next write. */
  readonly interleave: (other: () => Promise<unknown>) => void;
  /** Requests that left the machine since the storage was made. */
  readonly requests: () => number;
}

export type Make = (options: { clock: TestClock; logger: TestLogger }) => Promise<Subject>;

interface CheckedSubject extends Subject {
  readonly clock: TestClock;
  readonly logger: TestLogger;
}

const unusableIds = [
  0,
  -0,
  NaN,
  Infinity,
  -Infinity,
  1.5,
  2 ** 52,
  -(2 ** 52),
  "123",
  123n,
  null,
  undefined,
  {},
];

const checks: (readonly [title: string, body: (subject: CheckedSubject) => Promise<void>])[] = [];

function check(title: string, body: (subject: CheckedSubject) => Promise<void>): void {
  checks.push([title, body]);
}

const message = (
  updateId: number,
  at = noon,
  kind: "message" | "start" | "stop" = "message",
): ChatEvent => ({
  kind,
  at,
  updateId,
  registers: true,
});

const unreached = (at = noon): ChatEvent => ({ kind: "unreached", at });
const reached: ChatEvent = { kind: "reached", at: noon };

check("createTableIfNotExists() is harmless where everything is there", async ({ storage }) => {
  await storage.saveChat(1);
  await storage.createTableIfNotExists();
  await storage.createTableIfNotExists();
  assert.ok(await storage.getChat(1));
});

check("getChat() gives undefined for a chat that is not there", async ({ storage }) => {
  assert.is(await storage.getChat(404), undefined);
});

check("getChat() gives the chat with what is known of it, and no key more", async ({ storage }) => {
  const user = { username: "testuser", first_name: "Test" };
  assert.is(await storage.saveChat(123456789, user), "created");
  assert.equal(await storage.getChat(123456789), {
    chat_id: 123456789,
    is_active: true,
    added_at: toIso(noon),
    last_active: toIso(noon),
    message_count: 0,
    user_info: user,
    removed_at: null,
  });
});

check("saveChat() says created, unchanged, reactivated", async ({ storage }) => {
  assert.is(await storage.saveChat(5, { username: "ada" }), "created");
  assert.is(await storage.saveChat(5, { username: "ada" }), "unchanged");
  assert.is(await storage.saveChat(5), "unchanged");
  await storage.deactivateChat(5);
  assert.is(await storage.saveChat(5), "reactivated");
  assert.is(await storage.saveChat(5), "unchanged");
  assert.is((await storage.getChat(5))?.is_active, true);
});

check(
  "saveChat() keeps added_at, last_active, the count and what it is not told",
  async ({ storage, clock }) => {
    await storage.apply(5, [message(1), message(2, noon + secondMs)]);
    await storage.saveChat(5, { username: "ada", first_name: "Ada" });
    clock.ms += dayMs;
    assert.is(await storage.saveChat(5, { username: "lovelace", first_name: "" }), "unchanged");
    const chat = await storage.getChat(5) as Chat;
    assert.is(chat.added_at, toIso(noon));
    assert.is(chat.last_active, toIso(noon + secondMs));
    assert.is(chat.message_count, 2);
    assert.equal(chat.user_info, { username: "lovelace", first_name: "Ada" });
  },
);

check("deactivateChat() says whether the chat was active, and makes none", async ({ storage, clock }) => {
  assert.is(await storage.deactivateChat(5), false);
  assert.is(await storage.getChat(5), undefined);
  await storage.saveChat(5);
  clock.ms += secondMs;
  assert.is(await storage.deactivateChat(5), true);
  assert.is(await storage.deactivateChat(5), false);
  const chat = await storage.getChat(5) as Chat;
  assert.is(chat.is_active, false);
  assert.is(chat.removed_reason, "stopped");
  assert.is(chat.removed_at, toIso(noon + secondMs));
  assert.is(chat.last_active, toIso(noon));
});

check("reactivateChat() says whether the chat was inactive, and makes none", async ({ storage }) => {
  assert.is(await storage.reactivateChat(5), false);
  assert.is(await storage.getChat(5), undefined);
  await storage.saveChat(5);
  assert.is(await storage.reactivateChat(5), false);
  await storage.apply(5, [message(1, noon, "stop")]);
  assert.is(await storage.reactivateChat(5), true);
  assert.is(await storage.reactivateChat(5), false);
  const chat = await storage.getChat(5) as Chat;
  assert.is(chat.is_active, true);
  assert.is(chat.removed_at, null);
  assert.not("removed_reason" in chat && chat.removed_reason);
});

check("apply() says what was before and is after, and writes nothing for nothing", async ({ storage }) => {
  const nothing = { before: undefined, after: undefined };
  assert.equal(await storage.apply(5, []), nothing);
  for (const belief of [undefined, "absent", "active"] as const) {
    assert.equal(await storage.apply(5, [message(1, noon, "stop")], belief), nothing);
    assert.equal(await storage.apply(5, [{ kind: "removed", at: noon, reason: "left" }], belief), nothing);
    assert.equal(await storage.apply(5, [{ kind: "migrated", at: noon, to: -1 }], belief), nothing);
  }
  assert.is(await storage.getChat(5), undefined);
  const first = await storage.apply(5, [message(2, noon, "start"), message(3)]);
  assert.is(first.before, undefined);
  assert.is(first.after?.message_count, 2);
  const second = await storage.apply(5, [message(3), message(4, noon, "stop")]);
  assert.is(second.before?.is_active, true);
  assert.is(second.before?.message_count, 2);
  assert.is(second.after?.is_active, false);
  assert.is(second.after?.message_count, 3);
});

check("apply() is right whatever the chat was taken for", async ({ storage }) => {
  for (const belief of [undefined, "absent", "active"] as const) {
    const base = 10 * ["undefined", "absent", "active"].indexOf(String(belief));
    for (const [offset, prepare] of [[1, "none"], [2, "active"], [3, "stopped"]] as const) {
      const id = base + offset;
      if (prepare !== "none") await storage.saveChat(id);
      if (prepare === "stopped") await storage.deactivateChat(id);
      const { before, after } = await storage.apply(id, [message(7)], belief);
      assert.is(before?.is_active, { none: undefined, active: true, stopped: false }[prepare]);
      assert.is(after?.is_active, prepare !== "stopped");
      const chat = await storage.getChat(id);
      assert.is(chat?.is_active, prepare !== "stopped", `${prepare}, believed ${belief}`);
      assert.is(chat?.message_count, 1);
    }
  }
});

check(
  "apply() counts a message that has no update id each time, and never moves last_active back",
  async (scene) => {
    const { storage } = scene;
    await storage.apply(5, [message(1, noon + 60 * secondMs)]);
    for (const belief of ["active", undefined] as const) {
      await storage.apply(5, [{ kind: "message", at: noon }], belief);
      assert.is((await storage.getChat(5))?.last_active, toIso(noon + 60 * secondMs), `believed ${belief}`);
    }
    assert.is((await storage.getChat(5))?.message_count, 3);
  },
);

check(
  "every method refuses what can be no chat id, before anything is sent",
  async ({ storage, requests }) => {
    const methods: [string, (id: number) => Promise<unknown>][] = [
      ["saveChat", (id) => storage.saveChat(id)],
      ["deactivateChat", (id) => storage.deactivateChat(id)],
      ["reactivateChat", (id) => storage.reactivateChat(id)],
      ["getChat", (id) => storage.getChat(id)],
      ["apply", (id) => storage.apply(id, [message(1)])],
      ["migrateChat from", (id) => migrateChat(storage, id, -1001, noon)],
      ["migrateChat to", (id) => migrateChat(storage, -5, id, noon)],
    ];
    const sent = requests();
    for (const [method, call] of methods) {
      for (const id of unusableIds) {
        const error = await failureOf(call(id as number));
        assert.ok(error instanceof TypeError, `${method}(${String(id)}): ${error.message}`);
        assert.match(error.message, /"chatId" must be a whole number of up to 52 bits/);
      }
    }
    assert.is(requests(), sent);
  },
);

check("chat ids of up to 52 bits and either sign are kept apart and exact", async ({ storage }) => {
  const ids = [1, -1, 2 ** 52 - 1, 1 - 2 ** 52, -1001234567890, 1001234567890, 2 ** 31, 2 ** 32 + 1];
  for (const id of ids) assert.is(await storage.saveChat(id), "created");
  assert.equal([...await storage.loadActiveChats()].sort(), [...ids].sort());
  for (const id of ids) assert.is((await storage.getChat(id))?.chat_id, id);
});

check("loadActiveChats() gives the active chats' ids", async ({ storage }) => {
  assert.equal(await storage.loadActiveChats(), new Set());
  for (const id of [1, 2, 3, -4]) await storage.saveChat(id);
  await storage.deactivateChat(2);
  const ids = await storage.loadActiveChats();
  assert.instance(ids, Set);
  assert.equal([...ids].sort(), [-4, 1, 3]);
});

check("loadActiveChats() tells which active chats have strikes", async ({ storage }) => {
  for (const id of [1, 2, 3, -4, 5]) await storage.saveChat(id);
  for (const id of [2, -4, 5]) await storage.apply(id, [unreached(), unreached()]);
  await storage.apply(5, [unreached()]);
  const told: number[] = [];
  const ids = await storage.loadActiveChats({ onStrikes: (chatId) => void told.push(chatId) });
  assert.equal([...ids].sort(), [-4, 1, 2, 3]);
  assert.equal(told.sort(), [-4, 2]);
});

check("loadActiveChats() tells who has brought which active chat in", async ({ storage }) => {
  const added = (addedBy: number): ChatEvent => ({
    kind: "returned",
    at: noon,
    updateId: 1,
    registers: true,
    addedBy,
  });
  await storage.apply(-1, [added(7)]);
  await storage.apply(-2, [added(8)]);
  await storage.apply(-2, [message(2, noon, "stop")]);
  await storage.apply(-3, [{ ...message(1), addedBy: 7 } as ChatEvent], "absent");
  await storage.saveChat(4);
  const told: string[] = [];
  await storage.loadActiveChats({
    onAdder: (chatId, adderId) => void told.push(`${chatId} by ${adderId}`),
  });
  assert.equal(told.sort(), ["-1 by 7", "-3 by 7"]);
  await migrateChat(storage, -1, -1001, noon);
  assert.is((await storage.getChat(-1001))?.added_by, 7);
});

const said = (
  updateId: number,
  kind: "start" | "stop" | "message",
  threadId?: number,
  registers = true,
): ChatEvent => ({
  ...{ kind, at: noon + updateId, updateId, registers },
  ...threadId === undefined ? {} : { threadId },
});

check("apply() keeps the topic of the last /start, and of what registers", async ({ storage }) => {
  for (const [index, belief] of ([undefined, "absent", "active"] as const).entries()) {
    const id = -1001 - index;
    const thread = async (event: ChatEvent): Promise<number | undefined> => {
      const { after } = await storage.apply(id, [event], belief);
      const { thread_id } = await storage.getChat(id) ?? {};
      assert.is(after?.thread_id, thread_id);
      return thread_id;
    };
    assert.is(await thread(said(1, "start", 17)), 17);
    assert.is(await thread(said(2, "message", 23)), 17);
    assert.is(await thread(said(3, "start", 23)), 23);
    assert.is(await thread(said(3, "start", 17)), 23, "it is told twice");
    assert.is(await thread(said(4, "start")), undefined);
    assert.not("thread_id" in (await storage.getChat(id) as Chat));
    assert.is(await thread(said(5, "start", 17)), 17);
    assert.is(await thread(said(6, "stop")), 17);
    assert.is(await thread(said(7, "message", 23)), 17, "it stays stopped");
    assert.is(await thread(said(8, "start", 0.5)), undefined, "there is no such topic");
    assert.is(await thread({ kind: "saved", at: noon }), undefined);
  }
  await storage.apply(-2001, [said(1, "message", 23)]);
  assert.is((await storage.getChat(-2001))?.thread_id, 23);
  await storage.apply(-2001, [{ kind: "removed", at: noon + 2, updateId: 2, reason: "left" }]);
  await storage.apply(-2001, [said(3, "message", 17)]);
  const { is_active, thread_id } = await storage.getChat(-2001) as Chat;
  assert.equal([is_active, thread_id], [true, 23], "what brings a chat back moves no topic");
});

check("loadActiveChats() tells which active chats have a topic", async ({ storage }) => {
  await storage.apply(-1001, [said(1, "start", 17)]);
  await storage.apply(-1002, [said(1, "start", 23), said(2, "stop", 23)]);
  await storage.apply(-1003, [said(1, "start")]);
  const told: unknown[] = [];
  await storage.loadActiveChats({ onThread: (...thread) => void told.push(thread) });
  assert.equal(told, [[-1001, 17]]);
});

check("a supergroup has no topic of its group's", async ({ storage }) => {
  await storage.apply(-5, [said(1, "start", 17)]);
  await migrateChat(storage, -5, -1005, noon + 2);
  const { is_active, thread_id } = await storage.getChat(-1005) as Chat;
  assert.equal([is_active, thread_id], [true, undefined]);
});

check("apply() keeps strikes, ends the chat at the third, and makes none", async ({ storage }) => {
  for (const belief of [undefined, "absent", "active"] as const) {
    const id = 1 + ["undefined", "absent", "active"].indexOf(String(belief));
    const nothing = { before: undefined, after: undefined };
    assert.equal(await storage.apply(id, [unreached()], belief), nothing);
    assert.equal(await storage.apply(id, [reached], belief), nothing);
    assert.is(await storage.getChat(id), undefined);
    await storage.saveChat(id);
    for (const count of [1, 2]) {
      const { after } = await storage.apply(id, [unreached()], belief);
      assert.equal([after?.is_active, after?.strikes], [true, count]);
      assert.is((await storage.getChat(id))?.strikes, count);
    }
    const { before, after } = await storage.apply(id, [unreached()], belief);
    assert.equal([before?.is_active, before?.strikes], [true, 2]);
    assert.equal([after?.is_active, after?.removed_reason], [false, "gone"]);
    const chat = await storage.getChat(id) as Chat;
    assert.equal([chat.removed_reason, chat.removed_at, chat.message_count], ["gone", toIso(noon), 0]);
    assert.not("strikes" in chat);
  }
});

check("apply() clears strikes by a message, whatever the chat was taken for", async ({ storage }) => {
  let chatId = 0;
  for (const belief of [undefined, "absent", "active"] as const) {
    for (
      const event of [
        message(9),
        message(9, noon, "start"),
        message(9, noon, "stop"),
        reached,
      ] as ChatEvent[]
    ) {
      const what = `${event.kind}, believed ${belief}`;
      await storage.saveChat(++chatId);
      await storage.apply(chatId, [unreached(), unreached()]);
      const { before, after } = await storage.apply(chatId, [event], belief);
      assert.equal([before?.strikes, after?.strikes], [2, undefined], what);
      assert.not("strikes" in (await storage.getChat(chatId) as Chat), what);
    }
  }
});

check("apply() keeps strikes through what the operator says of an active chat", async ({ storage }) => {
  await storage.saveChat(5, { username: "ada" });
  await storage.apply(5, [unreached(), unreached()]);
  for (const belief of [undefined, "absent", "active"] as const) {
    const saved = { kind: "saved", at: noon, userInfo: { username: String(belief) } } as const;
    await storage.apply(5, [saved], belief);
    await storage.apply(5, [{ kind: "reactivated", at: noon }], belief);
    assert.is((await storage.getChat(5))?.strikes, 2, String(belief));
  }
  await storage.deactivateChat(5);
  assert.not("strikes" in (await storage.getChat(5) as Chat));
  await storage.reactivateChat(5);
  assert.is((await storage.apply(5, [unreached()], "active")).after?.strikes, 1, "it begins anew");
});

check("migrateChat() hands over no strikes", async ({ storage }) => {
  await storage.saveChat(-5);
  await storage.apply(-5, [unreached(), unreached()]);
  await migrateChat(storage, -5, -1005, noon);
  assert.not("strikes" in (await storage.getChat(-1005) as Chat));
  assert.not("strikes" in (await storage.getChat(-5) as Chat));
});

check("getStatistics() counts nothing as zeros", async ({ storage }) => {
  assert.equal(await storage.getStatistics(), {
    totalChats: 0,
    activeChats: 0,
    inactiveChats: 0,
    totalMessages: 0,
    averageMessagesPerChat: 0,
    lastActiveByDay: new Array(30).fill(0),
  });
});

check("getStatistics() counts chats and messages", async ({ storage }) => {
  await storage.apply(1, [message(1), message(2), message(3)]);
  await storage.apply(2, [message(4, noon - dayMs), message(5, noon - dayMs, "stop")]);
  await storage.saveChat(3);
  await storage.saveChat(4);
  assert.equal(await storage.getStatistics(), {
    totalChats: 4,
    activeChats: 3,
    inactiveChats: 1,
    totalMessages: 5,
    averageMessagesPerChat: 1.25,
    lastActiveByDay: [...new Array(28).fill(0), 1, 3],
  });
});

check("getStatistics() counts by the day of last_active, for thirty days up to today", async (scene) => {
  const { storage, clock } = scene;
  const midnight = noon - 12 * 3_600_000;
  const times = [midnight, midnight - 1, midnight - 29 * dayMs, midnight - 29 * dayMs - 1, noon + dayMs];
  for (const [index, at] of times.entries()) {
    await storage.apply(index + 1, [message(index + 1, at, "start")]);
  }
  const { lastActiveByDay, totalChats } = await storage.getStatistics();
  assert.is(totalChats, 5);
  assert.equal(
    lastActiveByDay,
    [1, ...new Array(27).fill(0), 1, 1],
    "what is older or to come has no place",
  );
  clock.ms += dayMs;
  assert.equal((await storage.getStatistics()).lastActiveByDay.slice(-3), [1, 1, 1]);
});

check("scan() gives every chat once, as getChat() does", async ({ storage }) => {
  for (const id of [1, 2, 3]) await storage.saveChat(id, { user_id: id });
  const chats: Chat[] = [];
  for await (const page of storage.scan()) chats.push(...page);
  chats.sort((a, b) => a.chat_id - b.chat_id);
  assert.equal(chats, await Promise.all([1, 2, 3].map((id) => storage.getChat(id))));
});

check("cleanupInactiveChats() refuses a threshold that is not a finite number above 0", async (scene) => {
  const { storage, clock } = scene;
  await storage.saveChat(1);
  clock.ms += 400 * dayMs;
  const refused = [0, -0, -1, NaN, Infinity, -Infinity, "30", undefined, null];
  for (const days of refused) {
    const error = await failureOf(storage.cleanupInactiveChats({ daysThreshold: days as number }));
    assert.instance(error, RangeError);
    assert.match(error.message, /"daysThreshold" must be a finite number above 0/);
  }
  assert.is((await storage.getChat(1))?.is_active, true);
});

check("cleanupInactiveChats() ends what is older than the threshold, to the millisecond", async (scene) => {
  const { storage, clock } = scene;
  for (
    const [id, agoMs] of [[1, 30 * dayMs + 1], [2, 30 * dayMs], [3, 30 * dayMs - 1], [4, -dayMs]] as const
  ) {
    await storage.apply(id, [message(1, noon - agoMs)]);
  }
  await storage.apply(5, [message(1, noon - 90 * dayMs), message(2, noon - 90 * dayMs, "stop")]);
  clock.ms = noon;
  const stale: number[] = [];
  for await (const page of storage.scanStaleChats({ daysThreshold: 30 })) {
    stale.push(...page.map(({ chat_id }) => chat_id));
  }
  assert.equal(stale, [1], "scanStaleChats() tells whom, and touches nobody");
  assert.is((await storage.getChat(1))?.is_active, true);
  assert.is(await storage.cleanupInactiveChats({ daysThreshold: 30 }), 1);
  assert.equal([...await storage.loadActiveChats()].sort(), [2, 3, 4]);
  const chat = await storage.getChat(1) as Chat;
  assert.is(chat.removed_reason, "inactive");
  assert.is(chat.removed_at, toIso(noon));
  assert.is(chat.message_count, 1);
  assert.is((await storage.getChat(5))?.removed_reason, "stopped");
  assert.is(await storage.cleanupInactiveChats({ daysThreshold: 30 }), 0);
  assert.is(await storage.cleanupInactiveChats({ daysThreshold: 0.001 }), 2);
});

check("cleanupInactiveChats() removes nothing from the storage", async ({ storage, clock }) => {
  for (let id = 1; id <= 30; id++) await storage.saveChat(id);
  clock.ms += 31 * dayMs;
  assert.is(await storage.cleanupInactiveChats({ daysThreshold: 30 }), 30);
  assert.is((await storage.getStatistics()).totalChats, 30);
});

check(
  "cleanupInactiveChats() spares a chat that wakes up between the read and the write",
  async (scene) => {
    const { storage, clock, interleave } = scene;
    await storage.saveChat(1);
    clock.ms += 31 * dayMs;
    interleave(() => storage.apply(1, [message(9, clock.ms)]));
    assert.is(await storage.cleanupInactiveChats({ daysThreshold: 30 }), 0);
    const chat = await storage.getChat(1);
    assert.is(chat?.is_active, true);
    assert.is(chat?.message_count, 1);
  },
);

check("migrateChat() moves standing, counts and added_at, and closes the group", async ({ storage }) => {
  await storage.apply(-5, [message(1, noon - dayMs), message(2, noon)]);
  await storage.saveChat(-5, { title: "Traders" });
  const moved = await migrateChat(storage, -5, -1005, noon + secondMs);
  assert.is(moved?.before, undefined);
  assert.is(moved?.after?.is_active, true);
  const chat = await storage.getChat(-1005) as Chat;
  assert.is(chat.is_active, true);
  assert.is(chat.message_count, 2);
  assert.is(chat.added_at, toIso(noon - dayMs));
  assert.is(chat.migrated_from, -5);
  assert.equal(chat.user_info, { title: "Traders" });
  const old = await storage.getChat(-5) as Chat;
  assert.is(old.is_active, false);
  assert.is(old.removed_reason, "migrated");
  assert.is(old.migrated_to, -1005);
  assert.equal(await storage.loadActiveChats(), new Set([-1005]));
});

check("migrateChat() may be said again, and resumed after either half", async ({ storage }) => {
  await storage.apply(-5, [message(1), message(2)]);
  const group = await storage.getChat(-5) as Chat;
  await storage.apply(-1005, [{ kind: "inherited", from: group, at: noon }]);
  await storage.apply(-1005, [message(3)]);
  await migrateChat(storage, -5, -1005, noon + secondMs);
  const after = [await storage.getChat(-5), await storage.getChat(-1005)];
  assert.is(after[0]?.removed_reason, "migrated");
  assert.is(after[1]?.message_count, 3);
  await migrateChat(storage, -5, -1005, noon + 2 * secondMs);
  await storage.apply(-1005, [{ kind: "inherited", from: group, at: noon }], "absent");
  await storage.apply(-5, [{ kind: "migrated", to: -1005, at: noon + dayMs }]);
  assert.equal([await storage.getChat(-5), await storage.getChat(-1005)], after);
});

check("migrateChat() of a chat nobody knows makes none", async ({ storage }) => {
  assert.is(await migrateChat(storage, -5, -1005, noon), undefined);
  assert.is((await storage.getStatistics()).totalChats, 0);
});

check("saveChat() refuses what is no user information, and keeps nothing of it", async ({ storage }) => {
  const odd: unknown[] = [null, "ada", [], { a: new Date() }, { a: NaN }, { a: {} }, { a: 2 ** 53 }, {
    a: () => 1,
  }];
  for (const userInfo of odd) {
    const error = await failureOf(storage.saveChat(5, userInfo as Record<string, string>));
    assert.instance(error, TypeError, String(userInfo));
    assert.match(error.message, /^Cannot save the chat as "userInfo/);
  }
  assert.is(await storage.getChat(5), undefined);
});

check("migrateChat() holds a /stop said in the group or in the supergroup", async ({ storage }) => {
  await storage.apply(-5, [message(1), message(2, noon, "stop")]);
  await migrateChat(storage, -5, -1005, noon);
  assert.is((await storage.getChat(-1005))?.removed_reason, "stopped");
  await storage.apply(-6, [message(1), message(2, noon, "stop")]);
  await storage.apply(-1006, [message(3)]);
  await migrateChat(storage, -6, -1006, noon);
  assert.is((await storage.getChat(-1006))?.removed_reason, "stopped");
  await storage.apply(-7, [message(1)]);
  await storage.apply(-1007, [message(2), message(3, noon, "stop")]);
  await migrateChat(storage, -7, -1007, noon);
  assert.is((await storage.getChat(-1007))?.removed_reason, "stopped");
  assert.equal(await storage.loadActiveChats(), new Set());
});

check("migrateChat() holds a /stop that the group says while it is being moved", async (scene) => {
  const { storage, interleave } = scene;
  await storage.apply(-5, [message(1)]);
  interleave(() => storage.apply(-5, [message(2, noon, "stop")], "active"));
  await migrateChat(storage, -5, -1005, noon);
  assert.is((await storage.getChat(-5))?.message_count, 2);
  assert.equal(await storage.loadActiveChats(), new Set(), "the /stop of the group is lost");
});

check(
  "apply() holds a /stop that later messages have overtaken, once, whatever the chat was taken for",
  async (scene) => {
    const { storage } = scene;
    const batches: readonly (readonly ChatEvent[])[] = [
      [message(3, noon, "stop")],
      [message(5), message(3, noon, "stop")],
      [message(6), message(3, noon, "stop"), message(7)],
      [message(3, noon, "stop"), message(4), message(3, noon, "stop")],
    ];
    let chatId = 0;
    for (const belief of [undefined, "absent", "active"] as const) {
      for (const batch of batches) {
        const what = `${JSON.stringify(batch)}, believed ${belief}`;
        await storage.apply(++chatId, [message(1, noon, "start"), message(5)]);
        const { after } = await storage.apply(chatId, batch, belief);
        const chat = await storage.getChat(chatId) as Chat;
        assert.equal([after?.is_active, chat.is_active], [false, false], what);
        assert.is(
          chat.message_count,
          3 + batch.filter((event) => (event as { updateId: number }).updateId > 5).length,
        );
        assert.equal([chat.last_word_update_id, chat.last_update_id], [
          3,
          Math.max(5, batch.length === 3 && batch[2]?.kind === "message" ? 7 : 5),
        ]);
        const again = await storage.apply(chatId, batch, belief);
        assert.equal(again.after, again.before, what);
        await storage.apply(chatId, [message(20, noon, "start"), message(21)], belief);
        await storage.apply(chatId, batch, "active");
        assert.is((await storage.getChat(chatId))?.is_active, true, "it undoes no later /start");
      }
    }
  },
);

check("apply() by many at once counts each update once", async ({ storage }) => {
  const stream = Array.from({ length: 12 }, (_, index) => message(index + 1, noon + index * secondMs));
  await Promise.all([1, 2, 3, 5, 12].map(async (size, writer) => {
    for (let from = 0; from < stream.length; from += size) {
      const belief = ([undefined, "absent", "active"] as const)[writer % 3];
      await storage.apply(8, stream.slice(from, from + size), belief);
    }
  }));
  const chat = await storage.getChat(8) as Chat;
  assert.is(chat.message_count, 12);
  assert.is(chat.last_update_id, 12);
  assert.is(chat.last_active, toIso(noon + 11 * secondMs));
});

/** Registers the contract as a suite of its own. */
export function storageContract(name: string, make: Make, close: () => Promise<void>): void {
  const test = suite(`${name}: the contract of storages`, {}, 10_000);
  for (const [title, body] of checks) {
    test(title, async () => {
      const clock = new TestClock(noon);
      const logger = new TestLogger();
      const subject = await make({ clock, logger });
      await body({ ...subject, clock, logger });
      subject.storage.close();
    });
  }
  test.after(close);
  test.run();
}
