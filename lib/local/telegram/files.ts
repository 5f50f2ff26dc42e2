/** The files of a server: what the bot has uploaded, what people send, and what would come from the web. */
import type { PhotoSize } from "grammy/types";
import { badRequest } from "./errors.ts";
import type { Upload } from "./request.ts";

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

/** What a file is without anything to tell by: the folder of its path, and its end. */
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

const madeUpSize = 1000;
/** Bots may download files up to here. */
const largestDownload = 20 * 1024 * 1024;

export class FileStore {
  readonly #byId = new Map<string, StoredFile>();
  readonly #byPath = new Map<string, StoredFile>();
  /** Each upload once, as a call that is held is tried again. */
  readonly #counted = new WeakSet<Uint8Array>();
  #photos = 0;
  /** How many files the bot has uploaded, those of refused messages included. */
  uploads = 0;

  countUpload({ bytes }: Upload): void {
    if (!this.#counted.has(bytes)) this.uploads += 1;
    this.#counted.add(bytes);
  }

  /** Makes a photo's sizes, smallest first, each with a file_id of its own. */
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

  /** Makes a file of any kind but a photo; `details` come before its ids, as with Telegram. */
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
   * A file of this kind that is there already.
   * @throws {ApiError} 400, if there is none, or if it is of another kind.
   */
  known(kind: MediaKind, fileId: string): Media {
    const file = this.#byId.get(fileId);
    if (file === undefined) throw badRequest("wrong file identifier/HTTP URL specified");
    if (file.kind !== kind) throw badRequest(`can't use file of type ${title(file.kind)} as ${title(kind)}`);
    return file.media;
  }

  /** The bytes of an upload or of what a person sent; undefined for what was made up. */
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

  /** What is downloaded from a path; a file that was made up consists of zeros. */
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

/** `video_note` as Telegram calls it in its refusals: `VideoNote`. */
function title(kind: MediaKind): string {
  return kind.replace(/(?:^|_)(\w)/g, (_all, letter: string) => letter.toUpperCase());
}
