/** The methods about messages that are there: edits, copies, forwards, deletes, pins and reactions. */
import type { Message, ReactionType } from "grammy/types";
import { addBotMessage, addBotMessages, requireWritableChat } from "../bot_messages.ts";
import { badRequest } from "../errors.ts";
import { type MediaKind, readMedia } from "../files.ts";
import { inlineKeyboard } from "../keyboards.ts";
import type { Payload, RequestBody } from "../request_body.ts";
import { isAdministrator, messageInOrder, type ServerChat } from "../server_chat.ts";
import { accessibleChat, type ServerState } from "../server_state.ts";
import { captionContent, checkCaption, checkText, readCaption, readText, textContent } from "../text.ts";

const mediaKinds = ["animation", "audio", "document", "photo", "video"] as const;
const captionedKinds = [...mediaKinds, "voice"] as const;

export function editMessageText(server: ServerState, { payload }: RequestBody): Message {
  const content = readText(payload);
  const edit = editable(server, payload);
  if (edit.original.text === undefined) throw badRequest("there is no text in the message to edit");
  checkText(content);
  return replaceContent(server, edit, { ...textContent(content), ...inlineKeyboard(payload) });
}

export function editMessageCaption(server: ServerState, { payload }: RequestBody): Message {
  const caption = readCaption(payload);
  const edit = editable(server, payload);
  const media = pick(edit.original, captionedKinds);
  if (isEmpty(media)) throw badRequest("there is no caption in the message to edit");
  checkCaption(caption);
  const content = { ...media, ...captionContent(caption), ...inlineKeyboard(payload) };
  return replaceContent(server, edit, content);
}

export function editMessageMedia(server: ServerState, { payload, files }: RequestBody): Message {
  const { media } = payload;
  if (typeof media !== "object" || media === null) throw badRequest("can't parse input media JSON object");
  const details = media as Payload;
  const kind = details["type"] as MediaKind;
  if (!mediaKinds.some((each) => each === kind)) {
    throw badRequest(`can't parse InputMedia: type "${kind}" is unsupported`);
  }
  const upload = server.files.upload(details["media"], "", files);
  const caption = readCaption(details);
  const edit = editable(server, payload);
  checkCaption(caption);
  const content = readMedia(server.files, { kind, source: details["media"], upload, details });
  return replaceContent(server, edit, {
    ...content(),
    ...captionContent(caption),
    ...inlineKeyboard(payload),
  });
}

/** Without a keyboard in the call, the message has none afterwards. */
export function editMessageReplyMarkup(server: ServerState, { payload }: RequestBody): Message {
  const edit = editable(server, payload);
  const { reply_markup: _markup, ...kept } = edit.original;
  return replaceContent(server, edit, { ...kept, ...inlineKeyboard(payload) });
}

interface EditedMessage {
  readonly chat: ServerChat;
  readonly original: Message;
}

/** The message of the bot that a call wants to edit, in a chat where it may write. */
function editable(server: ServerState, payload: Payload): EditedMessage {
  if (payload["inline_message_id"] !== undefined) throw badRequest("MESSAGE_ID_INVALID");
  const chat = requireWritableChat(server, payload);
  const original = messageOf(chat, payload, "edit");
  if (!chat.inbox.some(({ message_id }) => message_id === original.message_id)) {
    throw badRequest("message can't be edited");
  }
  return { chat, original };
}

/** What a message keeps when its content changes. */
const keptFields = [
  ...["message_id", "from", "sender_chat", "chat", "date", "reply_to_message", "message_thread_id"] as const,
  ...["is_topic_message", "direct_messages_topic", "media_group_id"] as const,
];

/** Puts other content in the place of all that a message held. */
function replaceContent(
  server: ServerState,
  { chat, original }: EditedMessage,
  content: object,
): Message {
  const fields = { ...pick(original, keptFields), ...content, edit_date: server.date };
  const edited = messageInOrder(fields as unknown as Message);
  const { edit_date: _earlier, ...before } = messageInOrder(original);
  const { edit_date: _now, ...after } = edited;
  if (JSON.stringify(before) === JSON.stringify(after)) {
    throw badRequest(
      "message is not modified: specified new message content and reply markup are exactly the same as a current " +
        "content and reply markup of the message",
    );
  }
  chat.putBotMessage(edited);
  return edited;
}

function pick(message: Message, names: readonly (keyof Message)[]): object {
  return Object.fromEntries(
    names.map((name) => [name, message[name]]).filter(([, value]) => value !== undefined),
  );
}

function isEmpty(object: object): boolean {
  return Object.keys(object).length === 0;
}

// Copies and forwards, from any chat that the bot can read.

/** The content of a message. A message with none of these fields is a service message. */
const contentFields = [
  ...["text", "entities", "animation", "audio", "document", "photo", "sticker", "video"] as const,
  ...["video_note", "voice", "contact", "dice", "location", "venue", "poll", "rich_message"] as const,
  ...["caption", "caption_entities"] as const,
];

/** Copies a message without naming its origin. */
export function copyMessage(server: ServerState, { payload }: RequestBody): { message_id: number } {
  const caption = readCaption(payload);
  const original = messageOf(sourceChat(server, payload), payload, "copy");
  const chat = requireWritableChat(server, payload);
  checkCaption(caption);
  const content = pick(original, contentFields);
  if (isEmpty(content)) throw badRequest("message can't be copied");
  const replaced = isEmpty(pick(original, captionedKinds)) ? {} : captionContent(caption);
  const { message_id } = addBotMessage(server, chat, payload, () => ({ ...content, ...replaced }));
  return { message_id };
}

