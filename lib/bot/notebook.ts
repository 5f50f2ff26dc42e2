/**
 * Stops a notebook's previous bot. There a cell is run again and again, and each run makes a new bot, but Telegram lets only
 * one poll. Other programs may have as many bots as they like.
 */
import type { Logger } from "../util/log.ts";
import { isNotebook } from "../util/notebook.ts";

/** A bot that is about to poll. */
export interface Poller {
  readonly botToken: string;
  readonly apiRoot: string | undefined;
  readonly bot: { stopBot(): Promise<void> };
  /** Aborts when the bot is stopped. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

const registryKey = Symbol.for("telegram-signals.pollers");

/** One registry for the process, not for the module: a notebook may load a changed module beside the one that it has. */
function pollers(): Map<string, Poller["bot"]> {
  const holder = globalThis as { [registryKey]?: Map<string, Poller["bot"]> };
  return holder[registryKey] ??= new Map();
}

/** Resolves when no other bot of this notebook polls with the token; at once where there is no notebook. */
export async function stopPreviousPoller({ botToken, apiRoot, bot, signal, logger }: Poller): Promise<void> {
  if (!isNotebook()) return;
  const all = pollers();
  // The bot's id, which is no secret and stays when the token is renewed.
  const [botId] = botToken.split(":");
  const key = `${apiRoot ?? "https://api.telegram.org"} ${botId}`;
  const previous = all.get(key);
  all.set(key, bot);
  signal.addEventListener("abort", () => all.get(key) === bot && all.delete(key), { once: true });
  if (previous === undefined || previous === bot) return;
  logger.info("The bot that this notebook started before is stopped, and this one takes over.");
  await previous.stopBot();
}
