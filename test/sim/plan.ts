/**
 * The plan of a history: everything that happens to the bots, drawn from a seed before it begins. It is plain data, so that
 * a history that fails can be shortened by leaving things out.
 */
import { type Random, randomOf } from "../support/histories.ts";
import type { BotMachineOptions } from "./bot_machine.ts";
import { type Conditions, type Disturbance, fates, type ServiceName } from "./network.ts";
import { epoch } from "./scheduler.ts";
import { type DeliveryConditions, deliveryFates } from "./webhook_route.ts";

export type PlannedKind =
  /** A chat says or does something. */
  | "talk"
  /** The operator's program or the Python bot writes to the table. */
  | "operator"
  /** One of them changes, replaces or deletes a chat's item. */
  | "othersWrite"
  | "broadcast"
  /** The process that sends a broadcast ends at once. */
  | "killSender"
  /** A process ends at once, with its machine's power or without. */
  | "kill"
  /** The same at the moment of one of the next writes to DynamoDB or to the disk. */
  | "killAtWrite"
  /** Another poller starts, and the old one is stopped or killed later. */
  | "deployment"
  | "restart"
  | "freeze"
  | "sleep"
  | "clock"
  | "fullDisk"
  /** Telegram limits the bot's rate, or a chat's. */
  | "botFlood"
  | "chatFlood"
  /** Another program polls with the bot's token. */
  | "secondPoller"
  /** A supergroup is in slow mode for a while. */
  | "slowMode"
  /** A group becomes a supergroup. */
  | "move"
  /** A forum's topic is subscribed, closed or opened. */
  | "topic"
  /** Telegram refuses messages to a chat for a reason that nobody knows. */
  | "unknownRefusal"
  /** DynamoDB's keys expire, and there are new ones. */
  | "keys";

export interface PlannedEvent {
  /** Milliseconds since the history began. */
  readonly at: number;
  readonly kind: PlannedKind;
  /** What it does in detail is drawn from it. */
  readonly seed: number;
}

export interface HistoryPlan {
  readonly seed: number;
  /** For how long there is trouble and traffic, in milliseconds; after that all is healed. */
  readonly durationMs: number;
  /** Those that receive updates come first; of them only the first runs at the beginning. */
  readonly machines: readonly BotMachineOptions[];
  readonly conditions: Readonly<Record<ServiceName, Conditions>>;
  readonly disturbances: readonly Disturbance[];
  /** What becomes of deliveries to the webhook; `undefined` where the bots poll. */
  readonly webhook: DeliveryConditions | undefined;
  /** Whether groups become supergroups while a broadcast is under way. */
  readonly mayMigrate: boolean;
  /** How many messages Telegram takes from the bot each second. */
  readonly telegramLimit: number | undefined;
  /** How long DynamoDB creates a table, in milliseconds. */
  readonly createMs: number;
  readonly pageItems: number;
  /** Chats that are subscribed before it begins. */
  readonly readers: number;
  /** Whether each start of a machine is soon followed by a broadcast, half of the time. */
  readonly isHasty: boolean;
  /** The share of broadcasts that are signals. */
  readonly signalShare: number;
  readonly events: readonly PlannedEvent[];
}

/** How often each kind happens at most, and how likely it is that it may happen at all. */
const frequencies: readonly (readonly [PlannedKind, most: number, chance: number])[] = [
  ["kill", 4, 0.7],
  ["kill", 12, 0.2],
  ["killAtWrite", 1, 0.7],
  ["killAtWrite", 8, 0.3],
  ["restart", 1, 1],
  ["freeze", 2, 1],
  ["sleep", 1, 0.2],
  ["clock", 2, 0.3],
  ["fullDisk", 1, 0.2],
  ["operator", 4, 0.5],
  ["botFlood", 1, 0.15],
  ["chatFlood", 3, 0.3],
  ["unknownRefusal", 2, 0.2],
];

