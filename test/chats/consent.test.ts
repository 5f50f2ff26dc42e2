/** The consent table, every cell over the wire: what is in the table afterwards, and what was answered. */
import type { BotApiServer, LocalChat, LocalGroup, LocalUser } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import {
  HandClock,
  pause,
  said,
  type Scene,
  type SceneOptions,
  startServer,
  until,
  withBot,
} from "../support/bot.ts";
import { epoch } from "../sim/scheduler.ts";
import { inVirtualTime } from "../sim/world.ts";
import type { RawItem } from "../support/storage.ts";

const replies = {
  welcome: "Welcome! You are subscribed.",
  back: "Welcome back! You are subscribed again.",
  greeted: "You are subscribed: every trading signal arrives in this chat.",
  stopped: "You are unsubscribed.",
  not: "This chat is not subscribed. /start subscribes it.",
  administrators: "In a group only its administrators may do that.",
  again: "I could not ask Telegram who the administrators are. Nothing has changed; please try again.",
} as const;
type Reply = keyof typeof replies;

const startedAt = epoch;
const hourAgo = new Date(epoch - 3_600_000).toISOString();

/** The standings of a chat that is in the table, and what tells them. */
const standings: Readonly<Record<string, RawItem>> = {
  active: { is_active: { BOOL: true }, removed_at: { NULL: true } },
  stopped: out(hourAgo, "stopped"),
  blocked: out(hourAgo, "blocked"),
  left: out(hourAgo, "left"),
  gone: out(hourAgo, "gone"),
  inactive: out(hourAgo, "inactive"),
  migrated: { ...out(hourAgo, "migrated"), migrated_to: { N: "-1001234567890" } },
  // The Python bot writes no reason, and leaves ours where one was.
  unreasoned: out(hourAgo.replace("Z", "224+00:00")),
  "unreasoned (our reason left behind)": out(hourAgo.replace("Z", "224+00:00"), "blocked"),
};

function out(removed_at: string, reason?: string): RawItem {
  const removed_reason: RawItem = reason === undefined ? {} : { removed_reason: { S: reason } };
  return { is_active: { BOOL: false }, removed_at: { S: removed_at }, ...removed_reason };
}

/** As the Python bot writes items, with an attribute that we know nothing of. */
function planted(chatId: number, standing: string): RawItem {
  return {
    chat_id: { N: String(chatId) },
    added_at: { S: "2024-01-15T10:30:00.224392+00:00" },
    last_active: { S: hourAgo.replace("Z", "224+00:00") },
    message_count: { N: "42" },
    user_info: {
      M: { username: { S: "johndoe" }, first_name: { S: "John" }, language_code: { S: "en" } },
    },
    tier: { S: "gold" },
    ...standings[standing],
  };
}

const columns = ["/start", "message", "/stop", "removed", "returned"] as const;
type Column = typeof columns[number];

/** For each column: the standing afterwards ("same" for the one before), how many were counted, and the reply. */
type Row = readonly [string, string, string, string, string];

const stoppedRow: Row = ["active +1 back", "same +1", "same +1 not", "same +0", "same +0"];
const removedRow: Row = ["active +1 back", "active +1 back", "stopped +1 not", "same +0", "active +0 back"];
const withoutRegistration: Row = ["active +1 back", "same +1", "stopped +1 not", "same +0", "same +0"];

const consent: Record<"on" | "off", Record<string, Row>> = {
  on: {
    unknown: ["active +1 welcome", "active +1 welcome", "unknown +0 not", "unknown +0", "active +0 welcome"],
    active: ["same +1 greeted", "same +1", "stopped +1 stopped", "blocked +0", "same +0"],
    stopped: stoppedRow,
    unreasoned: stoppedRow,
    "unreasoned (our reason left behind)": stoppedRow,
    blocked: removedRow,
    left: removedRow,
    gone: removedRow,
    inactive: removedRow,
    migrated: removedRow,
  },
  off: {
    unknown: ["active +1 welcome", "unknown +0", "unknown +0 not", "unknown +0", "unknown +0"],
    active: ["same +1 greeted", "same +1", "stopped +1 stopped", "blocked +0", "same +0"],
    stopped: stoppedRow,
    unreasoned: stoppedRow,
    "unreasoned (our reason left behind)": stoppedRow,
    blocked: withoutRegistration,
    left: withoutRegistration,
    gone: withoutRegistration,
    inactive: withoutRegistration,
    migrated: withoutRegistration,
  },
};

const table = suite("the consent table over the wire");

for (const registration of ["on", "off"] as const) {
  for (const [standing, row] of Object.entries(consent[registration])) {
    table(`auto-registration ${registration}: a chat that is ${standing}`, async () => {
      const users = new Map<Column, LocalUser>();
      await withBot(async (scene) => {
        for (const column of columns) act(column, users.get(column) as LocalUser);
        await scene.settled();
        for (const [index, column] of columns.entries()) {
          const user = users.get(column) as LocalUser;
          await check(scene, user, standing, row[index] ?? "", `${standing} × ${column}`);
        }
        assert.equal(scene.logs.of("error"), []);
        assert.equal(scene.logs.of("warn"), []);
      }, {
        bot: { autoRegisterChats: registration === "on" },
        before: async (scene) => {
          for (const column of columns) users.set(column, await newcomer(scene, standing, column));
        },
      });
    });
  }
}

