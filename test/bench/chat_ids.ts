/** Ids as Telegram gives them to people today, spread evenly up to eight billion: most do not fit into 32 bits. */
const first = 10_000_000;
const last = 8_000_000_000;

const step = (chats: number): number => Math.floor((last - first) / chats);

export function chatIdAt(index: number, chats: number): number {
  return first + index * step(chats);
}

export function indexOfChatId(chatId: number, chats: number): number {
  return (chatId - first) / step(chats);
}
