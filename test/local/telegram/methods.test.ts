/** The methods: messages of every kind, and what is done to messages and commands. */
import type { Message } from "grammy/types";
import { assert, suite } from "../../harness.ts";
import { manualClock, refusal, refused, result, withServer } from "../../support/bot_api.ts";

const test = suite("local/telegram/methods");

test("sendMessage() returns the message, keeps its entities and delivers it", () =>
  withServer(async (server) => {
    const ada = server.user();
    const said = ada.say("/start");
    const entities = [{ type: "bold", offset: 0, length: 4 }];
    const reply_markup = { inline_keyboard: [[{ text: "ok", callback_data: "ok" }]] };
    const reply_parameters = { message_id: said.message_id };
    const payload = { chat_id: ada.chatId, text: "Buy now", entities, reply_markup, reply_parameters };
    const message = await result(server, "sendMessage", payload);
    assert.is(message.message_id, said.message_id + 1);
    assert.equal(message.entities, entities);
    assert.is(message.from.id, server.bot.id);
    assert.is(message.chat.id, ada.chatId);
    assert.equal(message.reply_markup, reply_markup);
    assert.is(message.reply_to_message.text, "/start");
    assert.equal(ada.inbox.map((sent) => JSON.parse(JSON.stringify(sent))), [message]);
    assert.is(server.pendingUpdates, 1, "a bot is not told of its own messages");
  }));

test("editMessageText() changes what the person sees, and only the bot's own messages", () =>
  withServer(async (server) => {
    const ada = server.user();
    const { chatId } = ada;
    const said = ada.say("/start");
    const { message_id } = await result(server, "sendMessage", { chat_id: chatId, text: "open" });
    const edit = (id: number, text: string): object => ({ chat_id: chatId, message_id: id, text });
    const future = ada.received("closed");
    await result(server, "editMessageText", edit(message_id, "closed"));
    assert.ok((await future).edit_date);
    assert.equal(ada.inbox.map(({ text }) => text), ["closed"]);
    const { description } = await refusal(server, "editMessageText", edit(message_id, "closed"));
    assert.match(description, "message is not modified");
    await refused(server, "editMessageText", edit(99, "x"), "400 Bad Request: message to edit not found");
    await refused(
      server,
      "editMessageText",
      edit(said.message_id, "x"),
      "400 Bad Request: message can't be edited",
    );
  }));

test("copyMessage() copies text and photo, and may replace the caption", () =>
  withServer(async (server) => {
    const [ada, bob] = [server.user(), server.user()];
    bob.say("/start");
    const from = { chat_id: bob.chatId, from_chat_id: ada.chatId };
    const said = ada.say("to all");
    const photo = ada.photo("mine");
    const copy = await result(server, "copyMessage", { ...from, message_id: said.message_id });
    assert.equal(copy, { message_id: bob.inbox[0]?.message_id });
    await result(server, "copyMessage", { ...from, message_id: photo.message_id, caption: "ours" });
    assert.equal(bob.inbox.map(({ text, caption }) => text ?? caption), ["to all", "ours"]);
    assert.equal(bob.inbox[1]?.photo, photo.photo);
    await refused(
      server,
      "copyMessage",
      { ...from, message_id: 99 },
      "400 Bad Request: message to copy not found",
    );
  }));

test("setMyCommands() keeps a list for each scope and language", () =>
  withServer(async (server) => {
    const list = [{ command: "start", description: "Subscribe" }];
    await result(server, "setMyCommands", { commands: list, language_code: "de" });
    assert.equal(await result(server, "getMyCommands", { language_code: "de" }), list);
    assert.equal(await result(server, "getMyCommands"), []);
    const bad = { commands: [{ command: "Start!", description: "x" }] };
    await refused(server, "setMyCommands", bad, "400 Bad Request: BOT_COMMAND_INVALID");
  }));

test("sendChatAction() refuses an action that does not exist", () =>
  withServer((server) =>
    refused(
      server,
      "sendChatAction",
      { chat_id: 1, action: "dancing" },
      "400 Bad Request: wrong parameter action in request",
    )
  ));