async function newcomer({ server, table }: Scene, standing: string, column: Column): Promise<LocalUser> {
  const user = server.user({ first_name: "Ada", username: "ada" });
  if (standing !== "unknown") await table.put(planted(user.chatId, standing));
  if (column === "returned") {
    server.unheard(() => {
      user.say("before");
      user.block();
    });
  }
  return user;
}

function act(column: Column, user: LocalUser): void {
  if (column === "message") user.photo();
  else if (column === "removed") user.block();
  else if (column === "returned") user.unblock();
  else user.say(column);
}

async function check(
  scene: Scene,
  chat: LocalChat,
  before: string,
  expected: string,
  cell: string,
): Promise<void> {
  const [word = "", count = "", reply] = expected.split(" ");
  const after = word === "same" ? before : word;
  const added = Number(count);
  assert.equal(said(chat), reply === undefined ? [] : [replies[reply as Reply]], `${cell}: reply`);
  const item = await scene.item(chat);
  if (after === "unknown") return void assert.is(item, undefined, `${cell}: nothing is written`);
  if (item === undefined) throw new Error(`${cell}: there is no item`);
  const known = before === "unknown" ? undefined : planted(chat.chatId, before);
  checkStanding(item, after, known, cell);
  // A message keeps the address of a group that has moved.
  const address = added > 0 ? known?.["migrated_to"] : undefined;
  if (after === "active") assert.equal(item["migrated_to"], address, `${cell}: migrated_to`);
  assert.equal(item["message_count"], { N: String((known ? 42 : 0) + added) }, `${cell}: count`);
  checkTimes(item, known, added, cell);
  checkOthers(item, known, cell);
}

function checkStanding(item: RawItem, after: string, known: RawItem | undefined, cell: string): void {
  assert.equal(item["is_active"], { BOOL: after === "active" }, `${cell}: is_active`);
  if (after === "active") {
    assert.equal(item["removed_at"], { NULL: true }, `${cell}: removed_at`);
    // What the Python bot left behind says nothing beside a removed_at that is not ours, so it may stay.
    const isLeftBehind = known?.["removed_at"]?.S?.endsWith("+00:00");
    if (!isLeftBehind) assert.is(item["removed_reason"], undefined, `${cell}: removed_reason`);
  } else if (known !== undefined && standings[after]?.["removed_at"] === known["removed_at"]) {
    assert.equal(item["removed_at"], known["removed_at"], `${cell}: removed_at stays`);
    assert.equal(item["removed_reason"], known["removed_reason"], `${cell}: removed_reason stays`);
  } else {
    assert.equal(item["removed_reason"], { S: after }, `${cell}: removed_reason`);
    assert.match(
      item["removed_at"]?.S ?? "",
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
      `${cell}: removed_at`,
    );
  }
}

function checkTimes(item: RawItem, known: RawItem | undefined, added: number, cell: string): void {
  if (known) assert.equal(item["added_at"], known["added_at"], `${cell}: added_at stays`);
  else assert.ok(isFresh(item["added_at"]?.S), `${cell}: added_at is now`);
  if (known && added === 0) {
    assert.equal(item["last_active"], known["last_active"], `${cell}: last_active stays`);
  } else assert.ok(isFresh(item["last_active"]?.S), `${cell}: last_active is now`);
}

function checkOthers(item: RawItem, known: RawItem | undefined, cell: string): void {
  const info = item["user_info"]?.M ?? {};
  if (known === undefined) {
    assert.equal(info["first_name"], { S: "Ada" }, `${cell}: user_info`);
    return;
  }
  assert.equal(item["tier"], { S: "gold" }, `${cell}: an unknown attribute stays`);
  assert.equal(info["language_code"], { S: "en" }, `${cell}: an unknown key of user_info stays`);
}

function isFresh(time: string | undefined): boolean {
  return time !== undefined && time.endsWith("Z") && Date.parse(time) >= startedAt;
}

table.run();

const test = suite("bot: what registers, and what does not");

const contents: Readonly<Record<string, unknown>> = {
  text: "hello",
  animation: {},
  audio: {},
  contact: {},
  dice: {},
  document: {},
  game: {},
  location: {},
  paid_media: {},
  photo: [],
  poll: {},
  sticker: {},
  story: {},
  venue: {},
  video: {},
  video_note: {},
  voice: {},
};

test("any kind of message registers its chat, and is answered once", async () => {
  await withBot(async ({ bot, server, settled, item }) => {
    const chats = strangers(server, Object.keys(contents));
    await bot.startBot();
    for (const [kind, user] of chats) server.push({ message: { ...message(user), [kind]: contents[kind] } });
    await settled();
    for (const [kind, user] of chats) {
      assert.equal(said(user), [replies.welcome], kind);
      assert.equal((await item(user))?.["message_count"], { N: "1" }, kind);
    }
  }, { state: "made" });
});

