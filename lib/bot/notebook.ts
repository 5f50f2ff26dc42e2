/**
 * In a notebook a cell is run again and again, and each run makes a bot anew. Telegram lets only one poll: there, the
 * one that begins takes over from the one before. Other programs may have as many as they like.
 */
import type { Logger } from "../util/log.ts";

/** Who polls, and for which bot. */
export interface Poller {
  readonly botToken: string;
  readonly apiRoot?: string | undefined;
  readonly bot: { stopBot(): Promise<void> };
  /** Aborts when it is stopped. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

const place = Symbol.for("telegram-signals.pollers");

/** The process's, not the module's: a notebook may load a changed module beside the one that it has. */
function pollers(): Map<string, Poller["bot"]> {
  const world = globalThis as { [place]?: Map<string, Poller["bot"]> };
  return world[place] ??= new Map();
}

/** Resolves when nobody else in this notebook polls for the bot; at once where there is no notebook. */
export async function stopPreviousPoller({ botToken, apiRoot, bot, signal, logger }: Poller): Promise<void> {
  if (!isNotebook()) return;
  const all = pollers();
  // The part of the token that is no secret, and stays when the token is renewed.
  const key = `${apiRoot ?? "https://api.telegram.org"} ${botToken.split(":")[0]}`;
  const former = all.get(key);
  all.set(key, bot);
  signal.addEventListener("abort", () => all.get(key) === bot && all.delete(key), { once: true });
  if (former === undefined || former === bot) return;
  logger.info("The bot that this notebook started before is stopped, and this one takes over.");
  await former.stopBot();
}

/** Elsewhere Deno throws when it is asked. */
function isNotebook(): boolean {
  const { Deno } = globalThis as { Deno?: { readonly jupyter?: unknown } };
  try {
    return Deno?.jupyter !== undefined;
  } catch {
    return false;
  }
}
