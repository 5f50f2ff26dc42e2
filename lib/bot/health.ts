/** The state of a bot, for health checks and statistics. */
import type { ChatStatistics } from "../chats/statistics.ts";

/** The result of `initialize()`. */
export interface Initialized {
  /** Where chats are kept; `memory` also if DynamoDB could not be used, which an error in the log explains. */
  readonly storage: string;
  /** The number of active chats. */
  readonly chats: number;
  /** The bot's own name on Telegram, without the @. */
  readonly username: string;
}

/** The bot's state, which takes no request: for a health check. */
export interface BotHealth {
  /** Whether the bot polls: since `startBot()`, until it is stopped or Telegram refuses its token. */
  readonly isPolling: boolean;
  /**
   * Whether polling receives commands. False before `startBot()` and after the end, and where Telegram has answered
   * no poll for three minutes, as beside another poller (409). A bot behind a webhook does not poll: false there.
   */
  readonly isHearing: boolean;
  /** When Telegram last answered a poll, as ISO 8601; it answers those of an idle bot every 30 seconds. */
  readonly lastHeardAt: string | undefined;
  /** Whether DynamoDB cannot be used just now, so that updates are queued, or refused where they come by a webhook. */
  readonly isDegraded: boolean;
  /** Updates in the queue. */
  readonly queuedUpdates: number;
  /** Chats with a reply that Telegram has not taken yet. */
  readonly pendingReplies: number;
  /** Replies that were dropped since the start: too many waited, or their turn did not come within ten seconds. */
  readonly droppedReplies: number;
}

/** Figures of the storage, counted now, and of the bot. */
export interface BotStatistics extends ChatStatistics, BotHealth {
  /** Where chats are kept: `"dynamodb"`, `"memory"`, or a storage of your own. */
  readonly storage: string;
  /** The bot's own name on Telegram, without the @. */
  readonly username: string;
}

/** The parts of an open bot that know its state. */
interface HealthSources {
  readonly writeQueue: { readonly isDegraded: boolean; readonly queued: number };
  readonly replySender: { readonly pending: number; readonly dropped: number };
  readonly pollWatch: { readonly isHearing: boolean; readonly lastHeardAt: string | undefined };
}

/** @param sources `undefined` before the bot is open. */
export function healthOf(
  sources: HealthSources | undefined,
  { isPolling, isRefusing }: { readonly isPolling: boolean; readonly isRefusing: boolean },
): BotHealth {
  const { writeQueue, replySender, pollWatch } = sources ?? {};
  return {
    isPolling,
    isHearing: isPolling && (pollWatch?.isHearing ?? false),
    lastHeardAt: pollWatch?.lastHeardAt,
    isDegraded: isRefusing || (writeQueue?.isDegraded ?? false),
    queuedUpdates: writeQueue?.queued ?? 0,
    pendingReplies: replySender?.pending ?? 0,
    droppedReplies: replySender?.dropped ?? 0,
  };
}
