/** A call to Telegram that waits for its turn. */
import type { ChatId } from "./flood.ts";

/** Who goes first. A `call` is no message, and waits for nothing but the end of a pause. */
export type Lane = "call" | "reply" | "urgent" | "bulk";

/** What asks to leave. */
export interface Departure {
  readonly lane: Lane;
  readonly chatId?: ChatId | undefined;
  /** A message that Telegram is paid for, beyond those that are free. */
  readonly isPaid?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called where the chat's own limit holds it back while others may pass. */
  readonly onHeld?: () => void;
}

/** A call that may leave now. One of the three is to be called once its answer is there. */
export interface Turn {
  /** Telegram has taken the message. */
  taken(): void;
  /** One too many: nothing leaves for so long, or nothing to this chat where it turns out to concern no other. */
  flooded(retryAfterSeconds: number): void;
  /** Anything else became of it. */
  over(): void;
}
