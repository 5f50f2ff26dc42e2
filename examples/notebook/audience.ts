/** Who gets what a notebook sends. */
import type { BroadcastOptions } from "telegram-signals";

/** All subscribers, nobody, or the subscriber whose chat has this id. */
export type SendTo = "everyone" | "nobody" | number;

/**
 * The options of a broadcast to these chats. Only a broadcast to everyone has the id as it is, so that a trial does not stand
 * for it: a trial for one chat has an id of its own, and one for nobody has none.
 * @throws {TypeError} If `sendTo` says nothing of the kind.
 */
export function audience(sendTo: SendTo, broadcastId: string): BroadcastOptions {
  if (sendTo === "everyone") return { broadcastId };
  if (sendTo === "nobody") return { filter: () => false };
  if (Number.isSafeInteger(sendTo)) {
    return { broadcastId: `${broadcastId}, to ${sendTo}`, filter: ({ chat_id }) => chat_id === sendTo };
  }
  throw new TypeError(`"sendTo" must be "nobody", "everyone" or a chat's id, such as 123456789.`);
}
