/** The methods that do something to a message that is there: delete it, pin it, react to it. */
import type { Message, ReactionType } from "grammy/types";
import { readMessageIds } from "./copies.ts";
import { badRequest } from "./errors.ts";
import type { Form, Payload } from "./form.ts";
import { isAdministrator } from "./members.ts";
import { requireAccess, type Room } from "./room.ts";
import type { World } from "./world.ts";

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
