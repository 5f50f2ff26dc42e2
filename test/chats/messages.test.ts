/** The bot's messages: formatting that no text can break, and the facts of /status. */
import fc from "fast-check";
import { type AboutStatus, defaultMessages, menu } from "../../lib/chats/messages.ts";
import { bold, code, format, type FormattedText, lines } from "../../lib/telegram/text.ts";
import { assert, suite } from "../harness.ts";
import { hostileTexts, styled, ticket } from "../support/texts.ts";

const entities = suite("entities of messages");

const parts: fc.Arbitrary<string | FormattedText> = fc.oneof(
  hostileTexts,
  hostileTexts.map(bold),
  hostileTexts.map(code),
  fc.tuple(hostileTexts, hostileTexts).map(([a, b]) => format(a, bold(b))),
);

entities("format() puts its parts one after another, and their entities with them", () => {
  fc.assert(fc.property(fc.array(parts), (list) => {
    const message = format(...list);
    assert.is(message.text, list.map(textOf).join(""));
    assert.equal(styled(message), list.flatMap(styledOf));
    checkBounds(message);
  }));
});

entities("lines() puts each part on its own line, and leaves out what is absent", () => {
  fc.assert(fc.property(fc.array(fc.option(parts, { nil: undefined })), (list) => {
    const message = lines(...list);
    const present = list.filter((part) => part !== undefined);
    assert.is(message.text, present.map(textOf).join("\n"));
    assert.equal(styled(message), present.flatMap(styledOf));
    checkBounds(message);
  }));
});

entities("bold() and code() of nothing have no entity, which Telegram would refuse", () => {
  assert.equal(bold("").entities, []);
  assert.equal(code("").entities, []);
});

entities("texts and the menu are as Telegram takes them", () => {
  const about = {
    ...{ chatId: -1001234567890, languageCode: undefined, chat: undefined, isDurable: true, isActive: true },
    ...{ signal: ticket, time: new Date(Date.UTC(2026, 10, 23, 16, 5, 7)) },
  };
  const { channelGreeting, ...others } = defaultMessages;
  assert.is(channelGreeting(about).text, "", "nothing is said");
  for (const message of Object.values(others)) {
    const { text, entities } = message(about);
    checkBounds({ text, entities });
    assert.ok(text.length <= 1024, text);
    assert.not.match(text, /undefined|\[object/);
  }
  for (const { command, description } of menu) {
    assert.match(command, /^[a-z0-9_]{1,32}$/);
    assert.ok(description.length >= 1 && description.length <= 256);
  }
});

function status(chat: AboutStatus["chat"], kind: string): FormattedText {
  return defaultMessages.status({ chatId: 1, languageCode: undefined, chat, isDurable: kind === "dynamodb" });
}

entities("/status says how the chat stands, since when, and how safely that is kept", () => {
  const chat = { chat_id: 1, message_count: 3, user_info: {}, removed_at: null };
  const active = status({ ...chat, is_active: true, added_at: "2024-01-15T10:30:00Z" }, "dynamodb");
  assert.equal(styled(active, "bold"), ["This chat is subscribed."]);
  for (const fact of ["2024-01-15", "3", "durably"]) assert.match(active.text, fact);
  const inactive = status({ ...chat, is_active: false }, "memory");
  assert.match(inactive.text, /not subscribed.*\/start/);
  assert.match(inactive.text, "in memory, until the bot restarts");
  assert.not.match(inactive.text, "undefined");
  assert.match(status(undefined, "dynamodb").text, /not subscribed.*\/start/);
});

entities("/status shows a time of another program's as it is", () => {
  fc.assert(fc.property(hostileTexts, (added_at) => {
    const chat = { chat_id: 1, is_active: true, message_count: 3, user_info: {}, removed_at: null, added_at };
    checkBounds(status(chat, "dynamodb"));
  }));
});

function textOf(part: string | FormattedText): string {
  return typeof part === "string" ? part : part.text;
}

function styledOf(part: string | FormattedText): string[] {
  return typeof part === "string" ? [] : styled(part);
}

function checkBounds({ text, entities }: FormattedText): void {
  for (const { offset, length } of entities) {
    assert.ok(Number.isInteger(offset) && offset >= 0 && length > 0 && offset + length <= text.length);
  }
}

entities.run();
