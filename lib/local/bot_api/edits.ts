/** The methods that change a message of the bot. */
import type { Message } from "grammy/types";
import { writableRoom } from "./deliver.ts";
import { badRequest } from "./errors.ts";
import { messageInOrder } from "./field_order.ts";
import type { MediaKind } from "./files.ts";
import type { Form, Payload } from "./form.ts";
import { readMedia, uploadOf } from "./media.ts";
import { inlineKeyboard } from "./reply_markup.ts";
import type { Room } from "./room.ts";
import { captionContent, checkCaption, checkText, readCaption, readText, textContent } from "./text.ts";
import type { World } from "./world.ts";

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
