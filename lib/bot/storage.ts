/**
 * For authors of a storage of chats or of a ledger of broadcasts: the two ports, the consent rule that every storage folds,
 * the types of what they are given, and the defaults for time and log lines.
 *
 * ```ts
 * import { ChatStorage, fold } from "telegram-signals/storage";
 *
 * class MyStorage extends ChatStorage {
 *   // ...
 * }
 * ```
 *
 * @module
 */
export { fold, transition } from "../chats/chat.ts";
export { ChatStorage, StorageError } from "../chats/storage.ts";
export { systemClock } from "../util/clock.ts";
export { consoleLogger } from "../util/log.ts";

export type { Ledger, RunRecord, RunText, RunValue } from "../broadcast/ledger.ts";
export type * from "../chats/events.ts";
export type {
  ApplyResult,
  ChatStorageOptions,
  CleanupOptions,
  ExpectedState,
  LoadOptions,
  StopLog,
  StorageFailure,
} from "../chats/storage.ts";
export type { ChatStatistics } from "../chats/statistics.ts";
export type { Clock } from "../util/clock.ts";
export type { Logger } from "../util/log.ts";
