/**
 * A fetch for the Bot API over Node's own HTTP client, which takes a sixth of the processor time of the built-in fetch.
 * It asks once, follows nothing, and knows the bodies that grammY sends: a text, bytes, or a stream.
 */
import { Buffer } from "node:buffer";
import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import { Readable } from "node:stream";

/** A connection that nobody has used for so long may be closed at the other end just as a message is on its way. */
const idleMs = 5000;
/** What has no connection by then has certainly not arrived. */
const connectWithinMs = 10_000;

export function createHttpFetch(): typeof fetch {
  const options = { keepAlive: true, timeout: idleMs };
  const ways = {
    "http:": { request: http.request, agent: new http.Agent(options) },
    "https:": { request: https.request, agent: new https.Agent(options) },
  };
  return async (input, init = {}) => {
    const url = new URL(String(input));
    const way = ways[url.protocol as keyof typeof ways];
    if (way === undefined) {
      throw new TypeError(`There is no way to ${url.protocol} here, only http and https`);
    }
    const { body, method = "GET", signal } = init;
    const headers = { ...Object.fromEntries(new Headers(init.headers)), ...lengthOf(body) };
    const request = way.request(url, { method, headers, agent: way.agent });
    return await answerTo(request, body, signal);
  };
}

function lengthOf(body: unknown): { "content-length"?: number } {
  if (typeof body === "string") return { "content-length": Buffer.byteLength(body) };
  return body instanceof Uint8Array ? { "content-length": body.byteLength } : {};
}

function answerTo(
  request: ClientRequest,
  body: RequestInit["body"],
  signal: AbortSignal | null | undefined,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const abort = (): void => void request.destroy(signal?.reason as Error);
    const settle = <T>(settled: (value: T) => void) => (value: T): void => {
      signal?.removeEventListener("abort", abort);
      settled(value);
    };
    request.on("error", settle(reject));
    request.on("response", (response) => {
      readAll(response).then(settle((text) => resolve(responseOf(response, text))), settle(reject));
    });
    endUnconnected(request);
    if (signal?.aborted) return abort();
    signal?.addEventListener("abort", abort);
    if (body instanceof ReadableStream) {
      const source = Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]);
      source.on("error", (error) => request.destroy(error)).pipe(request);
    } else request.end(body);
  });
}

/** In the words that the system itself has for it. */
function endUnconnected(request: ClientRequest): void {
  request.on("socket", (socket) => {
    if (!socket.connecting) return;
    const late = (): void =>
      void request.destroy(new Error(`connect ETIMEDOUT within ${connectWithinMs / 1000} s`));
    const timer = setTimeout(late, connectWithinMs);
    socket.once("connect", () => clearTimeout(timer));
    request.once("close", () => clearTimeout(timer));
  });
}

function readAll(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    response.setEncoding("utf8");
    response.on("data", (part: string) => text += part);
    response.on("end", () => response.complete ? resolve(text) : reject(new Error("the answer is torn")));
    response.on("error", reject);
    response.on("close", () => response.complete || reject(new Error("the answer is torn")));
  });
}

/** As much of a Response as grammY reads. */
function responseOf({ statusCode = 0, statusMessage = "" }: IncomingMessage, text: string): Response {
  const isOk = statusCode >= 200 && statusCode < 300;
  const response: Pick<Response, "ok" | "status" | "statusText" | "json" | "text"> = {
    ok: isOk,
    status: statusCode,
    statusText: statusMessage,
    // deno-lint-ignore require-await -- async, so that what is no JSON rejects as it does with every fetch
    json: async () => JSON.parse(text) as unknown,
    text: () => Promise.resolve(text),
  };
  return response as Response;
}
