/** When a call may leave as far as its own chat, or its kind, is concerned. */
import type { ChatPace } from "./chat_pace.ts";
import { ChatFloodError, type Departure } from "./departure.ts";
import type { ChatId, Flood } from "./flood.ts";

export interface Limits {
  readonly chats: ChatPace;
  readonly flood: Flood;
}

/** How often to check again whether a long flood is its chat's own. */
const reconsiderMs = 1000;

/** `now` or earlier is now; an error where the chat's own flood is longer than is waited for. */
export function readyAt(
  departure: Departure,
  { chats, flood }: Limits,
  now: number,
): number | ChatFloodError {
  const { chatId, ownFloodAtMostMs = Infinity } = departure;
  const key = holdKeyOf(departure);
  if (key === undefined) return now;
  const until = chatId === undefined ? chats.heldUntil(key, now) : chats.readyAt(chatId, now);
  if (until - now <= ownFloodAtMostMs) return until;
  const isUnproved = flood.isOpen(now) && departure.hasReachedNobody?.() === true;
  if (isUnproved || flood.mayBeBots(now)) {
    return Math.min(until, Math.max(flood.restsUntil, now + reconsiderMs));
  }
  const floodMs = chats.heldUntil(key, now) - now;
  return floodMs > ownFloodAtMostMs ? new ChatFloodError(Math.ceil(floodMs / 1000)) : until;
}

/** What a flood answer holds back. */
export function holdKeyOf({ chatId, kind }: Departure): ChatId | undefined {
  return chatId ?? kind;
}
