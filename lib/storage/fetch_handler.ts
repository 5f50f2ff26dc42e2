/** The SDK's requests by way of fetch: for Deno, whose `node:http` sends a request twice without a word. */
import { sendOnce } from "../send_once.ts";

/** What the SDK gives its request handler. */
interface Request {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: string | Uint8Array;
}

interface Answer {
  readonly response: {
    readonly statusCode: number;
    readonly headers: Record<string, string>;
    readonly body: Uint8Array;
  };
}

/** As much of the SDK's `HttpHandler` as its client uses. */
export interface FetchHandler {
  readonly metadata: { readonly handlerProtocol: string };
  handle(request: Request, options?: { readonly abortSignal?: AbortSignal }): Promise<Answer>;
  updateHttpClientConfig(): void;
  httpHandlerConfigs(): Record<string, never>;
  destroy(): void;
}

/** @param answerWithinMs What one attempt may take, its body included. */
export function createFetchHandler(answerWithinMs: number): FetchHandler {
  return {
    metadata: { handlerProtocol: "http/1.1" },
    async handle(request, { abortSignal } = {}) {
      const late = new AbortController();
      const abort = (): void => late.abort();
      const timer = setTimeout(abort, answerWithinMs);
      abortSignal?.addEventListener("abort", abort, { once: true });
      try {
        return await ask(request, late.signal);
      } catch (error) {
        throw explained(error, late.signal.aborted);
      } finally {
        clearTimeout(timer);
        abortSignal?.removeEventListener("abort", abort);
      }
    },
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
    destroy() {},
  };
}

async function ask(request: Request, signal: AbortSignal): Promise<Answer> {
  const { protocol, hostname, port, path, method, headers, body = "" } = request;
  const url = `${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}`;
  // A client must not set these two; they follow from the address and the body.
  const { host: _host, "content-length": _length, ...rest } = headers;
  const response = await sendOnce(url, { method, headers: rest, body: body as string, signal });
  const content = new Uint8Array(await response.arrayBuffer());
  const answered = Object.fromEntries(response.headers);
  return { response: { statusCode: response.status, headers: answered, body: content } };
}

/** The error with the name or the code by which the SDK knows what to try again. */
function explained(error: unknown, isLate: boolean): Error {
  if (isLate) {
    return Object.assign(new Error("no answer in time", { cause: error }), { name: "TimeoutError" });
  }
  const { name, message, cause } = error as Error;
  if (name === "NotCapable") return error as Error;
  // Deno says "fetch failed", and why in the cause.
  const words = [message, (cause as Error | undefined)?.message].filter(Boolean).join(": ");
  const detail = /client error \(Connect\): (.*)$/.exec(words)?.[1] ?? words;
  return Object.assign(new Error(detail, { cause: error }), { code: codeOf(words) });
}

function codeOf(words: string): string {
  if (/dns error|failed to lookup/i.test(words)) return "ENOTFOUND";
  return /refused/i.test(words) ? "ECONNREFUSED" : "ECONNRESET";
}
