/** Variables of the environment that are spelt nearly as ours. */
import process from "node:process";
import { config } from "dotenv";
import type { ChatType } from "../chats/events.ts";
import { assertNoMistakes, lettersBetween, mistakesInNames } from "../util/validate.ts";
import { MeanReversionTelegramBot } from "./bot.ts";
import { botNames, type BotOptions, chatTypes, validateOptions } from "./options.ts";

const prefix = "TELEGRAM_";
const lettersAtMost = 2;

/**
 * A sentence for each variable that was meant to be one of `unset`. Others that begin alike are another program's.
 * @param inFile What the file `.env` says.
 */
export function misspeltVariables(
  inFile: Readonly<Record<string, string>>,
  unset: readonly string[],
): string[] {
  const variables = Object.entries({ ...inFile, ...mayList() ? process.env : {} });
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

/** Deno asks the user, or refuses, where some variables may be read and not all. */
function mayList(): boolean {
  const { Deno } = globalThis as { Deno?: Deno };
  return Deno === undefined || Deno.permissions.querySync({ name: "env" }).state === "granted";
}

// From the environment to a bot, every mistake reported at once.

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
} as const;
const autoRegisterVariable = "TELEGRAM_AUTO_REGISTER";

const truths: ReadonlyMap<string, boolean> = new Map([
  ...["true", "1", "yes", "on"].map((word) => [word, true] as const),
  ...["false", "0", "no", "off"].map((word) => [word, false] as const),
]);

/**
 * Makes a bot of TELEGRAM_BOT_TOKEN (required), TELEGRAM_CHATS_TABLE, TELEGRAM_BROADCASTS_TABLE, AWS_REGION,
 * TELEGRAM_AUTO_REGISTER, TELEGRAM_ALLOWED_USERS (ids with commas between, or `everyone`), TELEGRAM_CHAT_TYPES (such as
 * `private,channel`), TELEGRAM_CHATS_PER_ADDER (a number, or `Infinity`), TELEGRAM_SPOOL_FILE and TELEGRAM_API_ROOT, and
 * of a `.env` file in the current folder, which never overrides a variable that is set.
 * The AWS SDK reads its own variables besides. An option given here beats the environment.
 * @throws {ConfigError} Naming every variable and option that is missing, malformed or misspelt, and its rule.
 */
export function createTelegramBotFromEnv(options: Partial<BotOptions> = {}): MeanReversionTelegramBot {
  if (typeof options !== "object" || options === null) assertNoMistakes(validateOptions(options));
  const { parsed = {} } = config({ quiet: true });
  const given = givenIn(options);
  const fromEnv = Object.fromEntries(
    Object.entries(variables).map(([option, name]) => [option, process.env[name] || undefined]),
  );
  const listed = {
    allowedUsers: allowedIn(process.env[variables.allowedUsers]),
    chatTypes: chatTypesIn(process.env[variables.chatTypes]),
    chatsPerAdder: numberIn(process.env[variables.chatsPerAdder]),
  };
  const merged: Partial<BotOptions> = { ...fromEnv, ...listed, ...given };
  const nameOf = (option: keyof BotOptions): string => {
    const isGiven = option in given || !(option in variables);
    return isGiven ? option : variables[option as keyof typeof variables];
  };
  const mistakes = [
    ...mistakesInNames(options, botNames),
    ...misspeltVariables(parsed, unset(merged)),
    ...validateOptions(merged, { nameOf }),
  ];
  const autoRegister = process.env[autoRegisterVariable] || "true";
  const autoRegisterChats = options.autoRegisterChats ?? truths.get(autoRegister.trim().toLowerCase());
  if (autoRegisterChats === undefined) {
    mistakes.push(
      `${autoRegisterVariable} must be true or false: current value is ${JSON.stringify(autoRegister)}.`,
    );
  }
  assertNoMistakes(mistakes);
  return new MeanReversionTelegramBot({ ...merged, botToken: merged.botToken ?? "", autoRegisterChats });
}

/** What is not undefined; what is no option was said by then. */
function givenIn(options: Partial<BotOptions>): Partial<BotOptions> {
  const entries = (botNames.known as (keyof BotOptions)[]).map((name) => [name, options[name]] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** Variables for which there is neither a value nor an option in their place. */
function unset(merged: Partial<BotOptions>): string[] {
  const all = Object.entries({ ...variables, autoRegisterChats: autoRegisterVariable });
  return all.filter(([option, name]) =>
    merged[option as keyof BotOptions] === undefined && !process.env[name]
  ).map(([, name]) => name);
}

/** A text that is no list of ids, as a blank one is none, stays as it is, for the rule to show it. */
function allowedIn(text: string | undefined): readonly number[] | undefined {
  if (text === undefined || text.trim() === "everyone") return undefined;
  const words = wordsIn(text);
  return words?.every((word) => /^-?\d+$/.test(word)) ? words.map(Number) : text as never;
}

function chatTypesIn(text: string = ""): readonly ChatType[] | undefined {
  const words = wordsIn(text) as readonly ChatType[] | undefined;
  return words?.every((word) => chatTypes.includes(word)) === false ? text as never : words;
}

function wordsIn(text: string = ""): readonly string[] | undefined {
  const words = text.split(/[\s,;]+/).filter((word) => word !== "");
  return words.length === 0 ? undefined : words;
}

/** A text that is no number stays as it is, too. */
function numberIn(text: string = ""): number | undefined {
  if (text.trim() === "") return undefined;
  return Number.isNaN(Number(text)) ? text as never : Number(text);
}
