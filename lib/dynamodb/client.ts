import { DynamoDBClient, type DynamoDBClientConfig } from "@aws-sdk/client-dynamodb";
import { somebodyElse } from "../telegram/client.ts";
import { createSemaphore } from "../util/async.ts";
import { rootCauseOf } from "../util/errors.ts";
import { createTransport } from "../util/http/transport.ts";
import { errorName, storageError } from "./errors.ts";

/** The SDK's marshalling, loaded with the first request: an import of the toolkit need not wait for it. */
type Marshalling = typeof import("@aws-sdk/util-dynamodb");

let loaded: Marshalling | undefined;

/** Resolves once `marshalling()` is there. */
export async function loadMarshalling(): Promise<void> {
  loaded ??= await import("@aws-sdk/util-dynamodb");
}

export function marshalling(): Marshalling {
  if (loaded === undefined) throw new Error("unreachable: the marshalling is loaded before any request");
  return loaded;
}

// The SDK's requests by the toolkit's own way to the network, which sends each once and leaves dead connections.

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

// Keys to an AWS account that are renewed while a program runs: in a file, by SSO, a container's or an instance's role, or
// a web identity. The SDK asks anew only for keys whose end it knows; these are asked for anew once AWS refuses them.

/** AWS does not know the keys, or not any more. */
const refusals = new Set([
  "ExpiredTokenException",
  "ExpiredToken",
  "UnrecognizedClientException",
  "InvalidClientTokenId",
  "InvalidSignatureException",
  "MissingAuthenticationTokenException",
]);

/** Where keys are found may be a service, which is asked no more often than this. */
const askAgainMs = 1000;

type Provider = DynamoDBClient["config"]["credentials"];

/** Where the SDK finds keys by itself, without its memory of files. */
export function findCredentials(): Provider {
  let provider: Provider | undefined;
  return async (options) => {
    const { defaultProvider } = await import("@aws-sdk/credential-provider-node");
    return await (provider ??= defaultProvider({ ignoreCache: true }))(options);
  };
}

/** Keys of one client, which several tables may share. */
export class Credentials {
  readonly #client: DynamoDBClient;
  /** How often new keys were found. */
  #renewals = 0;
  #renewing: Promise<void> | undefined;
  #askedAt = -Infinity;

  constructor(client: DynamoDBClient) {
    this.#client = client;
  }

  /** Sends it once more where its keys are refused, and others are found. */
  async sentWith<T>(send: () => Promise<T>): Promise<T> {
    const before = this.#renewals;
    try {
      return await send();
    } catch (error) {
      if (!refusals.has(errorName(error))) throw error;
      if (this.#renewals === before) await this.#renewed();
      if (this.#renewals === before) throw error;
      return await send();
    }
  }

  async #renewed(): Promise<void> {
    const now = performance.now();
    if (this.#renewing === undefined && now - this.#askedAt < askAgainMs) return;
    this.#askedAt = now;
    await (this.#renewing ??= this.#renew().finally(() => this.#renewing = undefined));
  }

  async #renew(): Promise<void> {
    try {
      const { credentials } = this.#client.config;
      const before = await credentials();
      const after = await credentials({ forceRefresh: true });
      const isNew = (["accessKeyId", "secretAccessKey", "sessionToken"] as const)
        .some((part) => before[part] !== after[part]);
      if (isNew) this.#renewals++;
    } catch {
      // What was refused says more than that no other keys were found.
    }
  }
}

const ofClients = new WeakMap<DynamoDBClient, Credentials>();

export function credentialsOf(client: DynamoDBClient): Credentials {
  const known = ofClients.get(client) ?? new Credentials(client);
  ofClients.set(client, known);
  return known;
}

// The DynamoDB client as this toolkit wants it: few pinned attempts, time-outs that hold, no busy work.

/** Requests that a storage has under way at most. */
const requestsAtOnce = 100;

/** One request, all attempts included, takes no longer than this. */
const answerWithinMs = 4500;

const attemptWithinMs = 2000;

/** Clients made here, whose requests end by themselves. */
const own = new WeakSet<DynamoDBClient>();

type RequestHandler = NonNullable<DynamoDBClientConfig["requestHandler"]>;

/** @param ask A fetch of the user's. */
export function createDynamoDBClient(regionName: string, ask?: typeof fetch): DynamoDBClient {
  const handler = createFetchHandler(createTransport(ask), attemptWithinMs);
  const client = new DynamoDBClient({
    region: regionName,
    credentials: findCredentials(),
    // Pinned: the SDK's default has changed before.
    // More of them would not fit into the time when DynamoDB throttles, as the SDK then waits for seconds.
    maxAttempts: 3,
    requestHandler: handler as unknown as RequestHandler,
    // To resolve it anew takes a quarter of the CPU time of a request. Only requests without options profit.
    cacheMiddleware: true,
  });
  own.add(client);
  // Deep-copies every answer, even with no logger: half of the CPU time of a scan.
  client.middlewareStack.remove("loggerMiddleware");
  return client;
}

/** What is asked of the client; the options say how it is ended. */
export type SdkRequest<T> = (client: DynamoDBClient, options?: { abortSignal: AbortSignal }) => Promise<T>;

/** A table, and the way to it. `action` is IAM's name for the request, without its prefix. */
export interface Table {
  readonly tableName: string;
  readonly send: <T>(action: string, request: SdkRequest<T>, signal?: AbortSignal) => Promise<T>;
}

/** What errors say of a table. */
export interface TableHints {
  /** What to check where there is no such table. */
  readonly advice: string;
  /** What an action is allowed on, after `table/`, where that is not the table itself. */
  readonly resources: Readonly<Record<string, string>>;
}

/** The one way to DynamoDB: bounded in number and in time, every error explained. `words` default to the chats'. */
export function openTable(
  client: DynamoDBClient,
  tableName: string,
  regionName: string,
  words?: TableHints,
): Table {
  const limit = createSemaphore(requestsAtOnce);
  const credentials = credentialsOf(client);
  const send: Table["send"] = (action, request, signal) =>
    limit(async () => {
      try {
        signal?.throwIfAborted();
        await loadMarshalling();
        return await credentials.sentWith(() =>
          own.has(client) && signal === undefined
            ? inTime(request(client))
            : abortedInTime((abortSignal) => request(client, { abortSignal }), signal)
        );
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        const resource = words?.resources[action];
        throw storageError(error, { action, tableName, regionName, resource, advice: words?.advice });
      }
    });
  return { tableName, send };
}

/** Aborts what takes too long, or what nobody waits for any more. */
async function abortedInTime<T>(
  ask: (abortSignal: AbortSignal) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  signal?.addEventListener("abort", end, { once: true });
  try {
    return await inTime(ask(ending.signal), signal);
  } finally {
    signal?.removeEventListener("abort", end);
    end();
  }
}

/** Also bounds what the SDK does before it heeds a signal, such as asking for credentials. */
function inTime<T>(answer: Promise<T>, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = (): void => reject(new DOMException(`nothing within ${answerWithinMs} ms`, "TimeoutError"));
    const timer = setTimeout(late, answerWithinMs);
    signal?.addEventListener("abort", late, { once: true });
    const settled = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", late);
    };
    answer.finally(settled).then(resolve, reject);
  });
}
