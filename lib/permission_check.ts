/** Whether a chat that a broadcast is about to be sent to may still use the bot. */
import type { Permission } from "./admission.ts";
import type { Chat } from "./chat.ts";
import type { Clock } from "./clock.ts";
import type { Standing } from "./consent_check.ts";
import { createLimit } from "./limit.ts";
import type { Logger } from "./log.ts";
import { inTime } from "./patience.ts";
import { reasonOf } from "./reason.ts";
import type { Roster } from "./roster.ts";
import type { Settlement } from "./tally.ts";

export interface PermissionCheckOptions {
  /** Default: every chat may. */
  readonly permission?: Permission | undefined;
  readonly roster: Roster;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends what reads. */
  readonly signal: AbortSignal;
}

/**
 * Gives how a chat is counted that is not to have the message; `undefined` where it may have it. Calls `onLate` where the
 * answer takes so long that others are not to wait for it.
 */
export type CheckPermission = (
  chatId: number,
  standing: Standing,
  onLate: () => void,
) => Promise<Settlement | undefined> | undefined;

/** Questions that the owner's function is asked at the same time. */
const askedAtOnce = 100;
const lateAfterMs = 250;
/** How long the chat's item is waited for, before what is in memory has to do. */
const readWithinMs = 600;
const disallowed: Settlement = { outcome: "skipped", why: "disallowed" };

export function createPermissionCheck(options: PermissionCheckOptions): CheckPermission {
  const { permission, roster, clock, logger, signal } = options;
  if (permission === undefined) return () => undefined;
  const { mayReceive, authorizes } = permission;
  const limit = createLimit(askedAtOnce);
  let isTold = false;

  /** Where the table cannot be read, or not soon, the chat's id and its adder are all that is known. */
  const itemOf = async (chatId: number, { chat, isProved }: Standing): Promise<Chat | undefined> => {
    if (chat !== undefined || !isProved || roster.isUnread) return chat;
    return await inTime(roster.getChat(chatId), { ms: readWithinMs, clock, signal }).catch(() => undefined);
  };

  const failed = (chatId: number, error: unknown): Settlement => {
    const message = `authorize fails: ${reasonOf(error)}`;
    if (!isTold) {
      logger.error(`Chat ${chatId}, and each other chat for which it is so, gets no message, as ${message}`);
    }
    isTold = true;
    return { outcome: "failed", message };
  };

  const ask = async (
    chatId: number,
    standing: Standing,
    onLate: () => void,
  ): Promise<Settlement | undefined> => {
    const chat = await itemOf(chatId, standing);
    const adderId = chat?.added_by ?? roster.adders.adderOf(chatId);
    if (!mayReceive(chatId, adderId)) return disallowed;
    if (authorizes === undefined) return undefined;
    const answered = new AbortController();
    try {
      return await limit(async () => {
        clock.sleep(lateAfterMs, answered.signal).then(onLate, () => {});
        return await authorizes({ chatId, adderId, chat }) ? undefined : disallowed;
      });
    } catch (error) {
      return failed(chatId, error);
    } finally {
      answered.abort();
    }
  };

  return (chatId, standing, onLate) => {
    const isPlain = authorizes === undefined && mayReceive(chatId, roster.adders.adderOf(chatId));
    return isPlain ? undefined : ask(chatId, standing, onLate);
  };
}
