/** What no other program should keep in the tables: made from a seed. */
import type { RawItem } from "../support/storage.ts";
import type { Random } from "../support/histories.ts";
import { below, inheritedNames, nested, pick, put } from "./updates.ts";

type Value = RawItem[string];

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
  ...inheritedNames,
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
  if (name === "user_info" && random() < 0.1) {
    const names = ["first_name", ...inheritedNames];
    return { M: Object.fromEntries(names.map((each) => [each, pick(random, values)])) };
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

const runNumbers = [
  ...[
    "fence",
    "lease_until",
    "recipients",
    "cursor",
    "window_after",
    "window_size",
    "people_start",
    "groups_start",
  ],
  ...["sent", "failed", "skipped", "unknown", "deactivated", "message_parts", "problem_parts", "expires_at"],
];
const runLists = ["pending", "unsent", "sampled", "passed"];

/** The record of a broadcast's run, of which some attributes are absurd. */
export function hostileRun(random: Random, broadcastId: string): RawItem {
  const item: RawItem = {
    broadcast_id: { S: broadcastId },
    record: { S: "run" },
    open: { S: "open" },
    state: { S: pick(random, ["running", "running", "finished"]) },
    owner: { S: "another process" },
    fence: { N: "1" },
    lease_until: { N: "5" },
    started_at: { S: "2026-11-20T12:00:00.000Z" },
    on_unknown: { S: "skip" },
    message_name: { S: "message-0123456789abcdef" },
  };
  for (let strikes = 1 + below(random, 4); strikes > 0; strikes--) {
    const name = pick(
      random,
      random() < 0.5 ? Object.keys(item) : [...runNumbers, ...runLists, ...foreignNames],
    );
    if (name !== "broadcast_id" && name !== "record") put(item, name, pick(random, values));
  }
  // A text in the index's key, or none.
  if (item["open"]?.S !== "open") delete item["open"];
  return item;
}
