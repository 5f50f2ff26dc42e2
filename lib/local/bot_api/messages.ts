/** The methods that send, copy and edit messages. */
import type { Message, PhotoSize } from "grammy/types";
import { badRequest } from "./errors.ts";
import type { Form, Payload } from "./form.ts";
import { channelBot, isAdministrator } from "./members.ts";
import { requireAccess, type Room } from "./room.ts";
import { checkCaption, checkText, type FormattedText, readCaption, readText } from "./text.ts";
import { placeOf, withoutReply } from "./topics.ts";
import type { World } from "./world.ts";

export function sendMessage(world: World, { payload }: Form): Message {
  const content = readText(payload);
  const room = writableRoom(world, payload);
  checkText(content);
  return deliver(world, room, payload, () => textOf(content));
}

export function sendPhoto(world: World, { payload, files }: Form): Message {
  const caption = readCaption(payload);
  const upload = uploaded(payload["photo"], files);
  if (upload !== undefined) world.countUpload(upload);
  const room = writableRoom(world, payload);
  checkCaption(caption);
  const known = upload === undefined ? knownPhoto(world, payload["photo"]) : undefined;
  return deliver(world, room, payload, () => ({
    photo: known ?? world.addPhoto(upload),
    ...captionOf(caption),
  }));
}

/** Copies a message of any chat that the bot can read, without naming where it is from. */
export function copyMessage(world: World, { payload }: Form): { message_id: number } {
  const caption = readCaption(payload);
  const source = world.room(payload["from_chat_id"]);
  requireAccess(source, "read");
  const original = source.messages.get(Number(payload["message_id"]));
  if (original === undefined) throw badRequest("message to copy not found");
  const room = writableRoom(world, payload);
  checkCaption(caption);
  const content = original.photo && caption ? captionOf(caption) : {};
  const { message_id } = deliver(world, room, payload, () => ({ ...contentOf(original), ...content }));
  return { message_id };
}

export function editMessageText(world: World, { payload }: Form): Message {
  const content = readText(payload);
  const room = writableRoom(world, payload);
  const original = room.messages.get(Number(payload["message_id"]));
  if (original === undefined) throw badRequest("message to edit not found");
  if (!room.inbox.some(({ message_id }) => message_id === original.message_id)) {
    throw badRequest("message can't be edited");
  }
  if (original.text === undefined) throw badRequest("there is no text in the message to edit");
  checkText(content);
  const { entities: _entities, reply_markup: _markup, ...kept } = original;
  const edited = {
    ...kept,
    edit_date: world.date,
    ...textOf(content),
    ...inlineKeyboard(payload),
  } as Message;
  if (sameContent(original, edited)) {
    throw badRequest(
      "message is not modified: specified new message content and reply markup are exactly the same as a current " +
        "content and reply markup of the message",
    );
  }
  room.show(edited);
  return edited;
}

function writableRoom(world: World, payload: Payload): Room {
  const room = world.room(payload["chat_id"]);
  requireAccess(room, "write");
  if (room.refusal) throw room.refusal;
  room.floods.pass(world.clock.now());
  return room;
}

/** Adds a message from the bot, if the place in the chat and the chat's limits allow it. */
function deliver(world: World, room: Room, payload: Payload, content: () => object): Message {
  const answered = answeredMessage(room, payload["reply_parameters"]);
  const place = placeOf(room, payload, answered);
  room.limits.take(world.clock.now(), isAdministrator(room.bot));
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
}

/** In a channel it is the channel that speaks, and in its direct messages too. */
function senderOf({ bot }: World, { chat, parent }: Room): object {
  if (chat.type === "channel") return { sender_chat: chat };
  if (parent) return { from: channelBot, sender_chat: parent };
  const { id, is_bot, first_name, username } = bot;
  return { from: { id, is_bot, first_name, username } };
}

function answeredMessage(room: Room, parameters: unknown): Message | undefined {
  if (typeof parameters !== "object" || parameters === null || !("message_id" in parameters)) {
    return undefined;
  }
  const message = room.messages.get(Number(parameters.message_id));
  if (message !== undefined) return message;
  if ("allow_sending_without_reply" in parameters && parameters.allow_sending_without_reply) return undefined;
  throw badRequest("message to be replied not found");
}

/** Only inline keyboards are part of a message; the other reply markups go to the app. */
function inlineKeyboard({ reply_markup }: Payload): object {
  const isInline = typeof reply_markup === "object" && reply_markup !== null &&
    "inline_keyboard" in reply_markup;
  return isInline ? { reply_markup } : {};
}

function textOf({ text, entities }: FormattedText): object {
  return entities.length > 0 ? { text, entities } : { text };
}

function captionOf(caption: FormattedText | undefined): object {
  if (caption === undefined) return {};
  const { text, entities } = caption;
  return entities.length > 0 ? { caption: text, caption_entities: entities } : { caption: text };
}

function contentOf({ text, entities, photo, caption, caption_entities, sticker }: Message): object {
  const content = { text, entities, photo, caption, caption_entities, sticker };
  return Object.fromEntries(Object.entries(content).filter(([, value]) => value !== undefined));
}

function sameContent(a: Message, b: Message): boolean {
  const relevant = ({ text, entities, reply_markup }: Message): string =>
    JSON.stringify([text, entities ?? [], reply_markup ?? null]);
  return relevant(a) === relevant(b);
}

/** The bytes of an upload: in a part of the parameter's own name, or in the one that `attach://` names. */
function uploaded(photo: unknown, files: Form["files"]): Uint8Array | undefined {
  const name = typeof photo === "string" && photo.startsWith("attach://") ? photo.slice(9) : "photo";
  return files.get(name);
}

/** A photo that was sent before, by its file_id, or one that Telegram would fetch from the web. */
function knownPhoto(world: World, photo: unknown): PhotoSize[] {
  if (photo === undefined || photo === "") throw badRequest("there is no photo in the request");
  const name = String(photo);
  if (/^https?:\/\//.test(name)) return world.addPhoto();
  const sizes = world.photos.get(name);
  if (sizes === undefined) throw badRequest("wrong file identifier/HTTP URL specified");
  return sizes;
}