test("a channel's post registers it", async () => {
  await withBot(async ({ server, settled, item }) => {
    const channel = server.channel({ title: "Signals" });
    channel.post("hello");
    await settled();
    assert.equal(said(channel), []);
    assert.equal((await item(channel))?.["user_info"], {
      M: { title: { S: "Signals" }, type: { S: "channel" } },
    });
    channel.post("/stop");
    await settled();
    assert.equal((await item(channel))?.["removed_reason"], { S: "stopped" });
  });
});

const services = [
  "new_chat_members",
  "left_chat_member",
  "new_chat_title",
  "new_chat_photo",
  "delete_chat_photo",
  "group_chat_created",
  "supergroup_chat_created",
  "channel_chat_created",
  "message_auto_delete_timer_changed",
  "pinned_message",
  "successful_payment",
  "refunded_payment",
  "users_shared",
  "chat_shared",
  "connected_website",
  "write_access_allowed",
  "passport_data",
  "proximity_alert_triggered",
  "boost_added",
  "chat_background_set",
  "forum_topic_created",
  "forum_topic_closed",
  "giveaway_created",
  "giveaway_completed",
  "video_chat_scheduled",
  "video_chat_started",
  "video_chat_ended",
  "web_app_data",
  "a_kind_of_next_year",
];

test("service messages register nobody, and count nowhere", async () => {
  await withBot(async ({ bot, server, table, settled, item }) => {
    const known = server.user();
    await table.put(planted(known.chatId, "active"));
    const chats = strangers(server, services);
    await bot.startBot();
    for (const [kind, user] of chats) {
      server.push({ message: { ...message(user), [kind]: [{}] } });
      server.push({ message: { ...message(known), [kind]: [{}] } });
    }
    await settled();
    for (const [kind, user] of chats) {
      assert.is(await item(user), undefined, kind);
      assert.equal(said(user), [], kind);
    }
    assert.equal(await item(known), planted(known.chatId, "active"));
  }, { state: "made" });
});

const others = [
  "edited_message",
  "edited_channel_post",
  "business_message",
  "edited_business_message",
  "guest_message",
  "message_reaction",
  "callback_query",
  "inline_query",
  "chat_member",
  "chat_join_request",
  "chat_boost",
  "poll_answer",
  "an_update_of_next_year",
];

test("edits, business and guest messages, queries and the like register nobody, and count nowhere", async () => {
  await withBot(async ({ bot, server, table, settled, item, logs }) => {
    const known = server.user();
    await table.put(planted(known.chatId, "active"));
    const chats = strangers(server, others);
    await bot.startBot();
    for (const [kind, user] of chats) {
      const words = { text: "/start", data: "/start", id: "1", query: "/start" };
      server.push({ [kind]: { ...message(user), ...words, message: message(user) } });
      server.push({ [kind]: { ...message(known), ...words, text: "/stop" } });
    }
    await settled();
    for (const [kind, user] of chats) {
      assert.is(await item(user), undefined, kind);
      assert.equal(said(user), [], kind);
    }
    assert.equal(await item(known), planted(known.chatId, "active"));
    assert.equal(logs.of("error"), []);
  }, { state: "made" });
});

test("a removed bot sees its own left_chat_member, which does not bring the group back", async () => {
  for (const as of ["left", "kicked"] as const) {
    await withBot(async ({ server, settled, item }) => {
      const boss = server.user();
      const group = server.group({ title: "Desk", administrators: [boss] });
      group.say(boss, "hello");
      await settled();
      group.removeBot(boss, { as });
      await settled();
      const { removed_reason, message_count, is_active } = await item(group) ?? {};
      assert.equal([is_active, removed_reason, message_count], [{ BOOL: false }, { S: "left" }, { N: "1" }]);
      group.addBot(boss);
      await settled();
      assert.equal((await item(group))?.["is_active"], { BOOL: true });
      assert.equal(said(group), [replies.welcome, replies.back]);
    });
  }
});

test("a group that stopped stays stopped when the bot is removed and added again", async () => {
  await withBot(async ({ server, settled, item }) => {
    const boss = server.user();
    const group = server.group({ title: "Desk", administrators: [boss] });
    group.say(boss, "/start");
    group.say(boss, "/stop");
    group.removeBot(boss);
    group.addBot(boss);
    group.say(boss, "hello again");
    await settled();
    assert.equal((await item(group))?.["removed_reason"], { S: "stopped" });
    assert.equal(said(group), [replies.welcome, replies.stopped]);
  });
});

