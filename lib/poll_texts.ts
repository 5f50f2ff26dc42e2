/** The log's texts on polls that fail: at the beginning, after a long while, and at the end. Pure. */
import type { Rival } from "./poll_conflict.ts";
import { proxyHint } from "./proxy.ts";
import { reasonOf } from "./reason.ts";

/** Why polls fail, and what ends that. */
export interface PollTrouble {
  /** Without a full stop. */
  readonly cause: string;
  /** In sentences. */
  readonly fix: string;
}

const rivals: { readonly [rival in Rival]: PollTrouble & { readonly meaning: string } } = {
  poller: {
    cause: "Another program polls with this bot's token",
    meaning: "it gets what chats write, so commands, /stop among them, may not be heard here",
    fix: "Stop the other program, or give it a bot of its own; a rolling deployment ends it by itself.",
  },
  webhook: {
    cause: "Another program has set a webhook for this bot",
    meaning: "Telegram sends all updates there, so no command, and no /stop, is heard here",
    fix:
      "Remove it with deleteWebhook (`bot.grammy.api.deleteWebhook()`), or start this bot anew, which does so.",
  },
};

/** Said once of each. */
export function rivalText(rival: Rival): string {
  const { cause, meaning, fix } = rivals[rival];
  return `${cause}: ${meaning}; signals are still sent. ${fix} The bot tries on.`;
}

export function rivalTrouble(rival: Rival): PollTrouble {
  return rivals[rival];
}

export function floodTrouble(seconds: number): PollTrouble {
  return { cause: `Telegram asks this bot to wait for ${spanText(seconds * 1000)}`, fix: "The bot does so." };
}

export function failureTrouble(error: unknown): PollTrouble {
  return {
    cause: `Telegram cannot be polled: ${reasonOf(error).replace(/[.!]$/, "")}`,
    fix: `Check the network, ${proxyHint()}and TELEGRAM_API_ROOT if it is set.`,
  };
}

/** Said where polls have failed for long. */
export function deafText(silentMs: number, { cause, fix }: PollTrouble): string {
  return `Commands have not been heard for ${
    spanText(silentMs)
  }: /stop is not heard, signals are still sent. ` +
    `${cause}. ${fix}`;
}

/** Said when it is over; `deafMs` is how long nothing was heard, where that was long. */
export function polledAgainText(deafMs: number | undefined): string {
  const deaf = deafMs === undefined ? "." : `: commands are heard again, after ${spanText(deafMs)}.`;
  return `Telegram is polled again${deaf}`;
}

const units = [[3_600_000, "hour"], [60_000, "minute"], [1000, "second"]] as const;

/** `3 minutes`: in whole ones of the largest unit of which there are two, or in seconds. */
function spanText(ms: number): string {
  const [unitMs, unit] = units.find(([unitMs]) => ms >= 2 * unitMs) ?? units[2];
  const count = Math.max(1, Math.floor(ms / unitMs));
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}
