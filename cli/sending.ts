/** Sends to everyone who is subscribed, and asks before. */
import process from "node:process";
import {
  type BroadcastOptions,
  type BroadcastReport,
  createTelegramBotFromEnv,
  type MeanReversionTelegramBot,
} from "telegram-signals";
import { assertTerminal, isConfirmed } from "./confirm.ts";
import type { DryRun } from "./dry_run.ts";
import { showProgress } from "./progress.ts";
import { printReport } from "./report.ts";
import { printJson, safeLines } from "./safe_print.ts";
import { nothingSent } from "./standing.ts";
import { interrupted, stopOnSignals } from "./stop_on_signals.ts";

/** How it is sent; see `usage.ts`. */
export interface SendingFlags {
  readonly yes: boolean;
  readonly json: boolean;
  readonly dryRun: DryRun;
  readonly id: string | undefined;
}

export const sendingOptions = {
  id: { type: "string" },
  "dry-run": { type: "string" },
  yes: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
} as const;

export interface Sending extends SendingFlags {
  /** What is sent, as it is shown before. */
  readonly preview: string;
  start(bot: MeanReversionTelegramBot, options: BroadcastOptions): Promise<BroadcastReport>;
}

/** Gives the exit status. @throws {UsageError} If nobody can be asked, and `--yes` is not there. */
export async function sendToAll({ preview, start, ...flags }: Sending): Promise<number> {
  const { yes, json, dryRun, id } = flags;
  if (dryRun === "screen") {
    if (json) return printJson({ text: preview });
    console.log(`${safeLines(preview)}\n\nNothing was sent: this is a dry run.`);
    return 0;
  }
  using onProgress = showProgress();
  const { logger } = onProgress;
  await using bot = createTelegramBotFromEnv({ useDynamoDB: true, logger });
  if (dryRun === undefined) assertCanAsk(yes);
  const { storage, chats } = await bot.initialize();
  if (storage !== "dynamodb") {
    console.error("Nothing was sent: the chats could not be read from DynamoDB.");
    return 1;
  }
  const isWanted = dryRun !== undefined || await isSendingConfirmed({
    ...{ yes, chats, question: (chats) => `${safeLines(preview)}\n\nSend this to ${chats}?` },
  });
  if (!isWanted) {
    console.error("Nothing was sent.");
    return 1;
  }
  // A dry run takes no name from what is sent to everyone.
  const choice = dryRun === undefined ? { broadcastId: id } : { filter: onlyTo(dryRun) };
  const signal = stopOnSignals(logger.info);
  const report = await start(bot, { ...choice, signal, onProgress }).catch((error) => {
    if (error !== signal.reason) throw error;
  });
  if (report === undefined) {
    if (json) return printJson({ sent: 0, stopped: interrupted }), 1;
    console.error("Nothing was sent from here: it was interrupted before.");
    return 1;
  }
  if (dryRun !== undefined && report.recipients === 0) {
    console.error(await nothingSent(dryRun));
    if (!json) return 1;
  }
  return printReport(report, json);
}

export function onlyTo(chatId: number): (chat: { readonly chat_id: number }) => boolean {
  return ({ chat_id }) => chat_id === chatId;
}

const nothing = "Nothing was sent";

export interface Question {
  readonly yes: boolean;
  readonly chats: number;
  /** @param chats Such as `412 chats`. */
  question(chats: string): string;
}

/** Asks before something goes to everyone. @throws {UsageError} If nobody can be asked. */
export async function isSendingConfirmed({ yes, chats, question }: Question): Promise<boolean> {
  assertCanAsk(yes);
  if (yes || isSandboxed()) return true;
  return await isConfirmed(question(chats === 1 ? "1 chat" : `${chats} chats`), nothing);
}

/** @throws {UsageError} If it must be asked for, and there is no terminal. Once the bot's settings are loaded. */
export function assertCanAsk(yes: boolean): void {
  if (!yes && !isSandboxed()) assertTerminal(nothing);
}

/** The test kit's Bot API server makes tokens of this bot, which Telegram does not have. */
const localToken = /^1000000:/;

/**
 * Whether what is sent reaches nobody, for certain: by the test kit's Bot API server. Another server on this machine may
 * hand it on to people.
 */
function isSandboxed(): boolean {
  const { TELEGRAM_API_ROOT: apiRoot = "", TELEGRAM_BOT_TOKEN: token = "" } = process.env;
  return /^http:\/\/127\.0\.0\.1(:\d+)?\/?$/.test(apiRoot) && localToken.test(token);
}
