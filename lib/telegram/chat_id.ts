/** Validation of the ids of chats and topics. */

/** Whether it can be a chat's id: a whole number of at most 52 significant bits, and not 0. */
export function isChatId(value: unknown): value is number {
  return Number.isSafeInteger(value) && Math.abs(value as number) < 2 ** 52 && value !== 0;
}

/** Whether it can be a topic's id: a whole number above 0. */
export function isThreadId(value: unknown): value is number {
  return Number.isSafeInteger(value) && value as number > 0;
}

/** @throws {TypeError} If it cannot be a chat's id: Telegram's ids are integers of at most 52 significant bits. */
export function assertChatId(chatId: number): void {
  if (isChatId(chatId)) return;
  throw new TypeError(
    `Cannot use the chat as "chatId" must be a whole number of up to 52 bits, negative for groups: ` +
      `current value is ${shown(chatId)}`,
  );
}

/** The value for an error's message, shortened. */
function shown(value: unknown): string {
  const text = String(value);
  const short = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  return typeof value === "string" ? JSON.stringify(short) : short;
}
