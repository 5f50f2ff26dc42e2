/** A broadcast's inputs: the caller's request, the bot's parts that it uses, and the point at which a run is resumed. */
import type { BroadcastAccess } from "../chats/access.ts";
import type { ConsentCheck } from "../chats/consent_check.ts";
import type { ChatEvent } from "../chats/events.ts";
import type { ChatRegistry } from "../chats/registry.ts";
import type { PauseControl, RunTimes } from "./broadcast_run.ts";
import type { Ledger, RunRecord } from "./ledger.ts";
import type { Turn, Turns } from "./turns.ts";
import type { BroadcastOptions, IllustratedMessage } from "./options.ts";
import type { OutgoingMessage, SendDeps } from "./outgoing_message.ts";
import type { RecipientFilter } from "./recipient_filter.ts";
import type { BroadcastCounters, RunEnd } from "./report.ts";
import type { RecipientQueue } from "./send_order.ts";

/** A broadcast as it was called for. */
export interface BroadcastRequest extends RunTimes {
  readonly message: IllustratedMessage;
  readonly options: BroadcastOptions;
  readonly whenUnreadable: "send" | "throw";
  readonly whenLedgerDown: "send" | "wait";
  readonly control: PauseControl;
}

/** What all broadcasts of a bot work with. */
export interface BroadcastDeps extends SendDeps {
  readonly registry: ChatRegistry;
  readonly messagesPerSecond: number;
  /** Who may still use the bot. Default: everyone. */
  readonly broadcastAccess?: BroadcastAccess | undefined;
  /** Writes a group's move behind what the group has said before it; resolves once it is written, or safely queued. */
  readonly migrate: (from: number, to: number, at: number) => Promise<unknown>;
  /** Writes what a refusal says of a chat, likewise. Gives whether the chat is inactive by it. */
  readonly keep: (chatId: number, event: ChatEvent) => Promise<boolean>;
  /** Resolves once the bot has the updates that have waited at Telegram, or has waited for them long enough. */
  readonly caughtUp?: ((signal: AbortSignal) => Promise<void> | undefined) | undefined;
  readonly turns: Turns;
  /** Telegram's id of the bot. */
  readonly botId: number;
  /** Called with each refusal of an unknown description. */
  readonly onUnclear: (description: string, message: string) => void;
  /** Aborts when the bot ends: nothing more is begun. */
  readonly leaving: AbortSignal;
  /** Aborts a while later: nothing is waited for any more. */
  readonly closed: AbortSignal;
}

/** The list of chats as a broadcast has opened it. */
export interface OpenRecipients {
  readonly check: ConsentCheck;
  /** Set where functions of the caller's choose the chats, their texts or their order. */
  readonly filter: RecipientFilter | undefined;
  /** The chats that are known now, ascending. */
  readonly ids: Float64Array;
  /** Whether these were read after the broadcast was called for. */
  readonly isRead: boolean;
  /** Whether the list has never been read. */
  readonly isUnread: boolean;
  /** Why it must not be read, where it is another bot's. */
  readonly refusal: Error | undefined;
  /** Set where the list in memory was used without the table; `asOf` is when it was read, `undefined` if it never was. */
  readonly fromMemory: { readonly asOf: number | undefined } | undefined;
  /** Tells of what has happened since the list was opened, too. */
  follow(follower: RecipientsFollower): void;
  /** Ends what reads. */
  close(): void;
  /** Aborts then. */
  readonly closed: AbortSignal;
}

export interface RecipientsFollower {
  /** Called whenever the list has been read anew. */
  readonly onChange: (ids: Float64Array) => void;
  /** Called where a function of the caller's fails. */
  readonly onFailure: (error: unknown) => void;
}

/** A run that a ledger keeps, and where it goes on. */
export interface ResumePoint {
  readonly ledger: Ledger;
  readonly record: RunRecord;
  /** The chats of the window that is written already. */
  readonly window: readonly number[];
  /** Those of them that may have the message already, and are to get it again. */
  readonly inDoubt?: ReadonlySet<number>;
  /** How many recipients the run has, where the list that says who is left was not read. */
  readonly expected?: number | undefined;
  /** Gives another ledger to go on with where this one fails. Default: it is waited for. */
  readonly continueHere?: ((run: RunRecord, error: Error) => Promise<Ledger>) | undefined;
}

/** What the parts of one run share. */
export interface RunContext {
  readonly request: BroadcastRequest;
  readonly deps: BroadcastDeps;
  readonly recipients: OpenRecipients;
  readonly queue: RecipientQueue;
  readonly message: OutgoingMessage;
  readonly counters: BroadcastCounters;
  readonly turn: Turn;
  readonly end: RunEnd;
}

/** How far the run has come in its window. */
export interface WindowState {
  /** The last recipient that it has begun with in its turn. */
  readonly lastBegun: number | undefined;
  /** Recipients of the window that it has not begun with. */
  readonly rest: readonly number[];
  /** Recipients without an outcome, behind `lastBegun` or drawn, that may have the message. */
  readonly underWay: readonly number[];
  /** Those that surely do not have it. */
  readonly unsent: readonly number[];
}