export function planOf(seed: number): HistoryPlan {
  const random = randomOf(seed);
  const durationMs = 15_000 + random() ** 2 * 150_000;
  const isFlaky = random() < 0.5;
  const conditions = { telegram: conditionsOf(random, isFlaky), dynamodb: conditionsOf(random, isFlaky) };
  const disturbances = times(Math.floor(random() * 5), () => disturbanceOf(random, durationMs));
  const machines = machinesOf(random);
  const readers = pick(random, 0, 0, 20, 130, 260);
  const plan = {
    ...{ seed, durationMs, machines, conditions, disturbances, readers },
    ...{ webhook: undefined, mayMigrate: false, signalShare: 0 },
    telegramLimit: pick(random, undefined, undefined, undefined, 30, 20, 8),
    createMs: random() * 12_000,
    pageItems: pick(random, 3, 7, 50, 1000),
    isHasty: readers > 0 && random() < 0.5,
    events: eventsOf(random, { durationMs, machines, disturbances, readers }),
  };
  return further.reduce<HistoryPlan>((plan, [salt, withMore]) => withMore(plan, randomOf(seed ^ salt)), plan);
}

/** More trouble, each from a source of chance of its own, so that the others stay as they are when one is changed. */
const further:
  readonly (readonly [salt: number, withMore: (plan: HistoryPlan, random: Random) => HistoryPlan])[] = [
    [0x3eb_0000, withWebhook],
    [0x07e_0000, withOthersWrites],
    [0x150_0000, withPartitions],
    [0x620_0000, withGroupTroubles],
    [0x710_0000, withSignals],
    [0x2b0_0000, withFullDisks],
  ];

/** Some of the plans have the bots receive their updates by a webhook. */
function withWebhook(plan: HistoryPlan, random: Random): HistoryPlan {
  if (random() >= 0.2) return plan;
  const shares = deliveryFates.map((fate) => [fate, random() < 0.4 ? random() ** 2 * 0.3 : 0] as const);
  const machines = plan.machines.map((machine) => ({ ...machine, hasWebhook: machine.isPoller }));
  const way = { baseMs: 5 + random() ** 2 * 80, tailMs: pick(random, 20, 1500, 8000) };
  return { ...plan, machines, webhook: { ...way, ...Object.fromEntries(shares) } };
}

/** The plan in a few lines. */
export function describePlan(plan: HistoryPlan): string {
  const { machines, durationMs, disturbances, readers, webhook, events } = plan;
  const counts = new Map<string, number>();
  for (const { kind } of events) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const seconds = (ms: number): string => (ms / 1000).toFixed(1);
  return [
    `${seconds(durationMs)} s, ${readers} readers, machines: ` +
    machines.map(({ name, isPoller, hasWebhook, hasSpool }) =>
      `${name} ${hasWebhook ? "has the webhook" : isPoller ? "polls" : "broadcasts"}${
        hasSpool ? ", spool" : ""
      }`
    ).join("; "),
    ...webhook === undefined ? [] : [`webhook ${JSON.stringify(webhook)}`],
    ...disturbances.map(({ from, to, service, only, machine, conditions }) =>
      `${seconds(from - epoch)}–${seconds(to - epoch)} s: ${service} ${JSON.stringify(conditions)}` +
      `${only === undefined ? "" : `, only ${only}`}${machine === undefined ? "" : `, for ${machine}`}`
    ),
    [...counts].map(([kind, count]) => `${count} ${kind}`).join(", "),
  ].join("\n");
}

function conditionsOf(random: Random, isFlaky: boolean): Conditions {
  const share = (most: number): number => isFlaky && random() < 0.4 ? random() ** 2 * most : 0;
  return {
    ...{ baseMs: 2 + random() ** 2 * 80, tailMs: random() < 0.3 ? random() * 1500 : 20 },
    ...{ refused: share(0.05), reset: share(0.05), dropped: share(0.02), unanswered: share(0.02) },
    ...{ answerReset: share(0.05), failed: share(0.05), failedAfterEffect: share(0.05) },
    ...{ throttled: share(0.05), late: share(0.03) },
  };
}

