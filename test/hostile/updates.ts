/** What nobody should send: made from a seed, thousands of it. */
import type { Random } from "../support/histories.ts";

export const below = (random: Random, limit: number): number => Math.floor(random() * limit);
export const pick = <T>(random: Random, items: readonly T[]): T => items[below(random, items.length)] as T;

/** The value in so many layers of whatever `wrap` makes. */
export function nested<T>(depth: number, wrap: (inner: T) => T, value: T): T {
  let result = value;
  for (let level = 0; level < depth; level++) result = wrap(result);
  return result;
}

/** What may stand in an update where something else belongs: all of JSON, none of it expected. */
export const junk: readonly unknown[] = [
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

/** Kinds of updates that register nobody. */
const otherKinds = [
  ...["edited_message", "edited_channel_post", "business_connection", "business_message"],
  ...["edited_business_message", "deleted_business_messages", "message_reaction", "message_reaction_count"],
  ...["inline_query", "chosen_inline_result", "shipping_query", "pre_checkout_query", "purchased_paid_media"],
  ...["poll", "poll_answer", "chat_member", "chat_join_request", "chat_boost", "removed_chat_boost"],
  ...["a kind of the future", "__proto__", "constructor", "toString"],
];

/** Names that every object has, and a program may ask for. */
export const inheritedNames: readonly string[] = [
  "__proto__",
  "constructor",
  "toString",
  "valueOf",
  "hasOwnProperty",
  "then",
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
  const usual = ["message", "message", "message", "my_chat_member", "channel_post", "callback_query"];
  const kind = pick(random, random() < 0.8 ? usual : otherKinds);
  if (kind === "my_chat_member") {
    return { [kind]: { ...message, old_chat_member: member, new_chat_member: member } };
  }
  if (kind === "callback_query") return { [kind]: { id: "1", from, message } };
  return JSON.parse(JSON.stringify({ [kind]: { ...message, ...content } })) as Tree;
}

/** Takes one part away, puts junk in its place, or beside it under a name that every object has. */
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
    else put(node, random() < 0.2 ? pick(random, inheritedNames) : key, structuredClone(pick(random, junk)));
    return;
  }
}

/** As JSON.parse() does it: an assignment to `__proto__` would set the prototype. */
export function put(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true });
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
