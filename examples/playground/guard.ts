/** Who may talk to the playground: its own page, and nobody else's. */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** An answer in place of what was asked for. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Checked before anything else, on every route. A page elsewhere may send requests to 127.0.0.1 and may give its own
 * name this address; the browser then says so in `Origin`, `Sec-Fetch-Site` or `Host`.
 * @throws {Refusal} 403, if the request comes from elsewhere.
 */
export function requireOwnPage({ headers, method }: IncomingMessage, port: number): void {
  const { host = "", origin } = headers;
  const site = headers["sec-fetch-site"];
  const hosts = ["127.0.0.1", "localhost"].map((name) => new URL(`http://${name}:${port}`).host);
  if (!hosts.includes(host)) throw new Refusal(403, `This is ${hosts.join(" or ")}, and no other host.`);
  if (origin !== undefined && origin !== `http://${host}`) {
    throw new Refusal(403, "Only the playground's own page may ask.");
  }
  if (site !== undefined && site !== "same-origin" && site !== "none") {
    throw new Refusal(403, "Only the playground's own page may ask.");
  }
  const changes = method !== "GET" && method !== "HEAD";
  if (changes && origin === undefined) {
    throw new Refusal(403, "A change needs an Origin, which browsers send.");
  }
}

/** On every answer: the page gets what the playground serves, runs what stands in it, and is shown in no other. */
export function securityHeaders(page: string): Readonly<Record<string, string>> {
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(page, "script")}`,
    `style-src ${hashOf(page, "style")}`,
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    "Content-Security-Policy": policy.join("; "),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
  };
}

/** The hash by which the page's own script or style is allowed, and no other. */
function hashOf(page: string, element: "script" | "style"): string {
  const [, content = ""] = new RegExp(`<${element}[^>]*>(.*?)</${element}>`, "s").exec(page) ?? [];
  return `'sha256-${createHash("sha256").update(content).digest("base64")}'`;
}
