/** A call of the bot: the request that it comes in, its connection, and what is read from it. */
import type { AnswerDelivery } from "./answers.ts";
import { ApiError } from "./errors.ts";
import { readRequestBody, type RequestBody } from "./request_body.ts";

/** An HTTP request to the Bot API, read whole. */
export interface BotApiRequest {
  /** Path and query, as the client wrote them: `/bot123:abc/getMe?a=b`. */
  readonly target: string;
  /** `get` takes names in lower case, as the one of `Headers` does. */
  readonly headers: { get(name: string): string | null };
  readonly body: Uint8Array;
  readonly connection: ClientConnection;
  /** Aborts when the client leaves or the server closes. */
  readonly signal: AbortSignal;
}

/** A call of the bot, as it came in. */
export interface ApiCall {
  readonly request: BotApiRequest;
  readonly token: string;
  /** As the client wrote it; `file` for a download. */
  readonly method: string;
  readonly body: RequestBody;
  /** Without the query. */
  readonly path: string;
  /** How the JSON of the answer is written. */
  delivery: AnswerDelivery;
}

const callPath = /^\/bot([^/]+)\/(?:test\/)?([^/]*)$/;
const filePath = /^\/file\/bot([^/]+)\/(?:test\/)?(.+)$/;

/** @throws {ApiError} 404, if the path is not one of the Bot API; 400 or 415, if the body cannot be read. */
export function readCall(request: BotApiRequest): ApiCall {
  const [path = "", query = ""] = request.target.split("?", 2);
  const body = readRequestBody(request, new URLSearchParams(query));
  const target = path.replaceAll("%3A", ":");
  const [, token, method] = callPath.exec(target) ?? [];
  const rest = { request, path, delivery: "whole" } as const;
  if (token !== undefined && method !== undefined) return { token, method, body, ...rest };
  const [, fileToken, file_path] = filePath.exec(target) ?? [];
  if (fileToken === undefined) throw new ApiError(404, "Not Found");
  return { token: fileToken, method: "file", body: { payload: { file_path }, files: new Map() }, ...rest };
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
  #latest = 0;

  /** The number of the latest one. */
  get latest(): number {
    return this.#latest;
  }

  open(): ClientConnection {
    return { number: ++this.#latest, isDead: false };
  }
}
