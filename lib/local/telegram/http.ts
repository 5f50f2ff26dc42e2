/** The ways in which the bytes of an answer go out when they do not simply go out. */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Clock } from "../../util/clock.ts";
import { isFromWebPage } from "../loopback.ts";
import { ApiError, forbidden } from "./errors.ts";
import type { BotApiRawAnswer } from "./faults.ts";
import { type Connection, type Connections, type Form, readForm, resetConnection } from "./request.ts";

/** Sends a body whose length the head of the answer has told already. */
export type Delivery = (response: ServerResponse, body: Buffer) => Promise<void>;

const pieces = 10;

/** Half of the body, and then the end of the connection. */
export const cutBody: Delivery = (response, body) =>
  new Promise((resolve) => {
    response.write(body.subarray(0, Math.ceil(body.length / 2)), () => {
      response.destroy();
      resolve();
    });
  });

/** A piece of the body after the other, over so many milliseconds. */
export function slowBody(ms: number, clock: Clock, signal: AbortSignal): Delivery {
  return async (response, body) => {
    response.flushHeaders();
    const length = Math.ceil(body.length / pieces);
    for (let start = 0; start < body.length; start += length) {
      await clock.sleep(ms / pieces, signal);
      response.write(body.subarray(start, start + length));
    }
    response.end();
  };
}

// HTTP for the Bot API: paths, bodies and connections on one side, calls and replies on the other.

export interface ApiCall {
  readonly token: string;
  /** As the client wrote it; `file` for a download. */
  readonly method: string;
  readonly form: Form;
  /** Without the query. */
  readonly path: string;
  readonly connection: Connection;
  /** Aborts when the client leaves or the server closes. */
  readonly signal: AbortSignal;
  /** How the answer goes out, if not at once and whole. */
  delivery: Delivery | undefined;
}

/** What goes into `result`, or `breakConnection`, or `Raw` bytes. @throws {ApiError} What goes out as a refusal. */
export type ApiAnswer = (call: ApiCall) => Promise<unknown>;

/** An answer that breaks the connection instead. */
export const breakConnection: unique symbol = Symbol("breakConnection");

/** An answer of bytes that are nobody's `result`. */
export class Raw {
  readonly answer: BotApiRawAnswer;

  constructor(answer: BotApiRawAnswer) {
    this.answer = answer;
  }
}

export interface ApiListener {
  readonly server: Server;
  /** Ends all calls and connections at once. */
  close(): Promise<void>;
}

export function createListener(answer: ApiAnswer, connections: Connections): ApiListener {
  const server = createServer((request, response) => {
    const call = new AbortController();
    response.on("close", () => call.abort());
    // A client that leaves is no error of ours; unheard, it would end the process.
    request.on("error", () => {});
    void serve(request, response, {
      answer,
      connection: connections.of(request.socket),
      signal: call.signal,
    });
  });
  server.on("connection", (socket) => void connections.of(socket));
  server.keepAliveTimeout = 60_000;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { server, close };
}

interface Exchange {
  readonly answer: ApiAnswer;
  readonly connection: Connection;
  readonly signal: AbortSignal;
}

async function serve(request: IncomingMessage, response: ServerResponse, exchange: Exchange): Promise<void> {
  let call: ApiCall | undefined;
  try {
    if (isFromWebPage(request)) {
      throw forbidden("this local server answers programs, and no page in a browser");
    }
    call = await readCall(request, exchange);
    const result = await exchange.answer(call);
    if (result === breakConnection) resetConnection(request.socket);
    else if (result instanceof Raw) sendRaw(response, result.answer);
    else await send(response, 200, { ok: true, result }, call.delivery);
  } catch (error) {
    if (exchange.signal.aborted) return void request.socket.destroy();
    await refuse(response, error, call?.delivery).catch(() => request.socket.destroy());
  }
}

const callPath = /^\/bot([^/]+)\/(?:test\/)?([^/]*)$/;
const filePath = /^\/file\/bot([^/]+)\/(?:test\/)?(.+)$/;

async function readCall(request: IncomingMessage, { connection, signal }: Exchange): Promise<ApiCall> {
  const [path = "", query = ""] = (request.url ?? "").split("?", 2);
  const form = await readForm(request, new URLSearchParams(query));
  const target = path.replaceAll("%3A", ":");
  const [, token, method] = callPath.exec(target) ?? [];
  const rest = { path, connection, signal, delivery: undefined };
  if (token !== undefined && method !== undefined) return { token, method, form, ...rest };
  const [, fileToken, file_path] = filePath.exec(target) ?? [];
  if (fileToken === undefined) throw new ApiError(404, "Not Found");
  return { token: fileToken, method: "file", form: { payload: { file_path }, files: new Map() }, ...rest };
}

function refuse(response: ServerResponse, error: unknown, delivery: Delivery | undefined): Promise<void> {
  const known = error instanceof ApiError
    ? error
    : new ApiError(500, `Internal Server Error: ${String(error)}`);
  const { errorCode, message, parameters } = known;
  const retryAfter = parameters?.retry_after;
  if (retryAfter !== undefined) response.setHeader("Retry-After", String(retryAfter));
  const body = { ok: false, error_code: errorCode, description: message };
  return send(response, errorCode, parameters === undefined ? body : { ...body, parameters }, delivery);
}

async function send(
  response: ServerResponse,
  status: number,
  body: object,
  delivery: Delivery | undefined,
): Promise<void> {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { "Content-Type": "application/json", "Content-Length": bytes.length });
  if (delivery === undefined) response.end(bytes);
  else await delivery(response, bytes);
}

function sendRaw(response: ServerResponse, answer: BotApiRawAnswer): void {
  const { status = 200, contentType = "application/json", headers = {}, isTorn = false } = answer;
  const body = Buffer.from(answer.body);
  response.writeHead(status, {
    ...headers,
    "Content-Type": contentType,
    "Content-Length": body.length + (isTorn ? 1 : 0),
  });
  if (isTorn) response.write(body, () => response.destroy());
  else response.end(body);
}
