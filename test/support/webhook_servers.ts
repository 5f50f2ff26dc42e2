/** The servers behind which people run a webhook, each on a port of its own. */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import type { WebhookCallback } from "../../lib/telegram/http_callback.ts";

export interface WebhookServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** How many requests the callback has answered so far, or would have, had the client stayed. */
  readonly settled: number;
  /** What the callback threw, which it never should. */
  readonly errors: readonly unknown[];
}

type NodeHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** From a callback to what a Node server does with it. */
const nodeHandlers = {
  "Node": (callback: WebhookCallback): NodeHandler => callback,

  /** As with `express.json()`: the body is read and parsed before. */
  "Express": (callback: WebhookCallback): NodeHandler => async (request, response) => {
    const text = (await read(request)).toString();
    if (text !== "") Object.assign(request, { body: JSON.parse(text) });
    await callback(request, response);
  },

  /** As the adapters of Hono and others do it on Node. */
  "web standard": (callback: WebhookCallback): NodeHandler => async (request, response) => {
    const { method = "GET", url = "/", headers } = request;
    const hasBody = method !== "GET" && method !== "HEAD";
    const init = { method, headers: headers as Record<string, string>, duplex: "half" };
    const body = hasBody ? Readable.toWeb(request) as ReadableStream : null;
    const answer = await callback(new Request(new URL(url, "http://127.0.0.1"), { ...init, body }));
    const closing = request.readableEnded ? {} : { Connection: "close" };
    response.writeHead(answer.status, { ...Object.fromEntries(answer.headers), ...closing });
    response.end(await answer.text());
  },

  "Lambda, HTTP API": (callback: WebhookCallback): NodeHandler => async (request, response) => {
    const body = await read(request);
    const { statusCode, headers, body: text } = await callback({
      requestContext: { http: { method: request.method, path: request.url } },
      headers: request.headers as Record<string, string>,
      ...body.length > 0 && { body: body.toString() },
      isBase64Encoded: false,
    }, { awsRequestId: "1" });
    response.writeHead(statusCode, headers).end(text);
  },

  "Lambda, REST API": (callback: WebhookCallback): NodeHandler => async (request, response) => {
    const body = await read(request);
    const { rawHeaders, method: httpMethod } = request;
    const { statusCode, headers, body: text } = await callback({
      ...httpMethod && { httpMethod },
      requestContext: { stage: "prod" },
      // In the case in which Telegram sends them.
      headers: Object.fromEntries(
        rawHeaders.flatMap((name, i) => i % 2 === 0 ? [[name, rawHeaders[i + 1]]] : []),
      ),
      body: body.length > 0 ? body.toString("base64") : null,
      isBase64Encoded: true,
    }, { awsRequestId: "1" });
    response.writeHead(statusCode, headers).end(text);
  },
};

interface DenoServer {
  readonly addr: { readonly port: number };
  shutdown(): Promise<void>;
}
type DenoServe = (options: object, handler: (request: Request) => Promise<Response>) => DenoServer;
const denoServe = (globalThis as { readonly Deno?: { readonly serve: DenoServe } }).Deno?.serve;

export type Kind = keyof typeof nodeHandlers | "Deno.serve";

/** Those that this runtime has. */
export const kinds: readonly Kind[] = [
  ...Object.keys(nodeHandlers) as (keyof typeof nodeHandlers)[],
  ...denoServe ? ["Deno.serve" as const] : [],
];

export async function serve(kind: Kind, callback: WebhookCallback): Promise<WebhookServer> {
  const watch = { settled: 0, errors: [] as unknown[] };
  const watched = (async (first: never, second: never): Promise<unknown> => {
    try {
      return await callback(first, second);
    } catch (error) {
      watch.errors.push(error);
      throw error;
    } finally {
      watch.settled++;
    }
  }) as WebhookCallback;
  const { port, close } = kind === "Deno.serve"
    ? serveOnDeno(watched)
    : await serveOnNode(nodeHandlers[kind](watched));
  return {
    port,
    url: `http://127.0.0.1:${port}/`,
    get settled() {
      return watch.settled;
    },
    errors: watch.errors,
    [Symbol.asyncDispose]: close,
  };
}

function serveOnDeno(callback: WebhookCallback): { port: number; close: () => Promise<void> } {
  if (denoServe === undefined) throw new Error("This is not Deno");
  const stopping = new AbortController();
  const options = { port: 0, hostname: "127.0.0.1", signal: stopping.signal, onListen: () => {} };
  const server = denoServe(options, (request) => callback(request));
  // Not shutdown(), which waits for clients that do not leave.
  return { port: server.addr.port, close: () => Promise.resolve(stopping.abort()) };
}

async function serveOnNode(handler: NodeHandler): Promise<{ port: number; close: () => Promise<void> }> {
  const server: Server = createServer((request, response) => {
    request.on("error", () => {});
    handler(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { port: (server.address() as AddressInfo).port, close };
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}
