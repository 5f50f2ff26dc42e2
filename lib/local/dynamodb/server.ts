import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../util/clock.ts";
import { assertNames, namesOf } from "../../util/validate.ts";
import { isFromWebPage } from "../loopback.ts";

/** Where the embedded DynamoDB keeps its tables, and how it behaves. */
export interface LocalDynamoDBOptions {
  /** A folder for the tables, made if absent and open to one process at a time. Default: memory, gone at `close()`. */
  readonly path?: string;
  /** TCP port on 127.0.0.1. Default: 0, the system chooses. */
  readonly port?: number;
  /** Milliseconds that a new table stays in CREATING; with 0, the default, it is still so for an instant. */
  readonly createTableMs?: number;
}

const optionNames = {
  known: namesOf<LocalDynamoDBOptions>({ path: true, port: true, createTableMs: true }),
};

/** An embedded DynamoDB; its fields are those that a `DynamoDBClient` takes. */
export interface LocalDynamoDB {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  /** Any would do, as none is checked. */
  readonly region: string;
  /** Any would do, as none are checked. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Finishes the requests that it has begun, then closes. Tables in a folder are there at the next start. */
  close(): Promise<void>;
  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

type Dynalite = (
  options: { path?: string; createTableMs: number; deleteTableMs: number; updateTableMs: number },
) => Server;

/**
 * Starts a DynamoDB inside this process (the package `dynalite`, which has to be installed).
 *
 * It answers as the service does, with these differences: a refused condition never carries the item, nothing is
 * throttled, nobody is refused access (see `startFaultGate`), and there are no transactions.
 * @throws {TypeError} If an option is unknown.
 * @throws {Error} If dynalite is missing or may not be loaded, or the port or the folder cannot be had.
 */
export async function startDynamoDB(options: LocalDynamoDBOptions = {}): Promise<LocalDynamoDB> {
  assertNames("start the DynamoDB", options, optionNames);
  const { path, port = 0, createTableMs = 0 } = options;
  const dynalite = await loadDynalite();
  if (path !== undefined) await refuseFolderInUse(path);
  const folder = path === undefined ? {} : { path };
  const server = dynalite({ ...folder, createTableMs, deleteTableMs: 0, updateTableMs: 0 });
  const running = new Set<ServerResponse>();
  refuseBrowsers(server);
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    // A client that leaves is no error of ours; dynalite's own listener throws it, which ends the process.
    request.removeAllListeners("error").on("error", () => {});
    for (const earlier of running) if (settled(earlier)) running.delete(earlier);
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

/** dynalite answers every web page; but whoever reads a page is not to have his tables changed by it. */
function refuseBrowsers(server: Server): void {
  const listeners = server.listeners("request") as ((...call: [IncomingMessage, ServerResponse]) => void)[];
  server.removeAllListeners("request").on("request", (request: IncomingMessage, response: ServerResponse) => {
    if (isFromWebPage(request)) return void response.writeHead(403).end();
    for (const listener of listeners) listener.call(server, request, response);
  });
}

/** Imports dynalite only now, so that whoever does not use it need not have it. `load` is for tests. */
export async function loadDynalite(load: () => Promise<unknown> = importDynalite): Promise<Dynalite> {
  try {
    return (await load() as { default: Dynalite }).default;
  } catch (cause) {
    const denied = cause instanceof Error && cause.name === "NotCapable";
    const remedy = denied
      ? "may not be loaded: run Deno with --allow-ffi, --allow-read and --allow-env"
      : "could not be loaded: npm install --save-dev dynalite (with Deno: deno add --dev npm:dynalite)";
    throw new Error(`The embedded DynamoDB is the package "dynalite", which ${remedy}`, { cause });
  }
}

function importDynalite(): Promise<unknown> {
  // @ts-ignore: the package has no types.
  return import("dynalite");
}

/** Where a running database leaves its port, for the next one that wants the folder. */
const portFile = "port";

/** A second database on a folder would end the process at its first request, so the first one is looked for. */
async function refuseFolderInUse(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  const port = Number(await readFile(join(path, portFile), "utf8").catch(() => NaN));
  if (!Number.isInteger(port)) return;
  const endpoint = `http://127.0.0.1:${port}`;
  const answer = await fetch(endpoint, { signal: AbortSignal.timeout(1000) }).then((it) => it.text()).catch(
    () => "",
  );
  if (!answer.startsWith("healthy: dynamodb")) return;
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

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/**
 * dynalite throws where nobody can catch it when a request meets a closed database, and a client's hanging up does
 * not end the request: so the handlers finish first, and only then the connections are cut.
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
  for (let waitedMs = 0; waitedMs < 2000 && ![...running].every(settled); waitedMs += 5) {
    await systemClock.sleep(5);
  }
  // It closes the database as soon as no connection is left, whatever still runs.
  const closed = new Promise<void>((resolve, reject) => {
    server.close((error) => error ? reject(error) : resolve());
  });
  server.closeAllConnections();
  await closed;
  if (path !== undefined) await rm(join(path, portFile), { force: true });
}

/** Answered to the last byte, or abandoned by the client before (nothing runs) or after the request was complete. */
function settled(response: ServerResponse): boolean {
  if (!response.req.complete) return response.req.destroyed;
  return response.writableFinished || (response.writableEnded && response.destroyed);
}
