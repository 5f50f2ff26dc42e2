/** Updates that overtake each other: at a webhook, or around a group's move to its supergroup. */
import fc from "fast-check";
import type { Update } from "grammy/types";
import { fold, isMessage } from "../../lib/chats/chat.ts";
import type { Chat, ChatEvent, ChatState } from "../../lib/chats/events.ts";
import { migrateChat } from "../../lib/chats/storage.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { assert, suite } from "../harness.ts";
import type { BotOptions } from "../../lib/bot/options.ts";
import { said, withBot } from "../support/bot.ts";

const noon = Date.UTC(2026, 0, 1, 12);

const rule = suite("the consent rule: updates that overtake each other");

/** What a person does, in Telegram's order: words, some with a block and an unblock after them; at last a /stop or a block. */
const lives = fc.record({
  words: fc.array(fc.tuple(fc.constantFrom("start", "message"), fc.boolean()), {
    minLength: 1,
    maxLength: 5,
  }),
  end: fc.constantFrom("stop", "removed", "nothing"),
  secondsEach: fc.constantFrom(0, 1, 7),
}).map(({ words, end, secondsEach }) => {
  const kinds = words.flatMap(([kind, isBlocked]) => [kind, ...isBlocked ? ["removed", "returned"] : []]);
  return [...kinds, ...end === "nothing" ? [] : [end]].map((kind, index) => ({
    ...{ kind, updateId: 10 + index, at: noon + index * secondsEach * 1000, registers: true },
    ...kind === "removed" && { reason: "blocked", isKept: true },
  })) as ChatEvent[];
});

/** One list of two, each in its own order. */
function interleaved(
  one: readonly ChatEvent[],
  other: readonly ChatEvent[],
  turns: Iterator<boolean>,
): ChatEvent[] {
  const [rest, queue] = [[...one], [...other]];
  const all: ChatEvent[] = [];
  while (rest.length + queue.length > 0) {
    const isFirst = queue.length === 0 || (rest.length > 0 && turns.next().value === true);
    all.push((isFirst ? rest : queue).shift() as ChatEvent);
  }
  return all;
}

function standingOf(chat: ChatState | undefined): unknown {
  return [chat?.is_active, chat?.removed_reason, chat?.message_count];
}

rule("messages and blocks of a person come to the same standing and count, whichever overtake which", () => {
  fc.assert(
    fc.property(lives, fc.infiniteStream(fc.boolean()), (events, turns) => {
      const [words, members] = [events.filter(isMessage), events.filter((event) => !isMessage(event))];
      const order = interleaved(words, members, turns);
      const [expected, actual] = [fold(undefined, events), fold(undefined, order)];
      assert.equal(standingOf(actual), standingOf(expected), JSON.stringify(order));
      assert.equal(fold(actual, order), actual, "all of it is held");
    }),
    { numRuns: 3000 },
  );
});

rule("a message that a block has overtaken registers its chat as if it had come first", () => {
  const start: ChatEvent = { kind: "start", at: noon, updateId: 10, userInfo: { username: "ada" } };
  const block: ChatEvent = { kind: "removed", reason: "blocked", at: noon, updateId: 11, isKept: true };
  const later: ChatEvent = { kind: "message", at: noon + 1000, updateId: 13, registers: true };
  assert.equal(fold(undefined, [block, start]), fold(undefined, [start, block]));
  assert.is(fold(undefined, [block, start])?.removed_reason, "blocked");
  assert.is(fold(undefined, [block, later])?.is_active, true);
  assert.is(fold(undefined, [{ ...block, isKept: false } as ChatEvent]), undefined);
  // A /stop of an unknown chat changes nothing, in whatever order.
  const stop: ChatEvent = { kind: "stop", at: noon, updateId: 9 };
  assert.equal(fold(undefined, [block, stop, start]), fold(undefined, [stop, start, block]));
});

rule("a /stop that has overtaken its group's move holds in the supergroup, and counts", async () => {
  const storage = new InMemoryChatStorage();
  await storage.apply(-5, [{ kind: "start", at: noon, updateId: 10 }]);
  await storage.apply(-1005, [{ kind: "stop", at: noon + 5000, updateId: 12, isKept: true }]);
  await migrateChat(storage, -5, -1005, noon + 6000);
  const { is_active, removed_reason, message_count, added_at } = await storage.getChat(-1005) ?? {};
  assert.equal([is_active, removed_reason, message_count], [false, "stopped", 2]);
  assert.is(added_at, new Date(noon).toISOString());
});

