/** What can be broadcast. */
import type { MessageEntity } from "grammy/types";
import { namesOf } from "./option_names.ts";
import { withoutTokens } from "./secret.ts";
import { isEntityOf } from "./text.ts";

/** What is sent: a text, or a photo with its caption. */
export interface BroadcastMessage {
  /**
   * 1 to 40,960 characters; beside a photo it may be empty. Telegram takes 4,096 in a message, and 1,024 beside a photo:
   * what is longer goes out in several messages, cut between paragraphs, lines, sentences or words.
   */
  readonly text: string;
  /** Formatting, as `format`, `bold` and `code` make it. Default: none. */
  readonly entities?: readonly MessageEntity[];
  /** A PNG's or JPEG's bytes (uploaded once, up to 10 MB), or a file_id or URL. */
  readonly photo?: Uint8Array | string;
}

/** Its parts. */
export const messageNames: readonly string[] = namesOf<BroadcastMessage>({
  text: true,
  entities: true,
  photo: true,
});

/** A message whose photo only adds to it: where that is lost, as with a process that dies, the text goes out alone. */
export interface IllustratedMessage extends BroadcastMessage {
  readonly isPhotoOptional?: boolean;
}

/** Ten messages: more is no signal. */
export const longest = 40_960;

/**
 * Refuses what can be no message, before anything is asked of anybody.
 * @throws {TypeError | RangeError} Naming the part, and its rule.
 */
export function assertMessage(message: BroadcastMessage): void {
  if (typeof message !== "object" || message === null) {
    throw new TypeError(
      `Cannot broadcast as the message must be a text or an object: it is ${String(message)}`,
    );
  }
  const { text, photo, entities } = message;
  if (
    photo !== undefined && !((typeof photo === "string" || photo instanceof Uint8Array) && photo.length > 0)
  ) {
    throw new TypeError(`Cannot broadcast as "photo" must be the bytes of a picture, a file_id or a URL`);
  }
  assertNoFileName(photo);
  if (typeof text !== "string") throw new TypeError(notText(text, photo !== undefined));
  const areEntities = entities === undefined ||
    (Array.isArray(entities) && entities.every((entity) => isEntityOf(text, entity)));
  if (!areEntities) {
    throw new TypeError(
      `Cannot broadcast as "entities" must be a list of { type, offset, length } within the text, ` +
        `as format() gives them`,
    );
  }
  if (text.length <= longest && (text.trim() !== "" || photo !== undefined)) return;
  const length = text.trim() === "" ? 0 : text.length;
  throw new RangeError(
    `Cannot broadcast as "text" must have 1 to ${longest} characters (none only beside a photo): it has ${length}`,
  );
}

/** What is formatted has a text, and is put beside a photo by its parts. */
function notText(text: unknown, hasPhoto: boolean): string {
  const refusal = `Cannot broadcast as "text" must be a string: current value is ${typeof text}`;
  const isFormatted = typeof text === "object" && typeof (text as BroadcastMessage | null)?.text === "string";
  if (!isFormatted) return refusal;
  const parts = ["text: it.text", "entities: it.entities", ...hasPhoto ? ["photo"] : []];
  return `${refusal} with a text of its own: pass { ${parts.join(", ")} }`;
}

/** A picture's name, which is neither a URL, be it without its scheme, nor a file_id, as that has no dot. */
function assertNoFileName(photo: unknown): void {
  if (typeof photo !== "string" || !/\.(png|jpe?g|webp|gif)$/i.test(photo)) return;
  if (/^[a-z][a-z\d+.-]*:\/\//i.test(photo) || /^[a-z\d-]+(\.[a-z\d-]+)+(:\d+)?\//i.test(photo)) return;
  const name = withoutTokens(JSON.stringify(photo.slice(0, 100)));
  throw new TypeError(
    `Cannot broadcast as "photo" must be the bytes of a picture, a file_id or a URL: ${name} is the name of a file, ` +
      `so hand over its bytes: await readFile(${name})`,
  );
}
