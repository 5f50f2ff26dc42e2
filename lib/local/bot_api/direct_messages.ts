/** The handle of a channel's direct messages, which are a chat of their own. */
import type { Message } from "grammy/types";
import { LocalChat, type MessageFields } from "./chats.ts";
import type { LocalUser } from "./people.ts";
import { textFields } from "./writing.ts";

/**
 * Where people write to a channel: a supergroup with `is_direct_messages`, in which each person has a topic. An answer has
 * to name the topic by `direct_messages_topic_id`.
 */
export class LocalDirectMessages extends LocalChat {
  /** Somebody writes to the channel; the bot sees it, if it is in the channel. */
  say({ user }: LocalUser, text: string, extra: MessageFields = {}): Message {
    this.room.enter(user);
    const direct_messages_topic = { topic_id: user.id, user };
    return this.send("message", { from: user, direct_messages_topic, ...textFields(text) }, extra);
  }
}
