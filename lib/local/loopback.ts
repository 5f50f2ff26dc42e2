/** HTTP servers on 127.0.0.1: listening, reading bodies, and refusing web pages. */
import { Buffer } from "node:buffer";
import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo } from "node:net";

/** Resolves to the port, which the system chooses for 0. */
export function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Ends all connections at once, and resolves when the server has closed; it may be closed already. */
export function closeAtOnce(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

export async function readBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of message) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

/**
 * Whether a web page has sent the request, or may have. Browsers say where a request is from in `Origin` and
 * `Sec-Fetch-Site`; programs do not, though some send other headers of that kind. A page may point a name of its own to
 * the address of this machine, which shows in `Host`; but no page has a name that ends in `.test` (RFC 6761), which
 * proxies under test ask for.
 */
export function isFromWebPage({ headers }: IncomingMessage): boolean {
  const { origin, host } = headers;
  const site = headers["sec-fetch-site"];
  if (origin !== undefined || (site !== undefined && site !== "none")) return true;
  if (host === undefined) return false;
  const url = `http://${host}`;
  return !URL.canParse(url) || !(isLoopback(url) || new URL(url).hostname.endsWith(".test"));
}

/** Whether the address is one of this machine's own. */
export function isLoopback(url: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(url).hostname);
}
