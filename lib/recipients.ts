/** Whom a broadcast is meant for. */
import type { BroadcastOptions } from "./broadcast_options.ts";
import type { Chat } from "./chat.ts";
import type { Clock } from "./clock.ts";
import { inTime } from "./patience.ts";
import type { Roster } from "./roster.ts";

export interface Recipients {
  /** In ascending order. */
  readonly ids: readonly number[];
  /** The chats themselves, where each is to have a text of its own. */
  readonly chats: Map<number, Chat> | undefined;
}

type Wanted = Pick<BroadcastOptions, "filter" | "perChat" | "signal">;

/**
 * The active chats, as the storage has them now, and as far as the filter lets them through.
 * @throws {StorageError} If they could not be read.
 */
export async function recipientsOf(
  { roster, clock }: { readonly roster: Roster; readonly clock: Clock },
  { filter, perChat, signal }: Wanted,
): Promise<Recipients> {
  const ids = await roster.load({ signal });
  if (filter === undefined && perChat === undefined) return { ids, chats: undefined };
  const chats = perChat && new Map<number, Chat>();
  const wanted: number[] = [];
  for await (const chat of chatsOf(roster, new Set(ids))) {
    signal?.throwIfAborted();
    if (filter !== undefined && !await isWanted(chat, filter, clock, signal)) continue;
    wanted.push(chat.chat_id);
    chats?.set(chat.chat_id, chat);
  }
  return { ids: wanted.sort((a, b) => a - b), chats };
}

/** The chats of these ids; one that a page does not have yet is asked for by itself. */
async function* chatsOf(roster: Roster, missing: Set<number>): AsyncGenerator<Chat> {
  for await (const page of roster.storage.scan()) {
    for (const chat of page) if (missing.delete(chat.chat_id)) yield chat;
  }
  for (const chatId of missing) yield await roster.getChat(chatId) ?? joining(chatId);
}

/** Its /start waits to be kept. */
function joining(chat_id: number): Chat {
  return { chat_id, is_active: true, message_count: 0, user_info: {}, removed_at: null };
}

const filterWithinMs = 10_000;

async function isWanted(
  chat: Chat,
  filter: NonNullable<BroadcastOptions["filter"]>,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    const isWanted = filter(chat);
    if (typeof isWanted !== "object") return isWanted;
    return await inTime(isWanted, { ms: filterWithinMs, clock, signal });
  } catch (cause) {
    signal?.throwIfAborted();
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot broadcast as "filter" failed for chat ${chat.chat_id}: ${words}`, { cause });
  }
}

/** Whether an ascending list has the value. */
export function includesSorted(list: readonly number[], value: number): boolean {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return list[low] === value;
}
