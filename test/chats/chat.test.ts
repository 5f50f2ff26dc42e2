import fc from "fast-check";
import { fold, isMessage, isStartOrStop, isStopped, transition, updateIdOf } from "../../lib/chats/chat.ts";
import type { Chat, ChatEvent, ChatState } from "../../lib/chats/events.ts";
import { assertChatId } from "../../lib/telegram/chat_id.ts";
import { parseTime, toIso } from "../../lib/util/clock.ts";
import { assert, suite } from "../harness.ts";
import {
  chatThatIs,
  dayMs,
  frozen,
  known,
  noon,
  secondMs,
  sinceKnown,
  type Standing,
  standings,
  streams,
} from "../support/chats.ts";

/*
 * The consent table, every cell of it, with auto-registration and without.
 *
 * nothing      the very same value
 * registers    active since now, with a count of 1 for a message and of 0 for anything else
 * counts       one message more; the standing stays
 * reactivates  active again, no trace of a removal; a message counts
 * stops        inactive as `stopped` from now on; a message counts
 * blocks, leaves, goes, ages   inactive for that reason from now on; nothing counts
 * strikes      one strike more; the standing stays
 * stays        the standing stays and nothing counts; only the id of the membership update is noted
 */
const withAutoRegistration = `
chat is    | start       | message     | stop    | blocked | left    | gone    | returned    | stale
unknown    | registers   | registers   | nothing | nothing | nothing | nothing | registers   | nothing
active     | counts      | counts      | stops   | blocks  | leaves  | goes    | stays       | ages
stopped    | reactivates | counts      | counts  | stays   | stays   | stays   | stays       | nothing
unreasoned | reactivates | counts      | counts  | stays   | stays   | stays   | stays       | nothing
blocked    | reactivates | reactivates | stops   | stays   | stays   | stays   | reactivates | nothing
left       | reactivates | reactivates | stops   | stays   | stays   | stays   | reactivates | nothing
gone       | reactivates | reactivates | stops   | stays   | stays   | stays   | reactivates | nothing
inactive   | reactivates | reactivates | stops   | stays   | stays   | stays   | reactivates | nothing
migrated   | reactivates | reactivates | stops   | stays   | stays   | stays   | reactivates | nothing
`;

const withoutAutoRegistration = `
chat is    | start       | message     | stop    | blocked | left    | gone    | returned    | stale
unknown    | registers   | nothing     | nothing | nothing | nothing | nothing | nothing     | nothing
active     | counts      | counts      | stops   | blocks  | leaves  | goes    | stays       | ages
stopped    | reactivates | counts      | counts  | stays   | stays   | stays   | stays       | nothing
unreasoned | reactivates | counts      | counts  | stays   | stays   | stays   | stays       | nothing
blocked    | reactivates | counts      | stops   | stays   | stays   | stays   | stays       | nothing
left       | reactivates | counts      | stops   | stays   | stays   | stays   | stays       | nothing
gone       | reactivates | counts      | stops   | stays   | stays   | stays   | stays       | nothing
inactive   | reactivates | counts      | stops   | stays   | stays   | stays   | stays       | nothing
migrated   | reactivates | counts      | stops   | stays   | stays   | stays   | stays       | nothing
`;

/** What a broadcast met. A chat with one strike or two is active; the first message clears them. */
const broadcastsWord = `
chat is    | unreached | reached
unknown    | nothing   | nothing
active     | strikes   | nothing
stopped    | nothing   | nothing
unreasoned | nothing   | nothing
blocked    | nothing   | nothing
left       | nothing   | nothing
gone       | nothing   | nothing
inactive   | nothing   | nothing
migrated   | nothing   | nothing
`;

/** The operator's word, which auto-registration does not touch. `stops` and `reactivates` count nothing here. */
const operatorsWord = `
chat is    | saved       | deactivated | reactivated
unknown    | registers   | nothing     | nothing
active     | nothing     | stops       | nothing
stopped    | reactivates | nothing     | reactivates
unreasoned | reactivates | nothing     | reactivates
blocked    | reactivates | nothing     | reactivates
left       | reactivates | nothing     | reactivates
gone       | reactivates | nothing     | reactivates
inactive   | reactivates | nothing     | reactivates
migrated   | reactivates | nothing     | reactivates
`;

const at = noon + 60 * secondMs;
const updateId = 100;

function eventOf(column: string, registers: boolean): ChatEvent {
  switch (column) {
    case "start":
    case "message":
    case "stop":
      return { kind: column, at, updateId, registers };
    case "blocked":
    case "left":
    case "gone":
      return { kind: "removed", at, updateId, registers, reason: column };
    case "returned":
      return { kind: "returned", at, updateId, registers };
    case "stale":
      return { kind: "stale", at, lastActive: toIso(noon) };
    case "saved":
    case "deactivated":
    case "reactivated":
    case "unreached":
    case "reached":
      return { kind: column, at };
    default:
      throw new Error(`no such column: ${column}`);
  }
}

