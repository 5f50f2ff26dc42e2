/** Keyboards, presses of buttons, and the bot's answers to them. */
import type { Message } from "grammy/types";
import { Bot } from "grammy/web";
import { type BotApiServer, type LocalUser, startBotApiServer } from "../../../lib/local/mod.ts";
import { assert, suite } from "../../harness.ts";
import { manualClock, refused, result, updates, withServer } from "../../support/bot_api.ts";

const test = suite("local/telegram/keyboards");

const tooOld = "400 Bad Request: query is too old and response timeout expired or query ID is invalid";

const inline_keyboard = [
  [{ text: "Yes", callback_data: "yes" }, { text: "No", callback_data: "no" }],
  [{ text: "yes", callback_data: "small" }, { text: "Site", url: "https://example.org" }],
];

async function question(server: BotApiServer, user: LocalUser): Promise<Message> {
  user.say("/start");
  const { update_id } = (await updates(server)).at(-1) ?? { update_id: 0 };
  await updates(server, { offset: update_id + 1 });
  return await result(server, "sendMessage", {
    chat_id: user.chatId,
    text: "Shall I?",
    reply_markup: { inline_keyboard },
  });
}

test("press() gives the bot a callback query, by the button's data or else its text", () =>
  withServer(async (server) => {
    const ada = server.user({ first_name: "Ada" });
    const message = await question(server, ada);
    assert.equal(message.reply_markup, { inline_keyboard });
    const presses = [ada.press(message, "yes"), ada.press(message, "No")];
    assert.equal(presses.map(({ data }) => data), ["yes", "no"]);
    const [update] = await updates(server);
    const query = update?.callback_query;
    assert.equal(Object.keys(query ?? {}), ["id", "from", "message", "chat_instance", "data"]);
    assert.equal([query?.id, query?.from, query?.message], [presses[0]?.id, ada.user, message]);
    assert.match(query?.chat_instance ?? "", /^-\d{10,}$/);
  }));

test("answered() waits for the bot's answer, the first one in time", async () => {
  const clock = manualClock();
  await withServer(async (server) => {
    const ada = server.user();
    const message = await question(server, ada);
    const press = ada.press(message, "yes");
    const answered = press.answered();
    assert.is(press.answer, undefined);
    clock.advance(15_000);
    const text = "Thank you";
    await result(server, "answerCallbackQuery", { callback_query_id: press.id, text, show_alert: true });
    const wanted = { text, show_alert: true, url: "", cache_time: 0 };
    assert.equal([await answered, press.answer, await press.answered()], [wanted, wanted, wanted]);
    await refused(server, "answerCallbackQuery", { callback_query_id: press.id }, tooOld);
    await refused(server, "answerCallbackQuery", { callback_query_id: "17" }, tooOld);
    await refused(server, "answerCallbackQuery", {}, tooOld);
  }, { clock });
});

test("a press is too old after fifteen seconds, or when the test says so", async () => {
  const clock = manualClock();
  await withServer(async (server) => {
    const ada = server.user();
    const message = await question(server, ada);
    const [late, expired] = [ada.press(message, "yes"), ada.press(message, "no")];
    expired.expire();
    await refused(server, "answerCallbackQuery", { callback_query_id: expired.id }, tooOld);
    clock.advance(15_001);
    await refused(server, "answerCallbackQuery", { callback_query_id: late.id }, tooOld);
    let error: unknown;
    await late.answered(1).catch((reason) => error = reason);
    assert.match(String(error), 'The press of the button with the data "yes" was not answered in 1 ms');
  }, { clock });
});

test("an answer has a length", () =>
  withServer(async (server) => {
    const ada = server.user();
    const press = ada.press(await question(server, ada), "yes");
    const answer = { callback_query_id: press.id, text: "x".repeat(201) };
    await refused(server, "answerCallbackQuery", answer, "400 Bad Request: MESSAGE_TOO_LONG");
    await result(server, "answerCallbackQuery", { ...answer, text: "x".repeat(200) });
  }));

