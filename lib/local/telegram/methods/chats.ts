/** The methods about a chat and its members. */
import type { ChatMember } from "grammy/types";
import { badRequest } from "../errors.ts";
import { type RequestBody, requireUserId } from "../request_body.ts";
import { chatMember, isAdministrator, isMember, type MemberStatus, type ServerChat } from "../server_chat.ts";
import { accessibleChat, type ServerState } from "../server_state.ts";

const chatActions: ReadonlySet<string> = new Set([
  ...["choose_sticker", "find_location", "record_video", "record_video_note", "record_voice", "typing"],
  ...["upload_document", "upload_photo", "upload_video", "upload_video_note", "upload_voice"],
]);

export function sendChatAction(server: ServerState, { payload }: RequestBody): true {
  if (!chatActions.has(String(payload["action"]).toLowerCase())) {
    throw badRequest("wrong parameter action in request");
  }
  accessibleChat(server, payload, "write");
  return true;
}

export function getChat(server: ServerState, { payload }: RequestBody): object {
  const chat = accessibleChat(server, payload, "read");
  const { slowModeSeconds } = chat.quota;
  const pinned = chat.messages.get(chat.pinned.at(-1) ?? 0);
  return {
    ...chat.info,
    accent_color_id: 0,
    max_reaction_count: 11,
    ...slowModeSeconds > 0 && { slow_mode_delay: slowModeSeconds },
    ...chat.parentChannel && { parent_chat: chat.parentChannel },
    accepted_gift_types: {},
    ...pinned && { pinned_message: pinned },
  };
}

export function getChatMember(server: ServerState, { payload }: RequestBody): ChatMember {
  const userId = requireUserId(payload);
  const chat = accessibleChat(server, payload, userId === server.bot.id ? "read" : "members");
  const user = server.people.get(userId);
  if (user === undefined) throw badRequest("user not found");
  return chatMember(user, statusIn(chat, userId, server.bot.id), chat.info);
}

function statusIn(chat: ServerChat, userId: number, botId: number): MemberStatus {
  if (userId === botId) return chat.botStatus;
  if (chat.info.type === "private") return chat.info.id === userId ? "member" : "left";
  return chat.members.get(userId)?.status ?? "left";
}

/** Counts the members that the server knows, the bot among them. */
export function getChatMemberCount(server: ServerState, { payload }: RequestBody): number {
  const chat = accessibleChat(server, payload, "members");
  if (chat.info.type === "private") return 2;
  const people = [...chat.members.values()].filter(({ status }) => isMember(status)).length;
  return people + (isMember(chat.botStatus) ? 1 : 0);
}

export function getChatAdministrators(server: ServerState, { payload }: RequestBody): ChatMember[] {
  const chat = accessibleChat(server, payload, "members");
  if (chat.info.type === "private") throw badRequest("there are no administrators in the private chat");
  const people = [...chat.members.values()]
    .filter(({ status }) => isAdministrator(status))
    .map(({ user, status }) => chatMember(user, status, chat.info));
  return chat.botStatus === "administrator"
    ? [...people, chatMember(server.bot, "administrator", chat.info)]
    : people;
}

/** The bot gets a `my_chat_member` update, but no service message. */
export function leaveChat(server: ServerState, { payload }: RequestBody): true {
  const chat = accessibleChat(server, payload, "read");
  if (chat.info.type === "private") throw badRequest("chat member status can't be changed in private chats");
  if (isMember(chat.botStatus)) server.setBotStatus(chat, server.bot, "left");
  return true;
}
