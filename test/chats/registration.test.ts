/** What strangers can register: chats of which types, and how many groups and channels each of them. */
import type { Update } from "grammy/types";
import { AdderCounts } from "../../lib/chats/registration.ts";
import type { LocalUser } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { said, type Scene, until, withBot } from "../support/bot.ts";

const tooMany =
  "I cannot subscribe this group: whoever has added me is in as many groups and channels with me " +
  "already as one person may be.";
const wrongType = "This bot sends no signals to chats of this type, so I cannot subscribe this one.";
const welcome = "Welcome! You are subscribed.";

const test = suite("what strangers can register", {}, 60_000);

async function activeOf({ table }: Scene): Promise<number> {
  return (await table.storage().loadActiveChats()).size;
}

test("a person brings in as many groups and channels as chatsPerAdder allows, and no more", async () => {
  await withBot(async (scene) => {
    const { server, settled, item, gate } = scene;
    const [crowd, other] = [server.user(), server.user()];
    const groups = Array.from(
      { length: 8 },
      (_, index) =>
        index % 2 === 0
          ? server.group({ title: `Group ${index}`, administrators: [crowd], bot: "left" })
          : server.channel({ title: `Channel ${index}`, administrators: [crowd], bot: "left" }),
    );
    for (const group of groups) group.addBot(crowd);
    await settled();
    assert.is(await activeOf(scene), 3);
    for (const [index, group] of groups.entries()) {
      assert.is((await item(group)) !== undefined, index < 3, `chat ${index}`);
      const inGroup = index < 3 ? [welcome] : [tooMany];
      assert.equal(
        said(group),
        index % 2 === 0 ? inGroup : [],
        "a channel is told nothing publicly",
      );
    }
    assert.equal((await item(groups[0] as never))?.["added_by"], { N: String(crowd.chatId) });
    // Whoever writes there has not brought it in; what is not registered is not asked for again, either.
    gate.resetCounts();
    const group = groups[4] as ReturnType<typeof server.group>;
    const channel = groups[5] as ReturnType<typeof server.channel>;
    for (let count = 0; count < 5; count++) {
      group.say(other, "hello");
      channel.post("news");
      await settled();
    }
    assert.is(await activeOf(scene), 3);
    assert.is(gate.count("UpdateItem"), 0);
    assert.ok(gate.count("GetItem") <= 2, `${gate.count("GetItem")} reads`);
    assert.equal(said(group), [tooMany], "it is told once");
    // People's own chats never count, and another person has places of their own.
    crowd.say("/start");
    group.setMember(other, "administrator");
    group.say(other, "/start");
    await settled();
    assert.equal(said(crowd), [welcome]);
    assert.equal(said(group), [tooMany, welcome]);
    assert.equal((await item(group))?.["added_by"], { N: String(other.chatId) });
  }, { bot: { chatsPerAdder: 3 } });
});

test("a place is free again once the bot is removed, and the count outlives a restart", async () => {
  await withBot(async (scene) => {
    const { bot, server, settled, another, item } = scene;
    const person = server.user();
    const [one, two, three] = [1, 2, 3].map((title) =>
      server.group({ title: `${title}`, administrators: [person], bot: "left" })
    ) as [ReturnType<typeof server.group>, ReturnType<typeof server.group>, ReturnType<typeof server.group>];
    one.addBot(person);
    await settled();
    await bot.stopBot();
    await another().startBot();
    two.addBot(person);
    await settled();
    assert.equal(said(two), [tooMany]);
    one.removeBot(person);
    await settled();
    three.addBot(person);
    await settled();
    assert.equal(said(three), [welcome]);
    one.addBot(person);
    await settled();
    assert.equal((await item(one))?.["is_active"], { BOOL: false }, "it is not reactivated, either");
    assert.is(said(one).at(-1), tooMany);
  }, { bot: { chatsPerAdder: 1 } });
});

test("a group keeps who brought it in as it becomes a supergroup", async () => {
  await withBot(async ({ server, settled, item }) => {
    const person = server.user();
    const group = server.group({ title: "Desk", administrators: [person], bot: "left" });
    group.addBot(person);
    await settled();
    const supergroup = group.migrate();
    await settled();
    assert.equal((await item(supergroup))?.["added_by"], { N: String(person.chatId) });
    const second = server.group({ title: "Second", administrators: [person], bot: "left" });
    second.addBot(person);
    await settled();
    assert.equal(said(second), [tooMany]);
  }, { bot: { chatsPerAdder: 1 } });
});

