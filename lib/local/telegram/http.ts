/** HTTP for the Bot API: reads requests from sockets, and writes answers to them. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../util/clock.ts";
import { closeAtOnce, isFromWebPage, readBody } from "../loopback.ts";
import { type BotApiAnswer, breakConnection, errorAnswer } from "./answers.ts";
import type { BotApi } from "./bot_api.ts";
import type { ClientConnection } from "./call.ts";
import { forbidden } from "./errors.ts";

export interface ApiListener {
  readonly server: Server;
  /** Ends all calls and connections at once. */
  close(): Promise<void>;
}

/** An HTTP server that has the API answer its requests; it does not listen yet. */
export function createApiListener(api: BotApi, clock: Clock): ApiListener {
  const connections = new WeakMap<Socket, ClientConnection>();
  const connectionOf = (socket: Socket): ClientConnection => {
    const connection = connections.get(socket) ?? api.connections.open();
    connections.set(socket, connection);
    return connection;
  };
  const server = createServer((request, response) => {
    const call = new AbortController();
    response.on("close", () => call.abort());
    // Without a listener the error of a client that leaves would end the process.
    request.on("error", () => {});
    const connection = connectionOf(request.socket);
    void serve(request, response, { api, clock, connection, signal: call.signal });
  });
  server.on("connection", (socket) => void connectionOf(socket));
  server.keepAliveTimeout = 60_000;
  return { server, close: () => closeAtOnce(server) };
}

interface Exchange {
  readonly api: BotApi;
  readonly clock: Clock;
  readonly connection: ClientConnection;
  readonly signal: AbortSignal;
}

async function serve(request: IncomingMessage, response: ServerResponse, exchange: Exchange): Promise<void> {
  try {
    const answer = await answerTo(request, exchange);
    if (answer === breakConnection) resetConnection(request.socket);
    else await writeAnswer(response, answer, exchange);
  } catch (error) {
    if (exchange.signal.aborted) return void request.socket.destroy();
    await writeAnswer(response, errorAnswer(error), exchange).catch(() => request.socket.destroy());
  }
}

async function answerTo(
  request: IncomingMessage,
  { api, connection, signal }: Exchange,
): Promise<BotApiAnswer | typeof breakConnection> {
  if (isFromWebPage(request)) {
    return errorAnswer(forbidden("this local server answers programs, and no page in a browser"));
  }
  const { url: target = "", headers } = request;
  const body = await readBody(request);
  const get = (name: string): string | null => headers[name]?.toString() ?? null;
  return await api.handle({ target, headers: { get }, body, connection, signal });
}

/** Ends a connection as a router does that has forgotten it: with a reset, if the runtime can send one. */
function resetConnection(socket: Socket): void {
  if (typeof socket.resetAndDestroy === "function") socket.resetAndDestroy();
  else socket.destroy();
}

// Answers.

async function writeAnswer(
  response: ServerResponse,
  { status, headers, body, delivery }: BotApiAnswer,
  { clock, signal }: Exchange,
): Promise<void> {
  const length = body.length + (delivery === "torn" ? 1 : 0);
  response.writeHead(status, { ...headers, "Content-Length": length });
  if (delivery === "whole") response.end(body);
  else if (delivery === "torn") await writeAndBreak(response, body);
  else if (delivery === "half") await writeAndBreak(response, body.subarray(0, Math.ceil(body.length / 2)));
  else await writeSlowly(response, body, () => clock.sleep(delivery.slowMs / slowPieces, signal));
}

function writeAndBreak(response: ServerResponse, part: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    response.write(part, () => {
      response.destroy();
      resolve();
    });
  });
}

const slowPieces = 10;

async function writeSlowly(
  response: ServerResponse,
  body: Uint8Array,
  pause: () => Promise<void>,
): Promise<void> {
  response.flushHeaders();
  const length = Math.ceil(body.length / slowPieces);
  for (let start = 0; start < body.length; start += length) {
    await pause();
    response.write(body.subarray(start, start + length));
  }
  response.end();
}
