/** The method that sends several photos or files together. */
import type { Message } from "grammy/types";
import { deliverAll, writableRoom } from "./deliver.ts";
import { badRequest } from "./errors.ts";
import type { MediaKind } from "./files.ts";
import type { Form, Payload } from "./form.ts";
import { readMedia, uploadOf } from "./media.ts";
import { captionContent, checkCaption, readCaption } from "./text.ts";
import type { World } from "./world.ts";

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
