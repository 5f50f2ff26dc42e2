/**
 * What notebooks show of a value: a MIME bundle, of which each picks the richest that it can show. `application/json`
 * is not in it, as JupyterLab would show that, as a tree, in place of the table; `JSON.stringify` gives it.
 */
import type { BroadcastProgress, BroadcastRun } from "../broadcast/handle.ts";
import type { BroadcastCounts, BroadcastReport } from "../broadcast/report.ts";
import type { Chat } from "../chats/events.ts";
import type { ChatStatistics } from "../chats/storage.ts";
import {
  barChart,
  columns,
  type Fact,
  factsTable,
  heading,
  legend,
  type Markup,
  markup,
  type Share,
  shareBar,
  small,
  table,
} from "../util/html.ts";
import type { BotStatistics } from "./health.ts";

/** The forms of a value by their MIME types. */
export type MimeBundle = Readonly<Record<string, string>>;

/** The ways to show a value. */
export const views: Readonly<{
  chat: (chat: Chat) => MimeBundle;
  chats: (page: readonly Chat[]) => MimeBundle;
  statistics: (figures: ChatStatistics & Partial<BotStatistics>) => MimeBundle;
  report: (report: BroadcastReport) => MimeBundle;
  progress: (progress: BroadcastProgress) => MimeBundle;
  run: (run: BroadcastRun) => MimeBundle;
}> = {
  chat: showChat,
  chats: showChats,
  statistics: showStatistics,
  report: showReport,
  progress: showProgress,
  run: ({ progress }) => showProgress(progress),
};

function showChat(chat: Chat): MimeBundle {
  const { user_info, ...state } = chat;
  const facts = Object.entries(state).map(([name, value]): Fact => [name, textOf(value)]);
  const about = Object.entries(user_info).map(([name, value]): Fact => [name, textOf(value)]);
  const all = [...facts, ...about];
  return bundle(`${nameOf(chat)}: ${standingOf(chat)}`, all, [
    heading(nameOf(chat), standingOf(chat)),
    columns(factsTable(facts), factsTable(about)),
  ]);
}

const rowsAtMost = 10;

function showChats(page: readonly Chat[]): MimeBundle {
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
    "text/plain": [title, ...rows.map((row) => `  ${row.join("  ")}`), ...more ? [`  ${more}`] : []].join(
      "\n",
    ),
    "text/html": block([heading(title), table(names, rows), small(more)]),
  };
}

function showStatistics(figures: ChatStatistics & Partial<BotStatistics>): MimeBundle {
  const { username, storage, lastActiveByDay = [] } = figures;
  const facts: Fact[] = [
    ["Chats", count(figures.totalChats)],
    ["Active", count(figures.activeChats)],
    ["Inactive", count(figures.inactiveChats)],
    ["Messages", count(figures.totalMessages)],
    ["Messages a chat", figures.averageMessagesPerChat.toFixed(1)],
    ...storage === undefined ? [] : [["Kept in", storage] as const],
    ...workOf(figures),
  ];
  const title = username === undefined ? "Chats" : `@${username}`;
  const plot = lastActiveByDay.length === 0 ? undefined : activity(lastActiveByDay);
  const shown = plot === undefined ? factsTable(facts) : columns(factsTable(facts), plot);
  return {
    ...bundle(title, facts, [heading(title), shown]),
    ...plot === undefined ? {} : { "image/svg+xml": String(plot) },
  };
}

/** What a bot does just now. */
function workOf(health: Partial<BotStatistics>): Fact[] {
  const { isPolling, isHearing, lastHeardAt, isDegraded, queuedUpdates, pendingReplies } = health;
  if (isPolling === undefined) return [];
  const isDeaf = isPolling && lastHeardAt !== undefined;
  return [
    ["Hears commands", isHearing ? "yes" : isDeaf ? `not since ${lastHeardAt}` : "no"],
    ...isDegraded ? [["DynamoDB", "cannot be used just now"] as const] : [],
    ...queuedUpdates ? [["Updates waiting", count(queuedUpdates)] as const] : [],
    ...pendingReplies ? [["Replies waiting", count(pendingReplies)] as const] : [],
  ];
}

