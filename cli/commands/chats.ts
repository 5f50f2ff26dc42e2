/** `telegram-signals chats`: lists and changes the chats in the table by hand. */
import type { parseArgs } from "node:util";
import { type Chat, loadEnvFile, TelegramDynamoDBStorage } from "telegram-signals";
import { nearestName, parseArguments, UsageError } from "../arguments.ts";
import { isConfirmed } from "../confirm.ts";
import { printField, printJson, safeText } from "../safe_print.ts";

const text = { type: "string" } as const;
const flag = { type: "boolean" } as const;
const options = {
  ...{ active: flag, inactive: flag, yes: flag, json: flag },
  ...{ username: text, "first-name": text, "last-name": text, days: text, table: text, region: text },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

interface Call {
  readonly storage: TelegramDynamoDBStorage;
  readonly values: Values;
  /** The chat that the command is about. */
  readonly chatId: number;
  /** The text that is looked for. */
  readonly text: string;
}

interface Command {
  /** What it takes beside options. */
  readonly operand?: "CHAT_ID" | "TEXT";
  /** Its options, beside those of all commands. */
  readonly options: readonly (keyof Values)[];
  /** Returns the exit status. */
  run(call: Call): Promise<number>;
}

const commands: Readonly<Record<string, Command>> = {
  list: { options: ["active", "inactive"], run: list },
  find: { operand: "TEXT", options: ["active", "inactive"], run: list },
  show: { operand: "CHAT_ID", options: [], run: show },
  stats: { options: [], run: stats },
  save: { operand: "CHAT_ID", options: ["username", "first-name", "last-name"], run: save },
  deactivate: { operand: "CHAT_ID", options: [], run: (call) => setActive(call, false) },
  reactivate: { operand: "CHAT_ID", options: [], run: (call) => setActive(call, true) },
  cleanup: { options: ["days", "yes"], run: cleanup },
};

async function list({ storage, values: { active, inactive, json }, text }: Call): Promise<number> {
  const isWanted = (chat: Chat): boolean =>
    (active === inactive || chat.is_active === (active === true)) && isFound(chat, text);
  const found: Chat[] = [];
  for await (const page of storage.scan()) {
    const wanted = page.filter(isWanted);
    found.push(...wanted);
    if (!json) { for (const chat of wanted) console.log(lineOf(chat)); }
  }
  if (json) printJson(found);
  if (text === "" || found.length > 0) return 0;
  if (!json) console.error(`No chat has ${JSON.stringify(text)} in its title, name or username.`);
  return 1;
}

/** Whether the chat's line has the text in its names. */
function isFound(chat: Chat, text: string): boolean {
  const folded = (name: string): string => name.normalize("NFKC").toLowerCase();
  return folded(namesOf(chat)).includes(folded(text.replace(/^@/, "")));
}

async function show({ storage, values, chatId }: Call): Promise<number> {
  const chat = await storage.getChat(chatId);
  if (chat === undefined) return unknown(chatId);
  if (values.json) printJson(chat);
  else for (const [name, value] of Object.entries(chat)) printField(name, value);
  return 0;
}

async function stats({ storage, values }: Call): Promise<number> {
  const figures = await storage.getStatistics();
  if (values.json) return printJson(figures);
  printField("Chats", figures.totalChats);
  printField("Active", figures.activeChats);
  printField("Inactive", figures.inactiveChats);
  printField("Messages", `${figures.totalMessages}, ${figures.averageMessagesPerChat.toFixed(1)} a chat`);
  return 0;
}

async function save({ storage, values, chatId }: Call): Promise<number> {
  const { username, "first-name": first_name, "last-name": last_name } = values;
  const result = await storage.saveChat(chatId, { username, first_name, last_name });
  return say(values, { chat_id: chatId, result }, `Chat ${chatId}: ${result}.`);
}

async function setActive({ storage, values, chatId }: Call, isActive: boolean): Promise<number> {
  const [verb, state] = isActive ? ["reactivated", "active"] : ["deactivated", "inactive"];
  const hasChanged = await (isActive ? storage.reactivateChat(chatId) : storage.deactivateChat(chatId));
  if (!hasChanged && await storage.getChat(chatId) === undefined) return unknown(chatId);
  const text = hasChanged ? verb : `was ${state} already`;
  return say(values, { chat_id: chatId, [verb]: hasChanged }, `Chat ${chatId}: ${text}.`);
}

async function cleanup({ storage, values }: Call): Promise<number> {
  const daysThreshold = Number(values.days ?? 30);
  if (!(daysThreshold > 0 && Number.isFinite(daysThreshold))) {
    throw wrong("days", "a number above 0", values.days);
  }
  const stale: Chat[] = [];
  for await (const page of storage.scanStaleChats({ daysThreshold })) stale.push(...page);
  if (!values.json) showStale(stale, daysThreshold);
  const isAsked = stale.length > 0 && !values.yes && !values.json;
  const isWanted = stale.length > 0 && (isAsked ? await isCleanupConfirmed(stale.length) : values.yes);
  // Chats that have written meanwhile stay active.
  const deactivated = isWanted ? await storage.cleanupInactiveChats({ daysThreshold }) : 0;
  const text = isWanted ? `Deactivated ${deactivated}.` : `${unchanged}.`;
  say(values, { days: daysThreshold, stale, deactivated }, text);
  return isAsked && !isWanted ? 1 : 0;
}

const unchanged = "Nothing was changed";

function showStale(stale: readonly Chat[], days: number): void {
  const chats = stale.length === 1 ? "1 active chat has" : `${stale.length} active chats have`;
  console.log(`${chats} not written for ${days} days${stale.length === 0 ? "." : ":"}`);
  for (const chat of stale) console.log(`${lineOf(chat)}  silent for ${silentDays(chat)} days`);
}

async function isCleanupConfirmed(count: number): Promise<boolean> {
  return await isConfirmed(`Deactivate ${count === 1 ? "it" : `all ${count}`}?`, unchanged);
}

function silentDays({ last_active = "" }: Chat): number {
  return Math.floor((Date.now() - Date.parse(last_active)) / 86_400_000);
}

/** `123456789  active    42 messages  2026-11-20T11:16:54.000Z  John Doe @johndoe` */
function lineOf(chat: Chat): string {
  const { chat_id, is_active, message_count, removed_reason = "inactive" } = chat;
  const last_active = safeText(chat.last_active ?? "-");
  const standing = is_active ? "active" : removed_reason;
  const count = message_count === 1 ? "1 message" : `${message_count} messages`;
  return [
    String(chat_id).padStart(14),
    standing.padEnd(8),
    count.padStart(14),
    last_active.padEnd(24),
    namesOf(chat),
  ]
    .join("  ").trimEnd();
}

/** `John Doe @johndoe` */
function namesOf({ user_info: { title, first_name, last_name, username } }: Chat): string {
  return [title, first_name, last_name, username && `@${username}`].map(safeText).filter(Boolean).join(" ");
}

/** Prints the value as JSON, or the text. Returns the exit status. */
function say({ json }: Values, value: unknown, text: string): number {
  if (json) return printJson(value);
  console.log(text);
  return 0;
}

function unknown(chatId: number): number {
  console.error(`There is no chat ${chatId} in the table.`);
  return 1;
}

function wrong(name: string, rule: string, value: unknown): UsageError {
  return new UsageError(`"${name}" must be ${rule}: current value is ${JSON.stringify(value)}`);
}

/** What the arguments say. */
type Given = Pick<Call, "values" | "chatId" | "text"> & { readonly command: Command };

/** @throws {UsageError} At the first mistake. */
function parse(argv: readonly string[]): Given {
  // A group's id begins with a minus and looks like an option.
  const isNegative = (word: string): boolean => /^-\d+$/.test(word);
  const args = argv.filter((word) => !isNegative(word));
  const { values, positionals } = parseArguments({ args, options, allowPositionals: true }, "");
  const [name = "", ...operands] = [...positionals, ...argv.filter(isNegative)];
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    const names = Object.keys(commands);
    const meant = nearestName(name, names);
    const hint = meant === undefined ? `: ${names.join(", ")}` : ` (did you mean ${meant}?)`;
    throw new UsageError(`There is no command "${name}"${hint}`);
  }
  const allowed = [...command.options, "json", "table", "region"];
  const foreign = Object.keys(values).find((option) => !allowed.includes(option));
  if (foreign !== undefined) throw new UsageError(`"${name}" takes no --${foreign}`);
  const { operand } = command;
  if (operands.length !== (operand === undefined ? 0 : 1)) {
    const takes = { CHAT_ID: "one chat's id", TEXT: "one text, in quotation marks if it has blanks" };
    throw new UsageError(`"${name}" takes ${operand === undefined ? "no id" : takes[operand]}`);
  }
  const [word = ""] = operands;
  if (operand === "TEXT" && /^@?\s*$/.test(word)) throw wrong("TEXT", "a part of a name", word);
  if (operand !== "CHAT_ID") return { command, values, chatId: 0, text: word };
  if (!(/^-?\d+$/.test(word) && Number.isSafeInteger(Number(word)))) {
    throw wrong("CHAT_ID", "a whole number of up to 52 bits", word);
  }
  return { command, values, chatId: Number(word), text: "" };
}

/** Gives the exit status. */
export async function run(args: readonly string[]): Promise<number> {
  loadEnvFile();
  const { command, values, ...rest } = parse(args);
  const storage = new TelegramDynamoDBStorage({ tableName: values.table, regionName: values.region });
  try {
    return await command.run({ storage, values, ...rest });
  } finally {
    storage.close();
  }
}
