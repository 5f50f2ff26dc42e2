/** `telegram-signals broadcast`: sends a text, or a picture with a caption, to everyone who is subscribed. */
import { readFile } from "node:fs/promises";
import { parseArguments, UsageError } from "../arguments.ts";
import { dryRunOf, joinDryRun } from "../dry_run.ts";
import { permissionHint } from "../permission_hint.ts";
import { sendingOptions, sendToAll } from "../sending.ts";

const options = { ...sendingOptions, photo: { type: "string" } } as const;

/** Gives the exit status. */
export async function run(argv: readonly string[]): Promise<number> {
  // The text may stand behind --dry-run.
  const args = joinDryRun(argv, (word) => /^-?\d+$/.test(word));
  const { values, positionals } = parseArguments({ args, options, allowPositionals: true }, "");
  const { photo, "dry-run": dryRun, ...flags } = values;
  const [text, ...more] = positionals;
  if (text === undefined || more.length > 0) throw new UsageError("One text is needed, in quotation marks");
  if (text.trim() === "" && photo === undefined) throw new UsageError("The text is empty");
  const message = photo === undefined ? { text } : { text, photo: await readPicture(photo) };
  return await sendToAll({
    ...{ id: undefined, ...flags, dryRun: dryRunOf(dryRun) },
    preview: photo === undefined ? text : `[${photo}]\n${text}`,
    start: (bot, options) => bot.broadcast(message, options),
  });
}

async function readPicture(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const { message } = cause as Error;
    throw new UsageError(`The picture cannot be read: ${message}${permissionHint(cause)}`, { cause });
  }
}
