/** HTTP on loopback: the page, its events, its pictures, and what it may change. */
import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Refusal, requireOwnPage, securityHeaders } from "./guard.ts";

/** What the page can ask for. */
export interface Site {
  /** Keeps the response open for events. @throws {Refusal} If it cannot. */
  openEvents(response: ServerResponse): void;
  /** A picture's bytes. */
  photo(id: string): Uint8Array | undefined;
  /** @throws {Refusal} If there is no such action, or not with this. */
  act(name: string, parameters: Readonly<Record<string, unknown>>): Promise<void>;
}

export interface WebServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT/` */
  readonly address: string;
}

const bodyAtMost = 64 * 1024;

/** @throws {Error} If the port is taken. */
export async function startWebServer(port: number, site: Site): Promise<WebServer> {
  const page = await readFile(new URL("page.html", import.meta.url), "utf8");
  const headers = Object.entries(securityHeaders(page));
  const server = createServer((request, response) => {
    request.on("error", () => {});
    for (const [name, value] of headers) response.setHeader(name, value);
    const { port } = server.address() as AddressInfo;
    serve({ request, response, port, page, site }).catch((error) => refuse(response, error));
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

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly port: number;
  readonly page: string;
  readonly site: Site;
}

async function serve({ request, response, port, page, site }: Exchange): Promise<void> {
  requireOwnPage(request, port);
  const { pathname } = new URL(request.url ?? "/", "http://127.0.0.1");
  const [, folder = "", name = ""] = /^\/(\w*)(?:\/([\w-]+))?$/.exec(pathname) ?? [];
  if (folder === "actions" && name !== "") {
    requireMethod(request, response, "POST");
    await site.act(name, await readJson(request));
    return void response.writeHead(204).end();
  }
  if (pathname !== "/" && pathname !== "/events" && folder !== "photos") throw notHere(pathname);
  requireMethod(request, response, "GET");
  if (pathname === "/") send(response, "text/html; charset=utf-8", page);
  else if (pathname === "/events") site.openEvents(response);
  else sendPhoto(response, site.photo(name));
}

function sendPhoto(response: ServerResponse, bytes: Uint8Array | undefined): void {
  if (bytes === undefined) throw new Refusal(404, "There is no such picture.");
  response.setHeader("Cache-Control", "private, max-age=3600");
  send(response, "image/png", Buffer.from(bytes));
}

function send(response: ServerResponse, type: string, body: string | Uint8Array): void {
  response.writeHead(200, { "Content-Type": type, "Content-Length": Buffer.byteLength(body) }).end(body);
}

function notHere(pathname: string): Refusal {
  return new Refusal(404, `There is nothing at ${pathname}.`);
}

function requireMethod(request: IncomingMessage, response: ServerResponse, method: "GET" | "POST"): void {
  if (request.method === method) return;
  response.setHeader("Allow", method);
  throw new Refusal(405, `This needs a ${method}.`);
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const type = request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") throw new Refusal(415, "The body must be application/json.");
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > bodyAtMost) throw new Refusal(413, `The body must be at most ${bodyAtMost} bytes.`);
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
    // Refused below, as anything else that is no object.
  }
  throw new Refusal(400, "The body must be a JSON object.");
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy();
  const { status, message } = error instanceof Refusal ? error : new Refusal(500, String(error));
  // What is left of a body that was too long is not waited for.
  if (status === 413) response.setHeader("Connection", "close");
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" }).end(`${message}\n`);
}