test("places, contacts, dice and polls are sent, and refused where something is missing", () =>
  withServer(async (server) => {
    const ada = server.user({ opened: true });
    const { chatId: chat_id } = ada;
    const place = { latitude: 52.5, longitude: 13.4 };
    assert.equal((await result(server, "sendLocation", { chat_id, ...place })).location, place);
    const venue = { title: "Gate", address: "1 Square" };
    const sent = await result(server, "sendVenue", { chat_id, ...place, ...venue });
    assert.equal([sent.location, sent.venue], [place, { location: place, ...venue }]);
    const contact = { phone_number: "+49123", first_name: "Ada" };
    assert.equal((await result(server, "sendContact", { chat_id, ...contact })).contact, contact);
    const { dice } = await result(server, "sendDice", { chat_id, emoji: "🏀" });
    assert.ok(dice.value >= 1 && dice.value <= 5);
    await refused(server, "sendLocation", { chat_id }, "400 Bad Request: latitude is empty");
    const far = { chat_id, latitude: 91, longitude: 0 };
    await refused(server, "sendLocation", far, "400 Bad Request: wrong location specified");
    const nobody = { chat_id, phone_number: "1" };
    await refused(server, "sendContact", nobody, '400 Bad Request: parameter "first_name" is required');
    await refused(server, "sendDice", { chat_id, emoji: "x" }, "400 Bad Request: EMOTICON_INVALID");
    assert.is(ada.inbox.length, 4);
  }));

test("sendPoll() and stopPoll()", () =>
  withServer(async (server) => {
    const ada = server.user({ opened: true });
    const { chatId: chat_id } = ada;
    const poll = { chat_id, question: "Long or short?", options: ["Long", { text: "Short" }] };
    const sent = await result(server, "sendPoll", poll);
    assert.equal(sent.poll.options.map(({ text }: { text: string }) => text), ["Long", "Short"]);
    assert.equal([sent.poll.is_closed, sent.poll.is_anonymous, sent.poll.type], [false, true, "regular"]);
    const { message_id } = sent;
    assert.is((await result(server, "stopPoll", { chat_id, message_id })).is_closed, true);
    assert.is(ada.inbox[0]?.poll?.is_closed, true);
    const wanted: [object, string][] = [
      [{ question: " " }, "poll question must be non-empty"],
      [{ question: "x".repeat(301) }, "poll question length must not exceed 300"],
      [{ options: ["Long"] }, "poll must have at least 2 option"],
      [{ options: Array(13).fill("x") }, "poll can't have more than 12 options"],
      [{ options: "x" }, "expected an Array of String as options"],
      [{ options: ["x".repeat(101), "y"] }, "poll options length must not exceed 100"],
      [{ type: "quiz" }, "wrong correct option ID specified"],
      [{ type: "odd" }, "unsupported poll type specified"],
    ];
    for (const [change, words] of wanted) {
      await refused(server, "sendPoll", { ...poll, ...change }, `400 Bad Request: ${words}`);
    }
    const again = { chat_id, message_id };
    await refused(server, "stopPoll", again, "400 Bad Request: poll has already been closed");
  }));

test("sendRichMessage() keeps blocks, and makes paragraphs of the rest; people find its words", () =>
  withServer(async (server) => {
    const ada = server.user({ opened: true });
    const { chatId: chat_id } = ada;
    const blocks = [{ type: "paragraph", text: ["Buy ", { type: "bold", text: "now" }] }];
    const sent = await result(server, "sendRichMessage", { chat_id, rich_message: { blocks } });
    assert.equal(sent.rich_message, { blocks });
    assert.is((await ada.received("Buy now")).message_id, sent.message_id);
    const markdown = "First line\n\nSecond line";
    const other = await result(server, "sendRichMessage", { chat_id, rich_message: { markdown } });
    assert.equal(other.rich_message.blocks, [
      { type: "paragraph", text: "First line" },
      { type: "paragraph", text: "Second line" },
    ]);
    await refused(server, "sendRichMessage", { chat_id }, "400 Bad Request: object expected as rich message");
    const empty = { chat_id, rich_message: { html: "" } };
    await refused(server, "sendRichMessage", empty, "400 Bad Request: message text is empty");
  }));

test("forwardMessage() tells where a message is from, copyMessage() does not", () =>
  withServer(async (server) => {
    const [ada, bob] = [server.user({ first_name: "Ada" }), server.user({ opened: true })];
    const channel = server.channel({ title: "News" });
    const written = ada.say("Hello");
    const post = channel.post("Big news");
    const from = { chat_id: bob.chatId, from_chat_id: ada.chatId, message_id: written.message_id };
    const forwarded = await result(server, "forwardMessage", from);
    assert.equal([forwarded.text, forwarded.from.id], ["Hello", server.bot.id]);
    const { date } = written;
    assert.equal(forwarded.forward_origin, { type: "user", sender_user: ada.user, date });
    const news = { chat_id: bob.chatId, from_chat_id: channel.chatId, message_id: post.message_id };
    const { forward_origin } = await result(server, "forwardMessage", news);
    assert.equal([forward_origin.type, forward_origin.message_id], ["channel", post.message_id]);
    const missing = { ...from, message_id: 99 };
    await refused(server, "forwardMessage", missing, "400 Bad Request: message to forward not found");
    const group = server.group({ title: "Group" });
    const service = { ...from, from_chat_id: group.chatId, message_id: group.join(ada).message_id };
    await refused(server, "forwardMessage", service, "400 Bad Request: message can't be forwarded");
    await refused(server, "copyMessage", service, "400 Bad Request: message can't be copied");
    assert.equal(bob.inbox.map(({ text }) => text), ["Hello", "Big news"]);
  }));

