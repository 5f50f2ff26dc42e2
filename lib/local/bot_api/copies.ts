/** The methods that copy and forward messages of any chat that the bot can read. */
import type { Message } from "grammy/types";
import { deliver, deliverAll, writableRoom } from "./deliver.ts";
import { badRequest } from "./errors.ts";
import type { Form, Payload } from "./form.ts";
import { requireAccess, type Room } from "./room.ts";
import { captionContent, checkCaption, readCaption } from "./text.ts";
import type { World } from "./world.ts";

/** What a message holds, other messages being about the chat itself. */
const contentFields = [
  "text",
  "entities",
  "animation",
  "audio",
  "document",
  "photo",
  "sticker",
  "video",
  "video_note",
  "voice",
  "contact",
  "dice",
  "location",
  "venue",
  "poll",
  "rich_message",
  "caption",
  "caption_entities",
] as const;

/** Copies a message without naming where it is from. */
export function copyMessage(world: World, { payload }: Form): { message_id: number } {
  const caption = readCaption(payload);
  const original = sourceRoom(world, payload).messages.get(Number(payload["message_id"]));
  if (original === undefined) throw badRequest("message to copy not found");
  const room = writableRoom(world, payload);
  checkCaption(caption);
  const content = contentOf(original);
  if (content === undefined) throw badRequest("message can't be copied");
  const replaced = caption && takesCaption(original) ? captionContent(caption) : {};
  const { message_id } = deliver(world, room, payload, () => ({ ...content, ...replaced }));
  return { message_id };
}

/** Copies as many of them as there are. */
export function copyMessages(world: World, { payload }: Form): { message_id: number }[] {
  const originals = several(world, payload);
  const room = writableRoom(world, payload);
  const contents = originals.map((message) => () => {
    const { caption: _caption, caption_entities: _entities, ...rest } = contentOf(message) as Partial<
      Message
    >;
    return payload["remove_caption"] === true ? rest : contentOf(message) as object;
  });
  return deliverAll(world, room, payload, contents).map(({ message_id }) => ({ message_id }));
}

export function forwardMessage(world: World, { payload }: Form): Message {
  const original = sourceRoom(world, payload).messages.get(Number(payload["message_id"]));
  if (original === undefined) throw badRequest("message to forward not found");
  const content = contentOf(original);
  if (content === undefined) throw badRequest("message can't be forwarded");
  const room = writableRoom(world, payload);
  return deliver(world, room, payload, () => ({ ...originOf(original), ...content }));
}

/** Forwards as many of them as there are. */
export function forwardMessages(world: World, { payload }: Form): { message_id: number }[] {
  const originals = several(world, payload);
  const room = writableRoom(world, payload);
  const contents = originals.map((message) => () => ({ ...originOf(message), ...contentOf(message) }));
  return deliverAll(world, room, payload, contents).map(({ message_id }) => ({ message_id }));
}

function sourceRoom(world: World, payload: Payload): Room {
  const source = world.room(payload["from_chat_id"]);
  requireAccess(source, "read");
  return source;
}

function several(world: World, payload: Payload): Message[] {
  const ids = readMessageIds(payload);
  if (ids.some((id, index) => id <= (ids[index - 1] ?? 0))) {
    throw badRequest("message identifiers must be in a strictly increasing order");
  }
  const { messages } = sourceRoom(world, payload);
  const found = ids.map((id) => messages.get(id)).filter((message) => message !== undefined);
  const movable = found.filter((message) => contentOf(message) !== undefined);
  if (movable.length === 0) throw badRequest("there are no messages to forward");
  return movable;
}

/**
 * The `message_ids` of a call.
 * @throws {ApiError} 400, if they are no list of one to a hundred ids.
 */
export function readMessageIds({ message_ids: ids }: Payload): number[] {
  if (ids === undefined || ids === "") throw badRequest("message identifiers are not specified");
  if (!Array.isArray(ids)) throw badRequest("expected an Array of message identifiers");
  if (ids.length === 0) throw badRequest("message identifiers are not specified");
  if (ids.length > 100) throw badRequest("too many message identifiers specified");
  const numbers = ids.map(Number);
  if (numbers.some((id) => !Number.isInteger(id) || id <= 0)) {
    throw badRequest("invalid message identifier specified");
  }
  return numbers;
}

/** Undefined for a service message. */
function contentOf(message: Message): object | undefined {
  const present = contentFields.filter((name) => message[name] !== undefined);
  return present.length === 0 ? undefined : Object.fromEntries(present.map((name) => [name, message[name]]));
}

function takesCaption({ animation, audio, document, photo, video, voice }: Message): boolean {
  return [animation, audio, document, photo, video, voice].some((media) => media !== undefined);
}

/** Where a message was written first, however often it was forwarded; the older fields beside the newer one. */
function originOf(message: Message): object {
  const { forward_origin, from, sender_chat, date, message_id } = message;
  if (forward_origin !== undefined) return { forward_origin };
  const forward_date = date;
  if (sender_chat?.type === "channel") {
    const older = { forward_from_chat: sender_chat, forward_from_message_id: message_id, forward_date };
    return { forward_origin: { type: "channel", chat: sender_chat, message_id, date }, ...older };
  }
  if (sender_chat !== undefined) {
    const forward_origin = { type: "chat", sender_chat, date };
    return { forward_origin, forward_from_chat: sender_chat, forward_date };
  }
  return { forward_origin: { type: "user", sender_user: from, date }, forward_from: from, forward_date };
}
