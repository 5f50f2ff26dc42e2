/** The HTTP server on 127.0.0.1: the page, its events, its pictures, and the actions that it may take. */
import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { HttpError, requireOwnPage, securityHeaders } from "./origin_check.ts";

/** What is served beside the page's own files. */
export interface PageBackend {
  /** Keeps the response open for events. @throws {HttpError} If too many are open. */
  openEvents(response: ServerResponse): void;
  /** A picture's bytes. */
  photo(id: string): Uint8Array | undefined;
  /** @throws {HttpError} If there is no such action, or its parameters are wrong. */
  act(name: string, parameters: Readonly<Record<string, unknown>>): Promise<void>;
}

export interface WebServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT/` */
  readonly address: string;
}

const maxBodyBytes = 64 * 1024;

/** The files of the page: by path, the file's name and its type. */
const pageFiles: Readonly<Record<string, readonly [name: string, type: string]>> = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/page.css": ["page.css", "text/css; charset=utf-8"],
  "/page.js": ["page.js", "text/javascript; charset=utf-8"],
};

/** @throws {Error} If the port is taken. */
export async function startWebServer(port: number, backend: PageBackend): Promise<WebServer> {
  const page = await readPage();
  const server = createServer((request, response) => {
    request.on("error", () => {});
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
    const { port } = server.address() as AddressInfo;
    serve({ request, response, port, page, backend }).catch((error) => sendError(response, error));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** By path. */
type Page = ReadonlyMap<string, { readonly type: string; readonly body: Uint8Array }>;

async function readPage(): Promise<Page> {
  const files = Object.entries(pageFiles).map(async ([path, [name, type]]) => {
    const body = await readFile(new URL(`../page/${name}`, import.meta.url));
    return [path, { type, body }] as const;
  });
  return new Map(await Promise.all(files));
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly port: number;
  readonly page: Page;
  readonly backend: PageBackend;
}

async function serve({ request, response, port, page, backend }: Exchange): Promise<void> {
  requireOwnPage(request, port);
  const { pathname } = new URL(request.url ?? "/", "http://127.0.0.1");
  const [, folder = "", name = ""] = /^\/(\w*)(?:\/([\w-]+))?$/.exec(pathname) ?? [];
  if (folder === "actions" && name !== "") {
    requireMethod(request, response, "POST");
    await backend.act(name, await readJson(request));
    return void response.writeHead(204).end();
  }
  const file = page.get(pathname);
  if (file === undefined && pathname !== "/events" && folder !== "photos") throw notFound(pathname);
  requireMethod(request, response, "GET");
  if (file !== undefined) send(response, file.type, file.body);
  else if (pathname === "/events") backend.openEvents(response);
  else sendPhoto(response, backend.photo(name));
}

function sendPhoto(response: ServerResponse, bytes: Uint8Array | undefined): void {
  if (bytes === undefined) throw new HttpError(404, "There is no such picture.");
  response.setHeader("Cache-Control", "private, max-age=3600");
  send(response, "image/png", bytes);
}

function send(response: ServerResponse, type: string, body: Uint8Array): void {
  response.writeHead(200, { "Content-Type": type, "Content-Length": body.length }).end(body);
}

function notFound(pathname: string): HttpError {
  return new HttpError(404, `There is nothing at ${pathname}.`);
}

function requireMethod(request: IncomingMessage, response: ServerResponse, method: "GET" | "POST"): void {
  if (request.method === method) return;
  response.setHeader("Allow", method);
  throw new HttpError(405, `This needs a ${method}.`);
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const type = request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") throw new HttpError(415, "The body must be application/json.");
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > maxBodyBytes) throw new HttpError(413, `The body must be at most ${maxBodyBytes} bytes.`);
    parts.push(part);
  }
  return parse(Buffer.concat(parts).toString("utf8"));
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // Refused below, like JSON that is not an object.
  }
  throw new HttpError(400, "The body must be a JSON object.");
}

function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy();
  const { status, message } = error instanceof HttpError ? error : new HttpError(500, String(error));
  // The rest of a body that is too long is not read.
  if (status === 413) response.setHeader("Connection", "close");
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" }).end(`${message}\n`);
}
