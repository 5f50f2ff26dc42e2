/** What is known of a chat, and the facts that change it. How they do is said in `chat.ts`. */

/** Why a chat is inactive: it said /stop; blocked the bot; removed it; is deleted; was stale; became a supergroup. */
export type RemovedReason = "stopped" | "blocked" | "left" | "gone" | "inactive" | "migrated";

/** Who is behind a chat. Keys of other programs are kept. */
export interface UserInfo {
  readonly username?: string | undefined;
  readonly first_name?: string | undefined;
  readonly last_name?: string | undefined;
  /** The person's Telegram id, in private chats. */
  readonly user_id?: number | undefined;
  /** A group's or channel's name. */
  readonly title?: string | undefined;
  readonly [key: string]: unknown;
}

/** What is known of a chat, in the table's own names. Times are ISO 8601 in UTC. */
export interface ChatState {
  readonly is_active: boolean;
  readonly added_at?: string | undefined;
  /** When the chat last wrote to the bot; the time of registration until it does. */
  readonly last_active?: string | undefined;
  /** Messages from the chat, commands included. */
  readonly message_count: number;
  readonly user_info: UserInfo;
  readonly removed_at: string | null;
  /** Absent on an active chat, and where another program wrote `removed_at`. */
  readonly removed_reason?: RemovedReason | undefined;
  readonly migrated_to?: number | undefined;
  readonly migrated_from?: number | undefined;
  /** The last message's update id: what it says twice counts once. */
  readonly last_update_id?: number | undefined;
  /** The same for `my_chat_member`, which Telegram redelivers apart from messages. */
  readonly last_member_update_id?: number | undefined;
}

/** A chat as users see it: an item of the table. */
export interface Chat extends ChatState {
  readonly chat_id: number;
}

/** What every event says. */
export interface Fact {
  /** When it happened, in milliseconds since 1970: Telegram's `date` where it gives one. */
  readonly at: number;
}

/** A message from the chat. `registers` says whether it may register or reactivate (auto-registration). */
export interface MessageEvent extends Fact {
  readonly kind: "start" | "stop" | "message";
  readonly updateId?: number | undefined;
  readonly userInfo?: UserInfo | undefined;
  readonly registers?: boolean;
}

/** The bot can (`returned`) or cannot (`removed`) write to the chat any more; without `updateId`, a refused send. */
export interface MemberEvent extends Fact {
  readonly kind: "removed" | "returned";
  readonly updateId?: number | undefined;
  readonly reason?: "blocked" | "left" | "gone";
  readonly userInfo?: UserInfo | undefined;
  readonly registers?: boolean;
}

/** The operator's word, which overrides even a /stop. */
export interface OperatorEvent extends Fact {
  readonly kind: "saved" | "deactivated" | "reactivated";
  readonly userInfo?: UserInfo | undefined;
}

/** Cleanup found the chat stale; it holds only while `last_active` still reads as it did then. */
export interface StaleEvent extends Fact {
  readonly kind: "stale";
  readonly lastActive: string;
}

/** The two halves of a group's move to its supergroup: the new chat inherits, then the old one is closed. */
export interface InheritedEvent extends Fact {
  readonly kind: "inherited";
  readonly from: Chat;
}
/** See {@link InheritedEvent}. */
export interface MigratedEvent extends Fact {
  readonly kind: "migrated";
  readonly to: number;
}

/** A fact about a chat: small, immutable, safe to hand over twice. */
export type ChatEvent =
  | MessageEvent
  | MemberEvent
  | OperatorEvent
  | StaleEvent
  | InheritedEvent
  | MigratedEvent;
