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
import { readFile } from "node:fs/promises";
import process from "node:process";
import { parseArgs } from "node:util";
import {
  type BroadcastMessage,
  type BroadcastOptions,
  type BroadcastReport,
  ConfigError,
  createTelegramBotFromEnv,
} from "telegram-signals";
import { showProgress } from "./progress.ts";
import { stopOnSignals } from "./strategy/stop_on_signals.ts";
import { UsageError } from "./strategy/usage_error.ts";

const usage = `Sends a text to everyone who is subscribed.

  broadcast.ts TEXT [--photo FILE] [--id NAME]

  --photo FILE  a PNG or JPEG; the text is its caption, and may be ""
  --id NAME     sends it once under this name, however often and from wherever this is called; after a crash the same
                call goes on where it was
  --help

Ctrl-C ends it: who has not been sent it by then is not. Settings may also stand in .env.`;

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

/** Gives the exit status. */
function print(report: BroadcastReport): number {
  console.log(String(report));
  for (const { chat_id, outcome, message } of report.errors) {
    console.log(`  ${chat_id} ${outcome}: ${message}`);
  }
  return report.stopped === undefined ? 0 : 1;
}

async function parse(): Promise<Settings | undefined> {
  const { values: { photo, id, help }, positionals: [text, ...more] } = parsed();
  if (help) return undefined;
  if (text === undefined || more.length > 0) throw new UsageError("One text is needed, in quotation marks");
  const message = photo === undefined ? { text } : { text, photo: await picture(photo) };
  return { message, options: { broadcastId: id } };
}

function parsed(): { values: { photo?: string; id?: string; help?: boolean }; positionals: string[] } {
  const text = { type: "string" } as const;
  try {
    const options = { photo: text, id: text, help: { type: "boolean" } } as const;
    return parseArgs({ options, allowPositionals: true });
  } catch (cause) {
    throw new UsageError((cause as Error).message.split(/\.? To specify|\.?\n/)[0], { cause });
  }
}

async function picture(path: string): Promise<Uint8Array> {
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
