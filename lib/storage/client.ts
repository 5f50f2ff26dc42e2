/** The DynamoDB client as this toolkit wants it: few pinned attempts, time-outs that hold, no busy work. */
import { DynamoDBClient, type DynamoDBClientConfig } from "@aws-sdk/client-dynamodb";
import { createLimit } from "../limit.ts";
import { createTransport } from "../transport.ts";
import { credentialsOf, findCredentials } from "./credentials.ts";
import { createFetchHandler } from "./fetch_handler.ts";
import { loadMarshalling } from "./marshalling.ts";
import { storageError } from "./storage_error.ts";

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
export interface TableWords {
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
  words?: TableWords,
): Table {
  const limit = createLimit(requestsAtOnce);
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
