/** Chats and histories for tests: every state a chat may have, and streams of events as Telegram would send them. */
import fc from "fast-check";
import { fold } from "../../lib/chats/chat.ts";
import type { ChatEvent, ChatState } from "../../lib/chats/events.ts";
import { toIso } from "../../lib/util/clock.ts";

/** A whole second, as Telegram's dates are: 2026-11-20T12:00:00Z. */
export const noon: number = Date.UTC(2026, 10, 20, 12);
export const secondMs = 1000;
export const dayMs = 86_400_000;

/** Every standing of a known chat, by the name that the consent table gives it. */
export const standings = [
  "active",
  "stopped",
  "unreasoned",
  "blocked",
  "left",
  "gone",
  "inactive",
  "migrated",
] as const;
export type Standing = typeof standings[number];

/** A chat of that standing which last wrote at noon, with three messages and ids up to 50. */
export function chatThatIs(standing: Standing, more: Partial<ChatState> = {}): ChatState {
  const isActive = standing === "active";
  return {
    is_active: isActive,
    added_at: toIso(noon - 30 * dayMs),
    last_active: toIso(noon),
    message_count: 3,
    user_info: { username: "ada", first_name: "Ada" },
    removed_at: isActive ? null : toIso(noon + secondMs),
    removed_reason: isActive || standing === "unreasoned" ? undefined : standing,
    migrated_to: standing === "migrated" ? -1001 : undefined,
    last_update_id: 50,
    last_member_update_id: 49,
    ...more,
  };
}

/** Freezes a value deeply, so that a change throws. */
export function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    Object.values(value).forEach(frozen);
    Object.freeze(value);
  }
  return value;
}

/** Without the keys that say nothing, as an item of the table is. */
export function known(chat: ChatState | undefined): Record<string, unknown> | undefined {
  return chat && Object.fromEntries(Object.entries(chat).filter(([, value]) => value !== undefined));
}

interface Step {
  readonly kind: "start" | "stop" | "message" | "removed" | "returned";
  readonly gapSeconds: number;
  readonly reason: "blocked" | "left" | "gone";
  readonly name: string | undefined;
}

const steps: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("message", "message", "start", "stop", "removed", "returned"),
  gapSeconds: fc.constantFrom(0, 0, 1, 2, 60),
  reason: fc.constantFrom("blocked", "left", "gone"),
  name: fc.constantFrom(undefined, "ada", "bob"),
});

/** One chat's updates in Telegram's order: ids and dates ascend, and several may fall into one second. */
export function streams(maxLength: number): fc.Arbitrary<ChatEvent[]> {
  const many = fc.array(steps, { minLength: 1, maxLength });
  return fc.tuple(many, fc.boolean()).map(([list, registers]) => streamOf(list, registers));
}

function streamOf(list: readonly Step[], registers: boolean): ChatEvent[] {
  let at = noon;
  return list.map(({ kind, gapSeconds, reason, name }, index): ChatEvent => {
    at += gapSeconds * secondMs;
    const fact = { at, updateId: 100 + index, registers, userInfo: { username: name } };
    if (kind === "removed") return { kind, at, updateId: fact.updateId, reason };
    return { kind, ...fact };
  });
}

/**
 * The stream without the events before the chat was known: they are not stored, so a late repetition of one would count as
 * new for a chat that was registered since.
 */
export function sinceKnown(events: readonly ChatEvent[]): ChatEvent[] {
  const first = events.findIndex((event) => fold(undefined, [event]) !== undefined);
  return first < 0 ? [] : events.slice(first);
}
