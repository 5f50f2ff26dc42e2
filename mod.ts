/**
 * A Telegram bot that registers its subscribers in DynamoDB and broadcasts trading signals to them.
 *
 * ```ts
 * import { createTelegramBotFromEnv } from "telegram-signals";
 *
 * const bot = createTelegramBotFromEnv();
 * await bot.startBot();
 * await bot.sendSignal({ direction: "long", symbol: "BTC-USD", entry: 67250.5, stop: 66980, target: 67800 });
 * ```
 *
 * @module
 */

// Everyday
export { createTelegramBotFromEnv } from "./lib/env.ts";
export { MeanReversionTelegramBot } from "./lib/bot.ts";
export { webhookCallback } from "./lib/webhook.ts";
export { ConfigError } from "./lib/options.ts";
export { TelegramError } from "./lib/telegram_error.ts";

// Storage
export { TelegramDynamoDBStorage } from "./lib/storage/dynamodb.ts";
export { InMemoryChatStorage } from "./lib/storage/memory.ts";
export { ChatStorage } from "./lib/storage/chat_storage.ts";
export { StorageError } from "./lib/storage/storage_error.ts";

// Advanced: the parts, for a bot of your own
export { subscriptions } from "./lib/subscriptions.ts";
export { fold, transition } from "./lib/chat.ts";
export { bold, code, format, lines } from "./lib/text.ts";
export { signalMessage } from "./lib/messages.ts";
export { decimalText, riskReward, validateSignal } from "./lib/signal.ts";
export { outcomeOf } from "./lib/outcome.ts";
export { consoleLogger } from "./lib/log.ts";
export { systemClock } from "./lib/clock.ts";

// Types
export type { BotOptions } from "./lib/options.ts";
export type { StartOptions } from "./lib/starting.ts";
export type { Authorize } from "./lib/admission.ts";
export type { BotHealth, BotStatistics, Initialized } from "./lib/self_report.ts";
export type { BroadcastOptions, ChatText } from "./lib/broadcast_options.ts";
export type { SignalOptions } from "./lib/signal_options.ts";
export type { ChartBands, ChartOptions } from "./lib/chart_options.ts";
export type { Candle } from "./lib/candle.ts";
export type { BroadcastProgress, BroadcastRun } from "./lib/broadcast_run.ts";
export type { ResumedBroadcasts } from "./lib/broadcasting.ts";
export type { BroadcastMessage } from "./lib/broadcast_message.ts";
export type {
  BroadcastCounts,
  BroadcastMigration,
  BroadcastProblem,
  BroadcastReport,
  BroadcastSkips,
  BroadcastTopic,
  Percentiles,
} from "./lib/report.ts";
export type { Decimal, TradingSignal } from "./lib/signal.ts";
export type {
  LambdaAnswer,
  LambdaEvent,
  UpdateHandler,
  WebhookCallback,
  WebhookOptions,
} from "./lib/webhook.ts";
export type {
  Chat,
  ChatEvent,
  ChatState,
  ChatType,
  Fact,
  InheritedEvent,
  MemberEvent,
  MessageEvent,
  MigratedEvent,
  OperatorEvent,
  ReachEvent,
  RemovedReason,
  StaleEvent,
  UserInfo,
} from "./lib/chat.ts";
export type { BotApi, Subscriptions, SubscriptionsOptions } from "./lib/subscriptions.ts";
export type { CommandContext } from "./lib/commands.ts";
export type {
  About,
  AboutSignal,
  AboutStatus,
  AboutStatusUnread,
  Addressee,
  BotMessages,
  MessageName,
  Wording,
} from "./lib/messages.ts";
export type { DynamoDBStorageOptions } from "./lib/storage/dynamodb.ts";
export type {
  Applied,
  Belief,
  ChatStatistics,
  ChatStorageOptions,
  CleanupOptions,
  StopLog,
  Work,
} from "./lib/storage/chat_storage.ts";
export type { Ledger, RunRecord, RunText, RunValue } from "./lib/storage/ledger.ts";
export type { StorageFailure } from "./lib/storage/storage_error.ts";
export type { Outcome } from "./lib/outcome.ts";
export type { FormattedText, TextPart } from "./lib/text.ts";
export type { Logger } from "./lib/log.ts";
export type { Clock } from "./lib/clock.ts";
