/**
 * The way to DynamoDB: a client with few attempts and firm time-outs, credentials that are renewed once AWS refuses them,
 * and requests to a table that are bounded in number and in time and fail with a `StorageError`.
 */
import { Buffer } from "node:buffer";
import {
  type AttributeValue,
  DynamoDBClient,
  type DynamoDBClientConfig,
  GetItemCommand,
  UpdateItemCommand,
  type UpdateItemCommandInput,
} from "@aws-sdk/client-dynamodb";
import { somebodyElse } from "../telegram/client.ts";
import { createSemaphore, deadline, DeadlineError } from "../util/async.ts";
import { type Clock, steady, systemClock } from "../util/clock.ts";
import { rootCauseOf } from "../util/errors.ts";
import { createTransport } from "../util/http/transport.ts";
import { registerSecret } from "../util/safe_text.ts";
import { errorName, storageError } from "./errors.ts";

export type Item = Record<string, AttributeValue>;

export type UpdateExpression = Omit<UpdateItemCommandInput, "TableName" | "Key">;

/** The SDK's marshalling, loaded with the first request: an import of the toolkit need not wait for it. */
type Marshalling = typeof import("@aws-sdk/util-dynamodb");

let loaded: Marshalling | undefined;

/** Resolves once `marshalling()` can be used. */
export async function loadMarshalling(): Promise<void> {
  loaded ??= await import("@aws-sdk/util-dynamodb");
}

export function marshalling(): Marshalling {
  if (loaded === undefined) throw new Error("unreachable: the marshalling is loaded before any request");
  return loaded;
}

// Requests to a table.

/** Requests of one table that are under way at most. */
const requestsAtOnce = 100;

/** The time for one request, all attempts included. */
const requestWithinMs = 4500;

/** A command of the SDK, as far as the type of its answer goes. */
interface Command<Output> {
  resolveMiddleware(
    stack: never,
    config: never,
    options: never,
  ): (args: never) => Promise<{ output: Output }>;
}

/** A table, and the way to it. `action` is IAM's name for the request, without its prefix. */
export interface Table {
  readonly tableName: string;
  readonly send: <Output>(action: string, command: Command<Output>, signal?: AbortSignal) => Promise<Output>;
}

/** What errors say of a table. */
export interface TableHints {
  /** What to check where there is no such table. */
  readonly advice: string;
  /** What an action is allowed on, after `table/`, where that is not the table itself. */
  readonly resources: Readonly<Record<string, string>>;
}

/** @param hints Default: those of the table of chats. */
export function openTable(
  client: DynamoDBClient,
  tableName: string,
  regionName: string,
  hints?: TableHints,
  clock: Clock = systemClock,
): Table {
  const limit = createSemaphore(requestsAtOnce);
  const credentials = credentialsOf(client);
  const sendOnce = (command: Command<unknown>, signal?: AbortSignal): Promise<unknown> => {
    // A client made here ends its requests by itself, and sends those without options faster.
    const isPlain = ownClients.has(client) && signal === undefined;
    const send = (abortSignal?: AbortSignal): Promise<unknown> =>
      client.send(command as never, abortSignal && { abortSignal });
    // The deadline also ends what the SDK does before it heeds a signal, such as asking for credentials.
    return deadline(isPlain ? send() : send, { ms: requestWithinMs, clock, signal });
  };
  return {
    tableName,
    send: <Output>(action: string, command: Command<Output>, signal?: AbortSignal) =>
      limit(async () => {
        try {
          signal?.throwIfAborted();
          await loadMarshalling();
          return await credentials.sendWith(() => sendOnce(command, signal)) as Output;
        } catch (error) {
          if (signal?.aborted) throw signal.reason;
          const resource = hints?.resources[action];
          throw storageError(error, { action, tableName, regionName, resource, advice: hints?.advice });
        }
      }),
  };
}

/** Reads an item consistently; `undefined` if there is none. */
export async function getItem(table: Table, Key: Item, signal?: AbortSignal): Promise<Item | undefined> {
  const command = new GetItemCommand({ TableName: table.tableName, Key, ConsistentRead: true });
  return (await table.send("GetItem", command, signal)).Item;
}

/** Updates an item; gives the attributes that the update asks for. */
export async function updateItem(
  table: Table,
  Key: Item,
  update: UpdateExpression,
  signal?: AbortSignal,
): Promise<Item | undefined> {
  const command = new UpdateItemCommand({ TableName: table.tableName, Key, ...update });
  return (await table.send("UpdateItem", command, signal)).Attributes;
}