rule(
  "a /stop that a group says while its move is broken off holds in the supergroup, until its next /start",
  async () => {
    for (const isRestarted of [false, true]) {
      const storage = new InMemoryChatStorage();
      await storage.apply(-5, [{ kind: "start", at: noon, updateId: 10 }]);
      const stop: ChatEvent = { kind: "stop", at: noon + 1000, updateId: 12 };
      if (isRestarted) await storage.apply(-5, [stop]);
      // The first half; then the process dies, and what it has not confirmed comes again.
      const from = await storage.getChat(-5) as Chat;
      await storage.apply(-1005, [{ kind: "inherited", from, at: noon + 6000 }]);
      if (isRestarted) await storage.apply(-1005, [{ kind: "start", at: noon + 7000, updateId: 15 }]);
      else await storage.apply(-5, [stop]);
      await migrateChat(storage, -5, -1005, noon + 8000);
      const { is_active, removed_reason } = await storage.getChat(-1005) ?? {};
      assert.equal([is_active, removed_reason], isRestarted ? [true, undefined] : [false, "stopped"]);
      assert.is((await storage.getChat(-5))?.removed_reason, "migrated");
    }
  },
);

rule(
  "a group's /stop that its supergroup has taken over does not count again when the move goes on",
  async () => {
    const storage = new InMemoryChatStorage();
    await storage.apply(-5, [{ kind: "start", at: noon, updateId: 10 }]);
    await storage.apply(-5, [{ kind: "stop", at: noon + 1000, updateId: 12 }]);
    await storage.apply(-1005, [{ kind: "message", at: noon + 500, updateId: 11, registers: true }]);
    const from = await storage.getChat(-5) as Chat;
    await storage.apply(-1005, [{ kind: "inherited", from, at: noon + 6000 }]);
    assert.is((await storage.getChat(-1005))?.removed_reason, "stopped");
    await storage.reactivateChat(-1005);
    await migrateChat(storage, -5, -1005, noon + 8000);
    assert.is((await storage.getChat(-1005))?.is_active, true);
  },
);

rule(
  "a group's /stop holds that arrives when a message has registered its supergroup, and after the move",
  async () => {
    for (const kind of ["message", "start"] as const) {
      const storage = new InMemoryChatStorage();
      await storage.apply(-5, [{ kind: "message", at: noon, updateId: 10, registers: true }]);
      await storage.apply(-1005, [{ kind, at: noon + 6000, updateId: 15, registers: true, isKept: true }]);
      await migrateChat(storage, -5, -1005, noon + 6000);
      await storage.apply(-1005, [{ kind: "stop", at: noon + 1000, updateId: 12 }]);
      const { is_active, message_count } = await storage.getChat(-1005) ?? {};
      assert.equal([is_active, message_count], kind === "message" ? [false, 3] : [true, 2], kind);
    }
  },
);

rule(
  "a group's /stop holds in a supergroup that the bot's addition has registered, and that has said something",
  () => {
    const returned: ChatEvent = {
      ...{ kind: "returned", at: noon + 6000, updateId: 15, registers: true },
      isKept: true,
    };
    const said: ChatEvent = { kind: "message", at: noon + 7000, updateId: 16, registers: true, isKept: true };
    const stop: ChatEvent = { kind: "stop", at: noon + 1000, updateId: 12, isKept: true };
    const chat = fold(undefined, [returned, said, stop]);
    assert.equal([chat?.removed_reason, chat?.message_count], ["stopped", 2]);
  },
);

rule(
  "a group's /start or /stop that comes again after the move does not count again, whatever had registered the supergroup",
  async () => {
    const registrations = ["message", "stop", "returned"] as const;
    for (const [kind, word] of registrations.flatMap((kind) => [[kind, "start"], [kind, "stop"]] as const)) {
      const storage = new InMemoryChatStorage();
      const said: ChatEvent[] = [
        { kind: "start", at: noon, updateId: 10 },
        { kind: word, at: noon + 1000, updateId: 12 },
      ];
      await storage.apply(-5, said);
      await storage.apply(-1005, [{ kind, at: noon + 6000, updateId: 15, registers: true, isKept: true }]);
      await migrateChat(storage, -5, -1005, noon + 7000);
      const moved = await storage.getChat(-1005);
      assert.is(moved?.message_count, kind === "returned" ? 2 : 3);
      await storage.apply(-1005, said);
      assert.equal(await storage.getChat(-1005), moved, `${word} after ${kind}`);
      // What was under way still counts.
      await storage.apply(-1005, [{ kind: "stop", at: noon + 2000, updateId: 13 }]);
      const { removed_reason, message_count } = await storage.getChat(-1005) ?? {};
      const counted = kind === "stop" ? 3 : (moved?.message_count ?? 0) + 1;
      assert.equal([removed_reason, message_count], ["stopped", counted], `/stop after ${kind}`);
    }
  },
);