/** What the chat must be afterwards, to the last attribute. */
function expected(cell: string, before: ChatState | undefined, event: ChatEvent): ChatState | undefined {
  const isMessage = event.kind === "start" || event.kind === "message" || event.kind === "stop";
  const isMember = event.kind === "removed" || event.kind === "returned";
  const isWord = event.kind === "start" || event.kind === "stop";
  const word = isWord ? { last_word_update_id: updateId } : {};
  const ids = isMessage
    ? { last_update_id: updateId, ...word }
    : isMember
    ? { last_member_update_id: updateId }
    : {};
  if (cell === "nothing") return before;
  if (cell === "registers") {
    const now = { added_at: toIso(at), last_active: toIso(at), message_count: isMessage ? 1 : 0 };
    const word = isMessage || isMember ? { last_word_update_id: updateId } : {};
    return { is_active: true, ...now, user_info: {}, removed_at: null, ...ids, ...word };
  }
  assert.ok(before, `${cell} needs a chat`);
  const counted = isMessage ? { message_count: 4, last_active: toIso(at) } : {};
  const heard = { ...before, ...counted, ...ids };
  if (cell === "counts" || cell === "stays") return heard;
  if (cell === "strikes") return { ...before, strikes: 1 };
  if (cell === "reactivates") {
    const migrated_to = isMessage ? before.migrated_to : undefined;
    return { ...heard, is_active: true, removed_at: null, removed_reason: undefined, migrated_to };
  }
  const reasons = {
    stops: "stopped",
    blocks: "blocked",
    leaves: "left",
    goes: "gone",
    ages: "inactive",
  } as const;
  const removed_reason = reasons[cell as keyof typeof reasons];
  assert.ok(removed_reason, `no such cell: ${cell}`);
  return { ...heard, is_active: false, removed_at: toIso(at), removed_reason };
}

function rowsOf(text: string): { standing: string; column: string; cell: string }[] {
  const [head = [], ...rows] = text.trim().split("\n").map((row) =>
    row.split("|").map((cell) => cell.trim())
  );
  return rows.flatMap(([standing = "", ...cells]) => {
    assert.is(cells.length, head.length - 1, `the row of ${standing}`);
    return cells.map((cell, index) => ({ standing, column: head[index + 1] ?? "", cell }));
  });
}

const table = suite("transition(): the consent table");

const tables = [
  ["with auto-registration", withAutoRegistration, true, 72],
  ["without auto-registration", withoutAutoRegistration, false, 72],
  ["the operator's word", operatorsWord, true, 27],
  ["a broadcast's word", broadcastsWord, true, 18],
] as const;

for (const [title, text, registers, size] of tables) {
  const cells = rowsOf(text);
  table(`transition() holds ${size} cells ${title}`, () => assert.is(cells.length, size));
  for (const { standing, column, cell } of cells) {
    table(`transition() ${title}: ${standing} + ${column} -> ${cell}`, () => {
      const before = standing === "unknown" ? undefined : frozen(chatThatIs(standing as Standing));
      const event = frozen(eventOf(column, registers));
      const after = transition(before, event);
      assert.equal(known(after), known(expected(cell, before, event)));
      if (cell === "nothing") assert.is(after, before);
    });
  }
}

table("transition() takes a message that does not say whether it registers for one that does not", () => {
  assert.is(transition(undefined, { kind: "message", at, updateId }), undefined);
  assert.is(transition(undefined, { kind: "returned", at, updateId }), undefined);
  assert.is(transition(chatThatIs("blocked"), { kind: "message", at, updateId })?.is_active, false);
});

table("transition() takes a refused send without a reason for `gone`", () => {
  assert.is(transition(chatThatIs("active"), { kind: "removed", at })?.removed_reason, "gone");
});

table.run();

const strikes = suite("transition(): strikes");

const unreached: ChatEvent = { kind: "unreached", at };
const struck = (count: number): ChatState => frozen(chatThatIs("active", { strikes: count }));

strikes("transition() ends a chat as gone that three broadcasts in a row did not find", () => {
  const chat = frozen(chatThatIs("active"));
  const twice = fold(chat, [unreached, unreached]);
  assert.equal([twice?.is_active, twice?.strikes], [true, 2]);
  const gone = { is_active: false, removed_at: toIso(at), removed_reason: "gone" };
  assert.equal(known(transition(twice, unreached)), known({ ...chat, ...gone } as ChatState));
  assert.is(fold(chat, [unreached, unreached, { kind: "reached", at }, unreached])?.strikes, 1, "in a row");
});

strikes("transition() ends a chat at the next strike that has more of them than it can have", () => {
  assert.is(transition(struck(17), unreached)?.removed_reason, "gone");
});

