/** Who may speak for a chat: its administrators, asked of Telegram and remembered for a minute. */
import type { Api } from "grammy/web";
import type { Message } from "grammy/types";
import { BoundedMap } from "./bounded.ts";
import { type Clock, monotonic } from "./clock.ts";
import { outcomeOf } from "./outcome.ts";
import { forGrammy } from "./for_grammy.ts";

/** Whether the message's author may /start and /stop its chat; `unknown` where Telegram could not be asked. */
export type MaySpeak = (api: Api, message: Message) => Promise<"yes" | "no" | "unknown">;

const rememberedMs = 60_000;
/** One chat's question must not hold back what others have to say. */
const administratorsWithinMs = 5000;
const chatsAtMost = 10_000;

export function createMaySpeak(clock: Clock): MaySpeak {
  const now = monotonic(clock);
  const known = new BoundedMap<number, { readonly until: number; readonly ids: ReadonlySet<number> }>(
    chatsAtMost,
  );

  const administratorsOf = async (api: Api, chatId: number): Promise<ReadonlySet<number>> => {
    const remembered = known.get(chatId);
    if (remembered !== undefined && now() < remembered.until) return remembered.ids;
    const ids = await ask(api, chatId);
    known.set(chatId, { until: now() + rememberedMs, ids });
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

/** What was said in a group may be heard when it is a supergroup already: then that one knows. */
async function ask(api: Api, chatId: number): Promise<ReadonlySet<number>> {
  try {
    const signal = forGrammy(AbortSignal.timeout(administratorsWithinMs));
    const members = await api.raw.getChatAdministrators({ chat_id: chatId }, signal);
    return new Set(members.map(({ user }) => user.id));
  } catch (error) {
    const outcome = outcomeOf(error);
    if (outcome.kind === "moved" && outcome.to !== chatId) return await ask(api, outcome.to);
    throw error;
  }
}
