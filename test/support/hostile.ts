/** What nobody should send, and what no other program should keep in the table: made from a seed, thousands of it. */
import type { RawItem } from "./storage.ts";
import type { Random } from "./histories.ts";

type Value = RawItem[string];

export const below = (random: Random, limit: number): number => Math.floor(random() * limit);
export const pick = <T>(random: Random, items: readonly T[]): T => items[below(random, items.length)] as T;

/** The value in so many layers of whatever `wrap` makes. */
function nested<T>(depth: number, wrap: (inner: T) => T, value: T): T {
  let result = value;
  for (let level = 0; level < depth; level++) result = wrap(result);
  return result;
}

/** What may stand in an update where something else belongs: all of JSON, none of it expected. */
const junk: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  -0.5,
  2 ** 31,
  2 ** 53,
  -(2 ** 53),
  2 ** 63,
  1e300,
  253_402_300_799,
  "",
  "x",
  "5",
  "/stop",
  "/start@",
  "\ud83d",
  "\ude00 backwards \ud83d",
  "😀".repeat(3000),
  "a\u0000b\u001b[2J\u009b31m\u202e",
  "９".repeat(64),
  "x".repeat(20_000),
  [],
  [null],
  Array.from({ length: 1000 }, (_, index) => index),
  {},
  { toString: 5, valueOf: "x" },
  { id: { id: {} } },
  JSON.parse('{"__proto__":{"id":5},"constructor":"x"}'),
  nested<unknown>(64, (inner) => ({ chat: inner }), 1),
  nested<unknown>(200, (inner) => [inner], "deep"),
];

/** Chats that hostile updates speak of. */
export interface HostilePool {
  readonly privateIds: readonly number[];
  readonly groupIds: readonly number[];
  /** Of real people: whatever names them is no message of theirs. */
  readonly realIds: readonly number[];
}

interface Tree {
  [key: string]: unknown;
}

/** An update like one of Telegram's, with some of its parts missing, doubled, or replaced by junk. */
export function hostileUpdate(random: Random, pool: HostilePool): Tree {
  if (random() < 0.15) return aboutReal(random, pick(random, pool.realIds));
  const update = plausible(random, pool);
  for (let strikes = below(random, 4); strikes > 0; strikes--) spoil(random, update);
  return update;
}

/** A thing that names a real person's chat, and says nothing for it. */
function aboutReal(random: Random, id: number): Tree {
  const chat = { id, type: "private", first_name: pick(random, junk) };
  return pick<Tree>(random, [
    { message: { chat, date: 1, message_id: 1 } },
    { message: { chat, date: 1, message_id: 1, text: null } },
    { message: { chat, date: 1, message_id: 1, new_chat_title: "/stop" } },
    { message: { chat: { id: String(id), type: "private" }, text: "/stop" } },
    { message: { chat: [chat], text: "/stop" } },
    { message: { chat, migrate_to_chat_id: pick(random, junk) } },
    { message: { chat, migrate_to_chat_id: -5 } },
    { message: [{ chat, text: "/stop" }] },
    { messages: [{ chat, text: "/stop" }] },
    { edited_message: { chat, text: "/stop" } },
    { my_chat_member: { chat } },
    { my_chat_member: { chat, new_chat_member: pick(random, ["kicked", null, [], { status: 5 }]) } },
    { callback_query: { from: { id }, message: { chat } } },
    { business_message: { chat, text: "/stop" } },
  ]);
}

const texts = [
  "/start",
  "/stop",
  "/stop now",
  "/help",
  "/status",
  "/start@local_test_bot",
  "hello",
  "\ud83d",
];

function plausible(random: Random, { privateIds, groupIds }: HostilePool): Tree {
  const isGroup = random() < 0.3;
  const id = pick(random, isGroup ? groupIds : privateIds);
  const type = isGroup ? pick(random, ["group", "supergroup", "channel"]) : "private";
  const chat = { id, type, title: "Desk \ud83d", first_name: "Eve \ude00", username: pick(random, junk) };
  const from = { id: pick(random, privateIds), is_bot: false, first_name: "Eve" };
  const date = pick(random, [1, Math.floor(Date.now() / 1000), 253_402_300_799, -5, 2 ** 40]);
  const message = { message_id: 1, date, chat, from };
  const content = pick<Tree>(random, [
    { text: pick(random, texts) },
    { text: pick(random, texts) },
    { text: pick(random, texts), entities: pick(random, junk) },
    { photo: [{ file_id: "x" }], caption: "y" },
    { sticker: pick(random, junk) },
    { migrate_to_chat_id: pick(random, groupIds) },
    { migrate_from_chat_id: pick(random, groupIds) },
    {},
  ]);
  const status = pick(random, ["member", "left", "kicked", "restricted", "administrator", "of a new kind"]);
  const member = { status, user: from, is_member: pick(random, junk) };
  const kind = pick(random, [
    "message",
    "message",
    "message",
    "my_chat_member",
    "channel_post",
    "callback_query",
  ]);
  if (kind === "my_chat_member") {
    return { [kind]: { ...message, old_chat_member: member, new_chat_member: member } };
  }
  if (kind === "callback_query") return { [kind]: { id: "1", from, message } };
  return structuredClone({ [kind]: { ...message, ...content } });
}