test("being added registers a group and a channel, with one welcome for the group", async () => {
  await withBot(async ({ server, settled, item }) => {
    const boss = server.user();
    const group = server.group({ title: "Desk", administrators: [boss], bot: "left" });
    const channel = server.channel({ title: "News", administrators: [boss], bot: "left" });
    group.addBot(boss);
    channel.addBot(boss);
    await settled();
    for (const chat of [group, channel]) {
      assert.equal(said(chat), chat === group ? [replies.welcome] : []);
      assert.equal((await item(chat))?.["message_count"], { N: "0" });
    }
  });
});

test("/help and /status answer, count as messages, and register where messages do", async () => {
  await withBot(async ({ server, settled, item }) => {
    const user = server.user();
    user.say("/help");
    await settled();
    assert.equal(said(user), [replies.welcome, "I send trading signals to this chat."]);
    for (const command of ["/start", "/stop", "/status", "/help"]) await user.received(`${command} –`);
    user.say("/status");
    await settled();
    const status = user.inbox.at(-1)?.text ?? "";
    assert.match(status, "This chat is subscribed.");
    assert.match(status, "Messages from this chat: 2");
    assert.match(status, `This chat's id: ${user.chatId}`);
    assert.match(status, new Date().toISOString().slice(0, 8));
    assert.match(status, "durably");
    user.say("/stop");
    user.say("/status");
    await settled();
    assert.match(user.inbox.at(-1)?.text ?? "", "This chat is not subscribed.");
    assert.equal((await item(user))?.["message_count"], { N: "4" });
  });
});

test("/help and /status answer an unknown chat without registering it where only /start does", async () => {
  await withBot(async ({ server, settled, item }) => {
    const user = server.user();
    user.say("/help");
    user.say("/status");
    await settled();
    assert.equal(said(user), ["I send trading signals to this chat.", replies.not]);
    assert.is(await item(user), undefined);
  }, { bot: { autoRegisterChats: false } });
});

test("commands are heard in any case, with this bot's name, and with words behind", async () => {
  await withBot(async ({ server, settled, item }) => {
    const words = [
      "/STOP",
      "/Stop@local_test_bot",
      "/stop@LOCAL_TEST_BOT",
      "/stop now",
      "/stop\nplease",
      "/stop@Local_Test_Bot \t",
    ];
    const users = words.map((word) => {
      const user = server.user();
      user.say("/start deep_link");
      user.say(word);
      return user;
    });
    await settled();
    for (const [index, user] of users.entries()) {
      assert.equal(said(user), [replies.welcome, replies.stopped], words[index]);
      assert.equal((await item(user))?.["removed_reason"], { S: "stopped" }, words[index]);
    }
  });
});

test("what Telegram marks as /stop is one, whatever stands behind it", async () => {
  await withBot(async ({ server, settled, item }) => {
    const words = ["/stop.", "/stop!", "/stop, please", "/stop@local_test_bot."];
    const users = words.map((word) => {
      const user = server.user();
      user.say("/start");
      const { entities } = user.say(word);
      assert.is(entities?.[0]?.offset, 0);
      return user;
    });
    await settled();
    for (const [index, user] of users.entries()) {
      assert.equal((await item(user))?.["removed_reason"], { S: "stopped" }, words[index]);
    }
  });
});

test("what is no command of this bot is a message as any other", async () => {
  await withBot(async ({ server, table, settled, item }) => {
    const words = [
      "/stop@other_bot",
      "/stop@local_test_bot2",
      "/stopp",
      "/stop_now",
      "please /stop",
      "stop",
      "//stop",
      "/стоп",
    ];
    const users = words.map((word) => {
      const user = server.user();
      user.say(word);
      return user;
    });
    const known = server.user();
    await table.put(planted(known.chatId, "stopped"));
    known.say("/start@other_bot");
    await settled();
    for (const [index, user] of users.entries()) {
      assert.equal(said(user), [replies.welcome], words[index]);
      assert.equal((await item(user))?.["is_active"], { BOOL: true }, words[index]);
    }
    assert.equal(said(known), []);
    assert.equal((await item(known))?.["message_count"], { N: "43" });
  });
});

test.run();

const groups = suite("bot: groups");

inGroups(
  "only administrators may /start and /stop; a refused command counts where the chat is known",
  async (
    { server, settled, item },
  ) => {
    const boss = server.user();
    const member = server.user();
    const group = server.group({ title: "Desk", administrators: [boss], members: [member] });
    group.say(member, "/start");
    await settled();
    assert.is(await item(group), undefined);
    group.say(boss, "/start");
    group.say(member, "/stop");
    await settled();
    assert.equal(said(group), [replies.administrators, replies.welcome, replies.administrators]);
    const known = await item(group);
    assert.equal([known?.["is_active"], known?.["message_count"]], [{ BOOL: true }, { N: "2" }]);
    group.say(boss, "/stop");
    group.say(member, "/start");
    await settled();
    const stopped = await item(group);
    assert.equal([stopped?.["removed_reason"], stopped?.["message_count"]], [{ S: "stopped" }, { N: "4" }]);
  },
);