test("forwardMessages() and copyMessages() take those that are there, in their order", () =>
  withServer(async (server) => {
    const [ada, bob] = [server.user(), server.user({ opened: true })];
    const [one, two] = [ada.say("One").message_id, ada.photo("Two").message_id];
    const from = { chat_id: bob.chatId, from_chat_id: ada.chatId };
    const forwarded = await result(server, "forwardMessages", { ...from, message_ids: [one, two, 99] });
    assert.equal(forwarded, [{ message_id: 1 }, { message_id: 2 }]);
    assert.is(bob.inbox[1]?.forward_origin?.type, "user");
    const bare = { ...from, message_ids: [one, two], remove_caption: true };
    assert.equal(await result(server, "copyMessages", bare), [{ message_id: 3 }, { message_id: 4 }]);
    assert.equal(bob.inbox.slice(2).map(({ text, caption }) => text ?? caption), ["One", undefined]);
    const wanted: [unknown, string][] = [
      [undefined, "message identifiers are not specified"],
      ["x", "expected an Array of message identifiers"],
      [[0], "invalid message identifier specified"],
      [[two, one], "message identifiers must be in a strictly increasing order"],
      [Array.from({ length: 101 }, (_, index) => index + 1), "too many message identifiers specified"],
      [[99], "there are no messages to forward"],
    ];
    for (const [message_ids, words] of wanted) {
      await refused(server, "forwardMessages", { ...from, message_ids }, `400 Bad Request: ${words}`);
    }
  }));

test("editMessageCaption(), editMessageMedia() and editMessageReplyMarkup() change their part", () =>
  withServer(async (server) => {
    const ada = server.user({ opened: true });
    const { chatId: chat_id } = ada;
    const reply_markup = { inline_keyboard: [[{ text: "Yes", callback_data: "y" }]] };
    const photo = "https://example.org/a.jpg";
    const { message_id } = await result(server, "sendPhoto", {
      chat_id,
      photo,
      caption: "Old",
      reply_markup,
    });
    const message = { chat_id, message_id };
    const captioned = await result(server, "editMessageCaption", {
      ...message,
      caption: "New",
      reply_markup,
    });
    assert.equal([captioned.caption, captioned.reply_markup], ["New", reply_markup]);
    const media = { type: "document", media: "https://example.org/a.pdf", caption: "A file" };
    const replaced = await result(server, "editMessageMedia", { ...message, media });
    assert.equal([replaced.photo, replaced.document.file_name, replaced.caption], [
      undefined,
      "a.pdf",
      "A file",
    ]);
    const pressed = await result(server, "editMessageReplyMarkup", { ...message, reply_markup });
    assert.equal([pressed.reply_markup, pressed.caption], [reply_markup, "A file"]);
    const same =
      "400 Bad Request: message is not modified: specified new message content and reply markup are " +
      "exactly the same as a current content and reply markup of the message";
    await refused(server, "editMessageReplyMarkup", { ...message, reply_markup }, same);
    const text = await result(server, "sendMessage", { chat_id, text: "x" });
    const noCaption = { chat_id, message_id: text.message_id, caption: "x" };
    const words = "400 Bad Request: there is no caption in the message to edit";
    await refused(server, "editMessageCaption", noCaption, words);
    const inline = { inline_message_id: "AAA", caption: "x" };
    await refused(server, "editMessageCaption", inline, "400 Bad Request: MESSAGE_ID_INVALID");
    assert.is(ada.inbox.length, 2);
  }));