test("chats that the owner allows by their ids count for nobody; Infinity is no limit", async () => {
  const ids = [-4001, -4002, -4003];
  for (const bot of [{ allowedUsers: ids, chatsPerAdder: 1 }, { chatsPerAdder: Infinity }]) {
    await withBot(async ({ server, settled, item }) => {
      const person = server.user();
      for (const id of ids) {
        server.group({ title: `${id}`, administrators: [person], bot: "left", id }).addBot(person);
      }
      await settled();
      for (const id of ids) assert.equal((await item(id))?.["is_active"], { BOOL: true });
    }, { bot });
  }
});

test("an anonymous administrator is nobody of whom there is a count", async () => {
  await withBot(async ({ server, settled, item }) => {
    const person = server.user();
    const groups = [1, 2, 3].map((title) => server.group({ title: `${title}`, administrators: [person] }));
    for (const group of groups) group.sayAnonymously("/start");
    await settled();
    for (const group of groups) {
      assert.equal((await item(group))?.["is_active"], { BOOL: true });
      assert.is((await item(group))?.["added_by"], undefined);
    }
  }, { bot: { chatsPerAdder: 1 } });
});

test("chatTypes: others are not registered, are told once, and a channel is left alone", async () => {
  await withBot(async (scene) => {
    const { bot, server, settled, item } = scene;
    const person = server.user();
    const group = server.group({ title: "Desk", administrators: [person], bot: "left" });
    const channel = server.channel({ title: "News", administrators: [person], bot: "left" });
    group.addBot(person);
    channel.addBot(person);
    group.say(person, "hello");
    group.say(person, "/start");
    channel.post("/start");
    person.say("/start");
    await settled();
    assert.equal([await item(group), await item(channel)], [undefined, undefined]);
    assert.equal([said(group), said(channel), said(person)], [[wrongType], [], [welcome]]);
    assert.is((await bot.broadcast("signal")).sent, 1);
  }, { bot: { chatTypes: ["private"] } });
});

test("a chat of another type that is registered stays so, is greeted, and may end it", async () => {
  const id = -4711;
  await withBot(async ({ bot, server, settled, item }) => {
    const person = server.user();
    const group = server.group({ title: "Desk", administrators: [person], id });
    group.say(person, "/start");
    await settled();
    assert.is((await bot.broadcast("signal")).sent, 1);
    group.say(person, "/stop");
    await settled();
    assert.equal((await item(group))?.["removed_reason"], { S: "stopped" });
    group.say(person, "/start");
    group.say(person, "hello");
    await settled();
    assert.equal((await item(group))?.["is_active"], { BOOL: false });
    assert.equal((await item(group))?.["message_count"], { N: "4" }, "what is known is counted");
    assert.equal(said(group).slice(2), ["You are unsubscribed.", wrongType]);
  }, {
    bot: { chatTypes: ["private", "channel"] },
    before: ({ table }) => table.storage().saveChat(id),
  });
});

test("a channel's room for direct messages is not registered, counted or answered", async () => {
  await withBot(async ({ server, settled, gate }) => {
    const chat = { id: -1_009_000_000_001, type: "supergroup", title: "News", is_direct_messages: true };
    const from = server.user().user;
    gate.resetCounts();
    const date = Math.floor(Date.now() / 1000);
    server.push({ message: { message_id: 1, date, chat, from, text: "/start" } });
    server.push({
      my_chat_member: { chat, from, date, new_chat_member: { status: "administrator", user: server.bot } },
    });
    await settled();
    assert.is(gate.requests, 0);
    assert.equal(
      server.calls.filter(({ method }) => method === "sendMessage" || method === "getChatAdministrators"),
      [],
    );
  });
});

