/** Random histories of two bots on one table: /stop and /start at one, a broadcast at the other. */
import { type Random, randomOf } from "../support/histories.ts";

/** A command to the first bot, at a time in milliseconds since the start of the second one. */
export interface ChatCommand {
  readonly at: number;
  readonly chatId: number;
  readonly kind: "start" | "stop";
}

/** From when, and for how long. */
export interface Span {
  readonly at: number;
  readonly lastsMs: number;
}

/** How long a request, or its answer, is on its way: mostly up to `usualMs`, and a share of them up to `slowMs`. */
export interface Latency {
  readonly usualMs: number;
  readonly slowMs: number;
  readonly slowShare: number;
}

export interface InstanceHistory {
  readonly seed: number;
  readonly chatIds: readonly number[];
  /** By their time. */
  readonly commands: readonly ChatCommand[];
  readonly messagesPerSecond: number;
  readonly broadcastAt: number;
  readonly pauses: readonly Span[];
  /** The bot's own floods. */
  readonly floods: readonly Span[];
  readonly whenUnreadable: "send" | "throw";
  readonly broadcastId: string | undefined;
  /** What the clocks of the two show besides the truth. */
  readonly skewsMs: readonly [number, number];
  readonly latencies: readonly [Latency, Latency];
  /** The share of requests that are lost, and that of answers. */
  readonly lost: number;
  /** Chats that are in the log of /stops before: at 200 it is emptied. */
  readonly loggedBefore: number;
}

const minuteMs = 60_000;
/** Longer than the second bot's announcement that it sends is valid. */
const longestPauseMs = 40 * minuteMs;
/** A longer one may be the chat's own, and is not waited for. */
const longestFloodMs = 9 * minuteMs;
const calm: Latency = { usualMs: 10, slowMs: 10, slowShare: 0 };

export function instanceHistoryOf(seed: number): InstanceHistory {
  const random = randomOf(seed);
  const chats = 5 + Math.floor(random() ** 2 * 56);
  const chatIds = Array.from({ length: chats }, (_, index) => random() < 0.9 ? index + 1 : -index - 1);
  const messagesPerSecond = Math.max(1, Math.round(100 ** random()));
  const broadcastAt = pick(random, 500, 500 + random() * 5000, 3000 + random() * 30_000);
  const pauses = spans(random, 0.25, broadcastAt, chats / messagesPerSecond, longestPauseMs);
  const floods = spans(random, 0.15, broadcastAt, chats / messagesPerSecond, longestFloodMs);
  const restsMs = [...pauses, ...floods].reduce((sum, { lastsMs }) => sum + lastsMs, 0);
  const endAt = broadcastAt + chats / messagesPerSecond * 1000 + restsMs + 2000;
  const share = pick(random, 0.1, 0.3, 0.6, 1);
  const commands = chatIds.flatMap((id) =>
    random() < share ? commandsOf(random, id, { broadcastAt, endAt, pauses, floods }) : []
  );
  const whenUnreadable = pick(random, "send", "throw");
  return {
    ...{ seed, chatIds, messagesPerSecond, broadcastAt, pauses, floods },
    commands: commands.sort((a, b) => a.at - b.at),
    whenUnreadable,
    broadcastId: random() < 0.4 ? "signal" : undefined,
    skewsMs: [skewOf(random), skewOf(random)],
    // A signal goes by the list in memory where the table is so slow.
    latencies: [latencyOf(random), latencyOf(random, whenUnreadable === "send" && random() < 0.8 ? 1 : 0)],
    lost: random() < 0.8 ? 0 : pick(random, 0.01, 0.05),
    loggedBefore: random() < 0.7 ? 0 : 190 + Math.floor(random() * 11),
  };
}

function pick<T>(random: Random, ...items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] as T;
}

/** Seldom a long one. */
function spans(random: Random, share: number, from: number, seconds: number, longestMs: number): Span[] {
  if (random() > share) return [];
  const at = from + random() * (seconds * 1000 + 500);
  return [{
    at,
    lastsMs: pick(random, 300, 2000, 10_000 * random(), 10_000 * random(), longestMs * random()),
  }];
}

function skewOf(random: Random): number {
  return random() < 0.5 ? 0 : Math.round((random() * 2 - 1) * 4 * minuteMs);
}

const latencies: readonly Latency[] = [
  calm,
  calm,
  { usualMs: 100, slowMs: 300, slowShare: 0.05 },
  { usualMs: 20, slowMs: 1000, slowShare: 0.02 },
  { usualMs: 300, slowMs: 1000, slowShare: 0.1 },
  { usualMs: 1000, slowMs: 1000, slowShare: 0 },
];

/** @param butLast How many of the slowest are left out. */
function latencyOf(random: Random, butLast: number = 0): Latency {
  return latencies[Math.floor(random() * (latencies.length - butLast))] as Latency;
}

/** A /stop at any time, or near a critical one; perhaps a /start later, and another /stop. */
function commandsOf(
  random: Random,
  chatId: number,
  { broadcastAt, endAt, pauses, floods }: {
    readonly broadcastAt: number;
    readonly endAt: number;
    readonly pauses: readonly Span[];
    readonly floods: readonly Span[];
  },
): ChatCommand[] {
  const criticalTimes = [
    broadcastAt,
    broadcastAt,
    ...[...pauses, ...floods].map(({ at, lastsMs }) => at + lastsMs),
  ];
  let at = random() < 0.5
    ? random() * endAt
    : Math.max(0, pick(random, ...criticalTimes) + (random() - 0.6) * 4000);
  const commands: ChatCommand[] = [{ at, chatId, kind: "stop" }];
  while (random() < 0.3) {
    at += random() * pick(random, 500, 5000, 30_000);
    commands.push({ at, chatId, kind: commands.at(-1)?.kind === "stop" ? "start" : "stop" });
  }
  return commands;
}
