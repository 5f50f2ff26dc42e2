#!/usr/bin/env -S deno run -P
/**
 * Sends a text, or a picture with a caption, to everyone who is subscribed.
 *
 *     npx tsx examples/broadcast.ts "The market is closed today." --id closed-2026-11-26
 *     deno run -P examples/broadcast.ts "The market is closed today." --id closed-2026-11-26
 *
 * Under Deno a picture is read from `.signals/`, or with `--allow-read=.env,lib,FILE`.
 * Exit status: 0; 1 where it could not be sent, or was stopped before its end; 2 for a mistake in the arguments or the
 * bot's settings; 130 for a second Ctrl-C.
 */
import "./cli/permissions.ts";
import { readFile } from "node:fs/promises";
import process from "node:process";
import {
  type BroadcastMessage,
  type BroadcastOptions,
  type BroadcastReport,
  ConfigError,
  createTelegramBotFromEnv,
} from "telegram-signals";
import { parseArguments, UsageError } from "./cli/arguments.ts";
import { showProgress } from "./cli/progress.ts";
import { stopOnSignals } from "./cli/stop_on_signals.ts";

const text = { type: "string" } as const;
const options = { photo: text, id: text, help: { type: "boolean" } } as const;

const usage = `Sends a text to everyone who is subscribed.

  broadcast.ts TEXT [--photo FILE] [--id NAME]

  --photo FILE  a PNG or JPEG; the text is its caption, and may be ""
  --id NAME     sends it once under this name, however often and from wherever this is called; after a crash the same
                call goes on where it was
  --help

Ctrl-C ends it: chats that it has not reached by then get nothing. Settings may also stand in .env.`;

interface Settings {
  readonly message: BroadcastMessage;
  readonly options: BroadcastOptions;
}

async function main(): Promise<number> {
  const settings = await parse();
  if (settings === undefined) return console.log(usage), 0;
  using onProgress = showProgress();
  const { logger } = onProgress;
  const signal = stopOnSignals(logger.info);
  await using bot = createTelegramBotFromEnv({ useDynamoDB: true, logger });
  const { storage } = await bot.initialize();
  if (storage !== "dynamodb") {
    console.error("Nothing was sent: the chats could not be read from DynamoDB.");
    return 1;
  }
  const report = await bot.broadcast(settings.message, { ...settings.options, signal, onProgress });
  return print(report);
}

/** Returns the exit status. */
function print(report: BroadcastReport): number {
  console.log(String(report));
  for (const { chat_id, outcome, message } of report.errors) {
    console.log(`  ${chat_id} ${outcome}: ${message}`);
  }
  return report.stopped === undefined ? 0 : 1;
}

async function parse(): Promise<Settings | undefined> {
  const { values, positionals } = parseArguments({ options, allowPositionals: true }, "");
  const { photo, id, help } = values;
  if (help) return undefined;
  const [text, ...more] = positionals;
  if (text === undefined || more.length > 0) throw new UsageError("One text is needed, in quotation marks");
  const message = photo === undefined ? { text } : { text, photo: await readPicture(photo) };
  return { message, options: { broadcastId: id } };
}

async function readPicture(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new UsageError(`The picture cannot be read: ${(cause as Error).message}`, { cause });
  }
}

main().then((status) => {
  process.exitCode = status;
}, (error: Error) => {
  const isUsage = error instanceof UsageError || error instanceof TypeError || error instanceof RangeError;
  console.error(isUsage ? `${error.message}; --help explains` : error.message);
  process.exitCode = isUsage || error instanceof ConfigError ? 2 : 1;
});
