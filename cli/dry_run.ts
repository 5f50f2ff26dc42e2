/** `--dry-run` shows on the screen what would be sent, and `--dry-run CHAT_ID` sends it to that chat alone. */
import { UsageError } from "./arguments.ts";

/** Where it goes instead of to everyone: `"screen"`, or a chat's id; `undefined` where it goes to everyone. */
export type DryRun = "screen" | number | undefined;

/**
 * Writes `--dry-run` with its value as one word, as the value may be left out, and a group's id begins with a minus.
 * @param isValue Whether the word behind it is its value. Default: whatever is no option.
 */
export function joinDryRun(
  args: readonly string[],
  isValue: (word: string) => boolean = (word) => !word.startsWith("--"),
): string[] {
  const at = args.indexOf("--dry-run");
  const end = args.indexOf("--");
  if (at < 0 || (end >= 0 && end < at)) return [...args];
  const [next] = args.slice(at + 1);
  const hasValue = next !== undefined && isValue(next);
  const option = `--dry-run=${hasValue ? next : "screen"}`;
  return [...args.slice(0, at), option, ...args.slice(at + (hasValue ? 2 : 1))];
}

export const dryRunRule =
  "nothing, or a chat's id, such as 123456789, or of a group -1001234, in plain digits";

/** `undefined` where the value breaks the rule. */
export function parseDryRun(value: string): Exclude<DryRun, undefined> | undefined {
  if (value === "screen") return value;
  const id = Number(value);
  // Telegram's ids have 52 bits at most.
  return /^-?\d+$/.test(value) && id !== 0 && Math.abs(id) < 2 ** 52 ? id : undefined;
}

/** The option's value. @throws {UsageError} If it breaks the rule. */
export function dryRunOf(value: string | undefined): DryRun {
  if (value === undefined) return undefined;
  const dryRun = parseDryRun(value);
  if (dryRun !== undefined) return dryRun;
  throw new UsageError(`--dry-run must be ${dryRunRule}: current value is ${JSON.stringify(value)}`);
}
