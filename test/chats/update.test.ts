/** What the parser reads in updates. What they do to a chat over the wire is in consent.test.ts. */
import fc from "fast-check";
import type { Chat, Update } from "grammy/types";
import { Api } from "grammy/web";
import {
  chatKeyOf,
  chatKeysOf,
  commandOf,
  dateMs,
  type ParsedUpdate,
  personOf,
  UpdateParser,
  userInfoOf,
} from "../../lib/chats/update.ts";
import { assert, suite } from "../harness.ts";
import { TestClock } from "../support/storage.ts";

const test = suite("update");

const chat = { id: 5, type: "private", first_name: "Ada" } as const;

const now = Date.UTC(2026, 10, 20, 12);
const parser = new UpdateParser({ registers: true, clock: new TestClock(now) });
const context = { api: new Api("1:A"), botUsername: "bot" };

function parse(update: unknown): Promise<ParsedUpdate | undefined> {
  return parser.parse(update as Update, context);
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
  test(`commandOf() ${JSON.stringify(text)}: ${command ?? "no command"}`, async () => {
    assert.is(commandOf(text, "My_Bot"), command);
    const message = { message_id: 1, date: 1, chat, text };
    const parsed = await parser.parse({ update_id: 1, message } as Update, {
      ...context,
      botUsername: "My_Bot",
    });
    assert.is(parsed?.intent, command === "stop" ? "stop" : "nothing");
    assert.is(parsed?.write?.kind, "event");
  });
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

for (const [new_chat_member, isPresent] of statuses) {
  test(`parse() my_chat_member ${JSON.stringify(new_chat_member)}: ${isPresent ? "present" : "absent"}`, async () => {
    const parsed = await parse({ update_id: 1, my_chat_member: { chat, date: 1, new_chat_member } });
    const kind = parsed?.write?.kind === "event" && parsed.write.event.kind;
    assert.is(kind, isPresent ? "returned" : "removed");
  });
}

test("parse() migrations, told on either side", async () => {
  const told = { message_id: 1, date: 1 };
  const old = { ...told, chat: { id: -5, type: "group", title: "G" }, migrate_to_chat_id: -1005 };
  const fresh = { ...told, chat: { id: -1005, type: "supergroup", title: "G" }, migrate_from_chat_id: -5 };
  for (const message of [old, fresh]) {
    const parsed = await parse({ update_id: 1, message });
    assert.equal([parsed?.chatId, parsed?.intent], [-1005, "nothing"]);
    assert.equal(parsed?.write, { kind: "migration", from: -5, to: -1005, at: now });
  }
});

test("parse() finds nothing in what says nothing", async () => {
  assert.is(await parse({ update_id: 1 }), undefined);
  assert.is(await parse({ update_id: 1, message: { chat, date: 1, message_id: 1 } }), undefined);
});

test("parse() finds nothing in a channel's room for direct messages", async () => {
  const chat = { id: -1005, type: "supergroup", title: "News", is_direct_messages: true };
  const parts: object[] = [
    { message: { message_id: 1, date: 1, chat, text: "/start" } },
    { message: { message_id: 1, date: 1, chat, migrate_from_chat_id: -5 } },
    { my_chat_member: { chat, date: 1, new_chat_member: { status: "administrator" } } },
  ];
  for (const part of parts) {
    assert.is(await parse({ update_id: 1, ...part }), undefined, JSON.stringify(part));
  }
});

test("personOf() is a person's id, and no bot's", () => {
  assert.is(personOf({ from: { id: 5, is_bot: false, first_name: "Ada" } }), 5);
  for (const from of [undefined, null, 5, { id: "5" }, { id: 0 }, { id: 1087968824, is_bot: true }]) {
    assert.is(personOf({ from: from as never }), undefined);
  }
});

test("parse() finds nothing in what is not of Telegram's form", async () => {
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
    assert.is(await parse(update), undefined, JSON.stringify(update));
  }
});

test("parse() finds no command in a text that is none", async () => {
  for (const text of [5, ["/stop"], { toString: 5 }]) {
    const parsed = await parse({ update_id: 1, message: { chat, text } });
    assert.equal([parsed?.write?.kind, parsed?.intent], ["event", "nothing"]);
    assert.is(commandOf(text, "bot"), undefined);
  }
});

test("parse() finds a migration only from a group to another", async () => {
  const group = { id: -5, type: "group" };
  for (const to of [null, "x", 1.5, 0, 5, -5, 2 ** 53, {}]) {
    for (const key of ["migrate_to_chat_id", "migrate_from_chat_id"]) {
      const update = { update_id: 1, message: { chat: group, [key]: to } };
      assert.is(await parse(update), undefined, `${key} ${to}`);
    }
  }
  const own = { update_id: 1, message: { chat, migrate_to_chat_id: -5 } };
  assert.is(await parse(own), undefined, "a person's chat does not move");
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

test("chatKeyOf() is the chat's, wherever the chat stands, else the person's, else the update's own", () => {
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

test("chatKeyOf() is a number for any update", () => {
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.anything()), fc.nat(), (rest, update_id) => {
    assert.type(chatKeyOf({ ...rest, update_id } as Update), "number");
  }));
});

test("chatKeysOf() keeps a group and the supergroup that it becomes together", () => {
  const said = (id: number, more: object = {}): Update =>
    ({ update_id: 1, message: { message_id: 1, date: 1, chat: { id }, ...more } }) as unknown as Update;
  const tellings = [said(-5, { migrate_to_chat_id: -1005 }), said(-1005, { migrate_from_chat_id: -5 })];
  for (const telling of tellings) {
    assert.equal(chatKeysOf([said(-5), said(7), telling, said(-1005), said(7)]), [-5, 7, -5, -5, 7]);
  }
});

test("chatKeysOf() gives a number for each update, whatever it holds", () => {
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
