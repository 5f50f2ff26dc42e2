/** The oracle: what must hold of a broadcast once it is through, whatever befell the bots. */
import type { BroadcastReport } from "../../mod.ts";
import type { Audience } from "./audience.ts";
import type { Trial } from "./trial.ts";

/** What is wrong with it; empty where nothing is. */
export function verdict(audience: Audience, trial: Trial): string[] {
  const { report, options: { onUnknown } } = trial;
  if (report === undefined) return [...trial.problems, `${trial.id}: there is no report`];
  const problems = [
    ...countProblems(audience, report),
    ...onUnknown === "skip" ? skipProblems(trial, report) : resendProblems(trial, report),
  ];
  return [
    ...trial.problems,
    ...problems.map((problem) => `${trial.id}: ${problem}\n  ${JSON.stringify(report)}`),
  ];
}

/** Every recipient is counted, and once. */
function countProblems({ people }: Audience, report: BroadcastReport): string[] {
  const { recipients, sent, deactivated, skipped, failed, unknown } = report;
  const sum = sent + deactivated + skipped + failed + unknown;
  return [
    ...wrong(recipients !== people.length, `${recipients} recipients of ${people.length}`),
    ...wrong(sum !== recipients, `the counts add up to ${sum}`),
    ...wrong(report.stopped !== undefined, `it was stopped: ${report.stopped}`),
  ];
}

/** Nobody twice; who got none was in doubt, and is counted so. */
function skipProblems(trial: Trial, report: BroadcastReport): string[] {
  const { doubled, missed, inDoubt, blocked } = trial;
  const lost = new Set(trial.lost);
  const forgotten = missed.filter((chatId) => !inDoubt.has(chatId) && !lost.has(chatId));
  const atMost = new Set([...inDoubt, ...lost]).size;
  const reached = trial.arrivals.size;
  const { sent, deactivated, unknown } = report;
  return [
    ...wrong(doubled.length > 0, `${doubled.length} chats got it twice: ${some(doubled)}`),
    ...wrong(forgotten.length > 0, `${forgotten.length} chats were forgotten: ${some(forgotten)}`),
    ...wrong(unknown > atMost, `${unknown} are unknown, but only ${atMost} were in doubt`),
    ...wrong(unknown < missed.length, `${missed.length} got none, but only ${unknown} are unknown`),
    ...wrong(sent > reached || reached > sent + unknown, `it reached ${reached}`),
    ...wrong(
      deactivated > blocked.size || deactivated + unknown < blocked.size,
      `${blocked.size} had blocked`,
    ),
  ];
}

/** Everybody; twice only who was in doubt. */
function resendProblems(trial: Trial, report: BroadcastReport): string[] {
  const { missed, doubled, inDoubt, blocked } = trial;
  const lost = new Set(trial.lost);
  const unfounded = doubled.filter((chatId) => !inDoubt.has(chatId) && !lost.has(chatId));
  const { sent, deactivated, skipped } = report;
  return [
    ...wrong(missed.length > 0, `${missed.length} chats were forgotten: ${some(missed)}`),
    ...wrong(unfounded.length > 0, `${unfounded.length} got it twice without a doubt: ${some(unfounded)}`),
    ...wrong(sent !== trial.arrivals.size, `it reached ${trial.arrivals.size}`),
    // One that was refused before the crash has been unsubscribed by then.
    ...wrong(deactivated + skipped !== blocked.size, `${blocked.size} had blocked`),
  ];
}

function wrong(isWrong: boolean, problem: string): string[] {
  return isWrong ? [problem] : [];
}

function some(chatIds: readonly number[]): string {
  return chatIds.slice(0, 8).join(", ") + (chatIds.length > 8 ? "..." : "");
}
