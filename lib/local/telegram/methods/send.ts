/** The methods that send a message: text, photos and files, albums, polls, places, contacts and dice. */
import type { Message, Poll } from "grammy/types";
import { addBotMessage, addBotMessages, requireWritableChat } from "../bot_messages.ts";
import { badRequest } from "../errors.ts";
import { type MediaKind, readMedia } from "../files.ts";
import { inlineKeyboard } from "../keyboards.ts";
import { isTrue, type Payload, type RequestBody } from "../request_body.ts";
import type { ServerState } from "../server_state.ts";
import { captionContent, checkCaption, checkText, readCaption, readText, textContent } from "../text.ts";

export function sendMessage(server: ServerState, { payload }: RequestBody): Message {
  const content = readText(payload);
  const chat = requireWritableChat(server, payload);
  checkText(content);
  return addBotMessage(server, chat, payload, () => textContent(content));
}

/** Blocks are kept as they are. Of HTML and Markdown each line becomes a paragraph of plain text, markup included. */
export function sendRichMessage(server: ServerState, { payload }: RequestBody): Message {
  const rich_message = readRichMessage(payload["rich_message"]);
  const chat = requireWritableChat(server, payload);
  return addBotMessage(server, chat, payload, () => ({ rich_message }));
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

// A photo or a file.

type Send = (server: ServerState, body: RequestBody) => Message;

export const sendAnimation: Send = sending("animation");
export const sendAudio: Send = sending("audio");
export const sendDocument: Send = sending("document");
export const sendPhoto: Send = sending("photo");
export const sendSticker: Send = sending("sticker");
export const sendVideo: Send = sending("video");
export const sendVideoNote: Send = sending("video_note");
export const sendVoice: Send = sending("voice");

function sending(kind: MediaKind): Send {
  const hasCaption = kind !== "sticker" && kind !== "video_note";
  return (server, { payload, files }) => {
    const caption = hasCaption ? readCaption(payload) : undefined;
    const upload = server.files.upload(payload[kind], kind, files);
    const chat = requireWritableChat(server, payload);
    checkCaption(caption);
    const media = readMedia(server.files, { kind, source: payload[kind], upload, details: payload });
    return addBotMessage(server, chat, payload, () => ({ ...media(), ...captionContent(caption) }));
  };
}

// An album.

const mostItems = 10;
const albumKinds: ReadonlySet<string> = new Set(["audio", "document", "photo", "video"]);

interface AlbumItem {
  readonly kind: MediaKind;
  readonly content: () => object;
}

export function sendMediaGroup(server: ServerState, body: RequestBody): Message[] {
  const { media } = body.payload;
  if (!Array.isArray(media)) throw badRequest("expected an Array of InputMedia");
  const items = media.map((item: unknown) => readAlbumItem(server, item, body));
  if (items.length === 0) throw badRequest("there are no messages to send");
  if (items.length > mostItems) throw badRequest("too many messages to send as an album");
  requireMatchingKinds(items);
  const chat = requireWritableChat(server, body.payload);
  const media_group_id = String(13_000_000_000_000_000n + BigInt(chat.messages.size));
  const { reply_markup: _none, ...payload } = body.payload;
  const contents = items.map(({ content }) => () => ({ media_group_id, ...content() }));
  return addBotMessages(server, chat, payload, contents);
}

function readAlbumItem(server: ServerState, item: unknown, { files }: RequestBody): AlbumItem {
  const prefix = "can't parse InputMedia: ";
  if (typeof item !== "object" || item === null) throw badRequest(`${prefix}expected an Object`);
  const details = item as Payload;
  const { type, media: source } = details;
  if (!albumKinds.has(String(type))) {
    throw badRequest(`${prefix}type "${type}" can't be used in sendMediaGroup`);
  }
  const kind = type as MediaKind;
  const upload = server.files.upload(source, "", files);
  if (upload === undefined && String(source ?? "").startsWith("attach://")) {
    throw badRequest(`${prefix}media not found`);
  }
  const caption = readCaption(details);
  checkCaption(caption);
  const media = readMedia(server.files, { kind, source, upload, details });
  return { kind, content: () => ({ ...media(), ...captionContent(caption) }) };
}

/** Photos and videos may be mixed; documents only go with documents, and audios with audios. */
function requireMatchingKinds(items: readonly AlbumItem[]): void {
  for (const kind of ["document", "audio"] as const) {
    const count = items.filter((item) => item.kind === kind).length;
    if (count > 0 && count < items.length) throw badRequest(`${kind} can't be mixed with other media types`);
  }
}

// A poll. Nobody votes in it.

const maxQuestionLength = 300;
const maxOptionLength = 100;
const mostOptions = 12;

export function sendPoll(server: ServerState, { payload }: RequestBody): Message {
  const { question, options } = readPoll(payload);
  const type = String(payload["type"] || "regular");
  if (type !== "regular" && type !== "quiz") throw badRequest("unsupported poll type specified");
  const answer = type === "quiz" ? { correct_option_id: readAnswer(payload, options.length) } : {};
  const chat = requireWritableChat(server, payload);
  return addBotMessage(server, chat, payload, () => ({
    poll: {
      id: String(5_000_000_000_000_000n + BigInt(chat.info.id) ** 2n + BigInt(chat.messages.size)),
      question,
      options: options.map((text) => ({ text, voter_count: 0 })),
      total_voter_count: 0,
      is_closed: isTrue(payload["is_closed"]),
      is_anonymous: payload["is_anonymous"] === undefined || isTrue(payload["is_anonymous"]),
      type,
      allows_multiple_answers: isTrue(payload["allows_multiple_answers"]),
      ...answer,
    },
  }));
}

export function stopPoll(server: ServerState, { payload }: RequestBody): Poll {
  const chat = requireWritableChat(server, payload);
  const message = chat.messages.get(Number(payload["message_id"]));
  if (message === undefined) throw badRequest("message with poll to stop not found");
  if (message.poll === undefined) throw badRequest("message is not a poll");
  if (!chat.inbox.includes(message)) throw badRequest("poll can't be stopped");
  if (message.poll.is_closed) throw badRequest("poll has already been closed");
  const poll = { ...message.poll, is_closed: true };
  const { reply_markup: _markup, ...kept } = message;
  chat.putBotMessage({ ...kept, poll, ...inlineKeyboard(payload) } as Message);
  return poll;
}

function readPoll(payload: Payload): { question: string; options: string[] } {
  const question = String(payload["question"] ?? "").trim();
  if (!Array.isArray(payload["options"])) throw badRequest("expected an Array of String as options");
  const options = payload["options"].map(optionText);
  if (question === "") throw badRequest("poll question must be non-empty");
  if ([...question].length > maxQuestionLength) {
    throw badRequest(`poll question length must not exceed ${maxQuestionLength}`);
  }
  if (options.length < 2) throw badRequest("poll must have at least 2 option");
  if (options.length > mostOptions) throw badRequest(`poll can't have more than ${mostOptions} options`);
  if (options.some((text) => text.trim() === "")) throw badRequest("poll options must be non-empty");
  if (options.some((text) => [...text].length > maxOptionLength)) {
    throw badRequest(`poll options length must not exceed ${maxOptionLength}`);
  }
  return { question, options };
}

function optionText(option: unknown): string {
  if (typeof option === "string") return option;
  if (typeof option !== "object" || option === null || !("text" in option)) {
    throw badRequest("expected an option to be of type String");
  }
  return String(option.text);
}

function readAnswer(payload: Payload, options: number): number {
  const { correct_option_ids: ids, correct_option_id: id } = payload;
  const answer = Number(Array.isArray(ids) ? ids[0] : id ?? -1);
  if (Number.isInteger(answer) && answer >= 0 && answer < options) return answer;
  throw badRequest("wrong correct option ID specified");
}

// A place, a contact, a dice.

export function sendLocation(server: ServerState, { payload }: RequestBody): Message {
  const location = readLocation(payload);
  return addBotMessage(server, requireWritableChat(server, payload), payload, () => ({ location }));
}

export function sendVenue(server: ServerState, { payload }: RequestBody): Message {
  const location = readLocation(payload);
  const title = String(payload["title"] ?? "");
  const address = String(payload["address"] ?? "");
  const chat = requireWritableChat(server, payload);
  return addBotMessage(server, chat, payload, () => ({ location, venue: { location, title, address } }));
}

export function sendContact(server: ServerState, { payload }: RequestBody): Message {
  const contact = {
    phone_number: requireText(payload, "phone_number"),
    first_name: requireText(payload, "first_name"),
    ...payload["last_name"] !== undefined && { last_name: String(payload["last_name"]) },
  };
  return addBotMessage(server, requireWritableChat(server, payload), payload, () => ({ contact }));
}

/** How many values each kind of dice has. */
const dice: Readonly<Record<string, number>> = { "🎲": 6, "🎯": 6, "🎳": 6, "🏀": 5, "⚽": 5, "🎰": 64 };

export function sendDice(server: ServerState, { payload }: RequestBody): Message {
  const emoji = String(payload["emoji"] ?? "🎲");
  const values = dice[emoji];
  if (values === undefined) throw badRequest("EMOTICON_INVALID");
  const value = 1 + Math.floor(server.clock.random() * values);
  const chat = requireWritableChat(server, payload);
  return addBotMessage(server, chat, payload, () => ({ dice: { emoji, value } }));
}

function readLocation(payload: Payload): { latitude: number; longitude: number } {
  for (const name of ["latitude", "longitude"]) {
    if ((payload[name] ?? "") === "") throw badRequest(`${name} is empty`);
  }
  const [latitude, longitude] = [Number(payload["latitude"]), Number(payload["longitude"])];
  if (!(Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180)) throw badRequest("wrong location specified");
  return { latitude, longitude };
}

function requireText(payload: Payload, name: string): string {
  const value = String(payload[name] ?? "");
  if (value === "") throw badRequest(`parameter "${name}" is required`);
  return value;
}
