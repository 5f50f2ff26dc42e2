/** The methods that are about a chat and its members. */
import type { ChatMember } from "grammy/types";
import { badRequest } from "./errors.ts";
import type { Form, Payload } from "./form.ts";
import { chatMember, isAdministrator, isMember, type MemberStatus } from "./members.ts";
import { requireAccess, type Room } from "./room.ts";
import type { World } from "./world.ts";

const chatActions = new Set([
  "choose_sticker",
  "find_location",
  "record_video",
  "record_video_note",
  "record_voice",
  "typing",
  "upload_document",
  "upload_photo",
  "upload_video",
  "upload_video_note",
  "upload_voice",
]);

export function sendChatAction(world: World, { payload }: Form): true {
  if (!chatActions.has(String(payload["action"]).toLowerCase())) {
    throw badRequest("wrong parameter action in request");
  }
  requireAccess(world.room(payload["chat_id"]), "write");
  return true;
}

export function getChat(world: World, { payload }: Form): object {
  const room = accessible(world, payload, "read");
  const { slowModeSeconds } = room.limits;
  const pinned = room.messages.get(room.pinned.at(-1) ?? 0);
  return {
    ...room.chat,
    accent_color_id: 0,
    max_reaction_count: 11,
    ...slowModeSeconds > 0 && { slow_mode_delay: slowModeSeconds },
    ...room.parent && { parent_chat: room.parent },
    accepted_gift_types: {},
    ...pinned && { pinned_message: pinned },
  };
}

export function getChatMember(world: World, { payload }: Form): ChatMember {
  const userId = Number(payload["user_id"]);
  if (!Number.isInteger(userId) || userId <= 0) throw badRequest("invalid user_id specified");
  const room = accessible(world, payload, userId === world.bot.id ? "read" : "members");
  const user = world.people.get(userId);
  if (user === undefined) throw badRequest("user not found");
  return chatMember(user, statusIn(room, userId, world.bot.id), room.chat);
}

function statusIn(room: Room, userId: number, botId: number): MemberStatus {
  if (userId === botId) return room.bot;
  if (room.chat.type === "private") return room.chat.id === userId ? "member" : "left";
  return room.members.get(userId)?.status ?? "left";
}

/** Those whom the server knows of, the bot among them. */
export function getChatMemberCount(world: World, { payload }: Form): number {
  const room = accessible(world, payload, "members");
  if (room.chat.type === "private") return 2;
  const people = [...room.members.values()].filter(({ status }) => isMember(status)).length;
  return people + (isMember(room.bot) ? 1 : 0);
}

export function getChatAdministrators(world: World, { payload }: Form): ChatMember[] {
  const room = accessible(world, payload, "members");
  if (room.chat.type === "private") throw badRequest("there are no administrators in the private chat");
  const people = [...room.members.values()]
    .filter(({ status }) => isAdministrator(status))
    .map(({ user, status }) => chatMember(user, status, room.chat));
  return room.bot === "administrator"
    ? [...people, chatMember(world.bot, "administrator", room.chat)]
    : people;
}

/** The bot hears that it has left, but sees no service message about it. */
export function leaveChat(world: World, { payload }: Form): true {
  const room = accessible(world, payload, "read");
  if (room.chat.type === "private") throw badRequest("chat member status can't be changed in private chats");
  if (isMember(room.bot)) world.changeBot(room, world.bot, "left");
  return true;
}

function accessible(world: World, payload: Payload, access: "read" | "write" | "members"): Room {
  const room = world.room(payload["chat_id"]);
  requireAccess(room, access);
  return room;
}
