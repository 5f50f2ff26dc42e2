/** The DynamoDB client as this toolkit wants it: few pinned attempts, time-outs that hold, no busy work. */
import process from "node:process";
import { DynamoDBClient, type DynamoDBClientConfig } from "@aws-sdk/client-dynamodb";
import { createFetchHandler } from "./fetch_handler.ts";

/** Requests that a storage has under way at most: fewer than sockets, as waiting for a socket counts as time-out. */
export const requestsAtOnce = 48;

/** One request, all attempts included, takes no longer than this. */
export const answerWithinMs = 4500;

const attemptWithinMs = 2000;
const sockets = { keepAlive: true, maxSockets: 64 };

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
