/** Why a chat gets nothing, as the table has it, and what to do. */
import { type Chat, type RemovedReason, StorageError, TelegramDynamoDBStorage } from "telegram-signals";

/** What happened to the chat, and what brings it back. `at` is such as ` at 2026-11-20 11:16 UTC`. */
const reasons: Readonly<Record<RemovedReason, (at: string, chat: Chat) => string>> = {
  stopped: (at) => `was unsubscribed${at}, by /stop or by hand: send /start to the bot there`,
  blocked: (at) => `blocked the bot${at}: unblock it there, and send /start`,
  left: (at) => `removed the bot${at}: add it there again, and send /start`,
  gone: (at) => `was not found by Telegram${at}: if it exists again, send /start to the bot there`,
  inactive: (at) => `was deactivated${at}, as it had not written for long: send /start to the bot there`,
  migrated: (at, { migrated_to }) =>
    `became a supergroup${at}: use its new id${migrated_to === undefined ? "" : `, ${migrated_to}`}`,
};

/**
 * A sentence such as `the chat 123456789 blocked the bot at 2026-11-20 11:16 UTC: unblock it there, and send /start.`
 * `undefined` where the chat is subscribed, or the table cannot be read.
 */
export async function whyNotSubscribed(chatId: number): Promise<string | undefined> {
  const storage = new TelegramDynamoDBStorage();
  try {
    const chat = await storage.getChat(chatId);
    if (chat?.is_active) return undefined;
    return chat === undefined
      ? `the table ${
        JSON.stringify(storage.tableName)
      } has no chat ${chatId}: send /start to the bot there, or, ` +
        'if that was done, correct the id ("chats find NAME" shows it) or TELEGRAM_CHATS_TABLE.'
      : `the chat ${chatId} ${reasonOf(chat)}.`;
  } catch (error) {
    if (error instanceof StorageError) return undefined;
    throw error;
  } finally {
    storage.close();
  }
}

/** What is said of a message to one chat that nobody got. */
export async function nothingSent(chatId: number): Promise<string> {
  const why = await whyNotSubscribed(chatId) ?? `the chat ${chatId} was not subscribed at that moment.`;
  return `Nothing was sent: ${why}`;
}

function reasonOf(chat: Chat): string {
  const { removed_reason, removed_at } = chat;
  const at = Date.parse(removed_at ?? "");
  const when = Number.isNaN(at) ? "" : ` at ${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;
  if (removed_reason !== undefined) return reasons[removed_reason](when, chat);
  return `was deactivated${when} by another program: send /start to the bot there`;
}
