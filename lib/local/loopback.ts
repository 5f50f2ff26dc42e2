/** Who may talk to the servers of this folder: programs on this machine, and no page in a browser. */
import type { IncomingMessage } from "node:http";

/**
 * Whether a page has sent the request, or may have. Browsers say where a request is from in `Origin` and
 * `Sec-Fetch-Site`; programs do not, though some send other headers of that kind. A page may give a name of its own the
 * address of this machine, which shows in `Host`; but no page has a name that ends in `.test` (RFC 6761), which proxies
 * under test ask for.
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
