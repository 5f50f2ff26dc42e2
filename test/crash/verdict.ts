/** The oracle: what must hold of a broadcast once it is through, whatever befell the bots. */
import type { BroadcastReport } from "../../mod.ts";
import type { Audience } from "./audience.ts";
import type { Trial } from "./trial.ts";

/** What is wrong with it; empty where nothing is. */
export function verdict(audience: Audience, trial: Trial): string[] {
  const { report, options: { onUnknown } } = trial;
  if (report === undefined) return [...trial.problems, `${trial.id}: there is no report`];
  const problems = [
    ...countProblems(audience, trial, report),
    ...onUnknown === "skip" ? skipProblems(trial, report) : resendProblems(trial, report),
  ];
  return [
    ...trial.problems,
    ...problems.map((problem) => `${trial.id}: ${problem}\n  ${JSON.stringify(report)}`),
  ];
}

/** Every recipient is counted, and once. */
function countProblems({ people }: Audience, trial: Trial, report: BroadcastReport): string[] {
  const { reached, uploads, uploaders, lost } = trial;
  const { recipients, sent, deactivated, skipped, failed, unknown } = report;
  const sum = sent + deactivated + skipped + failed + unknown;
  return [
    ...wrong(recipients !== people.length, `${recipients} recipients of ${people.length}`),
    ...wrong(uploads > uploaders + lost.length, `${uploads} uploads by ${uploaders} bots`),
    ...wrong(sum !== recipients, `the counts add up to ${sum}`),
    ...wrong(sent > reached || reached > sent + unknown, `it reached ${reached}`),
    ...wrong(report.stopped !== undefined, `it was stopped: ${report.stopped}`),
  ];
}

/** Nobody twice; who got none was in doubt, and is counted so. */
function skipProblems(trial: Trial, report: BroadcastReport): string[] {
  const { doubled, missed, inDoubt, blocked } = trial;
  const lost = new Set(trial.lost);
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

/** Everybody who could be reached in time; twice only who was in doubt. */
function resendProblems(trial: Trial, report: BroadcastReport): string[] {
  const { missed, doubled, inDoubt, blocked } = trial;
  const lost = new Set(trial.lost);
  const unfounded = doubled.filter((chatId) => !inDoubt.has(chatId) && !lost.has(chatId));
  const { deactivated, unknown, skips: { unsubscribed, expired } } = report;
  const gone = deactivated + unsubscribed;
  return [
    ...wrong(missed.length > unknown + expired, `${missed.length} chats were forgotten: ${some(missed)}`),
    ...wrong(unfounded.length > 0, `${unfounded.length} got it twice without a doubt: ${some(unfounded)}`),
    // Only where there was no time to send it again.
    ...wrong(unknown > (trial.options.expiresAt === undefined ? 0 : inDoubt.size), `${unknown} are unknown`),
    // One that was refused before the crash has been unsubscribed by then.
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
