import type { Api } from "grammy/web";
import type { BroadcastAccess } from "../chats/access.ts";
import type { ChatEvent } from "../chats/events.ts";
import type { ChatRegistry } from "../chats/registry.ts";
import type { RateLimiter } from "../telegram/rate_limit/rate_limiter.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import type { PauseControl } from "./handle.ts";
import type { BroadcastOptions, IllustratedMessage } from "./options.ts";

/** A broadcast as it was called for. */
export interface BroadcastRequest {
  readonly message: IllustratedMessage;
  readonly options: BroadcastOptions;
  readonly whenUnreadable: "send" | "throw";
  readonly whenLedgerDown: "send" | "wait";
  readonly startedAt: number;
  /** Milliseconds since 1970, or `Infinity`. */
  readonly expiresAt: number;
  /** By which it expires: a clock that is set back makes nothing young again. */
  readonly now: () => number;
  readonly control: PauseControl;
}

export interface BroadcastDeps extends DeliveryDeps {
  readonly messagesPerSecond: number;
  /** Who may still use the bot. Default: everyone. */
  readonly broadcastAccess?: BroadcastAccess | undefined;
  readonly logger: Logger;
  /** Called with each refusal in unknown words. */
  readonly onUnclear: (words: string, message: string) => void;
  /** Aborts when the bot ends: nothing more is begun. */
  readonly leaving: AbortSignal;
  /** Aborts a while later: nothing is waited for any more. */
  readonly closed: AbortSignal;
}

export interface DeliveryDeps {
  readonly api: Api;
  readonly rateLimiter: RateLimiter;
  readonly registry: ChatRegistry;
  /** Keeps a group's move behind what the group has said before it; resolves once it is written, or waits in safety. */
  readonly migrate: (from: number, to: number, at: number) => Promise<unknown>;
  /** Keeps what a refusal says of a chat, likewise. Gives whether the chat is inactive by it. */
  readonly keep: (chatId: number, event: ChatEvent) => Promise<boolean>;
  readonly clock: Clock;
}
