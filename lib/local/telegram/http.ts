/** HTTP for the Bot API: connections and paths of calls on one side, the bytes of answers on the other. */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../util/clock.ts";
import { closeAtOnce, isFromWebPage } from "../loopback.ts";
import { ApiError, forbidden } from "./errors.ts";
import { readRequestBody, type RequestBody } from "./request_body.ts";

/** A call of the bot, as it came in. */
export interface ApiCall {
  readonly token: string;
  /** As the client wrote it; `file` for a download. */
  readonly method: string;
  readonly body: RequestBody;
  /** Without the query. */
  readonly path: string;
  readonly connection: ClientConnection;
  /** Aborts when the client leaves or the server closes. */
  readonly signal: AbortSignal;
  /** Writes the body of the answer, if not at once and whole. */
  writeBody: BodyWriter | undefined;
}

/**
 * Answers a call: with what goes into `result`, with `breakConnection`, or with a `RawAnswer`.
 * @throws {ApiError} What goes out as a refusal.
 */
export type Dispatch = (call: ApiCall) => Promise<unknown>;

/** An answer that breaks the connection instead. */
export const breakConnection: unique symbol = Symbol("breakConnection");

/** An answer that need not be one of the Bot API's: of a proxy, or torn. */
export interface BotApiRawAnswer {
  /** Sent as it is. */
  readonly body: string | Uint8Array;
  /** The HTTP status. @default 200 */
  readonly status?: number;
  /** What it says the body is. @default "application/json" */
  readonly contentType?: string;
  /** Further headers. Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Promises one byte more, and breaks the connection in its place. @default false */
  readonly isTorn?: boolean;
}

/** Tells a raw answer from a `result` that has the same fields. */
export class RawAnswer {
  readonly answer: BotApiRawAnswer;

  constructor(answer: BotApiRawAnswer) {
    this.answer = answer;
  }
}

// Connections.

export interface ClientConnection {
  /** 1 for the first. */
  readonly number: number;
  /** Whether its bytes vanish from now on, in both directions. */
  isDead: boolean;
}

/** The connections of a server's clients, numbered in the order in which they were opened. */
export class ClientConnections {
  readonly #bySocket = new WeakMap<Socket, ClientConnection>();
  #latest = 0;

  /** The number of the latest one. */
  get latest(): number {
    return this.#latest;
  }

  get(socket: Socket): ClientConnection {
    const known = this.#bySocket.get(socket);
    if (known !== undefined) return known;
    const connection = { number: ++this.#latest, isDead: false };
    this.#bySocket.set(socket, connection);
    return connection;
  }
}

/** Ends a connection as a router does that has forgotten it: with a reset, if the runtime can send one. */
function resetConnection(socket: Socket): void {
  if (typeof socket.resetAndDestroy === "function") socket.resetAndDestroy();
  else socket.destroy();
}

// Calls.

export interface ApiListener {
  readonly server: Server;
  /** Ends all calls and connections at once. */
  close(): Promise<void>;
}

export function createApiListener(dispatch: Dispatch, connections: ClientConnections): ApiListener {
  const server = createServer((request, response) => {
    const call = new AbortController();
    response.on("close", () => call.abort());
    // Without a listener the error of a client that leaves would end the process.
    request.on("error", () => {});
    const connection = connections.get(request.socket);
    void serve(request, response, { dispatch, connection, signal: call.signal });
  });
  server.on("connection", (socket) => void connections.get(socket));
  server.keepAliveTimeout = 60_000;
  return { server, close: () => closeAtOnce(server) };
}

interface Exchange {
  readonly dispatch: Dispatch;
  readonly connection: ClientConnection;
  readonly signal: AbortSignal;
}

async function serve(request: IncomingMessage, response: ServerResponse, exchange: Exchange): Promise<void> {
  let call: ApiCall | undefined;
  try {
    if (isFromWebPage(request)) {
      throw forbidden("this local server answers programs, and no page in a browser");
    }
    call = await readCall(request, exchange);
    const result = await exchange.dispatch(call);
    if (result === breakConnection) resetConnection(request.socket);
    else if (result instanceof RawAnswer) sendRaw(response, result.answer);
    else await sendJson(response, 200, { ok: true, result }, call.writeBody);
  } catch (error) {
    if (exchange.signal.aborted) return void request.socket.destroy();
    await sendError(response, error, call?.writeBody).catch(() => request.socket.destroy());
  }
}

const callPath = /^\/bot([^/]+)\/(?:test\/)?([^/]*)$/;
const filePath = /^\/file\/bot([^/]+)\/(?:test\/)?(.+)$/;

async function readCall(request: IncomingMessage, { connection, signal }: Exchange): Promise<ApiCall> {
  const [path = "", query = ""] = (request.url ?? "").split("?", 2);
  const body = await readRequestBody(request, new URLSearchParams(query));
  const target = path.replaceAll("%3A", ":");
  const [, token, method] = callPath.exec(target) ?? [];
  const rest = { path, connection, signal, writeBody: undefined };
  if (token !== undefined && method !== undefined) return { token, method, body, ...rest };
  const [, fileToken, file_path] = filePath.exec(target) ?? [];
  if (fileToken === undefined) throw new ApiError(404, "Not Found");
  return { token: fileToken, method: "file", body: { payload: { file_path }, files: new Map() }, ...rest };
}

// Answers.

/** Writes a body whose length is in the head of the answer already. */
export type BodyWriter = (response: ServerResponse, body: Buffer) => Promise<void>;

/** Writes half of the body and ends the connection. */
export const cutBody: BodyWriter = (response, body) =>
  new Promise((resolve) => {
    response.write(body.subarray(0, Math.ceil(body.length / 2)), () => {
      response.destroy();
      resolve();
    });
  });

const slowPieces = 10;

/** Writes the body in pieces, over so many milliseconds. */
export function slowBody(ms: number, clock: Clock, signal: AbortSignal): BodyWriter {
  return async (response, body) => {
    response.flushHeaders();
    const length = Math.ceil(body.length / slowPieces);
    for (let start = 0; start < body.length; start += length) {
      await clock.sleep(ms / slowPieces, signal);
      response.write(body.subarray(start, start + length));
    }
    response.end();
  };
}

function sendError(response: ServerResponse, error: unknown, writeBody?: BodyWriter): Promise<void> {
  const known = error instanceof ApiError
    ? error
    : new ApiError(500, `Internal Server Error: ${String(error)}`);
  const { errorCode, message, parameters } = known;
  const retryAfter = parameters?.retry_after;
  if (retryAfter !== undefined) response.setHeader("Retry-After", String(retryAfter));
  const body = { ok: false, error_code: errorCode, description: message };
  return sendJson(response, errorCode, parameters === undefined ? body : { ...body, parameters }, writeBody);
}

async function sendJson(
  response: ServerResponse,
  status: number,
  body: object,
  writeBody: BodyWriter | undefined,
): Promise<void> {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { "Content-Type": "application/json", "Content-Length": bytes.length });
  if (writeBody === undefined) response.end(bytes);
  else await writeBody(response, bytes);
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
