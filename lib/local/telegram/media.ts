/** The methods that send a photo or a file. */
import type { Message } from "grammy/types";
import { deliver, deliverAll, writableRoom } from "./deliver.ts";
import { badRequest } from "./errors.ts";
import type { Media, MediaKind } from "./files.ts";
import type { Form, Payload, Upload } from "./request.ts";
import type { World } from "./state.ts";
import { captionContent, checkCaption, readCaption } from "./text.ts";

type Send = (world: World, form: Form) => Message;

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
  return (world, { payload, files }) => {
    const caption = hasCaption ? readCaption(payload) : undefined;
    const upload = uploadOf(payload[kind], kind, files);
    if (upload !== undefined) world.files.countUpload(upload);
    const room = writableRoom(world, payload);
    checkCaption(caption);
    const media = readMedia(world, { kind, source: payload[kind], upload, details: payload });
    return deliver(world, room, payload, () => ({ ...media(), ...captionContent(caption) }));
  };
}

/** The upload of a parameter: in a part of its own name, or in the one that `attach://` names. */
export function uploadOf(value: unknown, field: string, files: Form["files"]): Upload | undefined {
  return files.get(typeof value === "string" && value.startsWith("attach://") ? value.slice(9) : field);
}

export interface MediaSource {
  readonly kind: MediaKind;
  /** A file_id or an address, where nothing is uploaded. */
  readonly source: unknown;
  readonly upload: Upload | undefined;
  /** Where width, height, duration and the like may stand. */
  readonly details: Payload;
}

/**
 * The fields of a message with this medium. They are made at the last moment, when nothing else can be refused.
 * @throws {ApiError} 400, if there is no medium, or none of this kind.
 */
export function readMedia({ files }: World, { kind, source, upload, details }: MediaSource): () => object {
  if (upload?.bytes.length === 0) throw badRequest("file must be non-empty");
  const name = String(source ?? "");
  if (upload === undefined && name === "") {
    throw badRequest(`there is no ${kind.replace("_", " ")} in the request`);
  }
  const isMadeUp = upload === undefined && /^https?:\/\//.test(name);
  const known = upload === undefined && !isMadeUp ? files.known(kind, name) : undefined;
  const file = upload ?? { fileName: name.split("/").at(-1) ?? "" };
  return () => {
    if (known !== undefined) return mediaContent(kind, known);
    if (kind === "photo") return { photo: files.addPhoto(upload?.bytes) };
    return mediaContent(kind, files.add(kind, detailsOf(kind, details, file), file));
  };
}

/** An animation is a document, too, for apps that know none. */
export function mediaContent(kind: MediaKind, media: Media): object {
  return kind === "animation" ? { animation: media, document: media } : { [kind]: media };
}

/** What a message tells of a file besides its ids, in the Bot API's order. */
export function detailsOf(kind: MediaKind, given: Payload, file: Partial<Upload>): object {
  const number = (name: string, otherwise = 0): number => Number(given[name] ?? otherwise) || otherwise;
  const text = (name: string): object => given[name] === undefined ? {} : { [name]: String(given[name]) };
  const duration = { duration: number("duration") };
  const size = { width: number("width", 320), height: number("height", 240) };
  const named = {
    ...file.fileName && { file_name: file.fileName },
    ...file.contentType && { mime_type: file.contentType },
  };
  switch (kind) {
    case "animation":
    case "video":
      return { ...duration, ...size, ...named };
    case "audio":
      return { ...duration, ...named, ...text("title"), ...text("performer") };
    case "sticker":
      return {
        width: 512,
        height: 512,
        ...text("emoji"),
        is_animated: false,
        is_video: false,
        type: "regular",
      };
    case "video_note":
      return { ...duration, length: number("length", 240) };
    case "voice":
      return { ...duration, mime_type: file.contentType || "audio/ogg" };
    default:
      return named;
  }
}

// The method that sends several photos or files together.

const mostItems = 10;
const kinds: ReadonlySet<string> = new Set(["audio", "document", "photo", "video"]);

interface Item {
  readonly kind: MediaKind;
  readonly content: () => object;
}

export function sendMediaGroup(world: World, form: Form): Message[] {
  const { media } = form.payload;
  if (!Array.isArray(media)) throw badRequest("expected an Array of InputMedia");
  const items = media.map((item: unknown) => readItem(world, item, form));
  if (items.length === 0) throw badRequest("there are no messages to send");
  if (items.length > mostItems) throw badRequest("too many messages to send as an album");
  requireOneSort(items);
  const room = writableRoom(world, form.payload);
  const media_group_id = String(13_000_000_000_000_000n + BigInt(room.messages.size));
  const { reply_markup: _none, ...payload } = form.payload;
  return deliverAll(
    world,
    room,
    payload,
    items.map(({ content }) => () => ({ media_group_id, ...content() })),
  );
}

function readItem(world: World, item: unknown, { files }: Form): Item {
  const prefix = "can't parse InputMedia: ";
  if (typeof item !== "object" || item === null) throw badRequest(`${prefix}expected an Object`);
  const details = item as Payload;
  const { type, media: source } = details;
  if (!kinds.has(String(type))) throw badRequest(`${prefix}type "${type}" can't be used in sendMediaGroup`);
  const kind = type as MediaKind;
  const upload = uploadOf(source, "", files);
  if (upload !== undefined) world.files.countUpload(upload);
  if (upload === undefined && String(source ?? "").startsWith("attach://")) {
    throw badRequest(`${prefix}media not found`);
  }
  const caption = readCaption(details);
  checkCaption(caption);
  const media = readMedia(world, { kind, source, upload, details });
  return { kind, content: () => ({ ...media(), ...captionContent(caption) }) };
}

/** Photos and videos may stand side by side; documents and audios stand among themselves. */
function requireOneSort(items: readonly Item[]): void {
  for (const kind of ["document", "audio"] as const) {
    const count = items.filter((item) => item.kind === kind).length;
    if (count > 0 && count < items.length) throw badRequest(`${kind} can't be mixed with other media types`);
  }
}
