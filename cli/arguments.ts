/** Reads command-line arguments; a mistake in them is one line of text. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { closest, distance } from "fastest-levenshtein";

/** A mistake of the user: in an argument, or in a file that it names. Its message is one line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

const helpHint = "; --help lists the options";

/** As `parseArgs` of `node:util`. @throws {UsageError} Naming the first argument that is wrong. */
export function parseArguments<T extends ParseArgsConfig>(
  config: T,
  hint: string = helpHint,
): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (cause) {
    throw new UsageError(`${mistakeOf((cause as Error).message, config)}${hint}`, { cause });
  }
}

/** Node's words for it, with the option that may have been meant. */
function mistakeOf(message: string, { options = {} }: ParseArgsConfig): string {
  const [, option] = /^Option '(?:-\w, )?(--[\w-]+)\b.*' argument is ambiguous/.exec(message) ?? [];
  if (option !== undefined) return `A value that begins with a dash is written ${option}=-1`;
  const [sentence = ""] = message.split(/\.? To specify|\.?\n/);
  const [, unknown] = /^Unknown option '--([\w-]+)'/.exec(sentence) ?? [];
  const names = Object.keys(options);
  if (unknown === undefined || names.length === 0) return sentence;
  const meant = nearestName(unknown, names);
  return meant === undefined ? sentence : `${sentence} (did you mean --${meant}?)`;
}

/** The name that may have been meant: of a short one half the letters may differ, of a longer one three. */
export function nearestName(given: string, names: readonly string[]): string | undefined {
  const meant = closest(given, names);
  return distance(given, meant) <= Math.min(3, given.length / 2) ? meant : undefined;
}

/** An option's value as a number. @throws {UsageError} If it is not a whole number within the limits. */
export function wholeNumber(option: string, value: string, min: number, max: number = Infinity): number {
  const number = /^\d+$/.test(value) ? Number(value) : NaN;
  if (Number.isSafeInteger(number) && number >= min && number <= max) return number;
  const limits = max === Infinity ? `from ${min} on` : `from ${min} to ${max}`;
  throw wrongOption(option, `a whole number ${limits}`, value);
}

/** The error for an option whose value breaks the rule. */
export function wrongOption(option: string, rule: string, value: string): UsageError {
  return new UsageError(`--${option} must be ${rule}: current value is ${JSON.stringify(value)}${helpHint}`);
}