/** The names of the tables, as the bot has them by default. */
export const TableName = "telegram-chats";
export const LedgerName = "telegram-broadcasts";

function disturbanceOf(random: Random, durationMs: number): Disturbance {
  const from = epoch + random() * 0.9 * durationMs;
  const to = from + 200 + random() ** 2 * 60_000;
  const service = random() < 0.7 ? "dynamodb" : "telegram";
  // Keys are DynamoDB's.
  const kinds = [...fates, "late"].filter((kind) =>
    service === "dynamodb" || (kind !== "expired" && kind !== "denied")
  );
  const kind = pick(random, ...kinds);
  const share = random() < 0.5 ? 1 : 0.2 + random() * 0.7;
  const parts = {
    dynamodb: ["UpdateItem", "GetItem", "Scan", "Query", "DescribeTable", LedgerName, TableName, "0000"],
    telegram: ["getUpdates", "sendMessage", "getMe", "1000000"],
  };
  const only = random() < 0.7 ? undefined : pick(random, ...parts[service]);
  const machine = random() < 0.15 ? pick(random, "a", "b") : undefined;
  const conditions = { [kind]: service === "telegram" ? Math.min(share, 0.6) : share };
  return { from, to, service, only, machine, conditions };
}

function machinesOf(random: Random): BotMachineOptions[] {
  const hasSpool = random() < 0.5;
  const messagesPerSecond = pick(random, 30, 30, 10, 100);
  const pollers = pick(random, 1, 1, 2);
  const others = pick(random, 0, 0, 1, 2);
  return times(pollers + others, (index) => ({
    name: "abcdef"[index] as string,
    isPoller: index < pollers,
    hasSpool: hasSpool && index < pollers,
    messagesPerSecond,
    skewMs: random() < 0.6 ? 0 : (random() - 0.5) * pick(random, 2000, 60_000, 240_000, 7_200_000),
    lateMs: random() < 0.5 ? 0 : random() * 400,
    handlersMs: random() < 0.25 ? pick(random, 0, 3000, 50_000) : undefined,
  }));
}

function eventsOf(
  random: Random,
  { durationMs, machines, disturbances, readers }: Pick<
    HistoryPlan,
    "durationMs" | "machines" | "disturbances" | "readers"
  >,
): PlannedEvent[] {
  const events: PlannedEvent[] = [];
  const add = (kind: PlannedKind, at: number): void => {
    if (at >= 0 && at < durationMs) events.push({ at, kind, seed: Math.floor(random() * 2 ** 32) });
  };
  for (const { from, to, service } of disturbances) {
    // In the middle of trouble, and as it begins and ends.
    if (random() < 0.5) add("kill", (random() < 0.3 ? from : to) - epoch + (random() - 0.5) * 6000);
    if (service === "dynamodb" && random() < 0.4) add("broadcast", from - epoch + random() * (to - from));
  }
  for (const [kind, most, chance] of frequencies) {
    const count = random() < chance ? Math.floor(random() * (most + 1)) : 0;
    for (let index = 0; index < count; index++) add(kind, random() * durationMs);
  }
  for (let count = Math.floor(random() * (readers > 0 ? 4 : 2)); count > 0; count--) {
    add("broadcast", random() * durationMs);
  }
  const pollers = machines.filter(({ isPoller }) => isPoller).length;
  for (let count = pollers > 1 ? Math.floor(random() * 4) : 0; count > 0; count--) {
    add("deployment", random() * durationMs);
  }
  // Sometimes more than the bot takes from Telegram at once: only then does it confirm what is only in the spool.
  const isHeavy = machines.some(({ hasSpool }) => hasSpool) && random() < 0.3;
  const gapMs = isHeavy ? 25 : 60 + random() ** 2 * 2500;
  for (
    let at = random() * 4000, count = 0;
    at < durationMs && count < 400;
    at += random() * 2 * gapMs, count++
  ) {
    add("talk", at);
  }
  for (const { from, to, service } of disturbances) {
    // Somebody wants to mend it by a restart.
    if (service === "dynamodb" && random() < 0.3) add("restart", from - epoch + random() * (to - from));
  }
  if (random() < 0.2) add("keys", random() * durationMs);
  return events.sort((one, other) => one.at - other.at);
}

