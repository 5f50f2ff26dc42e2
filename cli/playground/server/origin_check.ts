/** Lets only the playground's own page send requests to its server. */
import type { IncomingMessage } from "node:http";

/** An error that is the answer to a request. */
export class HttpError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Checked before anything else, on every route. A page elsewhere may send requests to 127.0.0.1 and may give its own
 * name this address; the browser then says so in `Origin`, `Sec-Fetch-Site` or `Host`.
 * @throws {HttpError} 403, if the request comes from elsewhere.
 */
export function requireOwnPage({ headers, method }: IncomingMessage, port: number): void {
  const { host = "", origin } = headers;
  const site = headers["sec-fetch-site"];
  const hosts = ["127.0.0.1", "localhost"].map((name) => new URL(`http://${name}:${port}`).host);
  if (!hosts.includes(host)) throw new HttpError(403, `This is ${hosts.join(" or ")}, and no other host.`);
  const isOtherOrigin = origin !== undefined && origin !== `http://${host}`;
  const isOtherSite = site !== undefined && site !== "same-origin" && site !== "none";
  if (isOtherOrigin || isOtherSite) throw new HttpError(403, "Only the playground's own page may ask.");
  const changes = method !== "GET" && method !== "HEAD";
  if (changes && origin === undefined) {
    throw new HttpError(403, "A change needs an Origin, which browsers send.");
  }
}

/**
 * Sent with every answer: the page loads only what this server serves, runs no script that stands in its HTML, sends
 * requests to this server only, and cannot be framed by another page.
 */
export const securityHeaders: Readonly<Record<string, string>> = {
  "Content-Security-Policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "Cache-Control": "no-store",
};
