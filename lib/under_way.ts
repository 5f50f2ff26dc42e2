/** Messages that have left for a chat, and whose answer is not there yet. */
import type { ChatId } from "./flood.ts";

export interface UnderWay {
  /** A message leaves; returns what is to be called once its answer is there. */
  begin(chatId: ChatId): () => void;
  /** Resolves once none is under way to the chat; `undefined` where none is. */
  none(chatId: ChatId): Promise<void> | undefined;
}

interface Chat {
  messages: number;
  /** Those who wait for their end. */
  readonly waiting: (() => void)[];
}

export function createUnderWay(): UnderWay {
  const chats = new Map<ChatId, Chat>();
  return {
    begin(chatId) {
      const chat = chats.get(chatId) ?? { messages: 0, waiting: [] };
      chats.set(chatId, chat);
      chat.messages++;
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        if (--chat.messages > 0) return;
        chats.delete(chatId);
        for (const resolve of chat.waiting) resolve();
      };
    },
    none(chatId) {
      const chat = chats.get(chatId);
      return chat && new Promise((resolve) => chat.waiting.push(resolve));
    },
  };
}
