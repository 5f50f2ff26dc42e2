/** The methods that are about a chat and its members. */
import type { BotCommand, ChatMember, Message, ReactionType, UserFromGetMe } from "grammy/types";
import { badRequest } from "./errors.ts";
import { maxTextLength } from "./keyboards.ts";
import { readMessageIds } from "./messages.ts";
import type { Form, Payload } from "./request.ts";
import {
  chatMember,
  isAdministrator,
  isMember,
  type MemberStatus,
  requireAccess,
  type Room,
  type World,
} from "./state.ts";

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

// The methods that do something to a message that is there: delete it, pin it, react to it.

const deletableForMs = 48 * 3_600_000;

export function deleteMessage(world: World, { payload }: Form): true {
  const room = accessible(world, payload, "write");
  const message = messageOf(room, payload, "delete");
  if (!isDeletable(world, room, message)) throw badRequest("message can't be deleted");
  room.remove(message.message_id);
  return true;
}

/** Those that are not there are skipped. */
export function deleteMessages(world: World, { payload }: Form): true {
  const ids = readMessageIds(payload);
  const room = accessible(world, payload, "write");
  const messages = ids.map((id) => room.messages.get(id)).filter((message) => message !== undefined);
  if (messages.some((message) => !isDeletable(world, room, message))) {
    throw badRequest("message can't be deleted");
  }
  for (const { message_id } of messages) room.remove(message_id);
  return true;
}

export function pinChatMessage(world: World, { payload }: Form): true {
  const room = pinnable(world, payload);
  const { message_id } = messageOf(room, payload, "pin");
  room.pinned = [...room.pinned.filter((id) => id !== message_id), message_id];
  return true;
}

/** Without a message, the one that was pinned last. */
export function unpinChatMessage(world: World, { payload }: Form): true {
  const room = pinnable(world, payload);
  const latest = payload["message_id"] === undefined ? room.pinned.at(-1) : undefined;
  const { message_id } = messageOf(room, latest === undefined ? payload : { message_id: latest }, "unpin");
  room.pinned = room.pinned.filter((id) => id !== message_id);
  return true;
}

export function unpinAllChatMessages(world: World, { payload }: Form): true {
  pinnable(world, payload).pinned = [];
  return true;
}

/** A bot has one reaction for a message; an empty list takes it back. */
export function setMessageReaction(world: World, { payload }: Form): true {
  const reactions = readReactions(payload["reaction"] ?? []);
  const room = accessible(world, payload, "read");
  const { message_id } = messageOf(room, payload, "react");
  if (reactions.length > 1) throw badRequest("REACTIONS_TOO_MANY");
  room.reactions.set(message_id, reactions);
  return true;
}

function readReactions(value: unknown): ReactionType[] {
  if (!Array.isArray(value)) throw badRequest("expected an Array of ReactionType");
  for (const reaction of value as (ReactionType | null)[]) {
    if (!["custom_emoji", "emoji", "paid"].includes(String(reaction?.type))) {
      throw badRequest("can't parse ReactionType: invalid reaction type specified");
    }
  }
  return value as ReactionType[];
}

function pinnable(world: World, payload: Payload): Room {
  const room = accessible(world, payload, "write");
  if (room.chat.type !== "private" && !isAdministrator(room.bot)) {
    throw badRequest("not enough rights to manage pinned messages in the chat");
  }
  return room;
}

function messageOf(room: Room, { message_id: id }: Payload, action: string): Message {
  if (action === "delete" && (id === undefined || id === "")) {
    throw badRequest("message identifier is not specified");
  }
  const message = room.messages.get(Number(id));
  if (message === undefined) throw badRequest(`message to ${action} not found`);
  return message;
}

/** What is young enough, and the bot's own, or in a private chat, or in one of which the bot is an administrator. */
function isDeletable({ clock }: World, room: Room, message: Message): boolean {
  if (clock.now() - message.date * 1000 > deletableForMs) return false;
  return room.chat.type === "private" || isAdministrator(room.bot) || room.inbox.includes(message);
}

// The methods that are about the bot itself: its commands, its names, its files.

export function getMe(world: World): UserFromGetMe {
  return world.bot;
}

export function setMyCommands(world: World, { payload }: Form): true {
  const commands = payload["commands"];
  if (!Array.isArray(commands)) throw badRequest("can't parse commands: expected an Array of BotCommand");
  for (const { command, description } of commands) {
    if (!/^\/?[a-z0-9_]{1,32}$/.test(String(command))) throw badRequest("BOT_COMMAND_INVALID");
    if (!/^.{1,256}$/su.test(String(description))) throw badRequest("BOT_COMMAND_DESCRIPTION_INVALID");
  }
  world.commands.set(commandsKey(payload), commands as BotCommand[]);
  return true;
}

export function getMyCommands(world: World, { payload }: Form): BotCommand[] {
  return world.commands.get(commandsKey(payload)) ?? [];
}

export function deleteMyCommands(world: World, { payload }: Form): true {
  world.commands.delete(commandsKey(payload));
  return true;
}

export function getFile({ files }: World, { payload }: Form): object {
  return files.describe(String(payload["file_id"] ?? ""));
}

/** Nobody has a picture of themselves here. */
export function getUserProfilePhotos(world: World, { payload }: Form): object {
  const userId = Number(payload["user_id"]);
  if (!Number.isInteger(userId) || userId <= 0) throw badRequest("invalid user_id specified");
  if (!world.people.has(userId)) throw badRequest("user not found");
  return { total_count: 0, photos: [] };
}

function commandsKey(payload: Payload): string {
  return JSON.stringify([payload["scope"] ?? { type: "default" }, payload["language_code"] ?? ""]);
}

export function answerCallbackQuery({ callbackQueries }: World, { payload }: Form): true {
  const press = callbackQueries.find(String(payload["callback_query_id"] ?? ""));
  const text = String(payload["text"] ?? "");
  if ([...text].length > maxTextLength) throw badRequest("MESSAGE_TOO_LONG");
  press.take({
    text,
    show_alert: ["true", "1"].includes(String(payload["show_alert"])),
    url: String(payload["url"] ?? ""),
    cache_time: Number(payload["cache_time"] ?? 0),
  });
  return true;
}
