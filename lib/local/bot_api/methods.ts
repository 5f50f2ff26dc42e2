/** The methods of the Bot API that this server knows, by name. */
import type { BotCommand, ChatMember, Update, UserFromGetMe } from "grammy/types";
import { badRequest } from "./errors.ts";
import type { Form, Payload } from "./form.ts";
import { chatMember, isAdministrator, isMember, type MemberStatus } from "./members.ts";
import { copyMessage, editMessageText, sendMessage, sendPhoto } from "./messages.ts";
import { requireAccess, type Room } from "./room.ts";
import { deleteWebhook, getWebhookInfo, setWebhook } from "./webhook_methods.ts";
import type { World } from "./world.ts";

const maxPollSeconds = 50;
const maxPollLimit = 100;

export type Method = (world: World, form: Form, signal: AbortSignal) => unknown;

/** By lower-case name, as Telegram finds them. */
export const methods: ReadonlyMap<string, Method> = new Map(
  Object.entries<Method>({
    copyMessage,
    deleteWebhook,
    editMessageText,
    getChat,
    getChatAdministrators,
    getChatMember,
    getMe,
    getMyCommands,
    getUpdates,
    getWebhookInfo,
    leaveChat,
    sendChatAction,
    sendMessage,
    sendPhoto,
    setMyCommands,
    setWebhook,
  }).map(([name, method]) => [name.toLowerCase(), method]),
);

/** Whether a flood of the bot keeps calls of this method from Telegram: those of messages and edits. */
export function isFlooded(method: string): boolean {
  return isMessageMethod(method) || method.startsWith("edit");
}

/** Whether Telegram counts calls of this method as messages. */
export function isMessageMethod(method: string): boolean {
  return /^(send(?!chataction)|copy)/.test(method);
}

function getMe(world: World): UserFromGetMe {
  return world.bot;
}

function getUpdates(world: World, { payload }: Form, signal: AbortSignal): Promise<Update[]> {
  if (world.updates.webhook === undefined) world.updates.allow(payload["allowed_updates"]);
  return world.updates.poll({
    offset: integer(payload["offset"], 0),
    limit: clamp(integer(payload["limit"], maxPollLimit), 1, maxPollLimit),
    timeoutSeconds: clamp(integer(payload["timeout"], 0), 0, maxPollSeconds),
    signal,
  });
}

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

function sendChatAction(world: World, { payload }: Form): true {
  if (!chatActions.has(String(payload["action"]).toLowerCase())) {
    throw badRequest("wrong parameter action in request");
  }
  requireAccess(world.room(payload["chat_id"]), "write");
  return true;
}

function getChat(world: World, { payload }: Form): object {
  const room = accessible(world, payload, "read");
  const { slowModeSeconds } = room.limits;
  return {
    ...room.chat,
    accent_color_id: 0,
    max_reaction_count: 11,
    ...slowModeSeconds > 0 && { slow_mode_delay: slowModeSeconds },
    ...room.parent && { parent_chat: room.parent },
    accepted_gift_types: {},
  };
}

function getChatMember(world: World, { payload }: Form): ChatMember {
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

function getChatAdministrators(world: World, { payload }: Form): ChatMember[] {
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
function leaveChat(world: World, { payload }: Form): true {
  const room = accessible(world, payload, "read");
  if (room.chat.type === "private") throw badRequest("chat member status can't be changed in private chats");
  if (isMember(room.bot)) world.changeBot(room, world.bot, "left");
  return true;
}

function setMyCommands(world: World, { payload }: Form): true {
  const commands = payload["commands"];
  if (!Array.isArray(commands)) throw badRequest("can't parse commands: expected an Array of BotCommand");
  for (const { command, description } of commands) {
    if (!/^\/?[a-z0-9_]{1,32}$/.test(String(command))) throw badRequest("BOT_COMMAND_INVALID");
    if (!/^.{1,256}$/su.test(String(description))) throw badRequest("BOT_COMMAND_DESCRIPTION_INVALID");
  }
  world.commands.set(commandsKey(payload), commands as BotCommand[]);
  return true;
}

function getMyCommands(world: World, { payload }: Form): BotCommand[] {
  return world.commands.get(commandsKey(payload)) ?? [];
}

function commandsKey(payload: Payload): string {
  return JSON.stringify([payload["scope"] ?? { type: "default" }, payload["language_code"] ?? ""]);
}

function accessible(world: World, payload: Payload, access: "read" | "members"): Room {
  const room = world.room(payload["chat_id"]);
  requireAccess(room, access);
  return room;
}

function integer(value: unknown, otherwise: number): number {
  const number = Number(value ?? otherwise);
  return Number.isInteger(number) ? number : otherwise;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
