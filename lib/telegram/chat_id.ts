/** The ids of chats and of topics. */
import { assertValue, type Rule } from "../util/validate.ts";

/** Whether it can be a chat's id: a whole number of at most 52 significant bits, and not 0. */
export function isChatId(value: unknown): value is number {
  return Number.isSafeInteger(value) && Math.abs(value as number) < 2 ** 52 && value !== 0;
}

/** Whether it can be the id of a supergroup: below -1,000,000,000,000. Source: core.telegram.org/api/bots/ids */
export function isSupergroupId(chatId: number): boolean {
  return chatId < -1_000_000_000_000;
}

/** Whether it can be a topic's id: a whole number above 0. */
export function isThreadId(value: unknown): value is number {
  return Number.isSafeInteger(value) && value as number > 0;
}

const chatIdRule: Rule = {
  isGood: isChatId,
  rule: "a whole number of up to 52 bits, negative for groups",
  isRequired: true,
};

/**
 * Refuses what can be no chat: Telegram's ids are integers of at most 52 significant bits.
 * @throws {TypeError} Before anything is sent.
 */
export function assertChatId(chatId: number): void {
  assertValue("use the chat", "chatId", chatId, chatIdRule);
}
