/** The bot's options: their types, their rules, and their defaults. */
import process from "node:process";
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Ledger } from "../broadcast/ledger.ts";
import { broadcastNames } from "../broadcast/options.ts";
import type { Authorize } from "../chats/access.ts";
import type { ChatType } from "../chats/events.ts";
import { type BotMessages, defaultMessages } from "../chats/messages.ts";
import type { ChatStorage } from "../chats/storage.ts";
import { isChatId } from "../telegram/chat_id.ts";
import { defaultMessagesPerSecond } from "../telegram/client.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { consoleLogger, createSafeLogger, type Logger } from "../util/log.ts";
import { botOptionNames } from "../util/option_owners.ts";
import { redact } from "../util/safe_text.ts";
import {
  assertNoMistakes,
  clientRule,
  clockRule,
  configMistakes,
  fetchRule,
  functionRule,
  isObject,
  type ListRule,
  loggerRule,
  methodsRule,
  mistakesInNames,
  type Names,
  numberRule,
  regionRule,
  type Rule,
  type Rules,
  tableRule,
  textRule,
  trueOrFalse,
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

export const chatTypes: readonly ChatType[] = ["private", "group", "supergroup", "channel"];

/** What each element of a list must be, and how many there must be at least. */
const listRule = (list: ListRule, rule: string, least: number): Rule => ({
  isGood: (value) => Array.isArray(value) && value.length >= least && value.every(list.isGood),
  ...{ rule, list },
});

const messageNames: Names = { known: Object.keys(defaultMessages), what: "a name in messages" };

const rules: Rules<BotOptions> = {
  botToken: {
    isGood: (value) => typeof value === "string" && /^\d+:[A-Za-z0-9_-]+$/.test(value),
    rule:
      "the token from @BotFather: digits, a colon, then letters, digits, - and _, without spaces or quotes",
    isSecret: true,
  },
  tableName: tableRule,
  broadcastsTableName: tableRule,
  regionName: regionRule,
  messagesPerSecond: numberRule("a number above 0 and up to 1000", (value) => value > 0 && value <= 1000),
  fetch: fetchRule,
  logger: loggerRule,
  storage: methodsRule("a ChatStorage", "apply", "scan"),
  ledger: methodsRule("a Ledger", "begin", "save"),
  client: clientRule,
  clock: clockRule,
  useDynamoDB: trueOrFalse,
  autoRegisterChats: trueOrFalse,
  allowedUsers: listRule(
    { isGood: isChatId },
    "a list of chat ids, which are whole numbers such as 123 or -100456 (the bot tells its id to a chat that it " +
      "refuses), or unset, which lets everyone in",
    0,
  ),
  authorize: functionRule("a function of an update's context"),
  chatTypes: listRule(
    { isGood: (value) => chatTypes.includes(value as ChatType), known: chatTypes },
    `a list of one or more of ${chatTypes.join(", ")}`,
    1,
  ),
  chatsPerAdder: numberRule(
    "a whole number above 0, or Infinity",
    (value) => value === Infinity || (Number.isSafeInteger(value) && value > 0),
  ),
  spoolFile: textRule("the path of a file", /^[^\0]*[^\0/\\]$/),
  messages: {
    isGood: (value) =>
      isObject(value) && !Array.isArray(value) &&
      Object.values(value).every((wording) => wording === undefined || typeof wording === "function"),
    rule: `functions by the messages' names, which are ${messageNames.known.join(", ")}`,
    hint: wrongWording,
  },
  apiRoot: {
    isGood: (value) =>
      typeof value === "string" && /^https?:\/\/[^\s?#]*[^\s?#/]$/.test(value) && URL.canParse(value) &&
      redact(value) === value,
    rule:
      "an http or https address, as a text, without a / or the token at its end, and without a name and a password",
    isSecret: (value) => /[@?#]/.test(String(value)),
  },
};

/** Which of the messages is no function; a text in its place is the usual mistake. */
function wrongWording(value: unknown): string {
  const [name, wording] =
    Object.entries(isObject(value) ? value : {}).find(([, wording]) =>
      wording !== undefined && typeof wording !== "function"
    ) ?? [];
  if (name === undefined) return "";
  return typeof wording === "string"
    ? `, where ${name} is a text: write ${name}: () => "…"`
    : `, where ${name} is none`;
}

type Option = keyof BotOptions;

/** The names of a bot's options. */
export const botNames: Names = {
  known: botOptionNames satisfies readonly Option[],
  elsewhere: { "the options of sendSignal() and broadcast()": broadcastNames },
};

/** How the options are validated. */
export interface ValidationOptions {
  /** What the user calls an option. Default: by its name. */
  readonly nameOf?: (option: Option) => string;
  /** The one option that must be set. Default: `"botToken"`. */
  readonly required?: Option;
  /** The options that there are. Default: a bot's. */
  readonly names?: Names;
}

/** A sentence for each mistake. */
export function validateOptions(
  options: Partial<Record<Option, unknown>>,
  { nameOf = (option) => option, required = "botToken", names = botNames }: ValidationOptions = {},
): string[] {
  if (typeof options !== "object" || options === null) return mistakesInNames(options, names, required);
  const known = (Object.keys(rules) as Option[]).filter((option) => names.known.includes(option));
  return [
    ...mistakesInRuntime(process.versions),
    ...mistakesInNames(options, names),
    ...mistakesInNames(options.messages, messageNames),
    ...known.flatMap((option) => {
      const name = nameOf(option);
      const remedy = name === option ? "" : " Set it in the environment, or in a file .env in this folder.";
      const rule = { ...rules[option], isRequired: option === required };
      return configMistakes(name, options[option], rule, remedy);
    }),
  ];
}

/**
 * Deno and Bun name a Node of their own, which is never too old. Before 1.4 Bun's HTTP client has no connections; before 20.3
 * Node has no `AbortSignal.any()`.
 */
export function mistakesInRuntime(
  { node = "", bun }: Readonly<Record<string, string | undefined>>,
): string[] {
  if (bun !== undefined) {
    if (!isOlder(bun, 1, 4)) return [];
    return [`This is Bun ${bun}, but 1.4 or later is needed: \`bun upgrade\`, or use Node or Deno.`];
  }
  if (!isOlder(node, 20, 3)) return [];
  return [
    `This is Node ${node}, but 20.3 or later is needed: install one from https://nodejs.org, or use Deno.`,
  ];
}

function isOlder(version: string, major: number, minor: number): boolean {
  const [itsMajor = 0, itsMinor = 0] = version.split(".").map(Number);
  return itsMajor < major || (itsMajor === major && itsMinor < minor);
}

// Resolving.

type NameWithDefault = "useDynamoDB" | "autoRegisterChats" | "messagesPerSecond" | "logger" | "clock";

/** The options whose default does not depend on the environment. */
export type OptionsWithDefaults = { readonly [Name in NameWithDefault]: NonNullable<BotOptions[Name]> };

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
  target: ValidationOptions = {},
): Options & OptionsWithDefaults {
  assertNoMistakes(validateOptions(options, target));
  const resolved = { ...defaults, ...givenOptions(options, target.names) };
  return { ...resolved, logger: createSafeLogger(resolved.logger) } as Options & OptionsWithDefaults;
}

/** The options that are not undefined, without other names. They may be getters of a class. */
export function givenOptions<Options extends Partial<BotOptions>>(
  options: Options,
  { known }: Names = botNames,
): Partial<Options> {
  const entries = (known as (keyof Options)[]).map((name) => [name, options[name]] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as Partial<Options>;
}