test("a hundred strangers of a private bot say /stop twenty times each: one read and one reply for each", async () => {
  for (const way of ["polled", "by a webhook"]) {
    await withBot(async ({ bot, server, settled, gate }) => {
      const strangers = Array.from({ length: 100 }, () => server.user());
      gate.resetCounts();
      let updateId = 900_000_000;
      for (let round = 0; round < 20; round++) {
        if (way === "polled") { for (const stranger of strangers) stranger.say("/stop"); }
        else {
          const updates = strangers.map((stranger) => ({
            update_id: ++updateId,
            ...server.unheard(() => ({ message: stranger.say("/stop") })),
          }));
          await Promise.all(updates.map((update) => bot.handleUpdate(update as Update)));
        }
      }
      await settled();
      // One each; on a slow machine the SDK repeats some.
      assert.ok(gate.count("GetItem") <= 200, `${way}: ${gate.count("GetItem")} reads`);
      assert.is(gate.count("UpdateItem"), 0);
      for (const stranger of strangers) {
        assert.equal(said(stranger), ["This chat is not subscribed. /start subscribes it."], way);
      }
    }, { bot: { allowedUsers: [4711] }, state: way === "polled" ? "started" : "initialized" });
  }
});

test("a stranger's /stop that could not be kept is heard again when it comes again", async () => {
  await withBot(async ({ bot, server, gate }) => {
    const stranger = server.user();
    const message = server.unheard(() => stranger.say("/stop"));
    const update = { update_id: 900_000_001, message } as Update;
    gate.deny("GetItem");
    const failed = await bot.handleUpdate(update).then(() => false, () => true);
    assert.ok(failed);
    gate.clear();
    await bot.handleUpdate(update);
    await until(() => said(stranger).length === 1, "it is not answered");
  }, { bot: { allowedUsers: [4711] }, state: "initialized" });
});

test("a stranger that is allowed at last is heard, and its /stop holds", async () => {
  const allowed = new Set<number>();
  await withBot(async ({ server, settled, item }) => {
    const user: LocalUser = server.user();
    for (const text of ["/stop", "/stop"]) user.say(text);
    await settled();
    allowed.add(user.chatId);
    for (const text of ["/start", "/stop"]) user.say(text);
    await settled();
    assert.equal(said(user), [
      "This chat is not subscribed. /start subscribes it.",
      welcome,
      "You are unsubscribed.",
    ]);
    assert.equal((await item(user))?.["removed_reason"], { S: "stopped" });
  }, { bot: { authorize: ({ from }) => allowed.has(from?.id ?? 0) } });
});

test("Telegram is not asked for the administrators of groups that may not use the bot", async () => {
  const known = -4711;
  await withBot(async ({ server, settled, item }) => {
    const person = server.user();
    const groups = [1, 2].map((title) => server.group({ title: `${title}`, administrators: [person] }));
    for (const group of groups) for (const text of ["/stop", "/start", "/stop"]) group.say(person, text);
    await settled();
    const asked = (): number =>
      server.calls.filter(({ method }) => method === "getChatAdministrators").length;
    assert.is(asked(), 0);
    for (const group of groups) assert.is(said(group).length, 1);
    const member = server.user();
    const former = server.group({ title: "Former", administrators: [person], members: [member], id: known });
    former.say(member, "/stop");
    await settled();
    assert.equal((await item(former))?.["is_active"], { BOOL: true }, "a member may not end it");
    former.say(person, "/stop");
    await settled();
    assert.equal((await item(former))?.["removed_reason"], { S: "stopped" }, "an administrator may");
  }, {
    bot: { allowedUsers: [4711] },
    before: ({ table }) => table.storage().saveChat(known),
  });
});

test.run();

const adders = suite("Adders");
const active = (): boolean => true;
const person = 7;

adders("who is expected counts until it is kept, as somebody else's perhaps", () => {
  const known = new AdderCounts();
  for (const chatId of [-1, -2, -3]) known.expect(chatId, person);
  assert.is(known.countBeside(-9, person, () => false), 3);
  assert.is(known.countBeside(-3, person, active), 2, "beside itself");
  const state = { is_active: true, message_count: 0, user_info: {}, removed_at: null };
  known.kept(-1, { ...state, added_by: 8 });
  known.kept(-2, undefined);
  known.kept(-3, { ...state, added_by: person });
  assert.equal([known.countBeside(-9, person, active), known.countBeside(-9, 8, active)], [1, 1]);
  assert.is(known.countBeside(-9, person, () => false), 0, "what is not active counts no more");
});

adders("who is refused counts for nobody, and is remembered as brought in by whom it was", () => {
  const known = new AdderCounts();
  known.refuse(-1, person);
  known.kept(-1, undefined);
  assert.equal([known.countBeside(-9, person, active), known.adderOf(-1)], [0, person]);
});

adders.run();
