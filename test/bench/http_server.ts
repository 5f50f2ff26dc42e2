/** What the measurements' servers share: an HTTP server on loopback, and the body of a request. */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { RunningServer } from "./processes.ts";

export type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

/** Keeps idle connections open: bots keep theirs while others have their turn. A handler that fails is answered by 500. */
export async function startHttpServer(handle: Handler): Promise<RunningServer> {
  const server = createServer((request, response) => {
    Promise.resolve(handle(request, response)).catch((error: Error) =>
      response.writeHead(500).end(error.message)
    );
  });
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

export async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks).toString();
}

/** Answers as DynamoDB does, in one packet. */
export function sendJson(response: ServerResponse, status: number, content: string | Uint8Array): void {
  const body = typeof content === "string" ? Buffer.from(content) : content;
  const headers = { "content-type": "application/x-amz-json-1.0", "content-length": body.length };
  response.writeHead(status, headers).end(body);
}

/** The DynamoDB action that a request asks for: `UpdateItem`. */
export function actionOf({ headers }: IncomingMessage): string {
  return String(headers["x-amz-target"]).split(".")[1] ?? "";
}
