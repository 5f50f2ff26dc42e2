/** What a bot tells of itself. */
import type { Reception } from "./reception.ts";
import type { ChatStatistics } from "./storage/chat_storage.ts";

/** What `initialize()` found. */
export interface Initialized {
  /** Where chats are kept; `memory` also when DynamoDB could not be used, which a warning has explained. */
  readonly storage: string;
  /** Active chats that were loaded. */
  readonly chats: number;
  /** The bot's own name on Telegram, without the @. */
  readonly username: string;
}

/** How the bot is, told at once and without a request: for a health check. */
export interface BotHealth {
  /** Whether commands are heard. */
  readonly isPolling: boolean;
  /** Whether DynamoDB cannot be used just now, so that updates are queued, or refused where they come by a webhook. */
  readonly isDegraded: boolean;
  /** Updates in the queue. */
  readonly queuedUpdates: number;
  /** Chats that wait for a reply: its turn has not come, or Telegram has not taken it yet. */
  readonly pendingReplies: number;
  /** Replies that were given up since the start: too many waited, or their turn did not come within ten seconds. */
  readonly droppedReplies: number;
}

/** Figures of the storage, counted now, and of the bot. */
export interface BotStatistics extends ChatStatistics, BotHealth {
  /** Where chats are kept: `"dynamodb"`, `"memory"`, or a storage of your own. */
  readonly storage: string;
  /** The bot's own name on Telegram, without the @. */
  readonly username: string;
}

/** What waits in a bot. */
export function healthOf(
  reception: Reception | undefined,
  isRefusing: boolean,
): Omit<BotHealth, "isPolling"> {
  const { keeper, outbox } = reception ?? {};
  return {
    isDegraded: isRefusing || (keeper?.isDegraded ?? false),
    queuedUpdates: keeper?.queued ?? 0,
    pendingReplies: outbox?.pending ?? 0,
    droppedReplies: outbox?.dropped ?? 0,
  };
}
