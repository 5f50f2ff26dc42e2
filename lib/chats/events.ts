/** The state of a chat, and the events that change it by the rule in `chat.ts`. */

/**
 * Why a chat is inactive: it sent /stop; blocked the bot; removed it; is deleted, or was not found by three broadcasts
 * in a row; was stale; became a supergroup.
 */
export type RemovedReason = "stopped" | "blocked" | "left" | "gone" | "inactive" | "migrated";

/** The types that Telegram gives chats. */
export type ChatType = "private" | "group" | "supergroup" | "channel";

/** Who is behind a chat. Keys of other programs are kept. */
export interface UserInfo {
  /** The public @name, without the @. */
  readonly username?: string | undefined;
  /** The person's first name, in private chats. */
  readonly first_name?: string | undefined;
  /** The person's last name, in private chats. */
  readonly last_name?: string | undefined;
  /** The person's Telegram id, in private chats. */
  readonly user_id?: number | undefined;
  /** A group's or channel's name. */
  readonly title?: string | undefined;
  /** `"channel"` for channels; other chats are told apart by their ids. Absent on items of earlier versions until the next post. */
  readonly type?: string | undefined;
  /** Whatever another program keeps here. */
  readonly [key: string]: unknown;
}

/** The state of a chat, with the names of the table's attributes. Times are ISO 8601 in UTC. */
export interface ChatState {
  /** Whether broadcasts go to the chat. */
  readonly is_active: boolean;
  /** When the chat was first registered. */
  readonly added_at?: string | undefined;
  /** When the chat last wrote to the bot; the time of registration until it does. */
  readonly last_active?: string | undefined;
  /** Messages from the chat, commands included. */
  readonly message_count: number;
  /** Who is behind the chat. */
  readonly user_info: UserInfo;
  /** When the chat became inactive; `null` while it is active. */
  readonly removed_at: string | null;
  /** Absent on an active chat, and where another program wrote `removed_at`. */
  readonly removed_reason?: RemovedReason | undefined;
  /** Broadcasts in a row that did not find this active chat; absent where the last one did. The third ends it. */
  readonly strikes?: number | undefined;
  /** The id of the person who has added the bot to this group or channel; absent if that is not known. */
  readonly added_by?: number | undefined;
  /** The topic to which broadcasts go, by its `message_thread_id`; absent where they go to General, or there are no topics. */
  readonly thread_id?: number | undefined;
  /** The supergroup that this group has become. */
  readonly migrated_to?: number | undefined;
  /** The group that this supergroup was. */
  readonly migrated_from?: number | undefined;
  /** The update id of the last message: an update that is delivered twice counts once. */
  readonly last_update_id?: number | undefined;
  /**
   * The update id of the last /start or /stop, or of the registration; 0 where another message has registered a supergroup,
   * as its group's /stop may still be under way. By it a /stop still counts that arrives after a
   * later message. Absent on items of earlier versions and of other programs.
   */
  readonly last_word_update_id?: number | undefined;
  /** The same as `last_update_id` for `my_chat_member`, which Telegram redelivers apart from messages. */
  readonly last_member_update_id?: number | undefined;
}

/** A chat as users see it: an item of the table. */
export interface Chat extends ChatState {
  /** Telegram's id of the chat: negative for groups and channels. The table's key. */
  readonly chat_id: number;
}

/** Common to all events. */
export interface BaseEvent {
  /** When it happened, in milliseconds since 1970: Telegram's `date` where it gives one. */
  readonly at: number;
}

/** A message from the chat. `registers` says whether it may register or reactivate (auto-registration). */
export interface MessageEvent extends BaseEvent {
  /** One of the two commands, or any other message. */
  readonly kind: "start" | "stop" | "message";
  /** The update of the event; an update that is delivered twice counts once. */
  readonly updateId?: number | undefined;
  /** Who is behind the chat, as far as the event says. */
  readonly userInfo?: UserInfo | undefined;
  /** Default: false. A /start always may. */
  readonly registers?: boolean;
  /**
   * Whether a /stop is kept of an unknown chat, too, and a message that registers lets an earlier /stop hold that arrives
   * after it: a supergroup's group, and the move, may do so. Default: false.
   */
  readonly isKept?: boolean;
  /** Who adds the bot to the group or channel, if this registers it. */
  readonly addedBy?: number | undefined;
  /**
   * The topic of the message, by its `message_thread_id`; absent in General, and where there are no topics.
   * A /start subscribes this topic in the place of an earlier one, and so does a message that registers.
   */
  readonly threadId?: number | undefined;
}

/** The bot can (`returned`) or cannot (`removed`) write to the chat any more; without `updateId`, a refused send. */
export interface MemberEvent extends BaseEvent {
  /** Whether the bot cannot write, or can again. */
  readonly kind: "removed" | "returned";
  /** The update of the event; an update that is delivered twice counts once. */
  readonly updateId?: number | undefined;
  /** Why the bot cannot write. Default: `gone`. */
  readonly reason?: "blocked" | "left" | "gone";
  /** Who is behind the chat, as far as the event says. */
  readonly userInfo?: UserInfo | undefined;
  /** Whether a return may register or reactivate. Default: false. */
  readonly registers?: boolean;
  /**
   * Whether a removal is kept of an unknown chat, too, as earlier messages may arrive after it, and whether a return that
   * registers lets an earlier /stop hold that arrives after it: a supergroup's group may have said so. Default: false.
   */
  readonly isKept?: boolean;
  /** Who adds the bot to the group or channel, if a return registers or reactivates it. */
  readonly addedBy?: number | undefined;
}

/** The result of a broadcast: Telegram did not find the chat (`unreached`, a strike), or took the message (`reached`). */
export interface DeliveryEvent extends BaseEvent {
  /** A strike that is applied twice counts twice. `reached` clears strikes, as does a message from the chat. */
  readonly kind: "unreached" | "reached";
}

/** A call of the operator, which overrides even a /stop. */
export interface OperatorEvent extends BaseEvent {
  /** By `saveChat`, `deactivateChat` and `reactivateChat`. */
  readonly kind: "saved" | "deactivated" | "reactivated";
  /** Who is behind the chat, as far as the event says. */
  readonly userInfo?: UserInfo | undefined;
}

/** Cleanup found the chat stale; it holds only while `last_active` still reads as it did then. */
export interface StaleEvent extends BaseEvent {
  /** The chat has not written for too long. */
  readonly kind: "stale";
  /** `last_active` as cleanup has read it, to the letter. */
  readonly lastActive: string;
}

/** The two halves of a group's move to its supergroup: the new chat inherits, then the old one is closed. */
export interface InheritedEvent extends BaseEvent {
  /** Applied to the supergroup. */
  readonly kind: "inherited";
  /** The group, as it was read. */
  readonly from: Chat;
}
/** See {@link InheritedEvent}. */
export interface MigratedEvent extends BaseEvent {
  /** Applied to the group. */
  readonly kind: "migrated";
  /** The supergroup's id. */
  readonly to: number;
}

/** An event of a chat: small, immutable, and safe to apply twice (except for a strike). */
export type ChatEvent =
  | MessageEvent
  | MemberEvent
  | OperatorEvent
  | DeliveryEvent
  | StaleEvent
  | InheritedEvent
  | MigratedEvent;