inGroups("a refused /start brings back nobody", async ({ server, table, settled, item }) => {
  const boss = server.user();
  const member = server.user();
  for (const standing of ["blocked", "left", "gone", "inactive", "stopped"]) {
    const group = server.group({ title: standing, administrators: [boss], members: [member] });
    await table.put(planted(group.chatId, standing));
    group.say(member, "/start");
    await settled();
    const after = await item(group);
    assert.equal(after?.["is_active"], { BOOL: false }, standing);
    assert.equal(after?.["message_count"], { N: "43" }, standing);
  }
});

inGroups("anybody's other message registers a group", async ({ server, settled, item }) => {
  const group = server.group({ title: "Desk", administrators: [server.user()], kind: "supergroup" });
  group.say(server.user(), "hello");
  await settled();
  assert.equal((await item(group))?.["is_active"], { BOOL: true });
  assert.equal((await item(group))?.["user_info"], { M: { title: { S: "Desk" } } });
});

inGroups("no command registers a group but an administrator's /start", async ({ server, settled, item }) => {
  const boss = server.user();
  const member = server.user();
  const group = server.group({
    title: "Desk",
    administrators: [boss],
    members: [member],
    kind: "supergroup",
  });
  for (
    const command of [
      "/help",
      "/status",
      "/price",
      "/price@another_bot",
      "/start@another_bot",
      "/START",
      "/stop",
    ]
  ) {
    group.say(member, command);
    if (!/^\/st[ao]/i.test(command)) group.say(boss, command);
  }
  await settled();
  assert.is(await item(group), undefined);
  assert.is(
    said(group).filter((words) => words.startsWith("I send trading signals")).length,
    2,
    "all the same",
  );
  group.say(boss, "/start");
  await settled();
  assert.equal((await item(group))?.["is_active"], { BOOL: true });
});

inGroups("an anonymous administrator may; a channel that speaks in the group may not", async (
  { server, settled, item },
) => {
  const channel = server.channel({ title: "News" });
  const group = server.group({ title: "Desk", administrators: [server.user()], kind: "supergroup" });
  group.sayAsChannel(channel, "/start");
  await settled();
  assert.is(await item(group), undefined);
  group.sayAnonymously("/start");
  await settled();
  assert.equal((await item(group))?.["is_active"], { BOOL: true });
  group.sayAsChannel(channel, "/stop");
  await settled();
  assert.equal((await item(group))?.["is_active"], { BOOL: true });
  group.sayAnonymously("/stop");
  await settled();
  assert.equal((await item(group))?.["removed_reason"], { S: "stopped" });
  assert.equal(server.countCalls("getChatAdministrators"), 0);
});

inGroups("where Telegram cannot say who the administrators are, nothing changes", async (
  { server, table, settled, item },
) => {
  const boss = server.user();
  const active = server.group({ title: "Desk", administrators: [boss] });
  const unknown = server.group({ title: "Other", administrators: [boss] });
  await table.put(planted(active.chatId, "active"));
  for (const answer of [{ error_code: 400, description: "Bad Request: CHANNEL_PRIVATE" }, "reset"] as const) {
    const fault = server.fault({ method: "getChatAdministrators", times: Infinity, answer });
    active.say(boss, "/stop");
    unknown.say(boss, "/start");
    await settled();
    fault.clear();
  }
  assert.equal(await item(active), planted(active.chatId, "active"));
  assert.is(await item(unknown), undefined);
  assert.equal(said(active), [replies.again, replies.again]);
  assert.equal(said(unknown), [replies.again, replies.again]);
  active.say(boss, "/stop");
  await settled();
  assert.equal((await item(active))?.["removed_reason"], { S: "stopped" }, "a failure is not remembered");
});

const clock = new HandClock(Date.now());
inGroups("administrators are asked for once a minute and group", async ({ server, settled, item }) => {
  const boss = server.user();
  const other = server.user();
  const group = server.group({ title: "Desk", administrators: [boss], members: [other] });
  const second = server.group({ title: "Second", administrators: [boss] });
  const asked = (): number => server.countCalls("getChatAdministrators");
  group.say(other, "/start");
  await settled();
  assert.is(asked(), 1);
  group.setMember(other, "administrator");
  for (const command of ["/start", "/stop", "/start", "/stop"]) group.say(other, command);
  await settled();
  assert.is(asked(), 1, "they are remembered");
  assert.is(await item(group), undefined);
  second.say(boss, "/start");
  await settled();
  assert.is(asked(), 2, "each group has its own");
  // Replies to one chat leave once a second, for which this clock moves, too.
  clock.advance(50_000);
  group.say(other, "/start");
  await settled();
  assert.is(asked(), 2);
  clock.advance(11_000);
  group.say(other, "/start");
  await settled();
  assert.is(asked(), 3, "for a minute");
  assert.equal((await item(group))?.["is_active"], { BOOL: true });
}, { bot: { clock } });