strikes("transition() clears strikes by a message taken, and by any message from the chat", () => {
  for (const count of [1, 2]) {
    const chat = struck(count);
    assert.equal(known(transition(chat, { kind: "reached", at })), known(chatThatIs("active")));
    for (const column of ["start", "message", "stop"]) {
      for (const registers of [true, false]) {
        const event = eventOf(column, registers);
        const wanted = transition(chatThatIs("active"), event);
        assert.equal(known(transition(chat, event)), known(wanted), column);
      }
    }
  }
});

strikes("transition() keeps strikes through what says nothing of whether the chat is there", () => {
  const chat = struck(2);
  assert.is(transition(chat, { kind: "message", at: noon, updateId: 50 }), chat, "a message that is held");
  assert.is(transition(chat, { kind: "stale", at, lastActive: "another" }), chat);
  assert.is(transition(chat, { kind: "saved", at }), chat);
  assert.is(transition(chat, { kind: "reactivated", at }), chat);
  assert.is(transition(chat, { kind: "saved", at, userInfo: { title: "New" } })?.strikes, 2);
  assert.is(transition(chat, eventOf("returned", true))?.strikes, 2);
});

strikes("transition() leaves no strikes on a chat that ends, however it does", () => {
  const ends = ["stop", "blocked", "left", "gone", "stale", "deactivated"].map((it) => eventOf(it, true));
  for (const event of [...ends, { kind: "migrated", to: -1001, at } as const]) {
    const after = transition(struck(2), event);
    assert.equal([after?.is_active, after?.strikes], [false, undefined], event.kind);
  }
});

strikes("transition() begins without strikes where another program left them on an inactive chat", () => {
  for (const standing of standings.filter((it) => it !== "active")) {
    const chat = frozen(chatThatIs(standing, { strikes: 2 }));
    assert.is(transition(chat, unreached), chat);
    assert.is(transition(chat, { kind: "reached", at })?.strikes, undefined);
    for (const column of ["start", "saved", "reactivated", "returned"]) {
      const after = transition(chat, eventOf(column, true));
      if (after?.is_active) assert.is(after.strikes, undefined, `${standing} + ${column}`);
    }
  }
});

strikes("transition() ignores a strike older than the chat's last message, as it does a refused send", () => {
  const chat = frozen(chatThatIs("active", { last_active: toIso(noon + 400), strikes: 2 }));
  assert.is(transition(chat, { kind: "unreached", at: noon - 1 }), chat);
  assert.is(transition(chat, { kind: "unreached", at: noon })?.is_active, false, "within the second");
  const mistaken = chatThatIs("active", { last_active: toIso(at + 7 * dayMs) });
  assert.is(transition(mistaken, unreached)?.strikes, 1, "a time that is days ahead is none");
});

strikes("transition() hands no strikes to a supergroup, and takes it none", () => {
  const from: Chat = { chat_id: -5, ...struck(2) };
  assert.is(transition(undefined, { kind: "inherited", from, at })?.strikes, undefined);
  assert.is(transition(chatThatIs("active"), { kind: "inherited", from, at })?.strikes, undefined);
  assert.is(transition(struck(1), { kind: "inherited", from, at })?.strikes, 1);
});

strikes.run();

const guards = suite("transition(): guards");

guards("transition() counts an update id once, whatever it says the second time", () => {
  const once = fold(undefined, [{ kind: "start", at, updateId }]);
  for (const kind of ["start", "message", "stop"] as const) {
    for (const id of [updateId, updateId - 1]) {
      assert.is(transition(once, { kind, at, updateId: id, registers: true }), once);
    }
  }
});

const word = (kind: "start" | "stop" | "message", updateId: number, at: number = noon): ChatEvent => ({
  kind,
  at,
  updateId,
  registers: true,
});

guards("transition() holds a /stop or /start that a later message has overtaken, once", () => {
  for (const registration of [word("start", 1), word("message", 1)]) {
    const overtaken = fold(undefined, [registration, word("message", 5, noon + secondMs)]);
    const stopped = transition(overtaken, word("stop", 3));
    assert.equal([stopped?.removed_reason, stopped?.message_count], ["stopped", 3]);
    assert.equal([stopped?.last_update_id, stopped?.last_active], [5, toIso(noon + secondMs)]);
    assert.is(transition(stopped, word("stop", 3)), stopped, "it counts once");
    assert.is(transition(stopped, word("message", 5)), stopped, "and the message, too");
    const back = transition(stopped, word("start", 4));
    assert.equal([back?.is_active, back?.message_count, back?.last_update_id], [true, 4, 5]);
    assert.is(transition(back, word("stop", 3)), back, "a /stop undoes no later /start");
  }
});

guards(
  "transition() takes no word for news that was said before the last one, or before the registration",
  () => {
    const active = fold(undefined, [word("start", 1), word("stop", 3), word("start", 5), word("message", 7)]);
    for (const updateId of [1, 3, 4, 5]) assert.is(transition(active, word("stop", updateId)), active);
    assert.is(transition(active, word("stop", 6))?.is_active, false);
    const registered = fold(undefined, [word("message", 3), word("message", 7)]);
    assert.is(transition(registered, word("stop", 2)), registered);
    const added = transition(undefined, { kind: "returned", at: noon, updateId: 3, registers: true });
    assert.is(fold(added, [word("message", 7), word("stop", 5)])?.is_active, false);
  },
);

