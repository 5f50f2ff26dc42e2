/** Compares the message of a call with the one that is sent under its `broadcastId`. */
import { createHash } from "node:crypto";
import { utcPattern } from "../util/clock.ts";
import type { Ledger, RunRecord } from "./ledger.ts";
import type { IllustratedMessage } from "./options.ts";
import { messageNameOf } from "./outgoing_message.ts";
import { BroadcastReport } from "./report.ts";
import type { BroadcastRequest } from "./request.ts";
import { isUntouched } from "./report_record.ts";

/** A run that was found in a ledger, and whether it was finished here. */
interface FoundRun {
  readonly report: BroadcastReport;
  readonly isOurs: boolean;
  readonly run: RunRecord;
  readonly ledger: Ledger;
}

/** The report of a run that was found in the ledger, as it is for this call. */
export async function comparedWithKept(
  found: FoundRun,
  request: BroadcastRequest,
  wasAlreadySent: boolean,
): Promise<BroadcastReport> {
  const differs = await differsFromKept(found, request).catch(() => undefined);
  return new BroadcastReport({ ...found.report, wasAlreadySent, differs });
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
  { run, ledger, isOurs }: FoundRun,
  { message, options: { perChat } }: BroadcastRequest,
): Promise<boolean | undefined> {
  // Nobody had the message of the first call, so this one's was sent.
  if (isOurs && isUntouched(run)) return false;
  const { broadcast_id, message_name, message_parts = 0, text_digest } = run;
  if (perChat !== undefined) return undefined;
  if (typeof text_digest === "string") return text_digest !== textDigest(message);
  if (message_name === undefined) return undefined;
  if (message_name === messageNameOf(message)) return false;
  return areDifferent(message, JSON.parse(await ledger.readText(broadcast_id, message_name, message_parts)));
}

/** By their texts: a photo may have been left out. */
function areDifferent(message: IllustratedMessage, sent: IllustratedMessage): boolean {
  const { hasCallTime = false } = message;
  return comparedText(message) !== comparedText({ ...sent, hasCallTime });
}

/** For a ledger that does not keep the message itself; `undefined` where each chat has a text of its own. */
export function textDigestOf({ message, options: { perChat } }: BroadcastRequest): string | undefined {
  return perChat === undefined ? textDigest(message) : undefined;
}

function textDigest(message: IllustratedMessage): string {
  return createHash("sha256").update(comparedText(message)).digest("base64url").slice(0, 16);
}

function comparedText({ text, entities = [], hasCallTime = false }: IllustratedMessage): string {
  return JSON.stringify([hasCallTime ? text.replace(utcPattern, "") : text, entities]);
}
