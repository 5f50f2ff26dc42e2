/** The bot's options: their types, their rules, and their defaults. */
import process from "node:process";
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Ledger } from "../broadcast/ledger.ts";
import { broadcastNames } from "../broadcast/options.ts";
import type { Authorize } from "../chats/access.ts";
import type { ChatType } from "../chats/events.ts";
import { type BotMessages, defaultMessages } from "../chats/messages.ts";
import type { ChatStorage } from "../chats/storage.ts";
import { defaultMessagesPerSecond } from "../telegram/rate_limit/scheduler.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { consoleLogger, type Logger } from "../util/log.ts";
import { botOptionNames } from "../util/option_owners.ts";
import { redactTokens } from "../util/redact.ts";
import {
  assertNoMistakes,
  currentValue,
  type ListRule,
  mistakesInNames,
  type Names,
  shown,
} from "../util/validate.ts";

/** The options of a bot; only the token is required. */
export interface BotOptions {
  /** The token that @BotFather gave. */
  readonly botToken: string;
  /** `false` keeps chats in memory only, until the program ends. Default: true. */
  readonly useDynamoDB?: boolean | undefined;
  /** Default: `telegram-chats`. */
  readonly tableName?: string | undefined;
  /** Where broadcasts with a `broadcastId` are kept. Default: `telegram-broadcasts`; made when it is first needed. */
  readonly broadcastsTableName?: string | undefined;
  /** Default: `us-east-1`. */
  readonly regionName?: string | undefined;
  /** Whether any message registers its chat, or only /start. Default: true. */
  readonly autoRegisterChats?: boolean | undefined;
  /**
   * Ids of the chats that may use the bot: a person's own, or a group's or channel's. Others are refused, once and
   * kindly, and get no broadcast even if they are registered; there a group or channel is allowed by the person who has
   * brought it in, too. Default: everyone may.
   */
  readonly allowedUsers?: readonly number[] | undefined;
  /**
   * Says of each update whether whoever sent it may use the bot, and right before a broadcast's message whether the chat
   * still may, besides `allowedUsers`. One that fails, or takes longer than five seconds, says no. Default: everyone may.
   */
  readonly authorize?: Authorize | undefined;
  /**
   * The types of chats that may subscribe. Others are told so once; a channel is told nothing. Chats that are registered
   * already stay. Default: all.
   */
  readonly chatTypes?: readonly ChatType[] | undefined;
  /**
   * How many groups and channels one person may bring in: active ones with this `added_by`, without those in
   * `allowedUsers`. `Infinity` is no limit. Default: 10.
   */
  readonly chatsPerAdder?: number | undefined;
  /**
   * Where the queue of an outage is kept on disk, so that it outlives the process; broadcasts with a `broadcastId` are
   * kept beside it, in a file of the same name with `.broadcasts` at its end. Each process needs a file of its own.
   * Default: in memory only.
   */
  readonly spoolFile?: string | undefined;
  /**
   * The pace of messages over all chats. Default: 30, which is what Telegram allows a bot. More, up to 1000, is for
   * broadcasts with `allowPaidBroadcast`: once there is one, all that is not paid for keeps to 30.
   */
  readonly messagesPerSecond?: number | undefined;
  /** Words of your own for what the bot says, a function for each message; the others are said as ever. */
  readonly messages?: Partial<BotMessages> | undefined;
  /** A Bot API server of your own. Default: `https://api.telegram.org`. */
  readonly apiRoot?: string | undefined;
  /**
   * A fetch of your own for all requests to Telegram, and to DynamoDB where there is no `client`: it must send each request
   * once. Default: the runtime's own way, by the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name.
   */
  readonly fetch?: typeof fetch | undefined;
  /** Default: the console. */
  readonly logger?: Logger | undefined;
  /** A DynamoDB client of your own. */
  readonly client?: DynamoDBClient | undefined;
  /** A storage of your own, in place of DynamoDB. */
  readonly storage?: ChatStorage | undefined;
  /** A ledger of your own for broadcasts with a `broadcastId`, in place of DynamoDB. */
  readonly ledger?: Ledger | undefined;
  /** Time and chance, for tests. */
  readonly clock?: Clock | undefined;
}

