/**
 * How often one chat may be written to: about once a second, with short bursts, and 20 times a minute in a group
 * (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this). Pure: times are in milliseconds,
 * and never go back.
 */
import type { ChatId } from "./flood.ts";

export interface ChatPace {
  /** When the chat may be written to again; `now` or earlier is now. */
  readyAt(chatId: ChatId, now: number): number;
  /** It was written to. */
  note(chatId: ChatId, now: number): void;
  /** It is not written to before then, as Telegram says. */
  hold(chatId: ChatId, until: number, now: number): void;
}

interface Limit {
  readonly messages: number;
  readonly withinMs: number;
}

const aChat: Limit = { messages: 3, withinMs: 3000 };
const aGroup: Limit = { messages: 20, withinMs: 60_000 };
const sweepEveryMs = 1000;

export function createChatPace(): ChatPace {
  const holds = new Map<ChatId, number>();
  let sweptAt = -Infinity;
  // Apart, as a minute of a broadcast to people would be much to remember, and for nothing.
  const burst = createWindow(aChat);
  const minute = createWindow(aGroup);
  return {
    readyAt(chatId, now) {
      const held = holds.size === 0 ? -Infinity : holds.get(chatId) ?? -Infinity;
      if (held > -Infinity && held <= now) holds.delete(chatId);
      const ready = Math.max(held, burst.readyAt(chatId, now));
      return isGroup(chatId) ? Math.max(ready, minute.readyAt(chatId, now)) : ready;
    },
    note(chatId, now) {
      burst.note(chatId, now);
      if (isGroup(chatId)) minute.note(chatId, now);
    },
    hold(chatId, until, now) {
      if (now - sweptAt >= sweepEveryMs) {
        sweptAt = now;
        for (const [id, end] of holds) if (end <= now) holds.delete(id);
      }
      holds.set(chatId, Math.max(until, holds.get(chatId) ?? until));
    },
  };
}

/** Groups and channels have negative ids, or a name. */
function isGroup(chatId: ChatId): boolean {
  return typeof chatId === "string" || chatId < 0;
}

/** At most so many in any stretch of that length. */
function createWindow({ messages, withinMs }: Limit): Omit<ChatPace, "hold"> {
  /** The latest times of each chat; who was written to longest ago comes first. */
  const chats = new Map<ChatId, readonly number[]>();
  let sweptAt = -Infinity;
  // Now and then, as a Map from whose front single entries are taken grows slow.
  const forget = (now: number): void => {
    if (now - sweptAt < sweepEveryMs) return;
    sweptAt = now;
    for (const [chatId, times] of chats) {
      if (now - (times.at(-1) ?? -Infinity) < withinMs) return;
      chats.delete(chatId);
    }
  };
  return {
    readyAt(chatId) {
      const times = chats.get(chatId);
      if (times === undefined || times.length < messages) return -Infinity;
      return times[times.length - messages] as number + withinMs;
    },
    note(chatId, now) {
      forget(now);
      const times = chats.get(chatId) ?? [];
      chats.delete(chatId);
      chats.set(chatId, [...times, now].slice(-messages));
    },
  };
}