guards(
  "transition() goes by the last message where no word's id is known, as in items of other programs",
  () => {
    const older = chatThatIs("active");
    assert.is(transition(older, word("stop", 49)), older);
    const since = fold(older, [word("start", 60), word("message", 70)]);
    assert.is(transition(since, word("stop", 59)), since);
    assert.is(transition(since, word("stop", 61))?.is_active, false);
  },
);

guards(
  "transition() knows the words since ids have restarted from those that an id of before would hold",
  () => {
    const chat = chatThatIs("active", { last_update_id: 5000, last_word_update_id: 4000 });
    const later = noon + 7 * dayMs;
    const restarted = transition(chat, word("message", 20, later));
    for (const updateId of [19, 21]) {
      assert.is(
        transition(restarted, word("stop", updateId, later))?.is_active,
        updateId < 20,
        `${updateId}`,
      );
    }
    assert.is(fold(restarted, [word("message", 30, later), word("stop", 25, later)])?.is_active, false);
  },
);

guards("transition() keeps who has brought a chat in: whoever registers it, or adds the bot again", () => {
  const added = (addedBy: unknown, updateId: number): ChatEvent => ({
    ...{ kind: "returned", at: noon + updateId, updateId, registers: true },
    addedBy: addedBy as number,
  });
  const said = (kind: "start" | "message", addedBy: number, updateId: number): ChatEvent => ({
    ...{ kind, at: noon + updateId, updateId, registers: true },
    addedBy,
  });
  const left: ChatEvent = { kind: "removed", reason: "left", at: noon + 60, updateId: 60 };
  for (const registration of [added(7, 1), said("start", 7, 1), said("message", 7, 1)]) {
    const chat = transition(undefined, registration);
    assert.is(chat?.added_by, 7);
    assert.is(fold(chat, [said("message", 8, 2), said("start", 8, 3), added(8, 4)])?.added_by, 7);
    assert.is(fold(chat, [left, said("start", 8, 61)])?.added_by, 7);
    assert.is(fold(chat, [left, added(8, 61)])?.added_by, 8);
    assert.is(fold(chat, [left, added(undefined, 61)])?.added_by, 7);
  }
  for (const odd of [undefined, null, "7", 0, 1.5, 2 ** 53]) {
    assert.is(transition(undefined, added(odd, 1))?.added_by, undefined, String(odd));
  }
});

guards("transition() keeps the ids of messages and of membership apart", () => {
  const chat = chatThatIs("active", { last_update_id: 200, last_member_update_id: 10 });
  const later = noon + 5 * secondMs;
  const blocked = transition(chat, { kind: "removed", reason: "blocked", at: later, updateId: 201 });
  assert.is(blocked?.removed_reason, "blocked");
  const message = transition(blocked, { kind: "message", at: later, updateId: 201, registers: true });
  assert.is(message?.message_count, 4);
  const low = chatThatIs("active", { last_update_id: 10, last_member_update_id: 200 });
  assert.is(transition(low, { kind: "message", at: later, updateId: 11 })?.message_count, 4);
  assert.is(transition(low, { kind: "removed", at: later, updateId: 200 }), low);
});

guards("transition() accepts a lower message id only more than six days after the last message", () => {
  const chat = chatThatIs("active");
  const heardAt = (ms: number): ChatState | undefined =>
    transition(chat, { kind: "message", at: noon + ms, updateId: 7 });
  assert.is(heardAt(6 * dayMs), chat);
  const counted = heardAt(6 * dayMs + secondMs);
  assert.is(counted?.message_count, chat.message_count + 1);
  assert.is(counted?.last_update_id, 7);
});

guards(
  "transition() passes over no /stop that is later than all that the chat has said, whatever its id",
  () => {
    const stop = (at: number): ChatEvent => ({ kind: "stop", at, updateId: 7 });
    const chat = chatThatIs("active");
    assert.is(transition(chat, stop(noon)), chat, "one that was heard before");
    const stopped = transition(chat, stop(noon + secondMs));
    assert.is(stopped?.removed_reason, "stopped");
    assert.is(transition(stopped, stop(noon + secondMs)), stopped, "it counts once");
    for (const last_active of [undefined, "yesterday", "9999-12-31T00:00:00.000Z"]) {
      assert.is(transition(chatThatIs("active", { last_active }), stop(noon))?.is_active, false, last_active);
    }
  },
);

guards("transition() accepts a lower membership id only more than six days after the last message", () => {
  const chat = chatThatIs("active");
  const removedAt = (ms: number): ChatState | undefined =>
    transition(chat, { kind: "removed", reason: "blocked", at: noon + ms, updateId: 7 });
  assert.is(removedAt(6 * dayMs), chat);
  assert.is(removedAt(6 * dayMs + secondMs)?.removed_reason, "blocked");
});