/** Takes one part away, or puts junk in its place. */
function spoil(random: Random, tree: Tree): void {
  let node: Tree = tree;
  for (;;) {
    const keys = Object.keys(node);
    if (keys.length === 0) return;
    const key = pick(random, keys);
    const child = node[key];
    const isBranch = typeof child === "object" && child !== null && !Array.isArray(child);
    if (isBranch && random() < 0.7) {
      node = child as Tree;
      continue;
    }
    if (random() < 0.3) delete node[key];
    else node[key] = structuredClone(pick(random, junk));
    return;
  }
}

export interface RawBody {
  readonly body: string | Uint8Array;
  readonly status?: number;
  readonly contentType?: string;
  readonly isTorn?: boolean;
}

/** Answers to getUpdates that are none, each with a word for what is wrong. */
export const rawAnswers: readonly (readonly [string, RawBody])[] = [
  ["truncated JSON", { body: '{"ok":true,"result":[{"update_id":1,"message":{"te' }],
  ["a torn connection", { body: '{"ok":true,"result":[{"update_id":1,"mess', isTorn: true }],
  ["nothing", { body: "" }],
  ["a proxy's page", { body: `<html>${"x".repeat(10_000)}</html>`, contentType: "text/html" }],
  ["a proxy's refusal", { body: "<html>Bad Gateway</html>", status: 502, contentType: "text/html" }],
  ["bytes that are no text", { body: new Uint8Array([0xff, 0xfe, 0, 0xd8]), contentType: "image/png" }],
  ["JSON of another kind", { body: "[]" }],
  ["null", { body: "null" }],
  ["no result", { body: '{"ok":true}' }],
  ["a result that is a text", { body: '{"ok":true,"result":"abc"}' }],
  ["a result of nulls", { body: '{"ok":true,"result":[null,5,"x"]}' }],
  ["a refusal without a code", { body: '{"ok":false}' }],
  ["a refusal that is odd", { body: '{"ok":false,"error_code":"x","description":5}', status: 400 }],
  ["an id that is a text", { body: '{"ok":true,"result":[{"update_id":"x"}]}' }],
  ["an id beyond 2^53", { body: '{"ok":true,"result":[{"update_id":9007199254740993}]}' }],
  ["an id below nought", { body: '{"ok":true,"result":[{"update_id":-5}]}' }],
  ["no id", { body: '{"ok":true,"result":[{}]}' }],
  ["an id without end", { body: '{"ok":true,"result":[{"update_id":1e999}]}' }],
  ["8 MB", { body: `{"ok":true,"result":[],"x":"${"y".repeat(8_000_000)}"}` }],
  ["8 MB of brackets", { body: "[".repeat(8_000_000) }],
];

const layers = 30;
const digits38 = "12345678901234567890123456789012345678";

/** A value of every type that an item's attribute may have. */
const values: readonly Value[] = [
  { NULL: true },
  { BOOL: true },
  { BOOL: false },
  { S: "" },
  { S: "garbage 1" },
  { S: "9999-12-31T23:59:59.999Z" },
  { S: "\u001b[2J\u009b31m\u202e😀\u0000" },
  { S: "x".repeat(1000) },
  { N: "0" },
  { N: "-1" },
  { N: "17" },
  { N: digits38 },
  { N: `-${digits38}` },
  { N: "1E+100" },
  { N: "9.9E+125" },
  { N: "1E-130" },
  { N: "0.12345678901234567890123" },
  { N: "9007199254740991" },
  { N: "9007199254740992" },
  { N: "9007199254740993" },
  { B: new Uint8Array([0, 255]) },
  { SS: ["b", "a", "\u001b[2J"] },
  { NS: ["2", "1", digits38] },
  { BS: [new Uint8Array([2]), new Uint8Array([1])] },
  { L: [] },
  { L: [{ S: "a" }, { NULL: true }] },
  { M: {} },
  { M: { a: { S: "b" }, is_active: { BOOL: true } } },
  nested<Value>(layers, (inner) => ({ M: { m: inner } }), { N: "1E+100" }),
  nested<Value>(layers, (inner) => ({ L: [inner] }), { S: "deep" }),
];

