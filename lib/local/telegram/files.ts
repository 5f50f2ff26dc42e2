/** The files of a server: those that the bot uploads or names by URL, and those that people send. */
import type { PhotoSize } from "grammy/types";
import { badRequest } from "./errors.ts";
import type { Payload, RequestBody, Upload } from "./request_body.ts";

/** The kinds of media, as the fields of a message name them. */
export type MediaKind =
  | "animation"
  | "audio"
  | "document"
  | "photo"
  | "sticker"
  | "video"
  | "video_note"
  | "voice";

/** What a message carries: the sizes of a photo, or a file. */
export type Media = PhotoSize[] | Readonly<Record<string, unknown>>;

interface StoredFile {
  readonly kind: MediaKind;
  readonly media: Media;
  readonly uniqueId: string;
  readonly size: number;
  /** Where it is downloaded. */
  readonly path: string;
  readonly bytes: Uint8Array | undefined;
}

/** Telegram keeps a photo in several widths. */
const photoSides = [90, 320, 1280];

/** The folder of a kind's paths, and the extension of a file whose name has none. */
const paths: Readonly<Record<MediaKind, readonly [folder: string, extension: string]>> = {
  animation: ["animations", "mp4"],
  audio: ["music", "mp3"],
  document: ["documents", "bin"],
  photo: ["photos", "jpg"],
  sticker: ["stickers", "webp"],
  video: ["videos", "mp4"],
  video_note: ["video_notes", "mp4"],
  voice: ["voice", "oga"],
};

/** The size of a file whose bytes are made up. */
const madeUpSize = 1000;
/** Bots cannot download larger files. */
const largestDownload = 20 * 1024 * 1024;

/** Keeps the files by file_id and by path. */
export class FileStore {
  readonly #byId = new Map<string, StoredFile>();
  readonly #byPath = new Map<string, StoredFile>();
  /** Counts each upload once, as a call that is held is tried again. */
  readonly #counted = new WeakSet<Uint8Array>();
  #photos = 0;
  /** How many files the bot has uploaded, those of refused messages included. */
  uploads = 0;

  /** The upload of a parameter, which counts: the part of its own name, or the one that `attach://` names. */
  upload(value: unknown, field: string, files: RequestBody["files"]): Upload | undefined {
    const isAttached = typeof value === "string" && value.startsWith("attach://");
    const upload = files.get(isAttached ? value.slice(9) : field);
    if (upload === undefined) return undefined;
    if (!this.#counted.has(upload.bytes)) this.uploads += 1;
    this.#counted.add(upload.bytes);
    return upload;
  }

  /** Adds a photo in its sizes, smallest first, each with a file_id of its own. */
  addPhoto(bytes?: Uint8Array): PhotoSize[] {
    const number = (this.#photos++).toString(36).padStart(8, "0");
    const sizes = photoSides.map((side) => ({
      file_id: `AgACAgIAAxkBAAIB${number}QADNgQ${side}`,
      file_unique_id: `AQAD${number}${side}`,
      file_size: bytes?.length ?? side * 50,
      width: side,
      height: Math.round(side * 0.5625),
    }));
    for (const { file_id, file_unique_id, file_size } of sizes) {
      this.#keep("photo", file_id, { media: sizes, uniqueId: file_unique_id, size: file_size, bytes }, "jpg");
    }
    return sizes;
  }

  /** Adds a file of any kind but a photo; `details` come before its ids, as with Telegram. */
  add(kind: Exclude<MediaKind, "photo">, details: object, upload?: Partial<Upload>): Media {
    const number = this.#byId.size.toString(36).padStart(8, "0");
    const file_id = `BQACAgIAAxkBAAMC${number}${kind.slice(0, 5)}`;
    const file_unique_id = `AgAD${number}`;
    const file_size = upload?.bytes?.length ?? madeUpSize;
    const media = { ...details, file_id, file_unique_id, file_size };
    const [, extension] = /\.(\w{1,8})$/.exec(upload?.fileName ?? "") ?? [];
    const stored = { media, uniqueId: file_unique_id, size: file_size, bytes: upload?.bytes };
    this.#keep(kind, file_id, stored, extension ?? paths[kind][1]);
    return media;
  }

  /**
   * The file of this id.
   * @throws {ApiError} 400, if there is none, or if it is of another kind.
   */
  known(kind: MediaKind, fileId: string): Media {
    const file = this.#byId.get(fileId);
    if (file === undefined) throw badRequest("wrong file identifier/HTTP URL specified");
    if (file.kind !== kind) {
      throw badRequest(`can't use file of type ${kindTitle(file.kind)} as ${kindTitle(kind)}`);
    }
    return file.media;
  }

  /** The bytes of a file that was uploaded or that a person sent; undefined where they are made up. */
  bytes(fileId: string): Uint8Array | undefined {
    return this.#byId.get(fileId)?.bytes;
  }

  /**
   * What getFile answers.
   * @throws {ApiError} 400, if there is no such file, or if it is too big.
   */
  describe(fileId: string): object {
    if (fileId === "") throw badRequest("file_id not specified");
    const file = this.#byId.get(fileId);
    if (file === undefined) throw badRequest("invalid file_id");
    if (file.size > largestDownload) throw badRequest("file is too big");
    const { uniqueId, size, path } = file;
    return { file_id: fileId, file_unique_id: uniqueId, file_size: size, file_path: path };
  }

  /** The bytes to download from a path; made-up bytes are zeros. */
  download(path: string): Uint8Array | undefined {
    const file = this.#byPath.get(path);
    return file && (file.bytes ?? new Uint8Array(file.size));
  }

  #keep(kind: MediaKind, fileId: string, file: Omit<StoredFile, "kind" | "path">, extension: string): void {
    const path = `${paths[kind][0]}/file_${this.#byId.size}.${extension}`;
    const stored = { kind, path, ...file };
    this.#byId.set(fileId, stored);
    this.#byPath.set(path, stored);
  }
}

/** `video_note` as Telegram writes it in its errors: `VideoNote`. */
function kindTitle(kind: MediaKind): string {
  return kind.replace(/(?:^|_)(\w)/g, (_all, letter: string) => letter.toUpperCase());
}

// Media in a call and in a message.

export interface MediaSource {
  readonly kind: MediaKind;
  /** A file_id or an address, where nothing is uploaded. */
  readonly source: unknown;
  readonly upload: Upload | undefined;
  /** May hold width, height, duration and the like. */
  readonly details: Payload;
}

/**
 * The fields of a message with this file. The function that is returned adds the file: call it once the message cannot be
 * refused any more.
 * @throws {ApiError} 400, if there is no file, or none of this kind.
 */
export function readMedia(
  files: FileStore,
  { kind, source, upload, details }: MediaSource,
): () => object {
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

/** An animation is a document, too, for apps that cannot show animations. */
function mediaContent(kind: MediaKind, media: Media): object {
  return kind === "animation" ? { animation: media, document: media } : { [kind]: media };
}

/** The fields of a file besides its ids, in the Bot API's order. */
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