guards("transition() ignores a membership fact, or a refused send, older than the last message", () => {
  const chat = chatThatIs("active", { last_member_update_id: undefined });
  const before = noon - secondMs;
  assert.is(transition(chat, { kind: "removed", reason: "blocked", at: before, updateId: 60 }), chat);
  assert.is(transition(chat, { kind: "removed", reason: "blocked", at: before }), chat);
  assert.is(transition(chat, { kind: "removed", reason: "blocked", at: noon, updateId: 40 }), chat);
  const blocked = chatThatIs("blocked", { last_member_update_id: undefined });
  assert.is(transition(blocked, { kind: "returned", at: before, updateId: 60, registers: true }), blocked);
});

guards("transition() tells within one second by the ids, and trusts a refused send", () => {
  const chat = chatThatIs("active", { last_active: toIso(noon + 400), last_member_update_id: undefined });
  for (const event of [{ at: noon, updateId: 51 }, { at: noon }, { at: noon + 999 }]) {
    const after = transition(chat, { kind: "removed", reason: "blocked", ...event });
    assert.is(after?.removed_reason, "blocked", JSON.stringify(event));
  }
});

guards("transition() never moves last_active back", () => {
  const chat = chatThatIs("active");
  const after = transition(chat, { kind: "message", at: noon - 5 * secondMs, updateId });
  assert.is(after?.last_active, toIso(noon));
  assert.is(after?.message_count, 4);
});

guards("transition() takes an unreadable last_active for none", () => {
  for (const last_active of [undefined, "", "yesterday"]) {
    const chat = chatThatIs("active", { last_active });
    assert.is(transition(chat, { kind: "message", at, updateId })?.last_active, toIso(at));
    assert.is(transition(chat, { kind: "removed", at, updateId })?.is_active, false);
  }
});

guards("transition() ages a chat only while last_active reads as it did", () => {
  const chat = chatThatIs("active");
  assert.is(transition(chat, { kind: "stale", at, lastActive: toIso(noon - 1) }), chat);
  const python = chatThatIs("active", { last_active: "2026-11-20T12:00:00.000000+00:00" });
  assert.is(transition(python, { kind: "stale", at, lastActive: toIso(noon) }), python);
});

guards("transition() merges user_info: news wins, silence keeps", () => {
  const chat = chatThatIs("active", {
    user_info: { username: "ada", first_name: "Ada", source: "import", n: 1 },
  });
  const userInfo = { username: "", first_name: "Augusta", last_name: undefined, n: null, user_id: 7 };
  for (const event of [{ kind: "message", updateId }, { kind: "saved" }] as const) {
    const after = transition(chat, { at, userInfo, ...event });
    assert.equal(after?.user_info, {
      username: "ada",
      first_name: "Augusta",
      source: "import",
      n: 1,
      user_id: 7,
    });
  }
  const same = transition(chat, { kind: "saved", at, userInfo: { username: "ada" } });
  assert.is(same, chat);
});

guards("transition() registers with what is told of the user, and nothing empty", () => {
  const userInfo = { username: "ada", last_name: "", title: undefined };
  for (const event of [{ kind: "start", updateId }, { kind: "saved" }] as const) {
    assert.equal(transition(undefined, { at, userInfo, ...event })?.user_info, { username: "ada" });
  }
});

guards("assertChatId() takes whole numbers of up to 52 bits and refuses the rest by its value", () => {
  for (const id of [1, -1, 123456789, -1001234567890, 2 ** 52 - 1, 1 - 2 ** 52]) assertChatId(id);
  const numbers = [0, -0, NaN, Infinity, 1.5, 2 ** 52, -(2 ** 52), 2 ** 53];
  const others = [5n, null, undefined];
  const refused: [unknown, string][] = [
    ...[...numbers, ...others].map((id) => [id, String(id)] as [unknown, string]),
    ...[["123", '"123"'], [{}, "an object (Object)"], [[1], "an object (Array)"]] as [unknown, string][],
  ];
  for (const [id, shown] of refused) {
    assert.throws(
      () => assertChatId(id as number),
      (error: Error) =>
        error instanceof TypeError && error.message.includes('"chatId" must be') &&
        error.message.endsWith(`: current value is ${shown}`),
      String(id),
    );
  }
});

