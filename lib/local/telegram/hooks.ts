/** What the state of a Bot API tells whoever watches it, at the moment when it happens. */
import type { Message, Update } from "grammy/types";
import type { BotApiRequest } from "./call.ts";

export interface BotApiHooks {
  /** Called with each message of the bot that a chat gets, and with each that is edited. Default: nothing. */
  readonly onMessage?: ((event: DeliveredMessage) => void) | undefined;
  /** Called with each update that the bot will not get again. Default: nothing. */
  readonly onConfirmed?: ((event: ConfirmedUpdate) => void) | undefined;
  /**
   * Called with an error that is a mistake in this server, before a call is answered with a 500. What it throws, the request
   * is not answered with but rejected with. Default: nothing.
   */
  readonly onFailure?: ((error: unknown) => void) | undefined;
}

/** A message of the bot that has reached a chat. */
export interface DeliveredMessage {
  readonly chatId: number;
  /** As it looks now. */
  readonly message: Message;
  /** Whether it was there already and was edited. */
  readonly isEdit: boolean;
  /** The request that brought it. */
  readonly request: BotApiRequest | undefined;
}

/** An update that the bot will not get again. */
export interface ConfirmedUpdate {
  readonly update: Update;
  /** How: by the `offset` of a getUpdates, by the answer of the webhook, or by `drop_pending_updates`. */
  readonly by: "offset" | "webhook" | "drop";
  /** The request that did it; undefined for a webhook, and for an offset of a second poller. */
  readonly request: BotApiRequest | undefined;
}
