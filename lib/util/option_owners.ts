/**
 * The bot's options by name, for those who are given one of them by mistake: the refusal says where it belongs.
 * `bot/options.ts` holds the list to the type.
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
