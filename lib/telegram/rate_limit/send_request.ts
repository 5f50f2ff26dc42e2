/** A call to Telegram that waits for its turn. */
import type { ChatId, ChosenBy } from "./flood_wait.ts";

/**
 * What kind of call it is. A `read` asks Telegram for something, at a slow pace of its own; any other `call` that is no
 * message waits for nothing but the end of the bot's rest. The others are messages.
 */
export type SendPriority = "read" | "call" | "reply" | "urgent" | "bulk";

/** What asks to leave. */
export interface SendRequest {
  readonly priority: SendPriority;
  /** Whom a message is for. */
  readonly chatId?: ChatId | undefined;
  /** Whether a broadcast has drawn its chat at random, to find out whom a flood concerns: it goes before others in its lane. */
  readonly isDrawn?: boolean;
  /** What a flood answer to it holds back where it is for no chat, or no message. */
  readonly kind?: string | undefined;
  /** A reply that confirms a /start or /stop goes before all others, and waits for as long as a flood may be the bot's. */
  readonly isConfirmation?: boolean;
  /** A message that Telegram is paid for, beyond those that are free. */
  readonly isPaid?: boolean;
  /**
   * Rejects with a `ChatFloodError` where the chat's own flood holds it back for longer than this, in milliseconds. A
   * flood that may be the bot's is waited for. Default: it waits, however long.
   */
  readonly ownFloodAtMostMs?: number | undefined;
  /** Whether its broadcast has reached nobody so far: then any chat's flood may be the bot's, as nothing speaks against it. */
  readonly hasReachedNobody?: () => boolean;
  /** Rejects with a `LateTurnError` once it has waited for so long. Default: it waits, however long. */
  readonly waitAtMostMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called where the chat's own limit holds it back while others may pass. */
  readonly onHeld?: () => void;
  /** Called where it waits as it is not known whom a flood concerns: one that is drawn would go before it. */
  readonly onUnclearFlood?: () => void;
}

/** A call that may leave now. One of the three is to be called once its answer is there. */
export interface SendPermit {
  /** Telegram has taken the message. */
  succeeded(): void;
  /** Telegram has answered 429: the chat is held for so long; the whole bot, where it turns out to concern the bot. */
  rateLimited(retryAfterSeconds: number): void;
  /** Anything else became of it. */
  released(): void;
}

/** A chat's own flood is longer than the call waits for. */
export class ChatFloodError extends Error {
  /** For telling it from other errors where two copies of this package are loaded. */
  override readonly name = "ChatFloodError";
  readonly retryAfterSeconds: number;

  constructor(retryAfterSeconds: number) {
    super(`Too Many Requests: retry after ${retryAfterSeconds}`);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** A call was given up before it left, as its turn did not come in time. */
export class PermitTimeoutError extends Error {
  override readonly name = "LateTurnError";

  constructor() {
    super("its turn has not come in time");
  }
}

/** How it came that a message is for its chat. */
export function chosenBy({ priority, isDrawn = false }: SendRequest): ChosenBy {
  if (priority === "urgent" || priority === "bulk") return isDrawn ? "draw" : "order";
  return "itself";
}