/** Copies as many of them as there are. */
export function copyMessages(server: ServerState, { payload }: RequestBody): { message_id: number }[] {
  const captionFields = payload["remove_caption"] === true ? ["caption", "caption_entities"] : [];
  const copied = contentFields.filter((name) => !captionFields.includes(name));
  return addSeveral(server, payload, (message) => pick(message, copied));
}

export function forwardMessage(server: ServerState, { payload }: RequestBody): Message {
  const original = messageOf(sourceChat(server, payload), payload, "forward");
  const content = pick(original, contentFields);
  if (isEmpty(content)) throw badRequest("message can't be forwarded");
  const chat = requireWritableChat(server, payload);
  return addBotMessage(server, chat, payload, () => ({ ...originOf(original), ...content }));
}

/** Forwards as many of them as there are. */
export function forwardMessages(server: ServerState, { payload }: RequestBody): { message_id: number }[] {
  return addSeveral(
    server,
    payload,
    (message) => ({ ...originOf(message), ...pick(message, contentFields) }),
  );
}

function sourceChat(server: ServerState, payload: Payload): ServerChat {
  return accessibleChat(server, { chat_id: payload["from_chat_id"] }, "read");
}

function addSeveral(
  server: ServerState,
  payload: Payload,
  contentOf: (message: Message) => object,
): { message_id: number }[] {
  const ids = readMessageIds(payload);
  if (ids.some((id, index) => id <= (ids[index - 1] ?? 0))) {
    throw badRequest("message identifiers must be in a strictly increasing order");
  }
  const { messages } = sourceChat(server, payload);
  const found = ids.map((id) => messages.get(id)).filter((message) => message !== undefined);
  const movable = found.filter((message) => !isEmpty(pick(message, contentFields)));
  if (movable.length === 0) throw badRequest("there are no messages to forward");
  const chat = requireWritableChat(server, payload);
  const contents = movable.map((message) => () => contentOf(message));
  return addBotMessages(server, chat, payload, contents).map(({ message_id }) => ({ message_id }));
}

/**
 * The `message_ids` of a call.
 * @throws {ApiError} 400, if they are no list of one to a hundred ids.
 */
function readMessageIds({ message_ids: ids }: Payload): number[] {
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

/** Where a message was written first, however often it was forwarded. The older fields stand beside the newer one. */
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

// Deletes, pins and reactions.

const deletableForMs = 48 * 3_600_000;

export function deleteMessage(server: ServerState, { payload }: RequestBody): true {
  const chat = accessibleChat(server, payload, "write");
  const message = messageOf(chat, payload, "delete");
  if (!isDeletable(server, chat, message)) throw badRequest("message can't be deleted");
  chat.removeMessage(message.message_id);
  return true;
}

/** Skips messages that are not there. */
export function deleteMessages(server: ServerState, { payload }: RequestBody): true {
  const ids = readMessageIds(payload);
  const chat = accessibleChat(server, payload, "write");
  const messages = ids.map((id) => chat.messages.get(id)).filter((message) => message !== undefined);
  if (messages.some((message) => !isDeletable(server, chat, message))) {
    throw badRequest("message can't be deleted");
  }
  for (const { message_id } of messages) chat.removeMessage(message_id);
  return true;
}

export function pinChatMessage(server: ServerState, { payload }: RequestBody): true {
  const chat = pinnable(server, payload);
  const { message_id } = messageOf(chat, payload, "pin");
  chat.pinned = [...chat.pinned.filter((id) => id !== message_id), message_id];
  return true;
}

/** Unpins the message that was pinned last, where the call names none. */
export function unpinChatMessage(server: ServerState, { payload }: RequestBody): true {
  const chat = pinnable(server, payload);
  const latest = payload["message_id"] === undefined ? chat.pinned.at(-1) : undefined;
  const { message_id } = messageOf(chat, latest === undefined ? payload : { message_id: latest }, "unpin");
  chat.pinned = chat.pinned.filter((id) => id !== message_id);
  return true;
}

export function unpinAllChatMessages(server: ServerState, { payload }: RequestBody): true {
  pinnable(server, payload).pinned = [];
  return true;
}

/** A bot has one reaction for a message; an empty list takes it back. */
export function setMessageReaction(server: ServerState, { payload }: RequestBody): true {
  const reactions = readReactions(payload["reaction"] ?? []);
  const chat = accessibleChat(server, payload, "read");
  const { message_id } = messageOf(chat, payload, "react");
  if (reactions.length > 1) throw badRequest("REACTIONS_TOO_MANY");
  chat.reactions.set(message_id, reactions);
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

function pinnable(server: ServerState, payload: Payload): ServerChat {
  const chat = accessibleChat(server, payload, "write");
  if (chat.info.type !== "private" && !isAdministrator(chat.botStatus)) {
    throw badRequest("not enough rights to manage pinned messages in the chat");
  }
  return chat;
}

function messageOf(chat: ServerChat, { message_id: id }: Payload, action: string): Message {
  if (action === "delete" && (id === undefined || id === "")) {
    throw badRequest("message identifier is not specified");
  }
  const message = chat.messages.get(Number(id));
  if (message === undefined) throw badRequest(`message to ${action} not found`);
  return message;
}

/** A young enough message, if it is the bot's own, in a private chat, or in a chat that the bot administers. */
function isDeletable({ clock }: ServerState, chat: ServerChat, message: Message): boolean {
  if (clock.now() - message.date * 1000 > deletableForMs) return false;
  return chat.info.type === "private" || isAdministrator(chat.botStatus) || chat.inbox.includes(message);
}
