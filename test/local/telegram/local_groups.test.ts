/** Groups, supergroups and channels. */
import { assert, suite } from "../../harness.ts";
import { refusal, refused, result, updates, type Wire, withServer } from "../../support/bot_api.ts";

const test = suite("local/telegram/local_groups");

test("a group has administrators, anonymous ones and channels that speak", () =>
  withServer(async (server) => {
    const [ada, bob, eve] = [server.user(), server.user(), server.user()];
    const group = server.group({ title: "Desk", administrators: [ada], members: [bob], id: -77 });
    const channel = server.channel({ title: "News" });
    group.say(bob, "/start@local_test_bot");
    group.sayAnonymously("/start");
    group.sayAsChannel(channel, "hi");
    channel.post("post");
    group.join(eve);
    group.leave(bob);
    const [said, anonymous, asChannel, post, joined, left] = await updates(server);
    assert.equal(said?.message?.chat, { id: -77, type: "group", title: "Desk" });
    assert.is(said?.message?.from?.id, bob.chatId);
    assert.is(anonymous?.message?.from?.username, "GroupAnonymousBot");
    assert.is(anonymous?.message?.sender_chat?.id, -77);
    assert.is(asChannel?.message?.from?.username, "Channel_Bot");
    assert.is(asChannel?.message?.sender_chat?.id, channel.chatId);
    assert.is(post?.channel_post?.chat.type, "channel");
    assert.is(post?.channel_post?.from, undefined);
    assert.is(joined?.message?.new_chat_members?.[0]?.id, eve.chatId);
    assert.is(left?.message?.left_chat_member?.id, bob.chatId);
    const administrators = await result(server, "getChatAdministrators", { chat_id: -77 });
    assert.equal(administrators.map((member: Wire) => [member.user.id, member.status]), [[
      ada.chatId,
      "creator",
    ]]);
    const status = async (user_id: number): Promise<string> =>
      (await result(server, "getChatMember", { chat_id: -77, user_id })).status;
    assert.equal(await Promise.all([ada, bob, eve].map(({ chatId }) => status(chatId))), [
      "creator",
      "left",
      "member",
    ]);
    await refused(server, "getChatMember", { chat_id: -77 }, "400 Bad Request: invalid user_id specified");
    ada.say("/start");
    await refused(
      server,
      "getChatAdministrators",
      { chat_id: ada.chatId },
      "400 Bad Request: there are no administrators in the private chat",
    );
  }));

for (const kind of ["group", "supergroup"] as const) {
  test(`addBot() and removeBot() in a ${kind}`, () =>
    withServer(async (server) => {
      const ada = server.user();
      const group = server.group({ title: "Desk", kind, administrators: [ada], bot: "left" });
      const payload = { chat_id: group.chatId, text: "x" };
      const absent = `403 Forbidden: bot is not a member of the ${kind} chat`;
      await refused(server, "sendMessage", payload, absent);
      await refused(server, "getChatAdministrators", { chat_id: group.chatId }, absent);
      group.say(ada, "unheard");
      group.addBot(ada);
      await result(server, "sendMessage", payload);
      group.removeBot(ada);
      group.say(ada, "unheard");
      assert.throws(() => group.removeBot(ada), /not in it/);
      const kicked = `403 Forbidden: bot was kicked from the ${kind} chat`;
      await refused(server, "sendMessage", payload, kicked);
      await refused(server, "getChatAdministrators", { chat_id: group.chatId }, kicked);
      const [added, welcome, removed, farewell, ...more] = await updates(server);
      assert.equal(more, []);
      assert.is(added?.my_chat_member?.old_chat_member.status, "left");
      assert.is(added?.my_chat_member?.new_chat_member.status, "member");
      assert.is(added?.my_chat_member?.from.id, ada.chatId);
      assert.is(welcome?.message?.new_chat_members?.[0]?.id, server.bot.id);
      assert.is(removed?.my_chat_member?.new_chat_member.status, kind === "group" ? "left" : "kicked");
      assert.is(farewell?.message?.left_chat_member?.id, server.bot.id);
    }));
}

test("addBot() announces a bot that a group began with", () =>
  withServer(async (server) => {
    server.group({ title: "Desk" }).addBot(server.user(), "administrator");
    const [added] = await updates(server);
    assert.is(added?.my_chat_member?.old_chat_member.status, "left");
    assert.is(added?.my_chat_member?.new_chat_member.status, "administrator");
  }));

test("leaveChat() is heard of once, without a service message", () =>
  withServer(async (server) => {
    const ada = server.user();
    const group = server.group({ title: "Desk" });
    group.removeBot(ada);
    group.addBot(ada);
    await updates(server, { offset: 100_000_005 });
    await result(server, "leaveChat", { chat_id: group.chatId });
    const [left, ...more] = await updates(server);
    assert.equal(more, []);
    assert.is(left?.my_chat_member?.new_chat_member.status, "left");
    assert.is(left?.my_chat_member?.from.id, server.bot.id);
    await refused(
      server,
      "sendMessage",
      { chat_id: group.chatId, text: "x" },
      "403 Forbidden: bot is not a member of the group chat",
    );
  }));

