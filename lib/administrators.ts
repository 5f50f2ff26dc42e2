/** Who may speak for a chat: its administrators, asked of Telegram and remembered for a minute. */
import type { Api } from "grammy/web";
import type { Message } from "grammy/types";
import type { Clock } from "./clock.ts";

/** Whether the message's author may /start and /stop its chat; `unknown` where Telegram could not be asked. */
export type MaySpeak = (api: Api, message: Message) => Promise<"yes" | "no" | "unknown">;

const rememberedMs = 60_000;
const chatsAtMost = 10_000;

export function createMaySpeak(clock: Clock): MaySpeak {
  const known = new Map<number, { readonly until: number; readonly ids: ReadonlySet<number> }>();

  const administratorsOf = async (api: Api, chatId: number): Promise<ReadonlySet<number>> => {
    const remembered = known.get(chatId);
    if (remembered !== undefined && clock.now() < remembered.until) return remembered.ids;
    const ids = new Set((await api.getChatAdministrators(chatId)).map(({ user }) => user.id));
    if (known.size >= chatsAtMost) known.clear();
    known.set(chatId, { until: clock.now() + rememberedMs, ids });
    return ids;
  };

  return async (api, { chat, from, sender_chat }) => {
    // Only administrators can post in a channel; an anonymous one speaks as the group itself.
    if (chat.type === "private" || chat.type === "channel" || sender_chat?.id === chat.id) return "yes";
    if (sender_chat !== undefined || from === undefined) return "no";
    try {
      return (await administratorsOf(api, chat.id)).has(from.id) ? "yes" : "no";
    } catch {
      return "unknown";
    }
  };
}