rule("a supergroup heeds no id that its group has had long before the move", async () => {
  const storage = new InMemoryChatStorage();
  const now = noon + 8 * 24 * 60 * 60 * 1000;
  await storage.apply(-5, [{ kind: "start", at: noon, updateId: 900 }]);
  await storage.apply(-1005, [{ kind: "returned", at: now, updateId: 5, registers: true }]);
  await migrateChat(storage, -5, -1005, now);
  await storage.apply(-1005, [{ kind: "message", at: now, updateId: 6, registers: true }]);
  assert.is((await storage.getChat(-1005))?.message_count, 2);
});

rule.run();

const bots = suite("a bot whose updates overtake each other");

bots("a block that a webhook delivers before the chat's first message holds, on any instance", async () => {
  await withBot(async ({ bot, server, item, another }) => {
    const person = server.user();
    const other = another();
    const hear = async (to: typeof bot, update_id: number, text: string): Promise<void> => {
      const message = server.unheard(() => person.say(text));
      await to.handleUpdate({ update_id, message } as Update);
    };
    const { chat, user: from } = person;
    const [date, new_chat_member] = [Math.floor(Date.now() / 1000), { status: "kicked" }];
    await bot.handleUpdate(
      { update_id: 11, my_chat_member: { chat, from, date, new_chat_member } } as Update,
    );
    await hear(other, 10, "/start");
    const { removed_reason, message_count, added_at } = await item(person) ?? {};
    assert.equal([removed_reason, message_count], [{ S: "blocked" }, { N: "1" }]);
    assert.ok(added_at);
    assert.is((await bot.broadcast("signal")).recipients, 0);
    await hear(bot, 13, "hello");
    assert.equal((await item(person))?.["is_active"], { BOOL: true });
  }, { state: "initialized" });
});

bots("a block of a chat that may not be registered is not kept", async () => {
  const limits: Partial<BotOptions>[] = [{ allowedUsers: [4711] }, { chatTypes: ["group"] }];
  for (const bot of limits) {
    await withBot(async ({ bot, server, table }) => {
      const { chat, user: from } = server.user();
      const [date, new_chat_member] = [Math.floor(Date.now() / 1000), { status: "kicked" }];
      const my_chat_member = { chat, from, date, new_chat_member };
      await bot.handleUpdate({ update_id: 11, my_chat_member } as Update);
      assert.is(await table.size(), 0);
    }, { bot, state: "initialized" });
  }
});

bots(
  "a /stop in a supergroup that is heard before the move holds, and nobody is welcomed after it",
  async () => {
    await withBot(async ({ bot, server, settled, item }) => {
      const boss = server.user();
      const group = server.group({ title: "Desk", administrators: [boss] });
      group.say(boss, "/start");
      await settled();
      const supergroup = server.unheard(() => group.migrate());
      supergroup.say(boss, "/stop");
      await settled();
      const told = { message_id: 900, date: Math.floor(Date.now() / 1000), from: boss.user };
      server.push({ message: { ...told, chat: supergroup.chat, migrate_from_chat_id: group.chatId } });
      supergroup.say(boss, "hello");
      await settled();
      const { removed_reason, message_count } = await item(supergroup) ?? {};
      assert.equal([removed_reason, message_count], [{ S: "stopped" }, { N: "3" }]);
      assert.equal(said(supergroup), ["This chat is not subscribed. /start subscribes it."]);
      assert.is((await bot.broadcast("signal")).recipients, 0);
    });
  },
);

bots(
  "a group's /stop holds that comes after its supergroup's registration, a message and the move",
  async () => {
    await withBot(async ({ bot, server, item }) => {
      const boss = server.user();
      const group = server.group({ title: "Desk", administrators: [boss] });
      const start = server.unheard(() => group.say(boss, "/start"));
      await bot.handleUpdate({ update_id: 10, message: start } as Update);
      const stop = server.unheard(() => group.say(boss, "/stop"));
      const supergroup = server.unheard(() => group.migrate());
      const date = Math.floor(Date.now() / 1000);
      const added = { from: boss.user, date, new_chat_member: { status: "member" }, chat: supergroup.chat };
      await bot.handleUpdate({ update_id: 15, my_chat_member: added } as Update);
      const hello = server.unheard(() => supergroup.say(boss, "hello"));
      await bot.handleUpdate({ update_id: 16, message: hello } as Update);
      const move = {
        ...{ message_id: 900, date, from: boss.user, chat: group.chat },
        migrate_to_chat_id: supergroup.chatId,
      };
      await bot.handleUpdate({ update_id: 13, message: move } as Update);
      assert.equal((await item(supergroup))?.["is_active"], { BOOL: true });
      await bot.handleUpdate({ update_id: 12, message: stop } as Update);
      const { removed_reason, message_count } = await item(supergroup) ?? {};
      assert.equal([removed_reason, message_count], [{ S: "stopped" }, { N: "3" }]);
      assert.is((await bot.broadcast("signal")).recipients, 0);
    }, { state: "initialized" });
  },
);

bots.run();
