/** What a bot tells of itself. */
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

/** Figures of the storage, counted now, and of the bot. */
export interface BotStatistics extends ChatStatistics {
  /** Where chats are kept: `"dynamodb"`, `"memory"`, or a storage of your own. */
  readonly storage: string;
  /** The bot's own name on Telegram, without the @. */
  readonly username: string;
  /** Whether commands are heard. */
  readonly isPolling: boolean;
}
