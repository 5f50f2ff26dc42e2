/** Forums and private chats with topics, and the direct messages of channels. */
import type { Update } from "grammy/types";
import { assert, suite } from "../../harness.ts";
import { refused, result, updates, type Wire, withServer } from "../../support/bot_api.ts";

const test = suite("local/telegram/topics");

const closed = "400 Bad Request: TOPIC_CLOSED";

const notFound = "400 Bad Request: message thread not found";

/** The latest of them as the wire has it. */
async function messages(update: Promise<Update[]>): Promise<Wire[]> {
  return (await update).map(({ message }) => message);
}

test("people create topics, write in them, close, reopen and delete them, as Telegram tells it", () =>
  withServer(async (server) => {
    const [ada, bob] = [server.user({ first_name: "Ada" }), server.user({ first_name: "Bob" })];
    const forum = server.forum({ title: "Desk", administrators: [ada] });
    const topic = forum.createTopic(ada, "Signals");
    assert.is(topic.name, "Signals");
    forum.say(bob, "in General");
    topic.say(bob, "/start");
    topic.close(ada);
    assert.throws(
      () => topic.say(bob, "x"),
      /Person \d+ cannot write in topic 2 of chat -100\d+: it is closed/,
    );
    topic.say(ada, "an administrator may");
    topic.reopen(ada);
    topic.delete();
    assert.throws(() => topic.say(bob, "x"), /Nobody can write in topic 2 of chat -100\d+: it was deleted/);
    const [created, general, said, shut, late, open, ...more] = await messages(updates(server));
    assert.equal(more, []);
    assert.is(topic.threadId, created.message_id);
    assert.equal(created.chat, { id: forum.chatId, type: "supergroup", title: "Desk", is_forum: true });
    assert.equal(created.forum_topic_created, { name: "Signals", icon_color: 7322096 });
    assert.is(created.from.id, ada.chatId);
    for (const message of [created, said, shut, late, open]) {
      assert.is(message.message_thread_id, topic.threadId);
      assert.is(message.is_topic_message, true);
      assert.is(message.reply_to_message?.message_id, message === created ? undefined : topic.threadId);
    }
    assert.is("message_thread_id" in general || "is_topic_message" in general, false);
    assert.is(said.from.id, bob.chatId);
    assert.is(said.entities[0].type, "bot_command");
    assert.equal(shut.forum_topic_closed, {});
    assert.equal(open.forum_topic_reopened, {});
    const member = await result(server, "getChatMember", { chat_id: forum.chatId, user_id: bob.chatId });
    assert.is(member.status, "member");
  }));

test("the bot writes in the topic that it names, which must be there and open", () =>
  withServer(async (server) => {
    const ada = server.user();
    const forum = server.forum({ title: "Desk", administrators: [ada], bot: "administrator" });
    const [one, two] = [forum.createTopic(ada, "One"), forum.createTopic(ada, "Two")];
    const base = { chat_id: forum.chatId, text: "x" };
    const inOne = { ...base, message_thread_id: one.threadId };
    const sent = await result(server, "sendMessage", inOne);
    assert.is(sent.message_thread_id, one.threadId);
    assert.is(sent.is_topic_message, true);
    assert.is(sent.reply_to_message.forum_topic_created.name, "One");
    assert.equal([one.inbox.length, two.inbox.length, forum.inbox.length], [1, 0, 1]);
    one.close(ada);
    await refused(server, "sendMessage", inOne, closed);
    await refused(
      server,
      "sendPhoto",
      { ...inOne, photo: "https://x.org/a" },
      closed,
    );
    await result(server, "sendMessage", { ...base, message_thread_id: two.threadId });
    one.reopen(ada);
    await result(server, "sendMessage", inOne);
    one.delete();
    await refused(server, "sendMessage", inOne, notFound);
    await refused(server, "sendMessage", { ...base, message_thread_id: 99 }, notFound);
    await refused(server, "sendMessage", { ...base, message_thread_id: 1 }, notFound);
    assert.equal([one.inbox.length, two.inbox.length], [2, 1]);
  }));

test("without a topic the bot writes in General, which can be closed, or where the answered message is", () =>
  withServer(async (server) => {
    const [ada, bob] = [server.user(), server.user()];
    const forum = server.forum({ title: "Desk", administrators: [ada] });
    const topic = forum.createTopic(ada, "Signals");
    const base = { chat_id: forum.chatId, text: "x" };
    const general = await result(server, "sendMessage", base);
    assert.is("message_thread_id" in general || "is_topic_message" in general, false);
    const question = topic.say(bob, "/help");
    const answer = { ...base, reply_parameters: { message_id: question.message_id } };
    forum.closeGeneral(ada);
    await refused(server, "sendMessage", base, closed);
    assert.throws(() => forum.say(bob, "x"), /cannot write in the General topic of chat/);
    forum.say(ada, "an administrator may");
    const sent = await result(server, "sendMessage", answer);
    assert.is(sent.message_thread_id, topic.threadId);
    assert.is(sent.reply_to_message.text, "/help");
    assert.is("reply_to_message" in sent.reply_to_message, false);
    forum.reopenGeneral(ada);
    await result(server, "sendMessage", base);
    const [, , shut, , open] = await messages(updates(server));
    assert.equal([shut.forum_topic_closed, open.forum_topic_reopened], [{}, {}]);
    assert.is("message_thread_id" in shut || "message_thread_id" in open, false);
    topic.delete();
    await refused(server, "sendMessage", answer, "400 Bad Request: message to be replied not found");
  }));

