/** The way of the bot's messages into a chat. */
import type { Message } from "grammy/types";
import { badRequest } from "./errors.ts";
import { checkReplyMarkup, inlineKeyboard } from "./keyboards.ts";
import type { Payload } from "./request.ts";
import {
  channelBot,
  isAdministrator,
  placeOf,
  requireAccess,
  type Room,
  withoutReply,
  type World,
} from "./state.ts";

/**
 * The chat that a call wants to write in.
 * @throws {ApiError} What keeps the bot from it.
 */
export function writableRoom(world: World, payload: Payload): Room {
  checkReplyMarkup(payload);
  const room = world.room(payload["chat_id"]);
  requireAccess(room, "write");
  if (room.refusal) throw room.refusal;
  room.floods.pass(world.clock.now());
  return room;
}

/** Adds a message of the bot, if the place in the chat and the chat's limits allow it. */
export function deliver(world: World, room: Room, payload: Payload, content: () => object): Message {
  const [message] = deliverAll(world, room, payload, [content]);
  return message as Message;
}

/** Adds several messages, or none of them. */
export function deliverAll(
  world: World,
  room: Room,
  payload: Payload,
  contents: readonly (() => object)[],
): Message[] {
  const answered = answeredMessage(room, payload);
  const place = placeOf(room, payload, answered);
  room.limits.take(world.clock.now(), isAdministrator(room.bot), contents.length);
  return contents.map((content) => {
    const message = room.add({
      ...senderOf(world, room),
      chat: room.chat,
      date: world.date,
      ...place,
      ...answered && { reply_to_message: withoutReply(answered) },
      ...content(),
      ...inlineKeyboard(payload),
    });
    room.show(message);
    return message;
  });
}

/** In a channel it is the channel that speaks, and in its direct messages too. */
function senderOf({ bot }: World, { chat, parent }: Room): object {
  if (chat.type === "channel") return { sender_chat: chat };
  if (parent) return { from: channelBot, sender_chat: parent };
  const { id, is_bot, first_name, username } = bot;
  return { from: { id, is_bot, first_name, username } };
}

/** `reply_to_message_id` is the older way, which Telegram still takes. */
function answeredMessage(room: Room, payload: Payload): Message | undefined {
  const { reply_parameters: parameters, reply_to_message_id: older } = payload;
  const isObject = typeof parameters === "object" && parameters !== null && "message_id" in parameters;
  const { message_id = older, allow_sending_without_reply = payload["allow_sending_without_reply"] } =
    (isObject ? parameters : {}) as Payload;
  if (message_id === undefined || message_id === "") return undefined;
  const message = room.messages.get(Number(message_id));
  if (message !== undefined) return message;
  if (allow_sending_without_reply) return undefined;
  throw badRequest("message to be replied not found");
}