test("deleteMessage() and deleteMessages() take away what is young, and the bot's own or in its power", async () => {
  const clock = manualClock();
  await withServer(async (server) => {
    const ada = server.user();
    const chat_id = ada.chatId;
    const written = ada.say("Mine").message_id;
    const ids: number[] = [];
    for (const text of ["One", "Two"]) {
      ids.push((await result(server, "sendMessage", { chat_id, text })).message_id);
    }
    await result(server, "deleteMessage", { chat_id, message_id: ids[0] });
    assert.equal(ada.inbox.map(({ text }) => text), ["Two"]);
    await refused(
      server,
      "deleteMessage",
      { chat_id },
      "400 Bad Request: message identifier is not specified",
    );
    const gone = { chat_id, message_id: ids[0] };
    await refused(server, "deleteMessage", gone, "400 Bad Request: message to delete not found");
    await result(server, "deleteMessages", { chat_id, message_ids: [...ids, written] });
    assert.is(ada.inbox.length, 0);
    const group = server.group({ title: "Group" });
    const inGroup = { chat_id: group.chatId, message_id: group.say(ada, "Theirs").message_id };
    await refused(server, "deleteMessage", inGroup, "400 Bad Request: message can't be deleted");
    group.setBot(ada, "administrator");
    clock.advance(48 * 3_600_000 + 1000);
    await refused(server, "deleteMessage", inGroup, "400 Bad Request: message can't be deleted");
    const young = { chat_id: group.chatId, message_id: group.say(ada, "Now").message_id };
    await result(server, "deleteMessage", young);
  }, { clock });
});

test("messages are pinned and unpinned, and shown by getChat", () =>
  withServer(async (server) => {
    const ada = server.user({ opened: true });
    const group = server.group({ title: "Group", kind: "supergroup", members: [ada] });
    const chat_id = group.chatId;
    const [one, two] = [group.say(ada, "One").message_id, group.say(ada, "Two").message_id];
    const rights = "400 Bad Request: not enough rights to manage pinned messages in the chat";
    await refused(server, "pinChatMessage", { chat_id, message_id: one }, rights);
    group.setBot(ada, "administrator");
    const pinned = async (): Promise<Message | undefined> =>
      (await result(server, "getChat", { chat_id })).pinned_message;
    for (const message_id of [one, two]) await result(server, "pinChatMessage", { chat_id, message_id });
    assert.is((await pinned())?.text, "Two");
    await result(server, "unpinChatMessage", { chat_id });
    assert.is((await pinned())?.text, "One");
    await result(server, "unpinAllChatMessages", { chat_id });
    assert.is(await pinned(), undefined);
    await refused(server, "unpinChatMessage", { chat_id }, "400 Bad Request: message to unpin not found");
    const missing = { chat_id, message_id: 99 };
    await refused(server, "pinChatMessage", missing, "400 Bad Request: message to pin not found");
    assert.is(await result(server, "getChatMemberCount", { chat_id }), 2);
  }));

test("setMessageReaction() gives a message one reaction, which people see", () =>
  withServer(async (server) => {
    const ada = server.user();
    const message = ada.say("Good news");
    const target = { chat_id: ada.chatId, message_id: message.message_id };
    const reaction = [{ type: "emoji", emoji: "👍" }];
    await result(server, "setMessageReaction", { ...target, reaction });
    assert.equal(ada.reactionsTo(message), reaction);
    await result(server, "setMessageReaction", target);
    assert.equal(ada.reactionsTo(message), []);
    const many = { ...target, reaction: [...reaction, ...reaction] };
    await refused(server, "setMessageReaction", many, "400 Bad Request: REACTIONS_TOO_MANY");
    const odd = { ...target, reaction: [{ type: "odd" }] };
    const words = "400 Bad Request: can't parse ReactionType: invalid reaction type specified";
    await refused(server, "setMessageReaction", odd, words);
    const missing = { ...target, message_id: 99, reaction };
    await refused(server, "setMessageReaction", missing, "400 Bad Request: message to react not found");
  }));

test("every message that the bot sends meets its chat's refusals and the bot's floods", () =>
  withServer(async (server) => {
    const ada = server.user();
    const message_id = ada.say("Hello").message_id;
    const chat_id = ada.chatId;
    const from = { chat_id, from_chat_id: chat_id, message_id };
    const calls: [string, object][] = [
      ["sendDocument", { document: "https://example.org/a.pdf" }],
      ["sendLocation", { latitude: 1, longitude: 1 }],
      ["sendPoll", { question: "?", options: ["a", "b"] }],
      ["sendRichMessage", { rich_message: { html: "x" } }],
      ["sendMediaGroup", { media: [{ type: "photo", media: "https://example.org/a.jpg" }] }],
      ["forwardMessage", from],
      ["forwardMessages", { ...from, message_ids: [message_id] }],
      ["copyMessages", { ...from, message_ids: [message_id] }],
    ];
    const flood = server.flood(3600);
    for (const [method, payload] of calls) {
      await refused(server, method, { chat_id, ...payload }, "429 Too Many Requests: retry after 3600");
    }
    flood.clear();
    ada.block();
    for (const [method, payload] of calls) {
      await refused(server, method, { chat_id, ...payload }, "403 Forbidden: bot was blocked by the user");
    }
    assert.equal([ada.inbox.length, ada.attempts], [0, 2 * calls.length]);
  }));

test.run();
