/** Where in a chat a message of the bot goes: a topic of a forum or a private chat, or a person's part of a channel's direct messages. */
import type { Message } from "grammy/types";
import { badRequest } from "./errors.ts";
import type { Payload } from "./form.ts";
import type { Room } from "./room.ts";

/** The own id of a forum's General topic, which no message carries and no call may name. */
export const generalTopicId = 1;

export interface Topic {
  readonly name: string;
  /** The service message that the topic began with: its id is the topic's, and what stands in it answers it. */
  readonly opening: Message;
  isClosed: boolean;
}

/** The topics of a forum, or of a private chat. */
export class Topics {
  readonly byId: Map<number, Topic> = new Map();
  isGeneralClosed = false;
}

/** What a message in this topic has besides its content. */
export function topicFields({ opening }: Topic): object {
  return {
    message_thread_id: opening.message_id,
    is_topic_message: true,
    reply_to_message: withoutReply(opening),
  };
}

/** A message as it stands in one that answers it. */
export function withoutReply({ reply_to_message: _nested, ...message }: Message): object {
  return message;
}

/**
 * What the place that a call names adds to its message. An answer goes where the answered message is, if no topic is
 * named. Nobody may write in a closed topic without the right to manage topics, which the bot never has.
 * @throws {ApiError} 400, if there is no such place, or if it is closed.
 */
export function placeOf(room: Room, payload: Payload, answered: Message | undefined): object {
  const named = integer(payload["message_thread_id"]);
  if (room.parent) return directMessagesTopic(room, integer(payload["direct_messages_topic_id"]), named);
  if (room.topics === undefined) {
    // A private chat could have topics, and knows that it has none.
    if (room.chat.type === "private" && named !== 0) throw notFound();
    return {};
  }
  if (named === generalTopicId && room.chat.is_forum) throw notFound();
  return forumTopic(room.topics, named === 0 ? answered?.message_thread_id ?? 0 : named);
}

function forumTopic(topics: Topics, threadId: number): object {
  if (threadId === 0) {
    if (topics.isGeneralClosed) throw badRequest("TOPIC_CLOSED");
    return {};
  }
  const topic = topics.byId.get(threadId);
  if (topic === undefined) throw notFound();
  if (topic.isClosed) throw badRequest("TOPIC_CLOSED");
  return topicFields(topic);
}

function directMessagesTopic(room: Room, topicId: number, threadId: number): object {
  if (topicId === 0 && threadId === 0) throw badRequest("channel direct messages topic must be specified");
  const user = room.members.get(topicId)?.user;
  if (user === undefined) throw badRequest("topic not found");
  return { direct_messages_topic: { topic_id: topicId, user } };
}

const notFound = (): Error => badRequest("message thread not found");

/** Telegram takes what is no number for 0. */
function integer(value: unknown): number {
  const number = Number(value ?? 0);
  return Number.isInteger(number) ? number : 0;
}
