/**
 * What notebooks show of chats and their figures: a MIME bundle, of which each picks the richest form that it can show.
 * `application/json` is not in it, as JupyterLab would show that, as a tree, in place of the table.
 */
import type { MimeBundle } from "../util/display.ts";
import {
  barChart,
  block,
  bundle,
  columns,
  count,
  type Fact,
  factsTable,
  heading,
  plainLines,
  type SafeHtml,
  small,
  table,
} from "../util/html.ts";
import type { Chat } from "./events.ts";

/** Figures of a storage, and the health of a bot if they come from one. */
export interface ShownStatistics extends ShownHealth {
  readonly totalChats: number;
  readonly activeChats: number;
  readonly inactiveChats: number;
  readonly totalMessages: number;
  readonly averageMessagesPerChat: number;
  readonly lastActiveByDay?: readonly number[];
  readonly username?: string;
  readonly storage?: string;
}

/** The health of a bot, as far as it is shown. */
export interface ShownHealth {
  readonly isPolling?: boolean;
  readonly isHearing?: boolean;
  readonly lastHeardAt?: string | undefined;
  readonly isDegraded?: boolean;
  readonly queuedUpdates?: number;
  readonly pendingReplies?: number;
}

/** One chat: its state, and who is behind it. */
export function showChat(chat: Chat): MimeBundle {
  const { user_info, ...state } = chat;
  const facts = Object.entries(state).map(([name, value]): Fact => [name, textOf(value)]);
  const about = Object.entries(user_info).map(([name, value]): Fact => [`user_info.${name}`, textOf(value)]);
  const all = [...facts, ...about];
  return bundle(`${nameOf(chat)}: ${standingOf(chat)}`, all, [
    heading(nameOf(chat), standingOf(chat)),
    columns(factsTable(facts), factsTable(about)),
  ]);
}

const rowsAtMost = 50;

/** A page of chats: the first fifty of them. */
export function showChats(page: readonly Chat[]): MimeBundle {
  const title = `${count(page.length)} ${page.length === 1 ? "chat" : "chats"}`;
  const rows = page.slice(0, rowsAtMost).map((chat) => [
    String(chat.chat_id),
    nameOf(chat),
    standingOf(chat),
    count(chat.message_count),
    chat.last_active ?? "",
  ]);
  const names = ["chat_id", "name", "standing", "messages", "last active"];
  const more = page.length > rowsAtMost ? `… and ${count(page.length - rowsAtMost)} more` : "";
  return {
    "text/plain": plainLines(title, [...rows.map((row) => row.join("  ")), ...more ? [more] : []]),
    "text/html": block([heading(title), table(names, rows), small(more)]),
  };
}

/** Figures over all chats, and the health of the bot. */
export function showStatistics(figures: ShownStatistics): MimeBundle {
  const { username, storage, lastActiveByDay = [] } = figures;
  const facts: Fact[] = [
    ["Chats", count(figures.totalChats)],
    ["Active", count(figures.activeChats)],
    ["Inactive", count(figures.inactiveChats)],
    ["Messages", count(figures.totalMessages)],
    ["Messages a chat", figures.averageMessagesPerChat.toFixed(1)],
    ...storage === undefined ? [] : [["Kept in", storage] as const],
    ...healthFactsOf(figures),
  ];
  const title = username === undefined ? "Chats" : `@${username}`;
  const plot = lastActiveByDay.length === 0 ? undefined : activity(lastActiveByDay);
  const shown = plot === undefined ? factsTable(facts) : columns(factsTable(facts), plot);
  return {
    ...bundle(title, facts, [heading(title), shown]),
    ...plot === undefined ? {} : { "image/svg+xml": String(plot) },
  };
}

/** A bot, as far as it is shown. */
export interface ShownBot {
  /** `undefined` before it is initialized. */
  readonly opened:
    | { readonly username: string; readonly chats: number; readonly storage: string }
    | undefined;
  readonly isStopped: boolean;
  readonly health: ShownHealth;
}

/** A bot: its name, what it does, and what to call next. */
export function showBot({ opened, isStopped, health }: ShownBot): MimeBundle {
  const name = opened === undefined ? "A bot" : `@${opened.username}`;
  const state = isStopped ? "is stopped" : health.isPolling ? "is running" : "is not started";
  const next = isStopped
    ? "Make a new one to start again."
    : health.isPolling
    ? "await bot.getStatistics() counts its chats; await bot.stopBot() ends it."
    : "It can send; await bot.startBot() has it hear commands, too.";
  const facts: Fact[] = opened === undefined || isStopped ? [] : [
    ["Subscribed chats", count(opened.chats)],
    ["Kept in", opened.storage],
    ...healthFactsOf(health),
  ];
  return bundle(`${name} ${state}. ${next}`, facts, [heading(`${name} ${state}.`, next), factsTable(facts)]);
}

/** The health of a bot. */
function healthFactsOf(health: ShownHealth): Fact[] {
  const { isPolling, isHearing, lastHeardAt, isDegraded, queuedUpdates, pendingReplies } = health;
  if (isPolling === undefined) return [];
  const hasStopped = isPolling && lastHeardAt !== undefined;
  return [
    ["Hears commands", isHearing ? "yes" : hasStopped ? `not since ${lastHeardAt}` : "no"],
    ...isDegraded ? [["DynamoDB", "cannot be used just now"] as const] : [],
    ...queuedUpdates ? [["Updates waiting", count(queuedUpdates)] as const] : [],
    ...pendingReplies ? [["Replies waiting", count(pendingReplies)] as const] : [],
  ];
}

function activity(byDay: readonly number[]): SafeHtml {
  return barChart(byDay, {
    title: "Chats by the day of their last message",
    first: `${byDay.length - 1} days ago`,
    last: "today",
    label: (value, index) => `${daysAgo(byDay.length - 1 - index)}: ${count(value)}`,
  });
}

function daysAgo(days: number): string {
  if (days === 0) return "today";
  return days === 1 ? "yesterday" : `${days} days ago`;
}

function nameOf({ chat_id, user_info: { title, first_name, last_name, username } }: Chat): string {
  const name = title ?? [first_name, last_name].filter(Boolean).join(" ");
  const handle = username ? `@${username}` : "";
  return [name, handle].filter(Boolean).join(" ") || `Chat ${chat_id}`;
}

function standingOf({ is_active, removed_reason }: Chat): string {
  return is_active ? "active" : removed_reason ?? "inactive";
}

function textOf(value: unknown): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value ?? "–");
}
