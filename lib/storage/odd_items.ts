/** Telling of items that refuse what is to be kept: each once, and no more of them than one can look after. */
import type { Logger } from "../log.ts";

const toldAtMost = 10;

/** Says of a chat that its item refused a write, and why. */
export function createOddItemLog(logger: Logger): (chatId: number, refusal: Error) => void {
  const told = new Set<number>();
  return (chatId, { message }) => {
    if (told.has(chatId) || told.size >= toldAtMost) return;
    told.add(chatId);
    const others = told.size === toldAtMost ? " More such chats are not told of." : "";
    logger.warn(
      `Of chat ${chatId} nothing is kept but whether it is active: ${message} Look at its item, which may be too large.${others}`,
    );
  };
}
