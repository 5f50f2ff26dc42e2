/** Updates in the words of the consent rule. What they do to a chat over the wire is in bot_consent. */
import fc from "fast-check";
import type { Chat, Update } from "grammy/types";
import { chatKeyOf, chatKeysOf, dateMs, parseUpdate, personOf, userInfoOf } from "../../lib/chats/update.ts";
import { assert, suite } from "../harness.ts";

const test = suite("update");

const chat = { id: 5, type: "private", first_name: "Ada" } as const;

function commandIn(text: string, username = "My_Bot"): string | undefined {
  const fact = parseUpdate(
    { update_id: 1, message: { message_id: 1, date: 1, chat, text } } as Update,
    username,
  );
  return fact?.kind === "message" ? fact.command : "no message";
}

const commands: [string, string | undefined][] = [
  ["/stop", "stop"],
  ["/STOP", "stop"],
  ["/stop now", "stop"],
  ["/stop\nnow", "stop"],
  ["/stop@my_bot", "stop"],
  ["/Stop@MY_BOT now", "stop"],
  ["/stop@other_bot", undefined],
  ["/stop@my_bot_too", undefined],
  ["/stop@", "stop"],
  ["/stopp", "stopp"],
  ["stop", undefined],
  [" /stop", undefined],
  ["/", undefined],
  ["//stop", undefined],
  ["/st/op", undefined],
  ["", undefined],
];

for (const [text, command] of commands) {
  test(`factOf() ${JSON.stringify(text)}: ${command ?? "no command"}`, () => {
    assert.is(commandIn(text), command);
  });
}

function membership(new_chat_member: object): unknown {
  const update = { update_id: 1, my_chat_member: { chat, date: 1, new_chat_member } };
  return parseUpdate(update as unknown as Update, "bot");
}

const statuses: [object, boolean][] = [
  [{ status: "member" }, true],
  [{ status: "administrator" }, true],
  [{ status: "creator" }, true],
  [{ status: "restricted", is_member: true }, true],
  [{ status: "restricted", is_member: false }, false],
  [{ status: "left" }, false],
  [{ status: "kicked" }, false],
];

for (const [member, isPresent] of statuses) {
  test(`factOf() my_chat_member ${JSON.stringify(member)}: ${isPresent ? "present" : "absent"}`, () => {
    assert.is((membership(member) as { isPresent: boolean }).isPresent, isPresent);
  });
}

test("factOf() migrations, told on either side", () => {
  const told = { message_id: 1, date: 1 };
  const old = { ...told, chat: { id: -5, type: "group", title: "G" }, migrate_to_chat_id: -1005 };
  const fresh = { ...told, chat: { id: -1005, type: "supergroup", title: "G" }, migrate_from_chat_id: -5 };
  for (const message of [old, fresh]) {
    assert.equal(parseUpdate({ update_id: 1, message } as Update, "bot"), {
      kind: "migration",
      from: -5,
      to: -1005,
    });
  }
});

test("factOf() finds nothing in what says nothing", () => {
  assert.is(parseUpdate({ update_id: 1 }, "bot"), undefined);
  assert.is(
    parseUpdate({ update_id: 1, message: { chat, date: 1, message_id: 1 } } as Update, "bot"),
    undefined,
  );
});

test("factOf() finds nothing in a channel's room for direct messages", () => {
  const chat = { id: -1005, type: "supergroup", title: "News", is_direct_messages: true };
  const parts: object[] = [
    { message: { message_id: 1, date: 1, chat, text: "/start" } },
    { message: { message_id: 1, date: 1, chat, migrate_from_chat_id: -5 } },
    { my_chat_member: { chat, date: 1, new_chat_member: { status: "administrator" } } },
  ];
  for (const part of parts) {
    assert.is(parseUpdate({ update_id: 1, ...part } as Update, "bot"), undefined, JSON.stringify(part));
  }
});

test("personOf() is a person's id, and no bot's", () => {
  assert.is(personOf({ from: { id: 5, is_bot: false, first_name: "Ada" } }), 5);
  for (const from of [undefined, null, 5, { id: "5" }, { id: 0 }, { id: 1087968824, is_bot: true }]) {
    assert.is(personOf({ from: from as never }), undefined);
  }
});

test("factOf() finds nothing in what is not of Telegram's form", () => {
  const text = "/stop";
  const odd: unknown[] = [
    ...[null, 5, "text", [], {}].map((message) => ({ message })),
    ...[null, "5", 5, [], {}, { id: "5" }, { id: 1.5 }, { id: 0 }, { id: 2 ** 53 }, { id: null }].flatMap((
      chat,
    ) => [
      { message: { chat, text } },
      { channel_post: { chat, text } },
      { my_chat_member: { chat, new_chat_member: { status: "kicked" } } },
    ]),
    ...[undefined, null, "kicked", [], {}, { status: 5 }].map((new_chat_member) => ({
      my_chat_member: { chat, new_chat_member },
    })),
    { message: { chat, text: null } },
  ];
  for (const update of odd) {
    assert.is(parseUpdate(update as Update, "bot"), undefined, JSON.stringify(update));
  }
});

