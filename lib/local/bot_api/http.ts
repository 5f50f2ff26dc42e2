/** HTTP for the Bot API: paths, bodies and connections on one side, calls and replies on the other. */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { ApiError } from "./errors.ts";
import type { BotApiRawAnswer } from "./faults.ts";
import { type Form, readForm } from "./form.ts";

export interface ApiCall {
  readonly token: string;
  /** As the client wrote it. */
  readonly method: string;
  readonly form: Form;
  /** Aborts when the client leaves or the server closes. */
  readonly signal: AbortSignal;
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

export function createListener(answer: ApiAnswer): ApiListener {
  const server = createServer((request, response) => {
    const call = new AbortController();
    response.on("close", () => call.abort());
    // A client that leaves is no error of ours; unheard, it would end the process.
    request.on("error", () => {});
    void serve(request, response, answer, call.signal);
  });
  server.keepAliveTimeout = 60_000;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { server, close };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  answer: ApiAnswer,
  signal: AbortSignal,
): Promise<void> {
  try {
    const result = await answer(await readCall(request, signal));
    if (result === breakConnection) request.socket.destroy();
    else if (result instanceof Raw) sendRaw(response, result.answer);
    else send(response, 200, { ok: true, result });
  } catch (error) {
    if (signal.aborted) return void request.socket.destroy();
    refuse(response, error);
  }
}

async function readCall(request: IncomingMessage, signal: AbortSignal): Promise<ApiCall> {
  const [path = "", query = ""] = (request.url ?? "").split("?", 2);
  const [, token, method] = /^\/bot([^/]+)\/(?:test\/)?([^/]*)$/.exec(path.replaceAll("%3A", ":")) ?? [];
  const form = await readForm(request, new URLSearchParams(query));
  if (token === undefined || method === undefined) throw new ApiError(404, "Not Found");
  return { token, method, form, signal };
}

function refuse(response: ServerResponse, error: unknown): void {
  const known = error instanceof ApiError
    ? error
    : new ApiError(500, `Internal Server Error: ${String(error)}`);
  const { errorCode, message, parameters } = known;
  const retryAfter = parameters?.retry_after;
  if (retryAfter !== undefined) response.setHeader("Retry-After", String(retryAfter));
  send(response, errorCode, {
    ok: false,
    error_code: errorCode,
    description: message,
    ...(parameters === undefined ? {} : { parameters }),
  });
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(body));
}

function sendRaw(response: ServerResponse, answer: BotApiRawAnswer): void {
  const { status = 200, contentType = "application/json", isTorn = false } = answer;
  const body = Buffer.from(answer.body);
  response.writeHead(status, {
    "Content-Type": contentType,
    "Content-Length": body.length + (isTorn ? 1 : 0),
  });
  if (isTorn) response.write(body, () => response.destroy());
  else response.end(body);
}
