/** Messages of text, and of several parts. */
import type { Message } from "grammy/types";
import { deliver, deliverAll, writableRoom } from "./deliver.ts";
import { badRequest } from "./errors.ts";
import { messageInOrder } from "./field_order.ts";
import type { MediaKind } from "./files.ts";
import { inlineKeyboard } from "./keyboards.ts";
import { readMedia, uploadOf } from "./media.ts";
import type { Form, Payload } from "./request.ts";
import { requireAccess, type Room, type World } from "./state.ts";
import { captionContent, checkCaption, checkText, readCaption, readText, textContent } from "./text.ts";

export function sendMessage(world: World, { payload }: Form): Message {
  const content = readText(payload);
  const room = writableRoom(world, payload);
  checkText(content);
  return deliver(world, room, payload, () => textContent(content));
}

/** Blocks are kept as they are. Of HTML and Markdown each line becomes a paragraph of plain text, markup included. */
export function sendRichMessage(world: World, { payload }: Form): Message {
  const rich_message = readRichMessage(payload["rich_message"]);
  const room = writableRoom(world, payload);
  return deliver(world, room, payload, () => ({ rich_message }));
}

function readRichMessage(value: unknown): object {
  if (typeof value !== "object" || value === null) throw badRequest("object expected as rich message");
  const { blocks, html, markdown, is_rtl } = value as Record<string, unknown>;
  const source = html ?? markdown;
  const content = Array.isArray(blocks) ? blocks : source === undefined ? [] : paragraphs(String(source));
  if (content.length === 0) throw badRequest("message text is empty");
  return { blocks: content, ...is_rtl === true && { is_rtl } };
}

function paragraphs(source: string): object[] {
  const lines = source.split("\n").filter((line) => line.trim() !== "");
  return lines.map((text) => ({ type: "paragraph", text }));
}

// The methods that change a message of the bot.

const mediaKinds = ["animation", "audio", "document", "photo", "video"] as const;

export function editMessageText(world: World, { payload }: Form): Message {
  const content = readText(payload);
  const { room, original } = editable(world, payload);
  if (original.text === undefined) throw badRequest("there is no text in the message to edit");
  checkText(content);
  return change(world, room, original, { ...textContent(content), ...inlineKeyboard(payload) });
}

export function editMessageCaption(world: World, { payload }: Form): Message {
  const caption = readCaption(payload);
  const { room, original } = editable(world, payload);
  if (!hasMedia(original)) throw badRequest("there is no caption in the message to edit");
  checkCaption(caption);
  const content = { ...mediaOf(original), ...captionContent(caption), ...inlineKeyboard(payload) };
  return change(world, room, original, content);
}

export function editMessageMedia(world: World, { payload, files }: Form): Message {
  const { media } = payload;
  if (typeof media !== "object" || media === null) throw badRequest("can't parse input media JSON object");
  const details = media as Payload;
  const kind = details["type"] as MediaKind;
  if (!mediaKinds.some((each) => each === kind)) {
    throw badRequest(`can't parse InputMedia: type "${kind}" is unsupported`);
  }
  const upload = uploadOf(details["media"], "", files);
  if (upload !== undefined) world.files.countUpload(upload);
  const caption = readCaption(details);
  const { room, original } = editable(world, payload);
  checkCaption(caption);
  const content = readMedia(world, { kind, source: details["media"], upload, details });
  return change(world, room, original, {
    ...content(),
    ...captionContent(caption),
    ...inlineKeyboard(payload),
  });
}

/** Without a keyboard in the call, the message has none afterwards. */
export function editMessageReplyMarkup(world: World, { payload }: Form): Message {
  const { room, original } = editable(world, payload);
  const { reply_markup: _markup, ...kept } = original;
  return change(world, room, original, { ...kept, ...inlineKeyboard(payload) });
}

/** A message of the bot in a chat where it may write. */
function editable(world: World, payload: Payload): { room: Room; original: Message } {
  if (payload["inline_message_id"] !== undefined) throw badRequest("MESSAGE_ID_INVALID");
  const room = writableRoom(world, payload);
  const original = room.messages.get(Number(payload["message_id"]));
  if (original === undefined) throw badRequest("message to edit not found");
  if (!room.inbox.some(({ message_id }) => message_id === original.message_id)) {
    throw badRequest("message can't be edited");
  }
  return { room, original };
}

/** Puts other content in the place of all that a message held. */
function change(world: World, room: Room, original: Message, content: object): Message {
  const { message_id, from, sender_chat, chat, date, reply_to_message, message_thread_id } = original;
  const head = { message_id, from, sender_chat, chat, date, reply_to_message, message_thread_id };
  const { is_topic_message, direct_messages_topic, media_group_id } = original;
  const place = { is_topic_message, direct_messages_topic, media_group_id };
  const edited = messageInOrder({ ...head, ...place, ...content, edit_date: world.date }) as Message;
  if (sameContent(original, edited)) {
    throw badRequest(
      "message is not modified: specified new message content and reply markup are exactly the same as a current " +
        "content and reply markup of the message",
    );
  }
  room.show(edited);
  return edited;
}

function sameContent(one: Message, other: Message): boolean {
  const relevant = ({ edit_date: _date, ...rest }: Message): string => JSON.stringify(messageInOrder(rest));
  return relevant(one) === relevant(other);
}

function hasMedia(message: Message): boolean {
  return Object.keys(mediaOf(message)).length > 0;
}

function mediaOf(message: Message): object {
  const present = [...mediaKinds, "voice" as const].filter((kind) => message[kind] !== undefined);
  return Object.fromEntries(present.map((kind) => [kind, message[kind]]));
}

// The methods that copy and forward messages of any chat that the bot can read.

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
