/** Checks in groups that the author of a command is an administrator: asks Telegram, and remembers the answer for a minute. */
import type { ChatMember, Message } from "grammy/types";
import type { Api } from "grammy/web";
import { asGrammySignal } from "../telegram/client.ts";
import { outcomeOf } from "../telegram/outcome.ts";
import { deadline, retry } from "../util/async.ts";
import { type Clock, monotonic, systemClock } from "../util/clock.ts";
import { BoundedMap } from "../util/collections.ts";
import { messageOf, rootCauseOf } from "../util/errors.ts";

/** Whether the message's author may /start and /stop its chat; `unknown` if Telegram did not answer. */
export type AdministratorCheck = (api: Api, message: Message) => Promise<"yes" | "no" | "unknown">;

const rememberedMs = 60_000;
const askWithinMs = 5000;
const askAgain = { firstMs: 500, longestMs: 2000 };
const chatsAtMost = 10_000;

/** @param warn Told of each command of which Telegram does not say whether it counts. */
export function createAdministratorCheck(
  clock: Clock,
  warn: (message: string) => void = () => {},
): AdministratorCheck {
  const now = monotonic(clock);
  const known = new BoundedMap<number, { readonly until: number; readonly ids: ReadonlySet<number> }>(
    chatsAtMost,
  );

  const administratorsOf = async (api: Api, chatId: number): Promise<ReadonlySet<number>> => {
    const remembered = known.get(chatId);
    if (remembered !== undefined && now() < remembered.until) return remembered.ids;
    // What Telegram answers may be as old as the question.
    const until = now() + rememberedMs;
    const ids = await ask(api, chatId);
    known.set(chatId, { until, ids });
    return ids;
  };

  return async (api, { chat, from, sender_chat }) => {
    // Only administrators can post in a channel; an anonymous one writes as the group itself.
    if (chat.type === "channel" || sender_chat?.id === chat.id) return "yes";
    if (sender_chat !== undefined || from === undefined) return "no";
    try {
      return (await administratorsOf(api, chat.id)).has(from.id) ? "yes" : "no";
    } catch (error) {
      const why = rootCauseOf(error) || messageOf(error);
      warn(
        `Telegram did not say who the administrators of ${chat.id} are (${why}): a command there has to be sent again.`,
      );
      return "unknown";
    }
  };
}

/** Asks again where there is no answer: a command of which nobody knows whether it counts has to be sent again. */
async function ask(api: Api, chatId: number): Promise<ReadonlySet<number>> {
  const isRetryable = (error: unknown): boolean => ["notSent", "unknown"].includes(outcomeOf(error).kind);
  const members = await deadline(
    (signal) =>
      retry(() => askOnce(api, chatId, signal), { ...askAgain, clock: systemClock, signal, isRetryable }),
    { ms: askWithinMs, clock: systemClock },
  );
  return new Set(members.map(({ user }) => user.id));
}

/** By the time the update arrives the group may be a supergroup, which has to be asked then. */
async function askOnce(api: Api, chatId: number, signal: AbortSignal): Promise<ChatMember[]> {
  try {
    return await api.raw.getChatAdministrators({ chat_id: chatId }, asGrammySignal(signal));
  } catch (error) {
    const outcome = outcomeOf(error);
    if (outcome.kind === "moved" && outcome.to !== chatId) return await askOnce(api, outcome.to, signal);
    throw error;
  }
}
