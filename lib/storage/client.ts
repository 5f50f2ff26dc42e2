/** The DynamoDB client as this toolkit wants it: few pinned attempts, time-outs that hold, no busy work. */
import process from "node:process";
import { DynamoDBClient, type DynamoDBClientConfig } from "@aws-sdk/client-dynamodb";
import { createLimit } from "../limit.ts";
import { createFetchHandler } from "./fetch_handler.ts";
import { storageError } from "./storage_error.ts";

/** Requests that a storage has under way at most: fewer than sockets, as waiting for a socket counts as time-out. */
const requestsAtOnce = 100;

/** One request, all attempts included, takes no longer than this. */
const answerWithinMs = 4500;

const attemptWithinMs = 2000;
const sockets = { keepAlive: true, maxSockets: 128 };

const nodeHandler = {
  connectionTimeout: attemptWithinMs,
  requestTimeout: attemptWithinMs,
  // Without this the SDK only logs a late answer.
  throwOnRequestTimeout: true,
  httpAgent: sockets,
  httpsAgent: sockets,
};

type RequestHandler = NonNullable<DynamoDBClientConfig["requestHandler"]>;

function fetchHandler(): RequestHandler {
  return createFetchHandler(attemptWithinMs) as unknown as RequestHandler;
}

export function createDynamoDBClient(regionName: string): DynamoDBClient {
  const isDeno = process.versions["deno"] !== undefined;
  const client = new DynamoDBClient({
    region: regionName,
    // Pinned: the SDK's default has changed before.
    // More of them would not fit into the time when DynamoDB throttles, as the SDK then waits for seconds.
    maxAttempts: 3,
    requestHandler: isDeno ? fetchHandler() : nodeHandler,
  });
  // Deep-copies every answer, even with no logger: half of the CPU time of a scan.
  client.middlewareStack.remove("loggerMiddleware");
  return client;
}

/** What is asked of the client, within the time that the signal leaves. */
export type SdkRequest<T> = (client: DynamoDBClient, abortSignal: AbortSignal) => Promise<T>;

/** A table, and the way to it. `action` is IAM's name for the request, without its prefix. */
export interface Table {
  readonly tableName: string;
  readonly send: <T>(action: string, request: SdkRequest<T>, signal?: AbortSignal) => Promise<T>;
}

/** The one way to DynamoDB: bounded in number and in time, every error explained. */
export function openTable(client: DynamoDBClient, tableName: string, regionName: string): Table {
  const limit = createLimit(requestsAtOnce);
  const send: Table["send"] = (action, request, signal) =>
    limit(async () => {
      try {
        signal?.throwIfAborted();
        return await inTime(async (deadline) => await request(client, deadline), signal);
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        throw storageError(error, { action, tableName, regionName });
      }
    });
  return { tableName, send };
}

/** Also bounds what the SDK does before it heeds a signal, such as asking for credentials. */
function inTime<T>(ask: (deadline: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const deadline = new AbortController();
    const end = (): void => {
      deadline.abort();
      settle(() => reject(new DOMException(`nothing within ${answerWithinMs} ms`, "TimeoutError")));
    };
    const timer = setTimeout(end, answerWithinMs);
    signal?.addEventListener("abort", end, { once: true });
    const settle = (settled: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      settled();
    };
    ask(deadline.signal).then(
      (answer) => settle(() => resolve(answer)),
      (error) => settle(() => reject(error)),
    );
  });
}
