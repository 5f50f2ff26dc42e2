/** `startDynamoDB`: a DynamoDB inside this process, which is the package dynalite. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { join } from "node:path";
import { deadline } from "../../util/async.ts";
import { systemClock } from "../../util/clock.ts";
import { assertOptions, type Checks, textRule } from "../../util/validate.ts";
import { isFromWebPage, listen } from "../loopback.ts";
import { millisecondsRule, portRule } from "../validate.ts";

/** Where the embedded DynamoDB keeps its tables, and how it behaves. */
export interface LocalDynamoDBOptions {
  /** A folder for the tables, made if absent and open to one process at a time. Default: memory, gone at `close()`. */
  readonly path?: string;
  /** TCP port on 127.0.0.1. Default: 0, the system chooses. */
  readonly port?: number;
  /** Milliseconds that a new table stays in CREATING; with 0, the default, it is still so for an instant. */
  readonly createTableMs?: number;
}

/** An embedded DynamoDB; its fields are those that a `DynamoDBClient` takes. */
export interface LocalDynamoDB {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  /** It is not checked, so that any would do. */
  readonly region: string;
  /** They are not checked, so that any would do. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Finishes the requests that it has begun, then closes. Tables in a folder are there at the next start. */
  close(): Promise<void>;
  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

const checks: Checks<LocalDynamoDBOptions> = {
  rules: { path: textRule("the path of a folder", /./), port: portRule, createTableMs: millisecondsRule },
};

/**
 * Starts a DynamoDB inside this process (the package `dynalite`, which has to be installed).
 *
 * It answers as the service does, with these differences: a failed condition never carries the item, no request is
 * throttled or refused access (`startFaultGate` can do that), and there are no transactions.
 * @throws {TypeError} If an option is unknown or has a wrong value.
 * @throws {Error} If dynalite is missing or may not be loaded, or the port or the folder cannot be used.
 */
export async function startDynamoDB(options: LocalDynamoDBOptions = {}): Promise<LocalDynamoDB> {
  assertOptions("start the DynamoDB", options, checks);
  const { path, port = 0, createTableMs = 0 } = options;
  const dynalite = await loadDynalite();
  if (path !== undefined) await refuseFolderInUse(path);
  const folder = path === undefined ? {} : { path };
  const server = dynalite({ ...folder, createTableMs, deleteTableMs: 0, updateTableMs: 0 });
  const running = new Set<ServerResponse>();
  refuseBrowsers(server);
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    // dynalite's own listener throws the error of a client that leaves, which ends the process.
    request.removeAllListeners("error").on("error", () => {});
    for (const earlier of running) if (isSettled(earlier)) running.delete(earlier);
    running.add(response);
  });
  const chosen = await listenOrClose(server, port);
  if (path !== undefined) await writeFile(join(path, portFile), String(chosen));
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => closing ??= closeServer(server, running, path);
  return {
    endpoint: `http://127.0.0.1:${chosen}`,
    region: "us-east-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** dynalite answers web pages too; a page that somebody reads must not change their tables. */
function refuseBrowsers(server: Server): void {
  const listeners = server.listeners("request") as ((...call: [IncomingMessage, ServerResponse]) => void)[];
  server.removeAllListeners("request").on("request", (request: IncomingMessage, response: ServerResponse) => {
    if (isFromWebPage(request)) return void response.writeHead(403).end();
    for (const listener of listeners) listener.call(server, request, response);
  });
}

type Dynalite = (
  options: { path?: string; createTableMs: number; deleteTableMs: number; updateTableMs: number },
) => Server;

/**
 * Imports dynalite only now, as programs that do not use it need not have it; within `try`, as bundlers then let it be missing.
 * @param load For tests.
 */
export async function loadDynalite(load?: () => Promise<unknown>): Promise<Dynalite> {
  try {
    // @ts-ignore: the package has no types.
    const module: unknown = load === undefined ? await import("dynalite") : await load();
    return (module as { default: Dynalite }).default;
  } catch (cause) {
    const denied = cause instanceof Error && cause.name === "NotCapable";
    const remedy = denied
      ? "may not be loaded: run Deno with --allow-ffi, --allow-read and --allow-env"
      : "could not be loaded: npm install --save-dev dynalite (with Deno: deno add --dev npm:dynalite)";
    throw new Error(`The embedded DynamoDB is the package "dynalite", which ${remedy}`, { cause });
  }
}

/** The file in which a running database leaves its port, for the next one that is given the folder. */
const portFile = "port";

/** Looks for a database that uses the folder: a second one would end the process at its first request. */
async function refuseFolderInUse(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  const port = Number(await readFile(join(path, portFile), "utf8").catch(() => NaN));
  if (!Number.isInteger(port)) return;
  const endpoint = `http://127.0.0.1:${port}`;
  const ask = (signal: AbortSignal): Promise<string> =>
    fetch(endpoint, { signal }).then((response) => response.text());
  const text = await deadline(ask, { ms: 1000, clock: systemClock }).catch(() => "");
  if (!text.startsWith("healthy: dynamodb")) return;
  throw new Error(
    `Cannot use the folder ${path} as the DynamoDB at ${endpoint} has it open: stop that one, or choose another folder`,
  );
}

/** Resolves to the port. */
async function listenOrClose(server: Server, port: number): Promise<number> {
  try {
    return await listen(server, port);
  } catch (error) {
    // dynalite closes its tables only where it has listened.
    await listen(server, 0);
    await new Promise((resolve) => server.close(resolve));
    throw error;
  }
}

/**
 * Lets the handlers finish and only then cuts the connections: a request that meets a closed database makes dynalite
 * throw where nobody can catch it, and a client that hangs up does not end its request.
 */
async function closeServer(
  server: Server,
  running: Set<ServerResponse>,
  path: string | undefined,
): Promise<void> {
  // Further requests must not reach dynalite any more.
  server.removeAllListeners("request").on("request", (request: IncomingMessage, response: ServerResponse) => {
    request.on("error", () => {});
    response.destroy();
  });
  for (let waitedMs = 0; waitedMs < 2000 && ![...running].every(isSettled); waitedMs += 5) {
    await systemClock.sleep(5);
  }
  // dynalite closes the database as soon as no connection is left, even where a handler still runs.
  const closed = new Promise<void>((resolve, reject) => {
    server.close((error) => error ? reject(error) : resolve());
  });
  server.closeAllConnections();
  await closed;
  if (path !== undefined) await rm(join(path, portFile), { force: true });
}

/** Whether no handler runs: the answer is complete, or the client has left before or after its request was complete. */
function isSettled(response: ServerResponse): boolean {
  if (!response.req.complete) return response.req.destroyed;
  return response.writableFinished || (response.writableEnded && response.destroyed);
}
