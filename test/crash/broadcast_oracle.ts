/** The test oracle: what must hold of a broadcast once it has ended, whatever happened to the bots. */
import type { BroadcastReport } from "../../mod.ts";
import type { TestBroadcast } from "./test_broadcast.ts";

/** What is wrong with it; empty where nothing is. @param chats How many should get it. */
export function problemsOf(broadcast: TestBroadcast, chats: number): string[] {
  const { report, options: { onUnknown } } = broadcast;
  if (report === undefined) return [...broadcast.problems, `${broadcast.id}: there is no report`];
  const problems = [
    ...countProblems(broadcast, report, chats),
    ...onUnknown === "skip" ? skipProblems(broadcast, report) : resendProblems(broadcast, report),
  ];
  return [
    ...broadcast.problems,
    ...problems.map((problem) => `${broadcast.id}: ${problem}\n  ${JSON.stringify(report)}`),
  ];
}

/** Every recipient is counted once. */
function countProblems(broadcast: TestBroadcast, report: BroadcastReport, chats: number): string[] {
  const { reached, uploads, uploaders, lost } = broadcast;
  const { recipients, sent, deactivated, skipped, failed, unknown } = report;
  const sum = sent + deactivated + skipped + failed + unknown;
  return [
    ...wrong(recipients !== chats, `${recipients} recipients of ${chats}`),
    ...wrong(uploads > uploaders + lost.length, `${uploads} uploads by ${uploaders} bots`),
    ...wrong(sum !== recipients, `the counts add up to ${sum}`),
    ...wrong(sent > reached || reached > sent + unknown, `it reached ${reached}`),
    ...wrong(report.stopped !== undefined, `it was stopped: ${report.stopped}`),
  ];
}

/** No chat twice; a chat that got none was in doubt, and is counted as unknown. */
function skipProblems(broadcast: TestBroadcast, report: BroadcastReport): string[] {
  const { doubled, missed, inDoubt, blocked } = broadcast;
  const lost = new Set(broadcast.lost);
  const forgotten = missed.filter((chatId) => !inDoubt.has(chatId) && !lost.has(chatId));
  const atMost = new Set([...inDoubt, ...lost]).size;
  const { deactivated, unknown, skips: { expired } } = report;
  return [
    ...wrong(doubled.length > 0, `${doubled.length} chats got it twice: ${some(doubled)}`),
    ...wrong(forgotten.length > expired, `${forgotten.length} chats were forgotten: ${some(forgotten)}`),
    ...wrong(unknown > atMost, `${unknown} are unknown, but only ${atMost} were in doubt`),
    ...wrong(
      unknown + expired < missed.length,
      `${missed.length} got none, but only ${unknown} are unknown, and ${expired} were too late`,
    ),
    ...wrong(
      deactivated > blocked.size || deactivated + unknown + expired < blocked.size,
      `${blocked.size} had blocked`,
    ),
  ];
}

/** Every chat that could be reached in time; twice only chats that were in doubt. */
function resendProblems(broadcast: TestBroadcast, report: BroadcastReport): string[] {
  const { missed, doubled, inDoubt, blocked } = broadcast;
  const lost = new Set(broadcast.lost);
  const unfounded = doubled.filter((chatId) => !inDoubt.has(chatId) && !lost.has(chatId));
  const { deactivated, unknown, skips: { unsubscribed, expired } } = report;
  const gone = deactivated + unsubscribed;
  return [
    ...wrong(missed.length > unknown + expired, `${missed.length} chats were forgotten: ${some(missed)}`),
    ...wrong(
      unfounded.length > 0,
      `${unfounded.length} got it twice and were not in doubt: ${some(unfounded)}`,
    ),
    // Unknown only where there was no time to send it again.
    ...wrong(
      unknown > (broadcast.options.expiresAt === undefined ? 0 : inDoubt.size),
      `${unknown} are unknown`,
    ),
    // A chat that was refused before the crash is unsubscribed by then.
    ...wrong(
      gone > blocked.size || gone + unknown + expired < blocked.size,
      `${blocked.size} had blocked`,
    ),
  ];
}

function wrong(isWrong: boolean, problem: string): string[] {
  return isWrong ? [problem] : [];
}

function some(chatIds: readonly number[]): string {
  return chatIds.slice(0, 8).join(", ") + (chatIds.length > 8 ? "..." : "");
}