guards("transition() lets no id hold anything that is further ahead than Telegram's ids reach", () => {
  for (const id of [updateId + 2 ** 31, 2 ** 52]) {
    const chat = chatThatIs("active", { last_update_id: id, last_member_update_id: id });
    const event = { at: noon, updateId, registers: true };
    const counted = transition(chat, { kind: "message", ...event });
    assert.equal([counted?.message_count, counted?.last_update_id], [4, updateId]);
    assert.is(transition(chat, { kind: "stop", ...event })?.removed_reason, "stopped");
    assert.is(transition(chat, { kind: "removed", reason: "blocked", ...event })?.removed_reason, "blocked");
    const stopped = chatThatIs("stopped", { last_update_id: id });
    assert.is(transition(stopped, { kind: "start", ...event })?.is_active, true);
  }
  const near = chatThatIs("active", { last_update_id: updateId + 2 ** 31 - 1 });
  assert.is(transition(near, { kind: "message", at: noon, updateId }), near);
});

guards("transition() takes a last_active that is days ahead of what happens for none, and mends it", () => {
  for (
    const last_active of ["9999-12-31T23:59:59.999Z", "+275760-09-13T00:00:00.000Z", toIso(noon + 7 * dayMs)]
  ) {
    const chat = chatThatIs("active", { last_active });
    const counted = transition(chat, { kind: "message", at, updateId });
    assert.equal([counted?.message_count, counted?.last_active], [4, toIso(at)]);
    for (const id of [{}, { updateId }]) {
      const blocked = transition(chat, { kind: "removed", reason: "blocked", at, ...id });
      assert.is(blocked?.removed_reason, "blocked", last_active);
    }
    const back = chatThatIs("blocked", { last_active });
    assert.is(transition(back, { kind: "returned", at, updateId, registers: true })?.is_active, true);
    assert.is(transition(chat, { kind: "message", at, updateId: 50 }), chat, "ids tell all the same");
  }
});

guards("transition() heeds a last_active that is hours or a few days ahead", () => {
  const chat = chatThatIs("active", { last_active: toIso(at + 6 * dayMs) });
  assert.is(transition(chat, { kind: "removed", reason: "blocked", at }), chat);
  assert.is(transition(chat, { kind: "message", at, updateId })?.last_active, chat.last_active);
});

guards("transition() takes an update id that is no whole number for none", () => {
  for (const odd of [NaN, 1.5, 2 ** 53, 1e300, "7", null, {}]) {
    const event = { at, updateId: odd as number, registers: true };
    const counted = transition(chatThatIs("active"), { kind: "message", ...event });
    assert.equal([counted?.message_count, counted?.last_update_id], [4, 50], String(odd));
    const removed = transition(chatThatIs("active"), { kind: "removed", ...event });
    assert.equal([removed?.is_active, removed?.last_member_update_id], [false, 49], String(odd));
    assert.is(transition(undefined, { kind: "start", ...event })?.last_update_id, undefined);
  }
});

guards("time() reads the forms of ISO 8601 that name a day, and no more than these", () => {
  const forms = ["2026-11-20T12:00:00Z", "2026-11-20T12:00:00.000123+00:00", "2026-11-20 12:00:00Z"];
  for (const text of forms) assert.is(parseTime(text), noon, text);
  assert.is(parseTime("2026-11-20T07:00-0500"), noon);
  assert.is(parseTime("2026-11-20"), noon - dayMs / 2);
  assert.is(parseTime("+275760-09-13T00:00:00.000Z"), 8.64e15);
  for (
    const text of [undefined, "", "garbage 1", "1", "12", "2026", "2026-99-99", "x2026-11-20", "Nov 20 2026"]
  ) {
    assert.is(parseTime(text), undefined, text);
  }
});

guards("assertChatId() shows no more of a value than one wants to read", () => {
  const error = (() => {
    try {
      assertChatId("9".repeat(1_000_000) as unknown as number);
    } catch (thrown) {
      return thrown as Error;
    }
    return undefined;
  })();
  assert.ok((error?.message.length ?? Infinity) < 250);
});

guards.run();

const migration = suite("transition(): a group becomes a supergroup");

const old = (standing: Standing): Chat => ({ chat_id: -5, ...chatThatIs(standing) });
const inherited = (from: Chat): ChatEvent => ({ kind: "inherited", from, at });
const migrated: ChatEvent = { kind: "migrated", to: -1001, at };

migration("transition() gives a new supergroup its group's standing, counts and added_at", () => {
  for (const standing of standings) {
    const from = frozen(old(standing));
    const after = transition(undefined, inherited(from));
    const { is_active, removed_at, removed_reason, added_at, last_active, message_count, user_info } = from;
    assert.equal(
      known(after),
      known({
        ...{ is_active, removed_at, removed_reason, added_at, last_active, message_count, user_info },
        last_update_id: from.last_update_id,
        last_word_update_id: from.last_word_update_id,
        migrated_from: -5,
      }),
      standing,
    );
  }
});

migration("a /stop of a group that its messages have overtaken holds in what it has become", () => {
  const group = fold(undefined, [word("start", 1), word("message", 5)]) as ChatState;
  const supergroup = transition(undefined, inherited({ chat_id: -5, ...group }));
  assert.is(transition(supergroup, word("stop", 3))?.removed_reason, "stopped");
});