function activity(byDay: readonly number[]): Markup {
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

const problemsAtMost = 5;

function showReport(report: BroadcastReport): MimeBundle {
  const { errors, topics, latencyMs } = report;
  const shares = sharesOf(report);
  const facts: Fact[] = [
    ["Chats a second", String(report.messagesPerSecond)],
    ...latencyMs === undefined ? [] : [["Half had it within", seconds(latencyMs.p50)] as const],
    ...latencyMs === undefined ? [] : [["All had it within", seconds(latencyMs.max)] as const],
    ...report.floods > 0 ? [["Floods waited out", count(report.floods)] as const] : [],
  ];
  const whys = errors.map(({ chat_id, outcome, message }) => [String(chat_id), outcome, message]);
  const moves = topics.map(({ chat_id, thread_id, reason }) => [String(chat_id), String(thread_id), reason]);
  return bundle(String(report), [...countsOf(shares), ...facts], [
    heading(String(report), report.broadcastId ?? ""),
    shareBar(shares, report.recipients),
    legend(shares),
    factsTable(facts),
    ...firstOf(["chat_id", "outcome", "why"], whys),
    ...firstOf(["chat_id", "topic that went to General", "which is"], moves),
  ]);
}

function firstOf(columns: readonly string[], rows: readonly (readonly string[])[]): Markup[] {
  if (rows.length === 0) return [];
  const more = rows.length > problemsAtMost ? `… and ${rows.length - problemsAtMost} more` : "";
  return [table(columns, rows.slice(0, problemsAtMost)), small(more)];
}

function showProgress(progress: BroadcastProgress): MimeBundle {
  const { recipients, done, elapsedMs } = progress;
  const percent = recipients === 0 ? 0 : Math.floor(done / recipients * 100);
  const line = [
    recipients === 0
      ? "The chats are being read"
      : `${count(done)} of ${count(recipients)} chats, ${percent} %`,
    seconds(elapsedMs),
    ...stateOf(progress),
  ].join(" · ");
  const shares = sharesOf(progress);
  return bundle(line, countsOf(shares), [heading(line), shareBar(shares, recipients), legend(shares)]);
}

function stateOf(
  { recipients, done, remainingMs, isPaused, isWaiting, waitingMs }: BroadcastProgress,
): string[] {
  if (recipients > 0 && done >= recipients) return ["done"];
  if (isPaused) return ["paused"];
  if (isWaiting) return [`waiting for ${seconds(waitingMs)}, as Telegram asks`];
  return remainingMs === undefined ? [] : [`about ${seconds(remainingMs)} to go`];
}

/** Colours that are told apart on white and on black. */
const colours: Readonly<Record<keyof BroadcastCounts, string>> = {
  sent: "#2e9e6b",
  deactivated: "#8a919e",
  skipped: "#c79a1e",
  failed: "#d9534f",
  unknown: "#8f6fd6",
};

/** How the recipients were counted; the rest of them is still to come. */
function sharesOf(counts: Readonly<BroadcastCounts>): Share[] {
  return (Object.keys(colours) as (keyof BroadcastCounts)[])
    .filter((name) => name === "sent" || counts[name] > 0)
    .map((name) => ({ name, count: counts[name], colour: colours[name] }));
}

function countsOf(shares: readonly Share[]): Fact[] {
  return shares.map(({ name, count: value }) => [name, count(value)]);
}

function bundle(title: string, facts: readonly Fact[], parts: readonly Markup[]): MimeBundle {
  const width = Math.max(0, ...facts.map(([name]) => name.length));
  const lines = facts.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
  return { "text/plain": [title, ...lines].join("\n"), "text/html": block(parts) };
}

function block(parts: readonly Markup[]): string {
  return String(markup`<div style="line-height: 1.5; max-width: 860px; overflow-x: auto">${parts}</div>`);
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

function count(value: number): string {
  return value.toLocaleString("en");
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
