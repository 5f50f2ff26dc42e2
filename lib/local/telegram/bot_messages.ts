/** Adds messages of the bot to a chat: checks access, floods, the topic and the chat's quota. */
import type { Message } from "grammy/types";
import { isObject } from "../validate.ts";
import { badRequest } from "./errors.ts";
import { checkReplyMarkup, inlineKeyboard } from "./keyboards.ts";
import { integerOr, type Payload } from "./request_body.ts";
import {
  channelBot,
  generalTopicId,
  isAdministrator,
  type ServerChat,
  topicFields,
  type Topics,
  withoutReply,
} from "./server_chat.ts";
import { accessibleChat, type ServerState } from "./server_state.ts";

/**
 * The chat that a call wants to write in.
 * @throws {ApiError} What keeps the bot from it.
 */
export function requireWritableChat(server: ServerState, payload: Payload): ServerChat {
  checkReplyMarkup(payload);
  const chat = accessibleChat(server, payload, "write");
  if (chat.refusal) throw chat.refusal;
  chat.floods.check(server.clock.now());
  return chat;
}

/**
 * Adds a message of the bot.
 * @param content Makes its content, once nothing can be refused any more.
 * @throws {ApiError} If the topic or the chat's quota does not allow it.
 */
export function addBotMessage(
  server: ServerState,
  chat: ServerChat,
  payload: Payload,
  content: () => object,
): Message {
  const [message] = addBotMessages(server, chat, payload, [content]);
  return message as Message;
}

/** Adds several messages, or none of them. */
export function addBotMessages(
  server: ServerState,
  chat: ServerChat,
  payload: Payload,
  contents: readonly (() => object)[],
): Message[] {
  const replied = repliedMessage(chat, payload);
  const topic = topicFieldsOf(chat, payload, replied);
  chat.quota.take(server.clock.now(), isAdministrator(chat.botStatus), contents.length);
  return contents.map((content) => {
    const message = chat.addMessage({
      ...senderOf(server, chat),
      chat: chat.info,
      date: server.date,
      ...topic,
      ...replied && { reply_to_message: withoutReply(replied) },
      ...content(),
      ...inlineKeyboard(payload),
    });
    chat.putBotMessage(message);
    return message;
  });
}

/** In a channel and in its direct messages the channel is the sender. */
function senderOf({ bot }: ServerState, { info, parentChannel }: ServerChat): object {
  if (info.type === "channel") return { sender_chat: info };
  if (parentChannel) return { from: channelBot, sender_chat: parentChannel };
  const { id, is_bot, first_name, username } = bot;
  return { from: { id, is_bot, first_name, username } };
}

/** `reply_to_message_id` is the older way, which Telegram still takes. */
function repliedMessage(chat: ServerChat, payload: Payload): Message | undefined {
  const { reply_parameters: parameters, reply_to_message_id: older } = payload;
  const given = isObject(parameters) && "message_id" in parameters ? parameters : {};
  const { message_id = older, allow_sending_without_reply = payload["allow_sending_without_reply"] } = given;
  if (message_id === undefined || message_id === "") return undefined;
  const message = chat.messages.get(Number(message_id));
  if (message !== undefined) return message;
  if (allow_sending_without_reply) return undefined;
  throw badRequest("message to be replied not found");
}

/**
 * The fields of the topic that a call names. A reply goes to the topic of the replied message, if the call names none.
 * Nobody may write in a closed topic without the right to manage topics, which the bot never has.
 * @throws {ApiError} 400, if there is no such topic, or if it is closed.
 */
function topicFieldsOf(chat: ServerChat, payload: Payload, replied: Message | undefined): object {
  const named = integerOr(0, payload["message_thread_id"]);
  if (chat.parentChannel) {
    return directMessagesTopic(chat, integerOr(0, payload["direct_messages_topic_id"]), named);
  }
  if (chat.topics === undefined) {
    // Unlike a group without topics, a private chat refuses an unknown one.
    if (chat.info.type === "private" && named !== 0) throw notFound();
    return {};
  }
  if (named === generalTopicId && chat.info.is_forum) throw notFound();
  return forumTopic(chat.topics, named === 0 ? replied?.message_thread_id ?? 0 : named);
}

function forumTopic(topics: Topics, threadId: number): object {
  const topic = topics.byId.get(threadId);
  if (topic === undefined && threadId !== 0) throw notFound();
  if (topic?.isClosed ?? topics.isGeneralClosed) throw badRequest("TOPIC_CLOSED");
  return topic === undefined ? {} : topicFields(topic);
}

function directMessagesTopic(chat: ServerChat, topicId: number, threadId: number): object {
  if (topicId === 0 && threadId === 0) throw badRequest("channel direct messages topic must be specified");
  const user = chat.members.get(topicId)?.user;
  if (user === undefined) throw badRequest("topic not found");
  return { direct_messages_topic: { topic_id: topicId, user } };
}

const notFound = (): Error => badRequest("message thread not found");
