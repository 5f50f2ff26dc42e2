/** Compares the message of a call with the one that is sent under its `broadcastId`. */
import { utcPattern } from "../util/clock.ts";
import type { IllustratedMessage } from "./options.ts";
import { messageNameOf } from "./outgoing_message.ts";
import { BroadcastReport } from "./report.ts";
import type { BroadcastRequest } from "./request.ts";
import { type FollowResult, isUntouched } from "./run_follower.ts";

/** The report of a run that was found in the ledger, as it is for this call. */
export async function comparedWithKept(
  followed: FollowResult,
  request: BroadcastRequest,
  wasAlreadySent: boolean,
): Promise<BroadcastReport> {
  const differs = await differsFromKept(followed, request).catch(() => undefined);
  return new BroadcastReport({ ...followed.report, wasAlreadySent, differs });
}

/** The report of another call's run, as it is for this one. */
export function comparedWith(
  report: BroadcastReport,
  running: BroadcastRequest,
  request: BroadcastRequest,
): BroadcastReport {
  const isPerChat = [running, request].some(({ options: { perChat } }) => perChat !== undefined);
  const differs = isPerChat ? undefined : areDifferent(request.message, running.message);
  return differs === false ? report : new BroadcastReport({ ...report, differs });
}

async function differsFromKept(
  { run, ledger, isOurs }: FollowResult,
  { message, options: { perChat } }: BroadcastRequest,
): Promise<boolean | undefined> {
  // Nobody had the message of the first call, so this one's was sent.
  if (isOurs && isUntouched(run)) return false;
  const { broadcast_id, message_name, message_parts = 0 } = run;
  if (perChat !== undefined || run["has_functions"] === true || message_name === undefined) return undefined;
  if (message_name === messageNameOf(message)) return false;
  return areDifferent(message, JSON.parse(await ledger.readText(broadcast_id, message_name, message_parts)));
}

/** By their texts: a photo may have been left out. */
function areDifferent(message: IllustratedMessage, sent: IllustratedMessage): boolean {
  const compared = ({ text, entities = [] }: IllustratedMessage): string => {
    const withoutTime = message.hasCallTime ? text.replace(utcPattern, "") : text;
    return JSON.stringify([withoutTime, entities]);
  };
  return compared(message) !== compared(sent);
}
