/** Checks right before each message that its chat may still use the bot, as `allowedUsers` and `authorize` say. */
import type { BroadcastAccess } from "../chats/access.ts";
import type { SubscriptionStatus } from "../chats/consent_check.ts";
import type { Chat } from "../chats/events.ts";
import type { ChatRegistry } from "../chats/registry.ts";
import { createSemaphore, deadline } from "../util/async.ts";
import { type Clock, startTimer } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import type { DeliveryResult } from "./report.ts";

export interface PermissionCheckOptions {
  readonly broadcastAccess: BroadcastAccess;
  readonly registry: ChatRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the reading of a chat. */
  readonly signal: AbortSignal;
}

/**
 * Gives how a chat is counted that may not have the message; `undefined` where it may. Calls `onLate` where the answer
 * takes so long that other chats are not to wait for it.
 */
export type CheckPermission = (
  chatId: number,
  standing: SubscriptionStatus,
  onLate: () => void,
) => Promise<DeliveryResult | undefined> | undefined;

/** Calls of the owner's function at the same time. */
const callsAtOnce = 100;
const lateAfterMs = 250;
/** How long the chat's item is waited for; then its id and its adder in memory have to do. */
const readWithinMs = 600;
const disallowed: DeliveryResult = { outcome: "skipped", why: "disallowed" };

export function createPermissionCheck(options: PermissionCheckOptions): CheckPermission {
  const { broadcastAccess: { mayReceive, authorizes }, registry, clock, logger, signal } = options;
  const limit = createSemaphore(callsAtOnce);
  let isLogged = false;

  const itemOf = async (
    chatId: number,
    { chat, isProved }: SubscriptionStatus,
  ): Promise<Chat | undefined> => {
    if (chat !== undefined || !isProved || registry.isUnread) return chat;
    const reading = deadline(registry.getChat(chatId), { ms: readWithinMs, clock, signal });
    return await reading.catch(() => undefined);
  };

  const failed = (chatId: number, error: unknown): DeliveryResult => {
    const message = `authorize fails: ${messageOf(error)}`;
    if (!isLogged) {
      logger.error(`Chat ${chatId}, and each other chat for which it is so, gets no message, as ${message}`);
    }
    isLogged = true;
    return { outcome: "failed", message };
  };

  const check = async (
    chatId: number,
    standing: SubscriptionStatus,
    onLate: () => void,
  ): Promise<DeliveryResult | undefined> => {
    const chat = await itemOf(chatId, standing);
    const adderId = chat?.added_by ?? registry.adders.adderOf(chatId);
    if (!mayReceive(chatId, adderId)) return disallowed;
    if (authorizes === undefined) return undefined;
    let answered = (): void => {};
    try {
      return await limit(async () => {
        answered = startTimer(clock, lateAfterMs, onLate);
        return await authorizes({ chatId, adderId, chat }) ? undefined : disallowed;
      });
    } catch (error) {
      return failed(chatId, error);
    } finally {
      answered();
    }
  };

  return (chatId, standing, onLate) => {
    const isAllowed = authorizes === undefined && mayReceive(chatId, registry.adders.adderOf(chatId));
    return isAllowed ? undefined : check(chatId, standing, onLate);
  };
}
