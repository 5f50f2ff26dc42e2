/** Reads command-line arguments; a mistake in them is one line of text. */
import { parseArgs, type ParseArgsConfig } from "node:util";

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
    const [sentence] = (cause as Error).message.split(/\.? To specify|\.?\n/);
    throw new UsageError(`${sentence}${hint}`, { cause });
  }
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