inGroups("a demoted administrator's word counts for a minute at most", async ({ server, settled, item }) => {
  const boss = server.user();
  const other = server.user();
  const group = server.group({ title: "Desk", administrators: [boss, other] });
  // Telegram's answer is on its way for four seconds.
  server.fault({ method: "getChatAdministrators", answer: { delayMs: 4000 } });
  group.say(other, "/start");
  await settled();
  assert.equal((await item(group))?.["is_active"], { BOOL: true });
  group.setMember(other, "member");
  await pause(55_000);
  group.say(other, "/stop");
  await settled();
  assert.equal((await item(group))?.["is_active"], { BOOL: false }, "within the minute");
  await pause(2000);
  group.say(other, "/start");
  await settled();
  assert.equal((await item(group))?.["is_active"], { BOOL: false }, "a minute after the question");
  assert.is(said(group).at(-1), replies.administrators);
  group.say(boss, "/start");
  await settled();
  assert.equal((await item(group))?.["is_active"], { BOOL: true });
});

inGroups("plain messages ask nobody for administrators", async ({ server, settled }) => {
  const group = server.group({ title: "Desk", administrators: [server.user()] });
  for (const text of ["hello", "/help", "/status", "/stop@other_bot"]) group.say(server.user(), text);
  await settled();
  assert.is(server.countCalls("getChatAdministrators"), 0);
});

function inGroups(title: string, body: (scene: Scene) => Promise<void>, options: SceneOptions = {}): void {
  groups(title, () => withBot(body, options));
}

groups.run();

const moves = suite("bot: a group becomes a supergroup");

/** A group of this standing, and what Telegram says when it has moved: to the old chat, and in the new one. */
async function movingGroup(
  { server, table }: Scene,
  standing: string,
): Promise<{ group: LocalGroup; supergroup: LocalGroup; boss: LocalUser; old: object; new: object }> {
  const boss = server.user();
  const group = server.group({ title: "Desk", administrators: [boss] });
  if (standing !== "unknown") await table.put(planted(group.chatId, standing));
  const supergroup = server.unheard(() => group.migrate());
  const date = Math.floor(Date.now() / 1000);
  const told = { message_id: 900, date, from: boss.user };
  return {
    group,
    supergroup,
    boss,
    old: { message: { ...told, chat: group.chat, migrate_to_chat_id: supergroup.chatId } },
    new: { message: { ...told, chat: supergroup.chat, migrate_from_chat_id: group.chatId } },
  };
}

const tellings: Readonly<Record<string, readonly ("old" | "new")[]>> = {
  "in the old chat": ["old"],
  "in the new chat": ["new"],
  "in both chats": ["old", "new"],
  "in both chats, the new one first": ["new", "old"],
  "in both chats, twice": ["old", "new", "new", "old"],
};

for (const [telling, sides] of Object.entries(tellings)) {
  moves(`told ${telling}: the new chat has the old one's standing, count and added_at`, async () => {
    await withBot(async (scene) => {
      for (const standing of Object.keys(standings).filter((each) => each !== "migrated")) {
        const { group, supergroup, ...told } = await movingGroup(scene, standing);
        for (const side of sides) scene.server.push(told[side]);
        await scene.settled();
        await checkMoved(scene, group, supergroup, standing);
      }
      assert.equal(scene.logs.of("error"), []);
    });
  });
}

async function checkMoved(
  scene: Scene,
  group: LocalGroup,
  supergroup: LocalGroup,
  standing: string,
): Promise<void> {
  const [before, after] = [await scene.item(group), await scene.item(supergroup)];
  assert.equal(before?.["is_active"], { BOOL: false }, standing);
  assert.equal(before?.["removed_reason"], { S: "migrated" }, standing);
  assert.equal(before?.["migrated_to"], { N: String(supergroup.chatId) }, standing);
  assert.equal(after?.["is_active"], { BOOL: standing === "active" }, standing);
  const isUnreasoned = standing.startsWith("unreasoned");
  const reason = standing === "active" || isUnreasoned ? undefined : { S: standing };
  assert.equal(after?.["removed_reason"], reason, standing);
  assert.equal(after?.["message_count"], { N: "42" }, standing);
  assert.equal(after?.["added_at"], planted(1, standing)["added_at"], standing);
  assert.equal(after?.["migrated_from"], { N: String(group.chatId) }, standing);
  assert.equal([said(group), said(supergroup)], [[], []], "a move is answered to nobody");
}

moves("a group that nobody knows moves without a trace", async () => {
  await withBot(async (scene) => {
    const { group, supergroup, ...told } = await movingGroup(scene, "unknown");
    scene.server.push(told.old);
    scene.server.push(told.new);
    await scene.settled();
    assert.is(await scene.table.size(), 0);
    assert.equal([said(group), said(supergroup)], [[], []]);
  });
});