/** DynamoDB's error where a write's condition does not hold. */
export interface ConditionError extends Error {
  /** The item as it is, where the engine sends it. */
  readonly Item?: Item;
  readonly $metadata?: { readonly attempts?: number };
}

// The client.

/** The time for one attempt of a request, its answer's body included. */
const attemptWithinMs = 2000;

/** Clients made here, whose requests end by themselves. */
const ownClients = new WeakSet<DynamoDBClient>();

/** @param fetch A fetch of the user's. */
export function createDynamoDBClient(regionName: string, fetch?: typeof globalThis.fetch): DynamoDBClient {
  const handler = createFetchHandler(createTransport(fetch), attemptWithinMs);
  const client = new DynamoDBClient({
    region: regionName,
    credentials: findCredentials(),
    // Pinned: the SDK's default has changed before.
    // More of them would not fit into the time when DynamoDB throttles, as the SDK then waits for seconds.
    maxAttempts: 3,
    requestHandler: handler as unknown as NonNullable<DynamoDBClientConfig["requestHandler"]>,
    // To resolve it anew takes a quarter of the CPU time of a request. Only requests without options profit.
    cacheMiddleware: true,
  });
  ownClients.add(client);
  // Deep-copies every answer, even with no logger: half of the CPU time of a scan.
  client.middlewareStack.remove("loggerMiddleware");
  return client;
}

/** The SDK's request, as its request handler gets it. */
interface HttpRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: string | Uint8Array;
}

interface HttpAnswer {
  readonly response: {
    readonly statusCode: number;
    readonly headers: Record<string, string>;
    readonly body: Uint8Array;
  };
}

/** The part of the SDK's `HttpHandler` that its client uses. */
interface FetchHandler {
  readonly metadata: { readonly handlerProtocol: string };
  handle(request: HttpRequest, options?: { readonly abortSignal?: AbortSignal }): Promise<HttpAnswer>;
  updateHttpClientConfig(): void;
  httpHandlerConfigs(): Record<string, never>;
  destroy(): void;
}

/** @param send Sends a request once, and follows no redirect. */
function createFetchHandler(
  send: typeof fetch,
  withinMs: number,
  clock: Clock = systemClock,
): FetchHandler {
  return {
    metadata: { handlerProtocol: "http/1.1" },
    async handle(request, { abortSignal } = {}) {
      if (abortSignal?.aborted) throw aborted();
      const attempt = (signal: AbortSignal): Promise<HttpAnswer> => sendRequest(send, request, signal);
      try {
        return await deadline(attempt, { ms: withinMs, clock, signal: abortSignal });
      } catch (error) {
        throw abortSignal?.aborted ? aborted() : sdkError(error);
      }
    },
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
    destroy() {},
  };
}

async function sendRequest(
  send: typeof fetch,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const { protocol, hostname, port, path, method, headers, body = "" } = request;
  // A password with a / in it would have ended the host, which errors name.
  if (path.includes("@")) throw new Error("the endpoint's address must have no name and no password");
  const url = `${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}`;
  // A client must not set these two; they follow from the address and the body.
  const { host: _host, "content-length": _length, ...rest } = headers;
  const response = await send(url, { method, headers: rest, body: body as string, signal });
  const content = new Uint8Array(await response.arrayBuffer());
  // The client also asks other services, for credentials.
  if (headers["x-amz-target"]?.startsWith("DynamoDB")) assertFromDynamoDB(response, content);
  const answered = Object.fromEntries(response.headers);
  return { response: { statusCode: response.status, headers: answered, body: withoutProto(content) } };
}

/**
 * The SDK fails at an answer in which something is called `__proto__`, as another program may call an attribute: a whole
 * page of a scan would be lost for it. It stays in the table, and is not read.
 */
function withoutProto(content: Uint8Array): Uint8Array {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  if (!bytes.includes('"__proto__"')) return content;
  try {
    const kept = JSON.parse(bytes.toString(), (name, value) => name === "__proto__" ? undefined : value);
    return Buffer.from(JSON.stringify(kept));
  } catch {
    return content;
  }
}

/**
 * DynamoDB answers with a JSON object of a type of its own, and names each request. The SDK takes any answer of status 200
 * for a success: if a proxy gave it, a write would be lost, and a table would read as empty.
 */
