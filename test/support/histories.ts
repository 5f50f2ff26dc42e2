/** Random histories of one chat, each made from a seed: what happened, and how it was handed to a storage. */
import { isDeepStrictEqual } from "node:util";
import { fold, isStartOrStop } from "../../lib/chats/chat.ts";
import type { ChatEvent, ChatState } from "../../lib/chats/events.ts";
import type { ChatStorage, ExpectedState } from "../../lib/chats/storage.ts";
import { known, noon, secondMs, sinceKnown } from "./chats.ts";

export type Random = () => number;

/** The same numbers in [0, 1) for the same seed (mulberry32). */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface History {
  readonly seed: number;
  readonly events: readonly ChatEvent[];
  /** How many hand over the same events at once, each in batches of its own. */
  readonly writers: number;
  readonly outcome: ChatState | undefined;
}

const below = (random: Random, limit: number): number => Math.floor(random() * limit);
const pick = <T>(random: Random, ...items: T[]): T => items[below(random, items.length)] as T;

/**
 * The events of a chat since it became known. The operator's and a broadcast's events are in it only where there is
 * one writer, as with several their position among the updates would not be defined.
 */
export function historyOf(seed: number): History {
  const random = randomOf(seed);
  const writers = pick(random, 1, 1, 1, 2, 2, 3);
  const registers = random() < 0.8;
  const length = 2 + below(random, 6);
  let at = noon;
  const drawn = Array.from({ length }, (_, index): ChatEvent => {
    at += pick(random, 0, 0, 1, 2, 3600) * secondMs;
    if (writers === 1 && random() < 0.2) {
      return { kind: pick(random, "saved", "deactivated", "reactivated"), at, userInfo: userOf(random) };
    }
    if (writers === 1 && random() < 0.4) return broadcastsOf(random, at);
    return updateOf(random, at, 1000 + index, registers);
  });
  const known = sinceKnown(drawn);
  const events = writers === 1 && random() < 0.3 ? overtaken(random, known) : known;
  return { seed, events, writers, outcome: fold(undefined, events) };
}

/** One /start or /stop comes late: another poller has delivered later updates before it. */
function overtaken(random: Random, events: readonly ChatEvent[]): ChatEvent[] {
  const late = events.findIndex((event, index) => index > 0 && isStartOrStop(event));
  const behind = late + 1 + below(random, 3);
  const rest = events.filter((_, index) => index !== late);
  return late < 0
    ? [...events]
    : [...rest.slice(0, behind), events[late] as ChatEvent, ...rest.slice(behind)];
}

/** A few broadcasts miss the chat one after another, or one finds it; now and then it has written meanwhile. */
function broadcastsOf(random: Random, at: number): ChatEvent {
  const kind = pick(random, "unreached", "unreached", "unreached", "reached");
  return { kind, at: at - pick(random, 0, 0, 0, 2) * secondMs };
}

function updateOf(random: Random, at: number, updateId: number, registers: boolean): ChatEvent {
  const kind = pick(random, "message", "message", "message", "start", "stop", "removed", "returned");
  if (kind === "removed") return { kind, at, updateId, reason: pick(random, "blocked", "left", "gone") };
  const told = { at, updateId, registers, userInfo: userOf(random) };
  return kind === "returned"
    ? { kind, ...told }
    : { kind, ...told, threadId: pick(random, undefined, 17, 23) };
}

/** Names are never removed, so that the last one is the same for every writer. */
function userOf(random: Random): { username: string } | undefined {
  return random() < 0.5 ? { username: "ada" } : undefined;
}

const attempts = 60;

/**
 * Hands the history to a storage: every writer starts at a point up to which all is durable, continues in order to
 * the end, and now and then restarts earlier, as after a crash. A call without an answer is made again, with another expected state.
 */
export async function play(
  history: History,
  chatId: number,
  storages: readonly ChatStorage[],
): Promise<void> {
  const { seed, events, writers } = history;
  let durable = 0;
  const write = async (writer: number): Promise<void> => {
    const random = randomOf(seed * 31 + writer + 1);
    const storage = storages[(seed + writer) % storages.length] as ChatStorage;
    let crashes = below(random, 2);
    for (let from = 0; from < events.length;) {
      const to = endOfBatch(events, from, 1 + below(random, 5));
      // Telegram repeats itself, the operator and a broadcast do not.
      const isRepeated = from < durable && isOneOff(events[from] as ChatEvent);
      if (!isRepeated) await applied(storage, chatId, events, from, to, random);
      durable = Math.max(durable, to);
      from = crashes-- > 0 && random() < 0.4 ? below(random, durable + 1) : to;
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
}

const isOneOff = (event: ChatEvent): boolean => !("updateId" in event);

/** An event of the operator or of a broadcast is always a batch of its own, as the storage's methods make it. */
function endOfBatch(events: readonly ChatEvent[], from: number, most: number): number {
  if (isOneOff(events[from] as ChatEvent)) return from + 1;
  const next = events.findIndex((event, index) => index > from && isOneOff(event));
  return Math.min(from + most, next < 0 ? events.length : next);
}

async function applied(
  storage: ChatStorage,
  chatId: number,
  events: readonly ChatEvent[],
  from: number,
  to: number,
  random: Random,
): Promise<void> {
  const isStrike = events[from]?.kind === "unreached";
  for (let attempt = 1;; attempt++) {
    try {
      // A repeated strike would count twice: a writer without an answer reads first.
      if (isStrike && attempt > 1 && await reads(storage, chatId, fold(undefined, events.slice(0, to)))) {
        return;
      }
      const belief = pick<ExpectedState | undefined>(random, "active", "active", "absent", undefined);
      await storage.apply(chatId, events.slice(from, to), belief);
      return;
    } catch (error) {
      if ((error as { reason?: string }).reason !== "unreachable" || attempt >= attempts) throw error;
    }
  }
}

async function reads(storage: ChatStorage, chatId: number, wanted: ChatState | undefined): Promise<boolean> {
  const { chat_id: _key, ...chat } = await storage.getChat(chatId) ?? { chat_id: chatId };
  return isDeepStrictEqual(known(chat as ChatState), known(wanted));
}
