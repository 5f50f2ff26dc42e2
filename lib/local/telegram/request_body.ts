/** The parameters and files of a call, whichever of the Bot API's four ways the client sends them. */
import { Buffer } from "node:buffer";
import { unzipSync } from "node:zlib";
import { isObject } from "../validate.ts";
import { ApiError, badRequest } from "./errors.ts";

/** A call's parameters by name. */
export type Payload = Record<string, unknown>;

/** A file that came with the call. */
export interface Upload {
  readonly bytes: Uint8Array;
  /** Empty where the client gave none. */
  readonly fileName: string;
  /** Empty where the client gave none. */
  readonly contentType: string;
}

/** What a client sent with a call. */
export interface RequestBody {
  readonly payload: Payload;
  /** Uploaded files by the name of their part. */
  readonly files: ReadonlyMap<string, Upload>;
}

/** What a body is read from. */
export interface RequestBodySource {
  readonly headers: { get(name: string): string | null };
  readonly body: Uint8Array;
}

/**
 * Reads the query and the body of a request; the body wins where both name a parameter.
 * @throws {ApiError} 400 or 415, if the body cannot be read.
 */
export function readRequestBody(
  { headers, body: packed }: RequestBodySource,
  query: URLSearchParams,
): RequestBody {
  const payload: Payload = {};
  const files = new Map<string, Upload>();
  readParameters(query, payload);
  const body = unpacked(asBuffer(packed), headers.get("content-encoding"));
  const type = headers.get("content-type") ?? "";
  if (body.length === 0) return { payload, files };
  if (type.startsWith("application/json")) readJson(body, payload);
  else if (type.startsWith("multipart/form-data")) readMultipart(body, type, payload, files);
  else readParameters(new URLSearchParams(body.toString()), payload);
  return { payload, files };
}

/** The same bytes, not copied. */
function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** Telegram takes packed bodies, too. */
function unpacked(body: Buffer, encoding: string | null): Buffer {
  if (encoding === null) return body;
  if (encoding !== "gzip" && encoding !== "deflate") {
    throw new ApiError(415, "Unsupported Media Type: unsupported content-encoding");
  }
  try {
    return unzipSync(body);
  } catch {
    throw badRequest(`can't unpack the body, which is to be ${encoding}`);
  }
}

function readParameters(parameters: URLSearchParams, payload: Payload): void {
  for (const [name, value] of parameters) payload[name] = typedValue(name, value);
}

/** Clients may put the JSON text of an object where an object belongs. */
function readJson(body: Buffer, payload: Payload): void {
  for (const [name, value] of Object.entries(parseJsonObject(body))) {
    const isText = typeof value === "string" && /^[[{]/.test(value);
    payload[name] = isText ? typedValue(name, value) : value;
  }
}

function parseJsonObject(body: Buffer): Payload {
  try {
    const value: unknown = JSON.parse(body.toString());
    if (isObject(value)) return value;
  } catch {
    // Falls through to the same refusal as a body of another shape.
  }
  throw badRequest("can't parse request: the body must be a JSON object");
}

function readMultipart(body: Buffer, type: string, payload: Payload, files: Map<string, Upload>): void {
  const parts = parseMultipart(body, type);
  if (parts === undefined) throw badRequest("can't parse request: malformed multipart body");
  for (const { name, fileName, contentType, content } of parts) {
    if (fileName !== undefined) files.set(name, { bytes: new Uint8Array(content), fileName, contentType });
    else payload[name] = typedValue(name, content.toString());
  }
}

/** Free text: it stays a string even where it looks like a number or like JSON. */
const textParameters: ReadonlySet<string> = new Set([
  ...["address", "callback_query_id", "caption", "custom_title", "description", "explanation", "file_id"],
  ...["first_name", "last_name", "name", "performer", "phone_number", "question", "short_description"],
  ...["text", "title"],
]);

/** Forms carry strings only: numbers, booleans and JSON get the types that a JSON body would have had. */
function typedValue(name: string, value: string): unknown {
  if (textParameters.has(name) || !/^(-?\d{1,15}|true|false|[[{].*)$/s.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

// Single parameters.

/** Whether a parameter is true, as Telegram reads booleans. */
export function isTrue(value: unknown): boolean {
  return ["true", "yes", "1"].includes(String(value).toLowerCase());
}

/** A parameter as a whole number; `otherwise` where it is none. */
export function integerOr(otherwise: number, value: unknown): number {
  const number = Number(value ?? otherwise);
  return Number.isInteger(number) ? number : otherwise;
}

/** @throws {ApiError} 400, if `user_id` is no id of a person. */
export function requireUserId({ user_id }: Payload): number {
  const userId = Number(user_id);
  if (!Number.isInteger(userId) || userId <= 0) throw badRequest("invalid user_id specified");
  return userId;
}

// Multipart bodies: Node 20's own parser refuses what grammY sends and Telegram takes.

interface MultipartPart {
  readonly name: string;
  /** A file name is what makes a part an upload. */
  readonly fileName: string | undefined;
  /** Empty where the part does not say. */
  readonly contentType: string;
  readonly content: Buffer;
}

const lineEnd = "\r\n";

/** The parts of a body, or undefined if it is not well-formed. */
function parseMultipart(body: Buffer, contentType: string): MultipartPart[] | undefined {
  const [, quoted, plain] = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType) ?? [];
  const delimiter = `--${quoted ?? plain}`;
  const parts: MultipartPart[] = [];
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

function parsePart(part: Buffer): MultipartPart | undefined {
  const end = part.indexOf(lineEnd + lineEnd);
  const head = part.toString("utf8", 0, Math.max(0, end));
  const disposition = /^content-disposition:.*$/im.exec(head)?.[0];
  const name = dispositionParameter(disposition, "name");
  if (end < 0 || disposition === undefined || name === undefined) return undefined;
  const fileName = dispositionParameter(disposition, "filename");
  const contentType = /^content-type:\s*(.*?)\s*$/im.exec(head)?.[1] ?? "";
  return { name, fileName, contentType, content: part.subarray(end + 2 * lineEnd.length) };
}

function dispositionParameter(disposition: string | undefined, name: string): string | undefined {
  const [, quoted, plain] =
    new RegExp(`;\\s*${name}=(?:"([^"]*)"|([^;\\s]+))`, "i").exec(disposition ?? "") ?? [];
  return quoted ?? plain;
}