moves("what was said in the supergroup holds when the move is told again", async () => {
  await withBot(async (scene) => {
    const { supergroup, boss, ...told } = await movingGroup(scene, "active");
    scene.server.push(told.old);
    await scene.settled();
    supergroup.say(boss, "/stop");
    supergroup.say(boss, "more");
    await scene.settled();
    scene.server.push(told.new);
    scene.server.push(told.old);
    await scene.settled();
    const item = await scene.item(supergroup);
    assert.equal(item?.["removed_reason"], { S: "stopped" });
    assert.equal(item?.["message_count"], { N: "44" });
    supergroup.say(boss, "/start");
    await scene.settled();
    assert.equal((await scene.item(supergroup))?.["is_active"], { BOOL: true });
  });
});

moves(
  "a group that had stopped is not brought back by talk in the supergroup before the move is told",
  async () => {
    await withBot(async (scene) => {
      const { group, supergroup, boss, ...told } = await movingGroup(scene, "stopped");
      supergroup.say(boss, "hello from the new chat");
      await scene.settled();
      scene.server.push(told.new);
      await scene.settled();
      const item = await scene.item(supergroup);
      assert.equal(item?.["removed_reason"], { S: "stopped" });
      assert.equal(item?.["message_count"], { N: "43" });
      assert.equal((await scene.item(group))?.["removed_reason"], { S: "migrated" });
    });
  },
);

moves("a move and talk in both chats, all in one batch", async () => {
  await withBot(async (scene) => {
    const { server, bot } = scene;
    const boss = server.user();
    const group = server.group({ title: "Desk", administrators: [boss] });
    group.say(boss, "one");
    group.say(boss, "two");
    const supergroup = group.migrate();
    supergroup.say(boss, "three");
    supergroup.say(boss, "four");
    await bot.startBot();
    await scene.settled();
    const item = await scene.item(supergroup);
    assert.equal([item?.["is_active"], item?.["message_count"]], [{ BOOL: true }, { N: "4" }]);
    assert.equal((await scene.item(group))?.["removed_reason"], { S: "migrated" });
    assert.is((await bot.broadcast("signal")).recipients, 1);
    assert.is(supergroup.inbox.filter(({ text }) => text === "signal").length, 1);
  }, { state: "made" });
});

moves("a /stop that is heard when its group is a supergroup already holds there", async () => {
  await withBot(async (scene) => {
    const { server, bot, table } = scene;
    const boss = server.user();
    const group = server.group({ title: "Desk", administrators: [boss] });
    await table.put(planted(group.chatId, "active"));
    group.say(boss, "/stop");
    const supergroup = group.migrate();
    await bot.startBot();
    await scene.settled();
    assert.equal((await scene.item(supergroup))?.["removed_reason"], { S: "stopped" });
    assert.equal((await scene.item(supergroup))?.["message_count"], { N: "43" });
    assert.equal(said(supergroup), ["You are unsubscribed."]);
    assert.is((await bot.broadcast("signal")).recipients, 0);
  }, { state: "made" });
});

moves("a /stop, the move and talk in the supergroup in one batch, whose first write fails once", async () => {
  await withBot(async (scene) => {
    const { server, bot, gate, table } = scene;
    const boss = server.user();
    const group = server.group({ title: "Desk", administrators: [boss] });
    await table.put(planted(group.chatId, "active"));
    group.say(boss, "/stop");
    const supergroup = group.migrate();
    supergroup.say(boss, "hello");
    await bot.initialize();
    gate.throttle({ action: "UpdateItem", times: 3 });
    await bot.startBot();
    await scene.settled();
    assert.equal((await scene.item(supergroup))?.["removed_reason"], { S: "stopped" });
    assert.equal((await scene.item(supergroup))?.["message_count"], { N: "44" });
    assert.equal(said(supergroup), ["You are unsubscribed."]);
    assert.is((await bot.broadcast("signal")).recipients, 0);
  }, { state: "made" });
});

moves("a crash between the halves of a move is made good by the next telling", async () => {
  await withBot(async (scene) => {
    const { group, supergroup, ...told } = await movingGroup(scene, "active");
    let writes = 0;
    const hook = scene.gate.before("UpdateItem", () => {
      if (++writes > 1) throw new Error("the machine dies here");
    });
    scene.server.push(told.old);
    await until(() => writes > 1, "no second half");
    await scene.bot.stopBot();
    hook.clear();
    assert.equal((await scene.item(group))?.["is_active"], { BOOL: true }, "the second half is missing");
    const next = scene.another();
    await next.startBot();
    scene.server.push(told.new);
    await scene.settled();
    await checkMoved({ ...scene, bot: next }, group, supergroup, "active");
  });
});

moves.run();

const again = suite("bot: what comes twice, and what is not heard");

again("an update that is delivered twice counts once, to one bot", async () => {
  await withBot(async ({ bot, server, settled, item }) => {
    const user = server.user();
    user.say("hello");
    const update = { update_id: 100000002, message: { ...message(user), text: "again" } };
    for (let times = 0; times < 3; times++) server.push(update);
    await bot.startBot();
    await settled();
    assert.equal((await item(user))?.["message_count"], { N: "2" });
    assert.equal(said(user), [replies.welcome]);
  }, { state: "made" });
});

