/** Texts: commands, limits, and the parse modes. */
import type { Message } from "grammy/types";
import { assert, suite } from "../../harness.ts";
import { refused, result, updates, withServer } from "../../support/bot_api.ts";

const test = suite("local/telegram/text");

const commands: [string, string[]][] = [
  ["/start", ["/start"]],
  ["/Start@Local_Test_Bot now", ["/Start@Local_Test_Bot"]],
  ["😀 say /stop and\n/help.", ["/stop", "/help"]],
  ["http://example.com/start a/b /x/y /", []],
  ["/über /st-art", ["/st"]],
];

for (const [text, expected] of commands) {
  test(`bot_command entities of ${JSON.stringify(text)}`, () =>
    withServer(async (server) => {
      server.user().say(text);
      const [update] = await updates(server);
      const found = (update?.message?.entities ?? []).map(({ type, offset, length }) => {
        assert.is(type, "bot_command");
        return text.slice(offset, offset + length);
      });
      assert.equal(found, expected);
    }));
}

const badTexts: [string, object, string][] = [
  ["no text", {}, "message text is empty"],
  ["an empty text", { text: "" }, "message text is empty"],
  ["a blank text", { text: " \n" }, "text must be non-empty"],
  ["4097 characters", { text: "x".repeat(4097) }, "message is too long"],
  ["an entity past the end", {
    text: "abc",
    entities: [{ type: "bold", offset: 1, length: 3 }],
  }, "ENTITY_BOUNDS_INVALID"],
  ["an unknown parse mode", { text: "x", parse_mode: "rtf" }, "unsupported parse_mode"],
  [
    "open HTML",
    { text: "<b>x", parse_mode: "HTML" },
    "can't parse entities: Can't find end tag corresponding to start tag \"b\"",
  ],
  [
    "a bare <",
    { text: "é <3", parse_mode: "HTML" },
    "can't parse entities: Unclosed start tag at byte offset 3",
  ],
  [
    "an open asterisk",
    { text: "é *x", parse_mode: "Markdown" },
    "can't parse entities: Can't find end of the entity starting at byte offset 3",
  ],
  [
    "an unescaped dot",
    { text: "1.5", parse_mode: "MarkdownV2" },
    "can't parse entities: Character '.' is reserved and must be escaped with the preceding '\\'",
  ],
  ["a missing reply", { text: "x", reply_parameters: { message_id: 99 } }, "message to be replied not found"],
];

for (const [what, payload, description] of badTexts) {
  test(`sendMessage() refuses ${what}`, () =>
    withServer(async (server) => {
      const ada = server.user();
      ada.say("/start");
      const words = `400 Bad Request: ${description}`;
      await refused(server, "sendMessage", { chat_id: ada.chatId, ...payload }, words);
      assert.is(ada.inbox.length, 0);
    }));
}

test("sendMessage() counts characters, not UTF-16 units", () =>
  withServer(async (server) => {
    const ada = server.user();
    ada.say("/start");
    const text = "😀".repeat(4096);
    const entities = [{ type: "bold", offset: 0, length: text.length }];
    assert.is((await result(server, "sendMessage", { chat_id: ada.chatId, text, entities })).text, text);
  }));

const markup: [string, string, string, string[]][] = [
  ["HTML", '<b><i>a</i> b</b> &lt;&amp; <a href="https://t.me/">c</a>', "a b <& c", [
    "bold 0 3",
    "italic 0 1",
    "text_link 7 1",
  ]],
  ["Markdown", "*a* _b_ `c_` [d](https://t.me/) \\_", "a b c_ d _", [
    "bold 0 1",
    "italic 2 1",
    "code 4 2",
    "text_link 7 1",
  ]],
  ["MarkdownV2", "*a _b_* __c__ ||d|| ~e~ `1.5` [f](https://t.me/) 1\\.5", "a b c d e 1.5 f 1.5", [
    "bold 0 3",
    "italic 2 1",
    "underline 4 1",
    "spoiler 6 1",
    "strikethrough 8 1",
    "code 10 3",
    "text_link 14 1",
  ]],
];

for (const [mode, source, text, expected] of markup) {
  test(`parse_mode ${mode} becomes entities`, () =>
    withServer(async (server) => {
      const ada = server.user();
      ada.say("/start");
      const payload = { chat_id: ada.chatId, text: source, parse_mode: mode };
      const message: Message = await result(server, "sendMessage", payload);
      assert.is(message.text, text);
      const found = message.entities?.map(({ type, offset, length }) => `${type} ${offset} ${length}`);
      assert.equal(found, expected);
    }));
}

test.run();
