/** What people write, as a message of their chat. */
import type { Message } from "grammy/types";
import type { Room } from "./room.ts";
import { commandEntities } from "./text.ts";
import type { World } from "./world.ts";

/** Adds a message of the chat's people and tells the bot of it. */
export function addMessage(world: World, room: Room, kind: string, fields: object): Message {
  const message = room.add({ chat: room.chat, date: world.date, ...fields });
  world.tell(room, kind, message);
  return message;
}

/** The text of a message and, where there are any, its `bot_command` entities. */
export function textFields(text: string): object {
  const entities = commandEntities(text);
  return entities.length > 0 ? { text, entities } : { text };
}