const isBoolean = (value: unknown): boolean => typeof value === "boolean";
const isText = (value: unknown, form: RegExp): value is string =>
  typeof value === "string" && form.test(value);
const isChatId = (value: unknown): boolean => Number.isSafeInteger(value) && value !== 0;
const has = (value: unknown, ...methods: readonly string[]): boolean =>
  methods.every((name) => typeof (value as Record<string, unknown> | null)?.[name] === "function");

const isWordings = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value) &&
  Object.values(value).every((wording) => wording === undefined || typeof wording === "function");

export const chatTypes: readonly ChatType[] = ["private", "group", "supergroup", "channel"];

const tableNames = {
  isGood: (value: unknown) => isText(value, /^[A-Za-z0-9_.-]{3,255}$/),
  rule: "3 to 255 letters, digits, _, . and -",
};

type Option = keyof BotOptions;

interface Rule {
  readonly isGood: (value: never) => boolean;
  readonly rule: string;
  readonly isSecret?: true;
  /** What each element must be, where the option is a list. */
  readonly list?: ListRule;
}

const rules: Record<(typeof botOptionNames)[number], Rule> = {
  botToken: {
    isGood: (value: unknown) => isText(value, /^\d+:[A-Za-z0-9_-]+$/),
    rule:
      "the token from @BotFather: digits, a colon, then letters, digits, - and _, without spaces or quotes",
    isSecret: true,
  },
  tableName: tableNames,
  broadcastsTableName: tableNames,
  regionName: {
    isGood: (value: unknown) => isText(value, /^[a-z]{2,}(-[a-z0-9]+)+$/),
    rule: "an AWS region such as us-east-1",
  },
  messagesPerSecond: {
    isGood: (value: number) => typeof value === "number" && value > 0 && value <= 1000,
    rule: "a number above 0 and up to 1000",
  },
  fetch: { isGood: (value: unknown) => typeof value === "function", rule: "a fetch function" },
  logger: { isGood: (value: unknown) => has(value, "info", "warn", "error"), rule: "{ info, warn, error }" },
  storage: { isGood: (value: unknown) => has(value, "apply", "scan"), rule: "a ChatStorage" },
  ledger: { isGood: (value: unknown) => has(value, "begin", "save"), rule: "a Ledger" },
  client: { isGood: (value: unknown) => has(value, "send"), rule: "a DynamoDBClient" },
  clock: { isGood: (value: unknown) => has(value, "now", "sleep", "random"), rule: "{ now, sleep, random }" },
  useDynamoDB: { isGood: isBoolean, rule: "true or false" },
  autoRegisterChats: { isGood: isBoolean, rule: "true or false" },
  allowedUsers: {
    isGood: (value: unknown) => Array.isArray(value) && value.every(isChatId),
    rule:
      "a list of chat ids, which are whole numbers such as 123 or -100456 (the bot tells its id to a chat that it " +
      "refuses), or unset, which lets everyone in",
    list: { isGood: isChatId },
  },
  authorize: {
    isGood: (value: unknown) => typeof value === "function",
    rule: "a function of an update's context",
  },
  chatTypes: {
    isGood: (value: unknown) =>
      Array.isArray(value) && value.length > 0 && value.every((type) => chatTypes.includes(type)),
    rule: `a list of one or more of ${chatTypes.join(", ")}`,
    list: { isGood: (value) => chatTypes.includes(value as ChatType), known: chatTypes },
  },
  chatsPerAdder: {
    isGood: (value: unknown) => value === Infinity || (Number.isSafeInteger(value) && value as number > 0),
    rule: "a whole number above 0, or Infinity",
  },
  spoolFile: { isGood: (value: unknown) => isText(value, /^[^\0]*[^\0/\\]$/), rule: "the path of a file" },
  messages: {
    isGood: (value: unknown) => isWordings(value),
    rule: `functions by the messages' names, which are ${Object.keys(defaultMessages).join(", ")}`,
  },
  apiRoot: {
    isGood: (value: unknown) =>
      isText(value, /^https?:\/\/[^\s?#]*[^\s?#/]$/) && URL.canParse(value) && redactTokens(value) === value,
    rule: "an http or https address, as a text, without a / or the token at its end",
  },
};

/** What a bot may be told. */
export const botNames: Names = {
  known: botOptionNames satisfies readonly Option[],
  elsewhere: { "the options of sendSignal() and broadcast()": broadcastNames },
};
const wordingNames: Names = { known: Object.keys(defaultMessages), what: "a name in messages" };

/** Who is told the options. */
export interface Told {
  /** What the user calls an option. Default: by its name. */
  readonly nameOf?: (option: Option) => string;
  /** What nobody can do without. Default: `"botToken"`. */
  readonly required?: Option;
  /** Default: a bot's. */
  readonly names?: Names;
}

/** What is wrong, a sentence for each mistake. */
export function validateOptions(
  options: Partial<Record<Option, unknown>>,
  { nameOf = (option) => option, required = "botToken", names = botNames }: Told = {},
): string[] {
  if (typeof options !== "object" || options === null) {
    return [`The options must be an object such as { ${required} }: current value is ${shown(options)}.`];
  }
  const known = (Object.keys(rules) as Option[]).filter((option) => names.known.includes(option));
  return [
    ...mistakesInRuntime(process.versions),
    ...mistakesInNames(options, names),
    ...mistakesInNames(options.messages, wordingNames),
    ...known.flatMap((option) => mistakeIn(option, options[option], nameOf(option), option === required)),
  ];
}

function mistakeIn(option: Option, value: unknown, name: string, isRequired: boolean): string[] {
  const { isGood, rule, isSecret, list } = rules[option];
  if (isRequired && (value === undefined || value === "")) {
    const where = name === option ? "" : " Set it in the environment, or in a file .env in this folder.";
    return [`${name} is not set: it must be ${rule}.${where}`];
  }
  if (value === undefined || isGood(value as never)) return [];
  const current = isSecret ? "" : `: ${currentValue(value, list)}`;
  return [`${name} must be ${rule}${current}${isSecret ? " (its value is not shown)" : ""}.`];
}

interface Versions {
  readonly node?: string | undefined;
  readonly bun?: string | undefined;
}

/** Deno and Bun name a Node of their own, which is never too old. Before 1.4 Bun's HTTP client has no connections. */
export function mistakesInRuntime({ node = "", bun }: Versions): string[] {
  const [major = 0, minor = 0] = (bun ?? "").split(".").map(Number);
  if (bun !== undefined && (major < 1 || (major === 1 && minor < 4))) {
    return [`This is Bun ${bun}, but 1.4 or later is needed: \`bun upgrade\`, or use Node or Deno.`];
  }
  if (bun !== undefined || Number.parseInt(node) >= 20) return [];
  return [
    `This is Node ${node}, but 20 or later is needed: install one from https://nodejs.org, or use Deno.`,
  ];
}

// Resolving.

/** The options whose default does not depend on the environment. */
export interface OptionsWithDefaults {
  readonly useDynamoDB: boolean;
  readonly autoRegisterChats: boolean;
  readonly messagesPerSecond: number;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** A bot's options with their defaults. */
export type ResolvedBotOptions = BotOptions & OptionsWithDefaults;

const defaults: OptionsWithDefaults = {
  useDynamoDB: true,
  autoRegisterChats: true,
  messagesPerSecond: defaultMessagesPerSecond,
  logger: consoleLogger,
  clock: systemClock,
};

/**
 * The options with their defaults.
 * @throws {ConfigError} Naming every option that is missing, malformed or unknown, and its rule.
 */
export function resolveOptions<Options extends Partial<BotOptions>>(
  options: Options,
  target: Told = {},
): Options & OptionsWithDefaults {
  assertNoMistakes(validateOptions(options, target));
  return { ...defaults, ...givenOptions(options, target.names) } as Options & OptionsWithDefaults;
}

/** The options that are not undefined, without other names. They may be getters of a class. */
export function givenOptions<Options extends Partial<BotOptions>>(
  options: Options,
  { known }: Names = botNames,
): Partial<Options> {
  const entries = (known as (keyof Options)[]).map((name) => [name, options[name]] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as Partial<Options>;
}