migration("what a group has heard before it became a new supergroup is not heard there again", () => {
  const said: ChatEvent[] = [{ kind: "start", at, updateId: 901 }, { kind: "stop", at, updateId: 902 }];
  const group = fold(undefined, said);
  if (group === undefined) throw new Error("unreachable: /start registers");
  const supergroup = transition(undefined, inherited({ chat_id: -5, ...group }));
  assert.is(fold(supergroup, said), supergroup);
});

migration(
  "transition() adds a known supergroup's counts, keeps its own standing, and holds a /stop of either",
  () => {
    for (const mine of standings) {
      for (const theirs of standings) {
        const own = frozen(chatThatIs(mine, { added_at: toIso(noon), user_info: { title: "New" } }));
        const after = transition(own, inherited(frozen(old(theirs))));
        const stops = mine === "active" && (theirs === "stopped" || theirs === "unreasoned");
        const standing = stops
          ? { is_active: false, removed_at: toIso(at), removed_reason: "stopped" as const }
          : {};
        const wanted = {
          ...own,
          added_at: toIso(noon - 30 * dayMs),
          message_count: 6,
          user_info: { username: "ada", first_name: "Ada", title: "New" },
          migrated_from: -5,
          ...standing,
        };
        assert.equal(known(after), known(wanted), `${mine} inherits from ${theirs}`);
      }
    }
  },
);

migration("transition() inherits once", () => {
  for (const standing of standings) {
    const once = transition(chatThatIs(standing), inherited(old("active")));
    assert.is(transition(once, inherited({ ...old("stopped"), message_count: 9 })), once);
  }
});

migration("transition() closes the group, whatever it was, and only once", () => {
  assert.is(transition(undefined, migrated), undefined);
  for (const standing of standings) {
    const before = chatThatIs(standing, { migrated_to: undefined });
    const closed = transition(before, migrated);
    assert.equal(
      known(closed),
      known({
        ...before,
        is_active: false,
        removed_at: toIso(at),
        removed_reason: "migrated",
        migrated_to: -1001,
      }),
    );
    assert.is(transition(closed, { ...migrated, at: at + dayMs }), closed);
  }
});

migration(
  "transition() lets an operator, a message or a /start reopen a migrated group; a message keeps its new address",
  () => {
    for (const column of ["start", "message", "returned", "saved", "reactivated"]) {
      const after = transition(chatThatIs("migrated"), eventOf(column, true));
      assert.is(after?.is_active, true);
      const isMessage = column === "start" || column === "message";
      assert.is(after?.migrated_to, isMessage ? -1001 : undefined);
    }
  },
);

migration.run();

const laws = suite("transition(): laws", {}, 60_000);
const runs = { numRuns: 500 };

laws("transition() changes none of its arguments, and says the same twice", () => {
  const states = fc.constantFrom(undefined, ...standings);
  fc.assert(
    fc.property(states, streams(6), (standing, events) => {
      const chat = standing && frozen(chatThatIs(standing));
      const once = fold(chat, frozen(events));
      assert.equal(fold(chat, events), once);
    }),
    runs,
  );
});

laws("transition() is deaf to any run of updates that it has heard, at every point of a stream", () => {
  fc.assert(
    fc.property(streams(8), fc.nat(), fc.nat(), (stream, a, b) => {
      const events = sinceKnown(stream);
      const upTo = a % (events.length + 1);
      const from = b % (upTo + 1);
      const chat = fold(undefined, events.slice(0, upTo));
      assert.is(fold(chat, events.slice(from, upTo)), chat);
    }),
    { numRuns: 3000 },
  );
});

laws(
  "fold() comes out the same from a redelivered block and unblock, though the reader has been silent for long",
  () => {
    const chat = chatThatIs("active", { last_member_update_id: undefined });
    const later = noon + 10 * dayMs;
    const block: ChatEvent = { kind: "removed", reason: "blocked", at: later, updateId: 60 };
    const unblock: ChatEvent = { kind: "returned", at: later + 5 * secondMs, updateId: 61, registers: true };
    const back = fold(chat, [block, unblock]);
    assert.is(back?.is_active, true);
    // Its ids may have restarted by then, so the block is taken for a new one; what came behind it comes again too.
    assert.equal(fold(back, [block, unblock]), back);
  },
);

