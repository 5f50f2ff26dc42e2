/** Multipart bodies. Node 20's own parser refuses what grammY sends and Telegram takes, so here is another. */
import type { Buffer } from "node:buffer";

export interface Part {
  readonly name: string;
  /** A file name is what makes a part an upload. */
  readonly fileName: string | undefined;
  /** Empty where the part does not say. */
  readonly contentType: string;
  readonly content: Buffer;
}

const lineEnd = "\r\n";

/** The parts of a body, or undefined if it is not well-formed. */
export function parseMultipart(body: Buffer, contentType: string): Part[] | undefined {
  const [, quoted, plain] = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType) ?? [];
  const delimiter = `--${quoted ?? plain}`;
  const parts: Part[] = [];
  let start = body.indexOf(delimiter);
  while (start >= 0) {
    start += delimiter.length;
    if (body.toString("latin1", start, start + 2) === "--") return parts;
    const end = body.indexOf(lineEnd + delimiter, start);
    const part = end < 0 ? undefined : parsePart(body.subarray(start, end));
    if (part === undefined) return undefined;
    parts.push(part);
    start = end + lineEnd.length;
  }
  return undefined;
}

function parsePart(part: Buffer): Part | undefined {
  const end = part.indexOf(lineEnd + lineEnd);
  const head = part.toString("utf8", 0, Math.max(0, end));
  const disposition = /^content-disposition:.*$/im.exec(head)?.[0];
  const name = parameter(disposition, "name");
  if (end < 0 || disposition === undefined || name === undefined) return undefined;
  const fileName = parameter(disposition, "filename");
  const contentType = /^content-type:\s*(.*?)\s*$/im.exec(head)?.[1] ?? "";
  return { name, fileName, contentType, content: part.subarray(end + 2 * lineEnd.length) };
}

function parameter(disposition: string | undefined, name: string): string | undefined {
  const [, quoted, plain] =
    new RegExp(`;\\s*${name}=(?:"([^"]*)"|([^;\\s]+))`, "i").exec(disposition ?? "") ?? [];
  return quoted ?? plain;
}