again(
  "an update that is delivered again after a restart counts once, and is not answered again",
  async () => {
    await withBot(async ({ bot, server, another, settled, item }) => {
      const user = server.user();
      const hello = user.say("hello");
      await settled();
      await bot.stopBot();
      const { text } = user.inbox[0] ?? {};
      assert.match(text ?? "", replies.welcome);
      server.push({ update_id: 100000001, message: hello });
      await another().startBot();
      await settled();
      assert.equal((await item(user))?.["message_count"], { N: "1" });
      assert.equal(said(user), [replies.welcome]);
    });
  },
);

again("an old message that is delivered again does not undo a /stop", async () => {
  await withBot(async ({ bot, server, another, settled, item }) => {
    const user = server.user();
    const start = user.say("/start");
    user.say("/stop");
    await settled();
    await bot.stopBot();
    server.push({ update_id: 100000001, message: start });
    await another().startBot();
    await settled();
    assert.equal((await item(user))?.["removed_reason"], { S: "stopped" });
    assert.equal((await item(user))?.["message_count"], { N: "2" });
  });
});

again("an old block that is delivered again does not undo the return", async () => {
  await withBot(async ({ bot, server, another, settled, item }) => {
    const user = server.user();
    user.say("/start");
    user.block();
    await settled();
    const { removed_at } = await item(user) ?? {};
    user.unblock();
    await settled();
    await bot.stopBot();
    server.push({
      update_id: 100000002,
      my_chat_member: {
        chat: user.chat,
        from: user.user,
        date: Math.floor(Date.parse(removed_at?.S ?? "") / 1000),
        old_chat_member: { status: "member", user: server.bot },
        new_chat_member: { status: "kicked", user: server.bot, until_date: 0 },
      },
    });
    await another().startBot();
    await settled();
    assert.equal((await item(user))?.["is_active"], { BOOL: true });
  });
});

again("two bots that get the same updates at the same time count each once and welcome once", async () => {
  await inVirtualTime(async () => {
    const other = await startServer();
    await withBot(async ({ bot, server, another, settled, item }) => {
      const users = Array.from({ length: 20 }, () => server.user());
      const twins = users.map(({ chatId }) => other.user({ id: chatId }));
      for (let round = 0; round < 3; round++) {
        for (const user of [...users, ...twins]) user.say("hello");
      }
      const second = another({ apiRoot: other.apiRoot });
      await Promise.all([bot.startBot(), second.startBot()]);
      await settled();
      await until(() => other.pendingUpdates === 0, "the other bot did not confirm");
      for (const [index, user] of users.entries()) {
        assert.equal((await item(user))?.["message_count"], { N: "3" });
        assert.equal([...said(user), ...said(twins[index] as LocalUser)], [replies.welcome]);
      }
    }, { state: "made", server: { token: other.token } });
  });
});

again("a bot that only broadcasts sees whom another one has registered since", async () => {
  await withBot(async ({ bot, server, another, settled }) => {
    const broadcaster = another();
    assert.is((await broadcaster.initialize()).chats, 0);
    const [ada, bob] = [server.user(), server.user()];
    ada.say("/start");
    bob.say("/start");
    bob.say("/stop");
    await settled();
    const report = await broadcaster.broadcast("signal");
    assert.equal([report.recipients, report.sent], [1, 1]);
    assert.equal(said(ada).at(-1), "signal");
    assert.is((await bot.getStatistics()).activeChats, 1);
  });
});

again("that a command is not heard is told before other replies", async () => {
  await withBot(async ({ server, settled, logs }) => {
    const boss = server.user();
    const group = server.group({ title: "Desk", administrators: [boss] });
    const fault = server.fault({
      ...{ method: "getChatAdministrators", times: Infinity },
      answer: { error_code: 400, description: "Bad Request: CHANNEL_PRIVATE" },
    });
    const people = Array.from({ length: 150 }, () => server.user());
    for (const person of people) person.say("/help");
    group.say(boss, "/start");
    await settled();
    fault.clear();
    const unanswered = people.filter((person) => person.inbox.length === 0);
    assert.ok(unanswered.length > 0, "nobody had to wait for too long");
    assert.equal(said(group), [replies.again]);
    const told = logs.of("warn").filter((line) => line.includes("administrators"));
    assert.equal(told, [
      `Telegram did not say who the administrators of ${group.chatId} are (Call to 'getChatAdministrators' failed! ` +
      "(400: Bad Request: CHANNEL_PRIVATE)): a command there has to be sent again.",
    ]);
  }, { bot: { messagesPerSecond: 10 } });
});

again.run();

/** People, one for each name, whose chats are open, although the bot has heard nothing of them yet. */
function strangers(server: BotApiServer, names: readonly string[]): [string, LocalUser][] {
  return names.map((name) => [name, server.user({ first_name: name, opened: true })]);
}

let messageId = 1000;
function message(chat: LocalUser): object {
  const date = Math.floor(Date.now() / 1000);
  return { message_id: ++messageId, date, chat: chat.chat, from: chat.user };
}