test("factOf() finds no command in a text that is none", () => {
  for (const text of [5, ["/stop"], { toString: 5 }]) {
    const fact = parseUpdate({ update_id: 1, message: { chat, text } } as unknown as Update, "bot");
    assert.equal([fact?.kind, fact && "command" in fact && fact.command], ["message", undefined]);
  }
});

test("factOf() finds a migration only from a group to another", () => {
  const group = { id: -5, type: "group" };
  for (const to of [null, "x", 1.5, 0, 5, -5, 2 ** 53, {}]) {
    for (const key of ["migrate_to_chat_id", "migrate_from_chat_id"]) {
      const update = { update_id: 1, message: { chat: group, [key]: to } } as unknown as Update;
      assert.is(parseUpdate(update, "bot"), undefined, `${key} ${to}`);
    }
  }
  const own = { update_id: 1, message: { chat, migrate_to_chat_id: -5 } } as unknown as Update;
  assert.is(parseUpdate(own, "bot"), undefined, "a person's chat does not move");
});

test("userInfoOf() keeps names that are Unicode, of a length that names have, and nothing else", () => {
  const names = { first_name: "\ud83d Ada \ude00", last_name: "😀".repeat(3000), username: 5 };
  const info = userInfoOf({ id: 5, type: "private", ...names } as unknown as Chat);
  assert.equal(info, {
    username: undefined,
    first_name: "\ufffd Ada \ufffd",
    last_name: "😀".repeat(256),
    user_id: 5,
  });
  const titles: [unknown, string | undefined][] = [
    [`a${"😀".repeat(3000)}`, `a${"😀".repeat(255)}`],
    ["x".repeat(255) + "\ud83d", "x".repeat(255) + "\ufffd"],
    [{ toString: 5 }, undefined],
    [null, undefined],
  ];
  for (const [title, kept] of titles) {
    assert.is(userInfoOf({ id: -5, type: "group", title } as unknown as Chat).title, kept);
  }
});

test("userInfoOf() the person of a private chat, the name of any other", () => {
  const ada = { id: 5, type: "private", first_name: "Ada", last_name: "L", username: "ada" } as const;
  assert.equal(userInfoOf(ada), { username: "ada", first_name: "Ada", last_name: "L", user_id: 5 });
  const group = { id: -5, type: "group", title: "Desk" } as Chat;
  assert.equal(userInfoOf(group), { title: "Desk", username: undefined });
});

test("dateMs() turns Telegram's seconds into milliseconds, and what is no date into now", () => {
  assert.is(dateMs(1_700_000_000, 7), 1_700_000_000_000);
  for (const date of [0, -1, NaN, Infinity, 1e15, "5", undefined, null]) {
    assert.is(dateMs(date as number, 7), 7, `${date}`);
  }
  fc.assert(fc.property(fc.double(), (date) => {
    assert.ok(!Number.isNaN(new Date(dateMs(date, 7)).getTime()));
  }));
});

test("sequenceKey() is the chat's, wherever the chat stands, else the person's, else the update's own", () => {
  const message = { chat, from: { id: 9 } };
  for (const kind of ["message", "edited_message", "channel_post", "my_chat_member", "a_new_kind"]) {
    assert.is(chatKeyOf({ update_id: 1, [kind]: message }), 5, kind);
  }
  assert.is(
    chatKeyOf({ update_id: 1, callback_query: { from: { id: 9 }, message } } as unknown as Update),
    5,
  );
  assert.is(chatKeyOf({ update_id: 1, inline_query: { from: { id: 9 } } } as unknown as Update), 9);
  assert.is(chatKeyOf({ update_id: 1, poll: { id: "x" } } as unknown as Update), 1);
  assert.is(chatKeyOf({ update_id: 1 }), 1);
});

test("sequenceKey() is a number for any update", () => {
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.anything()), fc.nat(), (rest, update_id) => {
    assert.type(chatKeyOf({ ...rest, update_id } as Update), "number");
  }));
});

test("sequenceKeysOf() keeps a group and the supergroup that it becomes together", () => {
  const said = (id: number, more: object = {}): Update =>
    ({ update_id: 1, message: { message_id: 1, date: 1, chat: { id }, ...more } }) as unknown as Update;
  const tellings = [said(-5, { migrate_to_chat_id: -1005 }), said(-1005, { migrate_from_chat_id: -5 })];
  for (const telling of tellings) {
    assert.equal(chatKeysOf([said(-5), said(7), telling, said(-1005), said(7)]), [-5, 7, -5, -5, 7]);
  }
});

test("sequenceKeysOf() gives a number for each update, whatever it holds", () => {
  const messages = fc.oneof(
    fc.anything(),
    fc.record({ chat: fc.anything(), migrate_to_chat_id: fc.anything() }),
  );
  fc.assert(fc.property(fc.array(messages), (all) => {
    const updates = all.map((message, update_id) => ({ update_id, message }) as unknown as Update);
    const keys = chatKeysOf(updates);
    assert.is(keys.length, updates.length);
    assert.ok(keys.every((key) => typeof key === "number"));
  }));
});

test.run();