/** `last_active` in many forms, each with the time in it that is to be read; those without one are to be left alone. */
export function lastActives(
  now: number,
): readonly { readonly value: Value | undefined; readonly at?: number }[] {
  const at = (days: number): number => Math.floor((now + days * 86_400_000) / 1000) * 1000;
  const forms = (ms: number): { value: Value; at: number }[] => {
    const text = new Date(ms).toISOString();
    return [text, text.replace("Z", "123+00:00"), text.slice(0, 19) + "Z", text.replace("T", " ")]
      .map((S) => ({ value: { S }, at: ms }));
  };
  const unreadable = [
    "garbage 1",
    "12",
    "2020",
    "yesterday",
    "",
    "0",
    "2020-99-99T00:00:00Z",
    "x".repeat(1000),
  ];
  return [
    ...[-1, -100, 20, 1000].flatMap((days) => forms(at(days))),
    { value: { S: "9999-12-31T23:59:59.999Z" }, at: 253_402_300_799_999 },
    { value: { S: "+275760-09-13T00:00:00.000Z" }, at: 8.64e15 },
    { value: { S: "0001-01-01T00:00:00Z" }, at: Date.parse("0001-01-01T00:00:00Z") },
    ...unreadable.map((S) => ({ value: { S } })),
    ...values.filter(({ S }) => S === undefined).map((value) => ({ value })),
    { value: undefined },
  ];
}

const otherAttributes = [
  "added_at",
  "message_count",
  "user_info",
  "removed_at",
  "removed_reason",
  "migrated_to",
  "migrated_from",
  "last_update_id",
  "last_word_update_id",
  "last_member_update_id",
  "added_by",
];

/** Keys that the toolkit knows nothing of: every program may keep its own. */
const foreignNames = [
  "plan",
  "constructor",
  "toString",
  "hasOwnProperty",
  "#0",
  ":0",
  "a.b[0]",
  "名前 😀",
  "x".repeat(200),
];

const reasons = ["stopped", "blocked", "left", "gone", "inactive", "migrated"];

export interface HostileItem {
  readonly chatId: number;
  readonly item: RawItem;
  readonly isActive: boolean;
  /** What is to be read in its `last_active`. */
  readonly lastActive: number | undefined;
}

/** A sane item of which some attributes, or all, are absurd. */
export function hostileItem(random: Random, chatId: number, now: number): HostileItem {
  const lastActive = random() < 0.3 ? sane(now) : pick(random, lastActives(now));
  const isActive = random() < 0.7;
  const item: RawItem = { ...saneItem(chatId, now), ...foreign(random) };
  const share = pick(random, [0.1, 0.3, 1]);
  for (const name of otherAttributes) if (random() < share) assign(item, name, oddValue(random, name));
  assign(item, "last_active", lastActive.value);
  if (isActive) item["is_active"] = { BOOL: true };
  else assign(item, "is_active", pick(random, [undefined, ...values.filter(({ BOOL }) => BOOL !== true)]));
  return { chatId, item, isActive, lastActive: lastActive.at };
}

function sane(now: number): { readonly value: Value; readonly at: number } {
  const at = Math.floor(now / 1000) * 1000 - 3_600_000;
  return { value: { S: new Date(at).toISOString() }, at };
}

export function saneItem(chatId: number, now: number): RawItem {
  return {
    chat_id: { N: String(chatId) },
    is_active: { BOOL: true },
    added_at: sane(now).value,
    last_active: sane(now).value,
    message_count: { N: "7" },
    user_info: { M: { first_name: { S: "Eve" }, source: { S: "import" } } },
    removed_at: { NULL: true },
  };
}

function foreign(random: Random): RawItem {
  const count = below(random, 4);
  return Object.fromEntries(
    Array.from({ length: count }, () => [pick(random, foreignNames), pick(random, values)]),
  );
}

function oddValue(random: Random, name: string): Value | undefined {
  if (random() < 0.15) return undefined;
  if (name === "user_info" && random() < 0.05) {
    const M = Object.fromEntries(
      Array.from({ length: 1000 }, (_, index) => [`member ${index}`, pick(random, values.slice(0, 5))]),
    );
    return { M: { ...M, first_name: pick(random, values) } };
  }
  if (name === "removed_reason" && random() < 0.5) return { S: pick(random, reasons) };
  return pick(random, values);
}

function assign(item: RawItem, name: string, value: Value | undefined): void {
  if (value === undefined) delete item[name];
  else item[name] = value;
}

/** Keys that are numbers, and no chat's. */
export const unusableIds: readonly string[] = [
  "0",
  "1.5",
  "-0.5",
  "4503599627370496",
  "-4503599627370496",
  "9007199254740993",
  digits38,
  "1E+100",
  // JavaScript would round this one to 77.
  "77.0000000000000000000000001",
];
