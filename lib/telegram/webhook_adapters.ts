/** Requests and their answers, in the three forms that servers have for them. */
import { Buffer } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";

/** A request in the common form. */
export interface Incoming {
  /** Undefined where an event does not name it. */
  readonly method: string | undefined;
  /** A header by its lower-case name. */
  header(name: string): unknown;
  /** The body: its bytes, its text, or its value if it was parsed already. @throws {TooLargeError} */
  body(maxBytes: number): Promise<unknown>;
  /** Whether nothing goes on once it is answered, as on AWS Lambda. Default: false. */
  readonly isLast?: true;
}

/** An answer in the common form. */
export interface Answer {
  readonly status: number;
  /** For readers of logs. */
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether there is a body that was not read to its end. */
  readonly isUnread?: true;
}

/** The body is larger than is taken; it was not read to its end. */
export class TooLargeError extends Error {
  override readonly name = "TooLargeError";
}

/** An event of API Gateway (REST or HTTP API), of a function URL, or of a load balancer. */
export interface LambdaEvent {
  /** Named by REST APIs and load balancers. */
  readonly httpMethod?: string | undefined;
  /** Names the method in events of HTTP APIs and function URLs: `{ http: { method } }`. */
  readonly requestContext?: unknown;
  /** Names in any case. */
  readonly headers?: Readonly<Record<string, string | undefined>> | null | undefined;
  /** In place of `headers`, where a load balancer is configured so. */
  readonly multiValueHeaders?: Readonly<Record<string, readonly string[] | undefined>> | null | undefined;
  /** A text; absent where the request had none. */
  readonly body?: string | null | undefined;
  /** Whether the body is in Base64. */
  readonly isBase64Encoded?: boolean | undefined;
}

/** What a Lambda function returns. */
export interface LambdaAnswer {
  /** 200 where all is well. */
  readonly statusCode: number;
  /** The content type. */
  readonly headers: Record<string, string>;
  /** For readers of logs. */
  readonly body: string;
}

/** Web standard requests: Deno, Bun, Hono, Cloudflare... */
export function fromWeb(request: Request): Incoming {
  const header = (name: string): unknown => request.headers.get(name);
  return {
    method: request.method,
    header,
    body: (maxBytes) => readAll(request.body ?? [], header("content-length"), maxBytes),
  };
}

/** Node's requests, and Express's, whose body may have been read and parsed before. */
export function fromNode(request: IncomingMessage & { readonly body?: unknown }): Incoming {
  const header = (name: string): unknown => request.headers[name];
  const isParsed = (): boolean => request.readableEnded && request.body !== undefined;
  return {
    method: request.method,
    header,
    body: async (maxBytes) => {
      assertSize(header("content-length"), maxBytes);
      if (isParsed()) return request.body;
      return await readAll(request.iterator({ destroyOnReturn: false }), 0, maxBytes);
    },
  };
}

/** Events of AWS Lambda. */
export function fromLambda(event: LambdaEvent | undefined): Incoming {
  const { httpMethod, requestContext, headers, multiValueHeaders, body, isBase64Encoded } = event ?? {};
  const { http } = (requestContext ?? {}) as { readonly http?: { readonly method?: string } };
  const all = Object.entries({ ...multiValueHeaders, ...headers });
  return {
    method: httpMethod ?? http?.method,
    header: (wanted) => textIn(all.find(([name]) => name.toLowerCase() === wanted)?.[1]),
    body: async (maxBytes) => {
      const bytes = Buffer.from(body ?? "", isBase64Encoded ? "base64" : "utf8");
      return await readAll([bytes], bytes.length, maxBytes);
    },
    isLast: true,
  };
}

/** A header's value, alone or in a list; `undefined` if it is none. */
function textIn(value: unknown): string | undefined {
  const text = Array.isArray(value) ? value[0] : value;
  return typeof text === "string" ? text : undefined;
}

/** The answer as a web standard response. */
export function toWeb({ status, text, headers }: Answer): Response {
  return new Response(text, { status, headers: { "Content-Type": "text/plain", ...headers } });
}

/** Answers on Node. A body that was not read ends the connection, as nothing else can follow it there. */
export function toNode(
  { status, text, headers, isUnread }: Answer,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  // A server may have answered by itself after a time-out.
  if (response.headersSent) return;
  const close = isUnread && request.httpVersionMajor < 2 ? { Connection: "close" } : {};
  response.writeHead(status, { "Content-Type": "text/plain", ...headers, ...close });
  response.end(text);
}

/** The answer as a Lambda function returns it. */
export function toLambda({ status, text, headers }: Answer): LambdaAnswer {
  return { statusCode: status, headers: { "Content-Type": "text/plain", ...headers }, body: text };
}

async function readAll(
  chunks: AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>,
  announcedBytes: unknown,
  maxBytes: number,
): Promise<Uint8Array> {
  assertSize(announcedBytes, maxBytes);
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    const part = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    length += part.length;
    assertSize(length, maxBytes);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function assertSize(bytes: unknown, maxBytes: number): void {
  if (Number(bytes ?? 0) > maxBytes) throw new TooLargeError();
}
