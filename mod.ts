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
 * # Errors
 *
 * What you can put right has a class, and a message that names the thing, the rule and the fix:
 *
 * - {@linkcode ConfigError}: an option, a variable or a setting is wrong; the message lists all that are.
 * - {@linkcode TelegramError}: its `reason` is `"token"` where Telegram refuses the token, else `"unreachable"`.
 * - {@linkcode StorageError}: DynamoDB, or a storage of your own, could not be read or written; `reason` says why.
 * - `TypeError` and `RangeError`: a signal, a message or an option of one call is wrong. Nothing was sent.
 * - An `Error` whose `name` is `"BotStoppedError"`: the bot was stopped. Make a new one to start again.
 * - `FeedError` of `telegram-signals/live`: a market has not answered, and may later.
 *
 * ```ts
 * import { createTelegramBotFromEnv, TelegramError } from "telegram-signals";
 *
 * try {
 *   await createTelegramBotFromEnv().startBot();
 * } catch (error) {
 *   if (!(error instanceof TelegramError) || error.reason !== "unreachable") throw error;
 *   console.error(error.message);
 * }
 * ```
 *
 * `instanceof` goes by `error.name`, and so finds the errors of all entry points, and of two copies of this package.
 *
 * @module
 */

// Everyday
export { createTelegramBotFromEnv } from "./lib/bot/env.ts";
export { loadEnvFile } from "./lib/bot/env_file.ts";
export { MeanReversionTelegramBot, SignalBot } from "./lib/bot/bot.ts";
export { subscriptions } from "./lib/bot/plugin.ts";
export { webhookCallback } from "./lib/telegram/webhook.ts";
export { signalCallback } from "./lib/live/signal_callback.ts";
export { tradingView, tradingViewMessage } from "./lib/live/trading_view.ts";
export { bold, code, format, lines } from "./lib/telegram/text.ts";

// Where chats are kept
export { TelegramDynamoDBStorage } from "./lib/dynamodb/chat_storage.ts";
export { InMemoryChatStorage } from "./lib/chats/memory_storage.ts";

// Errors
export { ConfigError } from "./lib/util/validate.ts";
export { StorageError } from "./lib/chats/storage.ts";
export { TelegramError } from "./lib/telegram/errors.ts";

// The types of their signatures
export type { BotOptions } from "./lib/bot/options.ts";
export type { EnvFileOptions } from "./lib/bot/env_file.ts";
export type { StartOptions } from "./lib/telegram/startup.ts";
export type { Authorize } from "./lib/chats/access.ts";
export type { BotHealth, BotStatistics, Initialized } from "./lib/bot/health.ts";
export type { BroadcastMessage, BroadcastOptions, ChatText, SignalOptions } from "./lib/broadcast/options.ts";
export type { ChartBands, ChartOptions } from "./lib/signals/chart/options.ts";
export type { Candle } from "./lib/signals/candle.ts";
export type { BroadcastBeginning } from "./lib/broadcast/beginning.ts";
export type { BroadcastProgress, BroadcastRun } from "./lib/broadcast/broadcast_run.ts";
export type { ResumedBroadcasts } from "./lib/broadcast/broadcaster.ts";
export type {
  BroadcastCounts,
  BroadcastMigration,
  BroadcastProblem,
  BroadcastReport,
  BroadcastSkips,
  BroadcastTopic,
  Percentiles,
} from "./lib/broadcast/report.ts";
export type { Decimal, TradingSignal } from "./lib/signals/signal.ts";
export type { LambdaAnswer, LambdaEvent, WebhookCallback } from "./lib/telegram/http_callback.ts";
export type { UpdateHandler, WebhookOptions } from "./lib/telegram/webhook.ts";
export type { MappedSignal } from "./lib/live/signal_body.ts";
export type { SignalCallbackOptions } from "./lib/live/signal_callback.ts";
export type { TradingViewOptions } from "./lib/live/trading_view.ts";
export type { SignalPublisher } from "./lib/live/signal_sender.ts";
export type { Alert } from "./lib/live/strategy.ts";
export type {
  BaseEvent,
  Chat,
  ChatEvent,
  ChatState,
  ChatType,
  DeliveryEvent,
  InheritedEvent,
  MemberEvent,
  MessageEvent,
  MigratedEvent,
  OperatorEvent,
  RemovedReason,
  StaleEvent,
  UserInfo,
} from "./lib/chats/events.ts";
export type { BotApi, Subscriptions, SubscriptionsOptions } from "./lib/bot/plugin.ts";
export type { CommandContext } from "./lib/chats/middleware.ts";
export type {
  About,
  AboutSignal,
  AboutStatus,
  AboutStatusUnread,
  Addressee,
  BotMessages,
  MessageName,
  Wording,
} from "./lib/chats/messages.ts";
export type { DynamoDBStorageOptions } from "./lib/dynamodb/chat_storage.ts";
export type {
  ApplyResult,
  ChatStorageOptions,
  CleanupOptions,
  ExpectedState,
  LoadOptions,
  StopLog,
  StorageFailure,
} from "./lib/chats/storage.ts";
export type { ChatStatistics } from "./lib/chats/statistics.ts";
export type { Ledger, RunRecord, RunText, RunValue } from "./lib/broadcast/ledger.ts";
export type { FormattedText, TextPart } from "./lib/telegram/text.ts";
export type { Logger } from "./lib/util/log.ts";
export type { Clock } from "./lib/util/clock.ts";
