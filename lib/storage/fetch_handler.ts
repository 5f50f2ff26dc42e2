/** The SDK's requests by the toolkit's own way to the network, which sends each once and leaves dead connections. */
import { somebodyElse } from "../in_form.ts";
import { rootCauseOf } from "../reason.ts";

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

/**
 * @param send Sends a request once, and follows nothing.
 * @param answerWithinMs What one attempt may take, its body included.
 */
export function createFetchHandler(send: typeof fetch, answerWithinMs: number): FetchHandler {
  return {
    metadata: { handlerProtocol: "http/1.1" },
    async handle(request, { abortSignal } = {}) {
      if (abortSignal?.aborted) throw aborted();
      const late = new AbortController();
      const abort = (): void => late.abort();
      const timer = setTimeout(abort, answerWithinMs);
      abortSignal?.addEventListener("abort", abort, { once: true });
      try {
        return await ask(send, request, late.signal);
      } catch (error) {
        if (abortSignal?.aborted) throw aborted();
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

async function ask(send: typeof fetch, request: Request, signal: AbortSignal): Promise<Answer> {
  const { protocol, hostname, port, path, method, headers, body = "" } = request;
  const url = `${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}`;
  // A client must not set these two; they follow from the address and the body.
  const { host: _host, "content-length": _length, ...rest } = headers;
  const response = await send(url, { method, headers: rest, body: body as string, signal });
  const content = new Uint8Array(await response.arrayBuffer());
  // Keys are asked for in the same way, elsewhere.
  if (headers["x-amz-target"]?.startsWith("DynamoDB")) assertFromDynamoDB(response, content);
  const answered = Object.fromEntries(response.headers);
  return { response: { statusCode: response.status, headers: answered, body: content } };
}

/**
 * DynamoDB answers with a JSON object of a type of its own, and names each request. The SDK takes anything with status
 * 200 for a success, so that a write would be lost to whoever has answered, and a table would read as empty.
 */
function assertFromDynamoDB({ status, headers }: Response, content: Uint8Array): void {
  const type = headers.get("content-type")?.split(";")[0] || "of no type";
  const isNamed = type.includes("x-amz-json") || headers.has("x-amzn-requestid");
  const isObject = content.find((byte) => byte > 32) === 123;
  if (isNamed && isObject && (status < 300 || status > 399)) return;
  const what = content.length === 0 ? "the answer is empty" : "the answer is not DynamoDB's";
  throw new Error(`${what} (status ${status}, ${type}): ${somebodyElse("DynamoDB")}`);
}

/** The SDK does not try again what nobody waits for any more. */
function aborted(): Error {
  return Object.assign(new Error("nobody waits for the answer any more"), { name: "AbortError" });
}

/** The error with the name or the code by which the SDK knows what to try again. */
function explained(error: unknown, isLate: boolean): Error {
  if (isLate) {
    return Object.assign(new Error("no answer in time", { cause: error }), { name: "TimeoutError" });
  }
  if ((error as Error).name === "NotCapable") return error as Error;
  const words = rootCauseOf(error);
  const detail = /client error \(Connect\): (.*)$/.exec(words)?.[1] ?? words;
  return Object.assign(new Error(detail, { cause: error }), { code: codeIn(error) ?? codeOf(words) });
}

/** The system's code at the bottom of an error. */
function codeIn(error: unknown): string | undefined {
  const { code, cause, errors } = (error ?? {}) as { code?: unknown; cause?: unknown; errors?: unknown };
  const [member] = Array.isArray(errors) ? errors : [];
  const inner = cause ?? member;
  const below = inner === undefined ? undefined : codeIn(inner);
  return below ?? (typeof code === "string" && /^E[A-Z]+$/.test(code) ? code : undefined);
}

function codeOf(words: string): string {
  if (/dns error|failed to lookup/i.test(words)) return "ENOTFOUND";
  return /refused/i.test(words) ? "ECONNREFUSED" : "ECONNRESET";
}