laws("transition() makes a stopped chat active by /start and the operator's word alone", () => {
  const operators = fc.constantFrom<ChatEvent>(
    { kind: "saved", at: noon },
    { kind: "deactivated", at: noon },
    { kind: "reactivated", at: noon },
    { kind: "stale", at: noon, lastActive: toIso(noon) },
    { kind: "unreached", at: noon + 60 * secondMs },
    { kind: "unreached", at: noon + 600 * secondMs },
    { kind: "reached", at: noon },
    { kind: "inherited", from: old("active"), at: noon },
    { kind: "inherited", from: old("stopped"), at: noon },
    migrated,
  );
  const mixed = fc.tuple(streams(6), fc.array(operators, { maxLength: 6 }), fc.infiniteStream(fc.boolean()))
    .map(([updates, words, turns]) => {
      const merged: ChatEvent[] = [];
      while (updates.length + words.length > 0) {
        const list = words.length === 0 || (updates.length > 0 && turns.next().value) ? updates : words;
        merged.push(list.shift() as ChatEvent);
      }
      return merged;
    });
  fc.assert(
    fc.property(mixed, (events) => {
      let chat: ChatState | undefined;
      for (const event of events) {
        const after = transition(chat, event);
        if (chat && isStopped(chat) && after?.is_active) {
          assert.ok(["start", "saved", "reactivated"].includes(event.kind), event.kind);
        }
        if (chat) assert.ok(after, "a known chat is never forgotten");
        if (after) assert.is(after.is_active, after.removed_at === null, event.kind);
        if (after) assert.ok(after.is_active ? !after.removed_reason : after.removed_reason, event.kind);
        if (after) assert.ok([undefined, 1, 2].includes(after.strikes), event.kind);
        if (after?.strikes) assert.ok(after.is_active, event.kind);
        if (after && isMessage(event) && after !== chat) assert.is(after.strikes, undefined, event.kind);
        if (chat) {
          assert.ok((parseTime(after?.last_active) ?? 0) >= (parseTime(chat.last_active) ?? 0), event.kind);
        }
        chat = after;
      }
    }),
    { numRuns: 2000 },
  );
});

laws("transition() counts every message of a known chat exactly once, however often it comes", () => {
  fc.assert(
    fc.property(streams(10), fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 6 }), (stream, cuts) => {
      const events = sinceKnown(stream);
      let chat: ChatState | undefined;
      let durable = 0;
      for (const [a, b] of [...cuts, [events.length, events.length] as const]) {
        const from = a % (durable + 1);
        const to = Math.max(from, b % (events.length + 1));
        chat = fold(chat, events.slice(from, to));
        durable = Math.max(durable, to);
      }
      chat = fold(chat, events.slice(durable));
      const messages = events.filter(({ kind }) => kind !== "removed" && kind !== "returned");
      assert.is(chat?.message_count ?? 0, messages.length);
    }),
    { numRuns: 2000 },
  );
});

/** What two pollers hear of one stream: each update one of them or both, each poller again from any point. */
const pollers = fc.record({
  words: fc.array(fc.constantFrom("start", "stop", "message", "message"), { minLength: 1, maxLength: 7 }),
  hearers: fc.infiniteStream(fc.constantFrom("a", "b", "both")),
  turns: fc.infiniteStream(fc.boolean()),
  backs: fc.infiniteStream(fc.nat(20)),
}).map(({ words, hearers, turns, backs }) => {
  const events = words.map((kind, index) =>
    word(kind as "start", 10 + index, noon + (index >> 1) * secondMs)
  );
  const heard = events.map((event) => ({ event, by: hearers.next().value as string }));
  const listOf = (name: string): ChatEvent[] =>
    heard.flatMap(({ event, by }) => by === name || by === "both" ? event : []);
  const lists = [listOf("a"), listOf("b")] as const;
  const next = [0, 0];
  const order: ChatEvent[] = [];
  while (next.some((at, poller) => at < (lists[poller]?.length ?? 0))) {
    const poller =
      (next[0] as number) >= lists[0].length || ((next[1] as number) < lists[1].length && turns.next().value)
        ? 1
        : 0;
    order.push(lists[poller][next[poller] as number] as ChatEvent);
    next[poller] = (next[poller] as number) + 1;
    const back = backs.next().value as number;
    // It falls back as after a crash.
    if (back < 3 && order.length < 60) next[poller] = Math.max(0, (next[poller] as number) - back);
  }
  return { events, order };
});

laws(
  "transition() comes to the last word, whichever of two pollers brings which update, and how often",
  () => {
    fc.assert(
      fc.property(pollers, ({ events, order }) => {
        let chat = transition(undefined, word("start", 1, noon)) as ChatState;
        let last: ChatEvent | undefined;
        for (const event of order) {
          const after = transition(chat, event) as ChatState;
          if (isStartOrStop(event) && (updateIdOf(event) ?? 0) > (last && updateIdOf(last) || 0)) {
            last = event;
          }
          assert.is(after.is_active, last?.kind !== "stop", JSON.stringify(order));
          assert.ok(after.message_count - chat.message_count <= 1);
          assert.ok(
            (after.last_update_id ?? 0) >= (chat.last_update_id ?? 0),
            "the last message stays the last",
          );
          assert.ok((after.last_active ?? "") >= (chat.last_active ?? ""));
          chat = after;
        }
        assert.ok(chat.message_count <= 1 + events.length, "nothing counts twice");
        assert.equal(fold(chat, order), chat, "all of it is held");
      }),
      { numRuns: 5000 },
    );
  },
);

laws.run();