/** In some of the plans others write to the table; a spool may repeat what they have overwritten. */
function withOthersWrites(plan: HistoryPlan, random: Random): HistoryPlan {
  const { durationMs, machines, readers } = plan;
  if (random() >= 0.3 || readers === 0 || machines.some(({ hasSpool }) => hasSpool)) return plan;
  return withEvents(plan, random, "othersWrite", Math.ceil(random() ** 2 * durationMs / 500));
}

/** In some of the plans machines are cut off from a service, for longer than a lease; or another program polls. */
function withPartitions(plan: HistoryPlan, random: Random): HistoryPlan {
  if (random() >= 0.25) return plan;
  const partitions = times(1 + Math.floor(random() * 3), (): Disturbance => {
    const from = epoch + random() * 0.8 * plan.durationMs;
    const to = from + 16_000 + random() ** 2 * 100_000;
    const kind = pick(random, "dropped", "refused", "unanswered");
    const { name } = pick(random, ...plan.machines);
    return {
      from,
      to,
      service: pick(random, "telegram", "dynamodb"),
      machine: name,
      conditions: { [kind]: 1 },
    };
  });
  const cut = { ...plan, disturbances: [...plan.disturbances, ...partitions] };
  return withEvents(cut, random, "secondPoller", random() < 0.5 ? 1 + Math.floor(random() * 3) : 0);
}

/** In some of the plans groups are in slow mode, close their topics, or move while a broadcast is under way. */
function withGroupTroubles(plan: HistoryPlan, random: Random): HistoryPlan {
  if (random() >= 0.25) return plan;
  const slow = withEvents(plan, random, "slowMode", Math.floor(random() * 6));
  const closed = withEvents(slow, random, "topic", Math.floor(random() * 12));
  if (random() >= 0.6) return closed;
  return { ...withEvents(closed, random, "move", 1 + Math.floor(random() * 10)), mayMigrate: true };
}

/** In some of the plans there are signals, and those who send are killed. */
function withSignals(plan: HistoryPlan, random: Random): HistoryPlan {
  if (random() >= 0.3) return plan;
  const killed = withEvents(plan, random, "killSender", Math.floor(random() * 5));
  const more = withEvents(killed, random, "broadcast", Math.floor(random() * 4));
  return { ...more, signalShare: pick(random, 0, 0.5, 1) };
}

/** In some of the plans with a spool DynamoDB is down while the disk is full again and again. */
function withFullDisks(plan: HistoryPlan, random: Random): HistoryPlan {
  const { durationMs, machines, disturbances } = plan;
  if (random() >= 0.4 || !machines.some(({ hasSpool }) => hasSpool)) return plan;
  const from = epoch + random() * 0.5 * durationMs;
  const to = from + 10_000 + random() * 60_000;
  const kind = pick(random, "refused", "failed", "denied", "throttled");
  const outage: Disturbance = { from, to, service: "dynamodb", conditions: { [kind]: 1 } };
  const down = { ...plan, disturbances: [...disturbances, outage] };
  return withEvents(down, random, "fullDisk", 2 + Math.floor(random() * 6));
}

/** The plan with more events of a kind, at any time. */
function withEvents(plan: HistoryPlan, random: Random, kind: PlannedKind, count: number): HistoryPlan {
  const more = times(count, () => ({
    ...{ at: random() * plan.durationMs, kind, seed: Math.floor(random() * 2 ** 32) },
  }));
  return { ...plan, events: [...plan.events, ...more].sort((one, other) => one.at - other.at) };
}

export function pick<T>(random: Random, ...items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] as T;
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