test("migrate() moves a group to a supergroup and says where", () =>
  withServer(async (server) => {
    const ada = server.user();
    const group = server.group({ title: "Desk", administrators: [ada] });
    const supergroup = group.migrate();
    assert.ok(supergroup.chatId < -1_000_000_000_000);
    const [from, to] = await updates(server);
    assert.is(from?.message?.chat.id, group.chatId);
    assert.is(from?.message?.migrate_to_chat_id, supergroup.chatId);
    assert.is(to?.message?.chat.id, supergroup.chatId);
    assert.is(to?.message?.chat.type, "supergroup");
    assert.is(to?.message?.migrate_from_chat_id, group.chatId);
    const old = await refusal(server, "sendMessage", { chat_id: group.chatId, text: "x" });
    assert.is(old.error_code, 400);
    assert.is(old.description, "Bad Request: group chat was upgraded to a supergroup chat");
    assert.equal(old.parameters, { migrate_to_chat_id: supergroup.chatId });
    await result(server, "sendMessage", { chat_id: supergroup.chatId, text: "here" });
    assert.is((await result(server, "getChatAdministrators", { chat_id: supergroup.chatId })).length, 1);
    assert.throws(() => group.say(ada, "x"), /upgraded/);
    assert.throws(() => supergroup.migrate(), /supergroup/);
  }));

test("delete() ends a group, and a supergroup as if the bot were banned", () =>
  withServer(async (server) => {
    const supergroup = server.group({ title: "Doomed too", kind: "supergroup" });
    supergroup.delete();
    await refused(
      server,
      "sendMessage",
      { chat_id: supergroup.chatId, text: "x" },
      "403 Forbidden: bot was kicked from the supergroup chat",
    );
    const payload = { text: "x", chat_id: server.group({ title: "Desk", id: -5 }).chatId };
    await result(server, "sendMessage", payload);
    const group = server.group({ title: "Doomed" });
    group.delete();
    await refused(
      server,
      "sendMessage",
      { ...payload, chat_id: group.chatId },
      "403 Forbidden: the group chat was deleted",
    );
  }));

test("a channel lets administrators post, and is found by its username", () =>
  withServer(async (server) => {
    const ada = server.user();
    const channel = server.channel({ title: "News", username: "news" });
    const message = await result(server, "sendMessage", { chat_id: "@news", text: "x" });
    assert.is(message.sender_chat.id, channel.chatId);
    assert.is(message.from, undefined);
    channel.removeBot(ada);
    await refused(
      server,
      "sendMessage",
      { chat_id: channel.chatId, text: "x" },
      "403 Forbidden: bot was kicked from the channel chat",
    );
    channel.addBot(ada);
    await result(server, "sendMessage", { chat_id: channel.chatId, text: "x" });
    const seen = (await updates(server)).map(({ my_chat_member }) => my_chat_member?.new_chat_member.status);
    assert.equal(seen, ["kicked", "administrator"]);
    channel.setBot(ada, "member");
    await refused(
      server,
      "sendMessage",
      { chat_id: channel.chatId, text: "x" },
      "400 Bad Request: need administrator rights in the channel chat",
    );
  }));

test("groupsOf() and channelsOf() let one person add the bot to many chats", () =>
  withServer(async (server) => {
    const eve = server.user({ first_name: "Eve" });
    const groups = server.groupsOf(eve, 3);
    const supergroups = server.groupsOf(eve, 2, "supergroup");
    const channels = server.channelsOf(eve, 2);
    const chats = [...groups, ...supergroups, ...channels];
    assert.is(new Set(chats.map(({ chatId }) => chatId)).size, 7);
    const heard = await updates(server);
    const added = heard.flatMap(({ my_chat_member }) => my_chat_member ?? []);
    assert.equal(added.map(({ chat }) => chat.id), chats.map(({ chatId }) => chatId));
    assert.equal(added.map(({ new_chat_member }) => new_chat_member.status), [
      ...Array(5).fill("member"),
      ...Array(2).fill("administrator"),
    ]);
    assert.equal(new Set(added.map(({ from }) => from.id)), new Set([eve.chatId]));
    for (const { chatId } of chats) {
      await result(server, "sendMessage", { chat_id: chatId, text: "x" });
      const [owner] = await result(server, "getChatAdministrators", { chat_id: chatId });
      assert.equal([owner.user.id, owner.status], [eve.chatId, "creator"]);
    }
    assert.is(groups[1]?.say(eve, "/help").chat.id, groups[1]?.chatId);
  }));

test("migrate() takes the id of the supergroup to be", () =>
  withServer(async (server) => {
    const [group] = server.groupsOf(server.user(), 1);
    const supergroup = group?.migrate(-1001234567890);
    assert.is(supergroup?.chatId, -1001234567890);
    await result(server, "sendMessage", { chat_id: -1001234567890, text: "x" });
    const payload = { chat_id: group?.chatId, text: "x" };
    await refused(
      server,
      "sendMessage",
      payload,
      "400 Bad Request: group chat was upgraded to a supergroup chat",
    );
  }));

test.run();
