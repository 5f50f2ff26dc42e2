/** `telegram-signals chats`: lists and changes the chats in the table by hand. */
import type { parseArgs } from "node:util";
import { type Chat, loadEnvFile, TelegramDynamoDBStorage } from "telegram-signals";
import { nearestName, parseArguments, UsageError } from "../arguments.ts";
import { isConfirmed } from "../confirm.ts";
import { printField, printJson, safeText } from "../safe_print.ts";

const usage = `Lists and changes the chats in the table.

  telegram-signals chats COMMAND

  list [--active | --inactive]  the chats, a line each
  show CHAT_ID                  one chat with all its attributes
  stats                         how many chats and messages there are
  save CHAT_ID [--username NAME] [--first-name NAME] [--last-name NAME]
                                registers a chat, or subscribes it again, even after /stop
  deactivate CHAT_ID            ends a subscription, as /stop does
  reactivate CHAT_ID            subscribes a known chat again, even after /stop
  cleanup [--days N] [--yes]    ends the subscriptions of chats that have not written for N days (default: 30),
                                readers who never write included; lists them first, and asks

  --json          prints JSON
  --table NAME    default: TELEGRAM_CHATS_TABLE, or telegram-chats
  --region NAME   default: AWS_REGION, or us-east-1
  --help

Ids of groups and channels are negative. Settings may also stand in .env.
Exit status: 0; 1 where there is no such chat, or DynamoDB cannot be used; 2 for a mistake in the arguments.`;

const text = { type: "string" } as const;
const flag = { type: "boolean" } as const;
const options = {
  ...{ active: flag, inactive: flag, yes: flag, json: flag, help: flag },
  ...{ username: text, "first-name": text, "last-name": text, days: text, table: text, region: text },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

interface Call {
  readonly storage: TelegramDynamoDBStorage;
  readonly values: Values;
  /** The chat that the command is about. */
  readonly chatId: number;
}

interface Command {
  readonly needsChat: boolean;
  /** Its options, beside those of all commands. */
  readonly options: readonly (keyof Values)[];
  /** Returns the exit status. */
  run(call: Call): Promise<number>;
}

const commands: Readonly<Record<string, Command>> = {
  list: { needsChat: false, options: ["active", "inactive"], run: list },
  show: { needsChat: true, options: [], run: show },
  stats: { needsChat: false, options: [], run: stats },
  save: { needsChat: true, options: ["username", "first-name", "last-name"], run: save },
  deactivate: { needsChat: true, options: [], run: (call) => setActive(call, false) },
  reactivate: { needsChat: true, options: [], run: (call) => setActive(call, true) },
  cleanup: { needsChat: false, options: ["days", "yes"], run: cleanup },
};

async function list({ storage, values: { active, inactive, json } }: Call): Promise<number> {
  const isWanted = (chat: Chat): boolean => active === inactive || chat.is_active === (active === true);
  const printed: Chat[] = [];
  for await (const page of storage.scan()) {
    for (const chat of page.filter(isWanted)) json ? printed.push(chat) : console.log(lineOf(chat));
  }
  if (json) printJson(printed);
  return 0;
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
  const isWanted = stale.length > 0 &&
    (values.yes || (!values.json && await isCleanupConfirmed(stale.length)));
  // Chats that have written meanwhile stay active.
  const deactivated = isWanted ? await storage.cleanupInactiveChats({ daysThreshold }) : 0;
  const text = isWanted ? `Deactivated ${deactivated}.` : "Nothing was changed.";
  return say(values, { days: daysThreshold, stale, deactivated }, text);
}

function showStale(stale: readonly Chat[], days: number): void {
  const chats = stale.length === 1 ? "1 active chat has" : `${stale.length} active chats have`;
  console.log(`${chats} not written for ${days} days${stale.length === 0 ? "." : ":"}`);
  for (const chat of stale) console.log(`${lineOf(chat)}  silent for ${silentDays(chat)} days`);
}

async function isCleanupConfirmed(count: number): Promise<boolean> {
  return await isConfirmed(`Deactivate ${count === 1 ? "it" : `all ${count}`}?`, "deactivates them");
}

function silentDays({ last_active = "" }: Chat): number {
  return Math.floor((Date.now() - Date.parse(last_active)) / 86_400_000);
}

/** `123456789  active    42 messages  2026-11-20T11:16:54.000Z  John Doe @johndoe` */
function lineOf(chat: Chat): string {
  const { chat_id, is_active, message_count, removed_reason = "inactive" } = chat;
  const last_active = safeText(chat.last_active ?? "-");
  const { title, first_name, last_name, username } = chat.user_info;
  const names = [title, first_name, last_name, username && `@${username}`].map(safeText).filter(Boolean).join(
    " ",
  );
  const standing = is_active ? "active" : removed_reason;
  const count = message_count === 1 ? "1 message" : `${message_count} messages`;
  return [String(chat_id).padStart(14), standing.padEnd(8), count.padStart(14), last_active.padEnd(24), names]
    .join("  ").trimEnd();
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

/** @throws {UsageError} At the first mistake. */
function parse(argv: readonly string[]): { command: Command; values: Values; chatId: number } | undefined {
  // A group's id begins with a minus and looks like an option.
  const isNegative = (word: string): boolean => /^-\d+$/.test(word);
  const args = argv.filter((word) => !isNegative(word));
  const { values, positionals } = parseArguments({ args, options, allowPositionals: true }, "");
  if (values.help || argv.length === 0) return undefined;
  const [name = "", ...ids] = [...positionals, ...argv.filter(isNegative)];
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
  if (ids.length !== (command.needsChat ? 1 : 0)) {
    throw new UsageError(`"${name}" takes ${command.needsChat ? "one chat's id" : "no id"}`);
  }
  const chatId = Number(ids[0] ?? 0);
  if (command.needsChat && !(/^-?\d+$/.test(ids[0] ?? "") && Number.isSafeInteger(chatId))) {
    throw wrong("CHAT_ID", "a whole number of up to 52 bits", ids[0]);
  }
  return { command, values, chatId };
}

/** Gives the exit status. */
export async function run(args: readonly string[]): Promise<number> {
  loadEnvFile();
  const call = parse(args);
  if (call === undefined) return console.log(usage), 0;
  const { command, values, chatId } = call;
  const storage = new TelegramDynamoDBStorage({ tableName: values.table, regionName: values.region });
  try {
    return await command.run({ storage, values, chatId });
  } finally {
    storage.close();
  }
}
