/** The connections of a server's clients, in the order in which they were opened. */
import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { unzipSync } from "node:zlib";
import { ApiError, badRequest } from "./errors.ts";

export interface Connection {
  /** 1 for the first. */
  readonly number: number;
  /** Whether its bytes vanish from now on, in both directions. */
  isDead: boolean;
}

export class Connections {
  readonly #bySocket = new WeakMap<Socket, Connection>();
  #latest = 0;

  /** The number of the latest one. */
  get latest(): number {
    return this.#latest;
  }

  of(socket: Socket): Connection {
    const known = this.#bySocket.get(socket);
    if (known !== undefined) return known;
    const connection = { number: ++this.#latest, isDead: false };
    this.#bySocket.set(socket, connection);
    return connection;
  }
}

/** Ends a connection as a router does that has forgotten it: the client is told by a reset, if the runtime can do that. */
export function resetConnection(socket: Socket): void {
  if (typeof socket.resetAndDestroy === "function") socket.resetAndDestroy();
  else socket.destroy();
}

// Multipart bodies. Node 20's own parser refuses what grammY sends and Telegram takes, so here is another.

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

// What a client sent, whichever of the Bot API's four ways it chose: query, urlencoded, JSON or multipart.

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

export interface Form {
  readonly payload: Payload;
  /** Uploaded files by the name of their part. */
  readonly files: ReadonlyMap<string, Upload>;
}

/** Free text: it stays a string even where it looks like a number or like JSON. */
const textFields = new Set([
  "address",
  "callback_query_id",
  "caption",
  "custom_title",
  "description",
  "explanation",
  "file_id",
  "first_name",
  "last_name",
  "name",
  "performer",
  "phone_number",
  "question",
  "short_description",
  "text",
  "title",
]);

/** Reads the query and the body of a request; the body wins where both name a parameter. */
export async function readForm(request: IncomingMessage, query: URLSearchParams): Promise<Form> {
  const payload: Payload = {};
  const files = new Map<string, Upload>();
  for (const [name, value] of query) payload[name] = typedValue(name, value);
  const body = await readBody(request);
  const type = request.headers["content-type"] ?? "";
  if (body.length === 0) return { payload, files };
  if (type.startsWith("application/json")) readJson(body, payload);
  else if (type.startsWith("multipart/form-data")) readParts(body, type, payload, files);
  else {for (const [name, value] of new URLSearchParams(body.toString())) {
      payload[name] = typedValue(name, value);
    }}
  return { payload, files };
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return unpacked(Buffer.concat(chunks), request.headers["content-encoding"]);
}

/** Telegram takes packed bodies, too. */
function unpacked(body: Buffer, encoding: string | undefined): Buffer {
  if (encoding === undefined) return body;
  if (encoding !== "gzip" && encoding !== "deflate") {
    throw new ApiError(415, "Unsupported Media Type: unsupported content-encoding");
  }
  try {
    return unzipSync(body);
  } catch {
    throw badRequest(`can't unpack the body, which is to be ${encoding}`);
  }
}

/** Clients may put the JSON text of an object where an object belongs. */
function readJson(body: Buffer, payload: Payload): void {
  for (const [name, value] of Object.entries(parseJson(body))) {
    const isText = typeof value === "string" && /^[[{]/.test(value);
    payload[name] = isText ? typedValue(name, value) : value;
  }
}

function parseJson(body: Buffer): Payload {
  try {
    const value: unknown = JSON.parse(body.toString());
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Payload;
  } catch {
    // Falls through to the same refusal as a body of another shape.
  }
  throw badRequest("can't parse request: the body must be a JSON object");
}

function readParts(body: Buffer, type: string, payload: Payload, files: Map<string, Upload>): void {
  const parts = parseMultipart(body, type);
  if (parts === undefined) throw badRequest("can't parse request: malformed multipart body");
  for (const { name, fileName, contentType, content } of parts) {
    if (fileName !== undefined) files.set(name, { bytes: new Uint8Array(content), fileName, contentType });
    else payload[name] = typedValue(name, content.toString());
  }
}

/** Forms carry strings only: numbers, booleans and JSON get the types that a JSON body would have had. */
function typedValue(name: string, value: string): unknown {
  if (textFields.has(name) || !/^(-?\d{1,15}|true|false|[[{].*)$/s.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
