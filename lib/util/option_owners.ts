/**
 * The names of the bot's options: a refusal of one that was given to a storage or a broadcast says that it belongs to the
 * bot. `bot/options.ts` has the type and the rules; the compiler holds this list to them.
 */
export const botOptionNames = [
  "botToken",
  "tableName",
  "broadcastsTableName",
  "regionName",
  "messagesPerSecond",
  "fetch",
  "logger",
  "storage",
  "ledger",
  "client",
  "clock",
  "useDynamoDB",
  "autoRegisterChats",
  "allowedUsers",
  "authorize",
  "chatTypes",
  "chatsPerAdder",
  "spoolFile",
  "messages",
  "apiRoot",
] as const;