function assertFromDynamoDB({ status, headers }: Response, content: Uint8Array): void {
  const type = headers.get("content-type")?.split(";")[0] || "of no type";
  const isNamed = type.includes("x-amz-json") || headers.has("x-amzn-requestid");
  const isObject = content.find((byte) => byte > 32) === 123;
  if (isNamed && isObject && (status < 300 || status > 399)) return;
  const what = content.length === 0 ? "the answer is empty" : "the answer is not DynamoDB's";
  throw new Error(`${what} (status ${status}, ${type}): ${somebodyElse("DynamoDB")}`);
}

/** The SDK does not repeat a request that fails with an error of this name. */
function aborted(): Error {
  return Object.assign(new Error("the request was aborted"), { name: "AbortError" });
}

/** The error with the name or the code by which the SDK decides whether to try again. */
function sdkError(error: unknown): Error {
  if (error instanceof DeadlineError) {
    return Object.assign(new Error("no answer in time", { cause: error }), { name: "TimeoutError" });
  }
  if ((error as Error).name === "NotCapable") return error as Error;
  const message = rootCauseOf(error);
  const detail = /client error \(Connect\): (.*)$/.exec(message)?.[1] ?? message;
  return Object.assign(new Error(detail, { cause: error }), { code: codeIn(error) ?? codeFor(message) });
}

/** The operating system's code at the bottom of an error. */
function codeIn(error: unknown): string | undefined {
  const { code, cause, errors } = (error ?? {}) as { code?: unknown; cause?: unknown; errors?: unknown };
  const [member] = Array.isArray(errors) ? errors : [];
  const inner = cause ?? member;
  const innerCode = inner === undefined ? undefined : codeIn(inner);
  return innerCode ?? (typeof code === "string" && /^E[A-Z]+$/.test(code) ? code : undefined);
}

function codeFor(message: string): string {
  if (/dns error|failed to lookup/i.test(message)) return "ENOTFOUND";
  return /refused/i.test(message) ? "ECONNREFUSED" : "ECONNRESET";
}

// Credentials may change while a program runs: in a file, by SSO, a container's or an instance's role, or a web identity.
// The SDK asks anew only for those whose expiry it knows; these are asked for anew once AWS refuses them.

/** Errors with which AWS refuses credentials that it does not know, or does not know any more. */
const credentialErrors = new Set([
  "ExpiredTokenException",
  "ExpiredToken",
  "UnrecognizedClientException",
  "InvalidClientTokenId",
  "InvalidSignatureException",
  "MissingAuthenticationTokenException",
]);

/** The source of credentials may be a service, which is asked no more often than this. */
const askAgainMs = 1000;

type CredentialProvider = DynamoDBClient["config"]["credentials"];

/** The SDK's own search for credentials, without its cache of files. */
function findCredentials(): CredentialProvider {
  let provider: CredentialProvider | undefined;
  return async (options) => {
    const { defaultProvider } = await import("@aws-sdk/credential-provider-node");
    const found = await (provider ??= defaultProvider({ ignoreCache: true }))(options);
    for (const secret of [found.secretAccessKey, found.sessionToken]) registerSecret(secret);
    return found;
  };
}

/** The credentials of one client, which several tables may share. */
class Credentials {
  readonly #client: DynamoDBClient;
  readonly #now: () => number;
  /** How often new ones were found. */
  #renewals = 0;
  #renewing: Promise<void> | undefined;
  #askedAt = -Infinity;

  constructor(client: DynamoDBClient, clock: Clock = systemClock) {
    this.#client = client;
    this.#now = steady(clock);
  }

  /** Sends a request, and sends it once more where its credentials are refused and new ones are found. */
  async sendWith<T>(send: () => Promise<T>): Promise<T> {
    const before = this.#renewals;
    try {
      return await send();
    } catch (error) {
      if (!credentialErrors.has(errorName(error))) throw error;
      if (this.#renewals === before) await this.#renewOnce();
      if (this.#renewals === before) throw error;
      return await send();
    }
  }

  async #renewOnce(): Promise<void> {
    const now = this.#now();
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
      // AWS's refusal says more than that no other credentials were found.
    }
  }
}

const credentialsByClient = new WeakMap<DynamoDBClient, Credentials>();

function credentialsOf(client: DynamoDBClient): Credentials {
  const known = credentialsByClient.get(client) ?? new Credentials(client);
  credentialsByClient.set(client, known);
  return known;
}
