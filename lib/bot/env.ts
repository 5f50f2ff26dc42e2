/** Creates a bot from environment variables and a file `.env`, and reports every mistake in them at once. */
import process from "node:process";
import type { ChatType } from "../chats/events.ts";
import { assertNoMistakes, lettersBetween, mistakesInNames } from "../util/validate.ts";
import { SignalBot } from "./bot.ts";
import { loadVariables, type Variables } from "./env_file.ts";
import { botNames, type BotOptions, chatTypes, givenOptions, validateOptions } from "./options.ts";

const variables = {
  botToken: "TELEGRAM_BOT_TOKEN",
  tableName: "TELEGRAM_CHATS_TABLE",
  broadcastsTableName: "TELEGRAM_BROADCASTS_TABLE",
  regionName: "AWS_REGION",
  apiRoot: "TELEGRAM_API_ROOT",
  spoolFile: "TELEGRAM_SPOOL_FILE",
  allowedUsers: "TELEGRAM_ALLOWED_USERS",
  chatTypes: "TELEGRAM_CHAT_TYPES",
  chatsPerAdder: "TELEGRAM_CHATS_PER_ADDER",
  autoRegisterChats: "TELEGRAM_AUTO_REGISTER",
} as const;
type Variable = keyof typeof variables;

const booleans: ReadonlyMap<string, boolean> = new Map([
  ...["true", "1", "yes", "on"].map((word) => [word, true] as const),
  ...["false", "0", "no", "off"].map((word) => [word, false] as const),
]);

/**
 * Makes a bot of TELEGRAM_BOT_TOKEN (required), TELEGRAM_CHATS_TABLE, TELEGRAM_BROADCASTS_TABLE, AWS_REGION,
 * TELEGRAM_AUTO_REGISTER, TELEGRAM_ALLOWED_USERS (ids with commas between, or `everyone`), TELEGRAM_CHAT_TYPES (such as
 * `private,channel`), TELEGRAM_CHATS_PER_ADDER (a number, or `Infinity`), TELEGRAM_SPOOL_FILE and TELEGRAM_API_ROOT, and
 * of a `.env` file in the current folder, as `loadEnvFile` reads it. A TELEGRAM_API_ROOT in the file counts only for a
 * token that is in the file, too, and must be https or on this machine; the same holds for AWS_ENDPOINT_URL and keys.
 * The AWS SDK reads its own variables besides. An option given here beats the environment.
 * @throws {ConfigError} Naming every variable and option that is missing, malformed or misspelt, and its rule.
 */
export function createTelegramBotFromEnv(options: Partial<BotOptions> = {}): SignalBot {
  if (typeof options !== "object" || options === null) assertNoMistakes(validateOptions(options));
  const given = givenOptions(options);
  const file = loadVariables(given);
  const merged: Partial<BotOptions> = { ...environmentOptions(), ...given };
  const nameOf = (option: keyof BotOptions): string =>
    option in given || !(option in variables) ? option : variables[option as Variable];
  assertNoMistakes([
    ...mistakesInNames(options, botNames),
    ...misspeltVariables(file, unsetVariables(merged)),
    ...validateOptions(merged, { nameOf }),
  ]);
  return new SignalBot({ ...merged, botToken: merged.botToken ?? "" });
}

/** The options that the environment sets. */
function environmentOptions(): Partial<BotOptions> {
  const texts = Object.fromEntries(
    Object.entries(variables).map(([option, name]) => [option, process.env[name] || undefined]),
  ) as Partial<Record<Variable, string>>;
  return {
    ...texts,
    // A blank list is a mistake: it must not let everyone in.
    allowedUsers: chatIdsIn(process.env[variables.allowedUsers]),
    chatTypes: chatTypesIn(texts.chatTypes),
    chatsPerAdder: numberIn(texts.chatsPerAdder),
    autoRegisterChats: booleanIn(texts.autoRegisterChats),
  };
}

/** Variables of options that are set nowhere. */
function unsetVariables(merged: Partial<BotOptions>): string[] {
  return Object.entries(variables)
    .filter(([option, name]) => merged[option as Variable] === undefined && !process.env[name])
    .map(([, name]) => name);
}

// The texts of variables as values. A text that is no such value stays as it is, for the option's rule to show it.

function chatIdsIn(text: string | undefined): readonly number[] | undefined {
  if (text === undefined || text.trim() === "everyone") return undefined;
  const words = wordsIn(text);
  return words?.every((word) => /^-?\d+$/.test(word)) ? words.map(Number) : text as never;
}

function chatTypesIn(text: string = ""): readonly ChatType[] | undefined {
  const words = wordsIn(text) as readonly ChatType[] | undefined;
  return words?.every((word) => chatTypes.includes(word)) === false ? text as never : words;
}

function wordsIn(text: string): readonly string[] | undefined {
  const words = text.split(/[\s,;]+/).filter((word) => word !== "");
  return words.length === 0 ? undefined : words;
}

function numberIn(text: string = ""): number | undefined {
  if (text.trim() === "") return undefined;
  return Number.isNaN(Number(text)) ? text as never : Number(text);
}

function booleanIn(text: string | undefined): boolean | undefined {
  return text === undefined ? undefined : booleans.get(text.trim().toLowerCase()) ?? text as never;
}

// Misspelt variables.

const prefix = "TELEGRAM_";
const lettersAtMost = 2;

/**
 * A sentence for each variable that is spelt nearly as one of `unset`. Others that begin alike are another program's.
 * @param inFile The variables in the file `.env`.
 */
function misspeltVariables(
  inFile: Variables,
  unset: readonly string[],
): string[] {
  const variables = Object.entries({ ...inFile, ...mayListEnvironment() ? process.env : {} });
  const ours = unset.filter((name) => name.startsWith(prefix));
  const given = variables.filter(([name, value]) => name.startsWith(prefix) && value);
  return given.flatMap(([name]) => {
    const [meant] = ours.map((each) => ({ each, letters: lettersBetween(name, each) }))
      .filter(({ each, letters }) => name !== each && letters <= lettersAtMost)
      .sort((one, other) => one.letters - other.letters);
    return meant === undefined ? [] : [`${name} is not a variable of the bot: did you mean ${meant.each}?`];
  });
}

interface Deno {
  readonly permissions: { querySync(descriptor: { name: "env" }): { readonly state: string } };
}

/** Where only some variables may be read, Deno refuses to list them, or asks the user. */
function mayListEnvironment(): boolean {
  const { Deno } = globalThis as { Deno?: Deno };
  return Deno === undefined || Deno.permissions.querySync({ name: "env" }).state === "granted";
}