test("members of a group press its buttons, and nobody presses those of others, or what is not there", () =>
  withServer(async (server) => {
    const [ada, bob] = [server.user({ first_name: "Ada" }), server.user({ first_name: "Bob" })];
    const group = server.group({ title: "Group", members: [ada] });
    const reply_markup = { inline_keyboard };
    const shared = await result(server, "sendMessage", { chat_id: group.chatId, text: "Who?", reply_markup });
    bob.press(shared, "yes");
    const [update] = await updates(server);
    assert.equal(update?.callback_query?.from.first_name, "Bob");
    const own = await question(server, ada);
    assert.throws(() => bob.press(own, "yes"), "it is another's chat");
    assert.throws(
      () => ada.press(own, "maybe"),
      'no button is "maybe", only "Yes" with the data "yes", "No" with the data "no"',
    );
    assert.throws(() => ada.press(own, "Site"), '"Site" has no callback_data');
    await result(server, "editMessageReplyMarkup", { chat_id: ada.chatId, message_id: own.message_id });
    assert.throws(() => ada.press(own, "yes"), 'no button is "yes", only none at all');
    await result(server, "deleteMessage", { chat_id: ada.chatId, message_id: own.message_id });
    assert.throws(() => ada.press(own, "yes"), "it is not there any more");
    ada.block();
    assert.throws(() => ada.press(shared, "yes"), "has blocked the bot; call unblock() first");
  }));

test("keyboards that Telegram refuses are refused", () =>
  withServer(async (server) => {
    const chat_id = server.user({ opened: true }).chatId;
    const button = "can't parse inline keyboard button: ";
    const wanted: [unknown, string][] = [
      ["{", "can't parse reply keyboard markup JSON object"],
      [[], "object expected as reply markup"],
      [
        { inline_keyboard: [{ text: "x" }] },
        'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays',
      ],
      [{ inline_keyboard: [["x"]] }, `${button}InlineKeyboardButton must be an Object`],
      [{ inline_keyboard: [[{ callback_data: "x" }]] }, `${button}Can't find field "text"`],
      [{ inline_keyboard: [[{ text: "x" }]] }, `${button}Text buttons are unallowed in the inline keyboard`],
      [{ inline_keyboard: [[{ text: "x", callback_data: "€".repeat(22) }]] }, "BUTTON_DATA_INVALID"],
      [{ inline_keyboard: [[{ text: "x", url: "http://" }]] }, "BUTTON_URL_INVALID"],
      [{ keyboard: ["x"] }, 'field "keyboard" must be an Array of Arrays'],
      [{ keyboard: [[5]] }, "can't parse keyboard button: KeyboardButton must be a String or an Object"],
    ];
    for (const [reply_markup, words] of wanted) {
      await refused(server, "sendMessage", { chat_id, text: "x", reply_markup }, `400 Bad Request: ${words}`);
    }
    for (const reply_markup of [{ keyboard: [["x"]] }, { remove_keyboard: true }, { inline_keyboard: [] }]) {
      const message = await result(server, "sendMessage", { chat_id, text: "x", reply_markup });
      assert.is(message.reply_markup, undefined, "it is the app's, or none at all");
    }
    const text = JSON.stringify({ inline_keyboard });
    const message = await result(server, "sendMessage", { chat_id, text: "x", reply_markup: text });
    assert.equal(message.reply_markup, { inline_keyboard }, "a JSON text will do in a JSON body");
  }));

test("a grammY bot answers a press", async () => {
  await using server = await startBotApiServer();
  const bot = new Bot(server.token, { client: { apiRoot: server.apiRoot } });
  bot.command("start", (ctx) => ctx.reply("Shall I?", { reply_markup: { inline_keyboard } }));
  bot.callbackQuery("yes", async (ctx) => {
    await ctx.answerCallbackQuery("Thank you");
    await ctx.editMessageText("I did");
  });
  const running = bot.start();
  const ada = server.user();
  ada.say("/start");
  const press = ada.press(await ada.received("Shall I?"), "Yes");
  assert.is((await press.answered()).text, "Thank you");
  const { message } = await press.answered({ ms: 10 } as never).catch((error) => error);
  assert.match(message, /Cannot wait for the answer as "timeoutMs" must be a number of milliseconds/);
  const edited = await ada.received("I did");
  assert.is(edited.reply_markup, undefined);
  await bot.stop();
  await running;
});

test.run();
