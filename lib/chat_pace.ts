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
  /** Nothing leaves for a chat, or for whatever else has the key, before then, as Telegram says. */
  hold(key: ChatId, until: number, now: number): void;
  /** Until when it is held so; `now` or earlier is not at all. */
  heldUntil(key: ChatId, now: number): number;
  /** So much of what Telegram has asked to wait is over already, as the machine has slept. */
  skip(ms: number): void;
}

interface Limit {
  readonly messages: number;
  readonly withinMs: number;
}

interface Window {
  readyAt(chatId: ChatId): number;
  note(chatId: ChatId, now: number): void;
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
  const heldUntil = (key: ChatId, now: number): number => {
    const until = holds.size === 0 ? -Infinity : holds.get(key) ?? -Infinity;
    if (until > -Infinity && until <= now) holds.delete(key);
    return until;
  };
  return {
    heldUntil,
    readyAt(chatId, now) {
      const ready = Math.max(heldUntil(chatId, now), burst.readyAt(chatId));
      return isGroup(chatId) ? Math.max(ready, minute.readyAt(chatId)) : ready;
    },
    note(chatId, now) {
      burst.note(chatId, now);
      if (isGroup(chatId)) minute.note(chatId, now);
    },
    hold(key, until, now) {
      if (now - sweptAt >= sweepEveryMs) {
        sweptAt = now;
        for (const [id, end] of holds) if (end <= now) holds.delete(id);
      }
      holds.set(key, Math.max(until, holds.get(key) ?? until));
    },
    skip(ms) {
      for (const [key, until] of holds) holds.set(key, until - ms);
    },
  };
}

/** Groups and channels have negative ids, or a name. */
export function isGroup(chatId: ChatId): boolean {
  return typeof chatId === "string" || chatId < 0;
}

/** At most so many in any stretch of that length. */
function createWindow({ messages, withinMs }: Limit): Window {
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