test("a topic's message to a chat without topics goes astray in private chats only", () =>
  withServer(async (server) => {
    const ada = server.user({ opened: true });
    const chats = [server.group({ title: "G" }), server.group({ title: "S", kind: "supergroup" })];
    for (const { chatId } of chats) {
      const sent = await result(server, "sendMessage", { chat_id: chatId, text: "x", message_thread_id: 5 });
      assert.is("message_thread_id" in sent, false);
    }
    const message = { chat_id: ada.chatId, text: "x", message_thread_id: 5 };
    await refused(server, "sendMessage", message, notFound);
    await result(server, "sendMessage", { ...message, message_thread_id: 0 });
  }));

test("a person's chat with the bot has topics once one was created, and a General one beside them", () =>
  withServer(async (server) => {
    const ada = server.user();
    const topic = ada.createTopic("Signals");
    topic.say(ada, "/start");
    const [created, said] = await messages(updates(server));
    assert.equal(created.forum_topic_created, { name: "Signals", icon_color: 7322096 });
    assert.equal([said.chat.type, said.message_thread_id, said.is_topic_message], [
      "private",
      topic.threadId,
      true,
    ]);
    const base = { chat_id: ada.chatId, text: "x" };
    const sent = await result(server, "sendMessage", { ...base, message_thread_id: topic.threadId });
    assert.is(sent.message_thread_id, topic.threadId);
    const general = await result(server, "sendMessage", base);
    assert.is("message_thread_id" in general, false);
    topic.delete();
    await refused(server, "sendMessage", { ...base, message_thread_id: topic.threadId }, notFound);
    assert.is(topic.inbox.length, 1);
  }));

test("a message that its topic refuses does not count for the slow mode", () =>
  withServer(async (server) => {
    const ada = server.user();
    const forum = server.forum({ title: "Desk", administrators: [ada] });
    forum.slowMode(30);
    forum.closeGeneral(ada);
    await refused(server, "sendMessage", { chat_id: forum.chatId, text: "x" }, closed);
    forum.reopenGeneral(ada);
    await result(server, "sendMessage", { chat_id: forum.chatId, text: "x" });
  }));

test("a channel's direct messages want to know whom the bot writes to", () =>
  withServer(async (server) => {
    const ada = server.user({ first_name: "Ada" });
    const channel = server.channel({ title: "News" });
    const room = channel.openDirectMessages();
    room.say(ada, "/start");
    const [said] = await messages(updates(server));
    assert.equal(said.chat, {
      id: room.chatId,
      type: "supergroup",
      title: "News",
      is_direct_messages: true,
    });
    assert.is(said.from.id, ada.chatId);
    assert.is(said.entities[0].type, "bot_command");
    assert.is(said.direct_messages_topic.topic_id, ada.chatId);
    assert.is(said.direct_messages_topic.user.first_name, "Ada");
    assert.is((await result(server, "getChat", { chat_id: room.chatId })).parent_chat.id, channel.chatId);
    const base = { chat_id: room.chatId, text: "x" };
    const unnamed = "400 Bad Request: channel direct messages topic must be specified";
    await refused(server, "sendMessage", base, unnamed);
    const answer = { ...base, reply_parameters: { message_id: said.message_id } };
    await refused(server, "sendMessage", answer, unnamed);
    const toNobody = { ...base, direct_messages_topic_id: 99 };
    await refused(server, "sendMessage", toNobody, "400 Bad Request: topic not found");
    const sent = await result(server, "sendMessage", { ...base, direct_messages_topic_id: ada.chatId });
    assert.is(sent.direct_messages_topic.topic_id, ada.chatId);
    assert.is(sent.sender_chat.id, channel.chatId);
    assert.is(room.inbox.length, 1);
    assert.is(room.attempts, 4);
    assert.is(channel.inbox.length, 0);
  }));

test("the bot sees nothing of the direct messages of a channel that it is not in", () =>
  withServer(async (server) => {
    const ada = server.user();
    const room = server.channel({ title: "News", bot: "left" }).openDirectMessages();
    room.say(ada, "/start");
    assert.is(server.pendingUpdates, 0);
    const payload = { chat_id: room.chatId, text: "x" };
    await refused(
      server,
      "sendMessage",
      payload,
      "403 Forbidden: bot is not a member of the supergroup chat",
    );
  }));

test.run();
