/** What the tests of broadcasts share: scenes, and counts of what was sent. */
import type { BroadcastCounts, BroadcastReport } from "../../lib/broadcast/report.ts";
import type { LocalChat } from "../../lib/local/mod.ts";
import { FastClock, type Scene, type SceneOptions } from "./bot.ts";

export const png: Uint8Array<ArrayBuffer> = new Uint8Array(1000).fill(7);

export const made: SceneOptions = { state: "made" };

/** Time that runs two hundred times as fast, for what would wait for seconds. */
export function hasty(): SceneOptions {
  return { state: "made", bot: { clock: new FastClock(200) } };
}

export function signals(chat: LocalChat, text: string = "signal"): number {
  return chat.inbox.filter((message) => (message.text ?? message.caption) === text).length;
}

export function total({ sent, deactivated, skipped, failed, unknown }: BroadcastReport): number {
  return sent + deactivated + skipped + failed + unknown;
}

export function counts({ sent, deactivated, skipped, failed, unknown }: BroadcastReport): BroadcastCounts {
  return { sent, deactivated, skipped, failed, unknown };
}

export const none: Readonly<BroadcastCounts> = { sent: 0, deactivated: 0, skipped: 0, failed: 0, unknown: 0 };

export function sends({ server }: Scene, chat: LocalChat): number {
  return server.calls.filter(({ method, payload }) =>
    /^send/.test(method) && Number(payload["chat_id"]) === chat.chatId
  ).length;
}
