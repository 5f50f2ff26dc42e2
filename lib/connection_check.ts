/**
 * Whether a connection can be made, for Deno's fetch, which does not tell a request that never had one from one that
 * was not answered. Where another connection is about to be made, one is made and closed before.
 */
import net from "node:net";
import process from "node:process";
import { connectWithinMs, nextAddressAfterMs, proxyVariables } from "./connection_pool.ts";
import { Deno } from "./fetch_once.ts";
import { unsentCode } from "./outcome.ts";

interface Connections {
  /** Requests that are under way. */
  open: number;
  /** As many were under way at once: so many connections have been made. */
  most: number;
}

/** Counts the connections of one age to each host. */
export class ConnectionCheck {
  readonly #hosts = new Map<string, Connections>();

  /**
   * Runs the request once it has a connection.
   * @throws {Error} With the code of a request that was not sent, if none can be made within ten seconds.
   */
  async before<T>(url: URL, signal: AbortSignal | null | undefined, request: () => Promise<T>): Promise<T> {
    const connections = this.#of(url);
    connections.open++;
    try {
      if (connections.open > connections.most && !mayHaveProxy()) {
        await connect(url, signal);
        connections.most = Math.max(connections.most, connections.open);
      }
      return await request();
    } finally {
      connections.open--;
    }
  }

  #of({ host }: URL): Connections {
    const known = this.#hosts.get(host) ?? { open: 0, most: 0 };
    this.#hosts.set(host, known);
    return known;
  }
}

/** A proxy makes the connection in the client's place. Deno heeds the variables that it does not let a program read. */
function mayHaveProxy(): boolean {
  return proxyVariables.flatMap((name) => [name, name.toUpperCase()]).some((variable) =>
    Deno?.permissions.querySync({ name: "env", variable }).state !== "granted" || process.env[variable]
  );
}

function connect(
  { protocol, hostname, port }: URL,
  signal: AbortSignal | null | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const socket = net.connect({
      host: hostname.replace(/^\[|\]$/g, ""),
      port: Number(port || (protocol === "https:" ? 443 : 80)),
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: nextAddressAfterMs,
    });
    const end = (settle: () => void) => (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      socket.destroy();
      settle();
    };
    const fail = (error: Error): void => end(() => reject(unsent(error)))();
    const abort = end(() => reject(signal?.reason));
    const timer = setTimeout(() => fail(noConnection()), connectWithinMs);
    signal?.addEventListener("abort", abort);
    socket.on("connect", end(resolve));
    socket.on("error", fail);
  });
}

/** What has no connection in time is given up. */
export function noConnection(): Error {
  return new Error(`connect ETIMEDOUT: no connection within ${connectWithinMs / 1000} s`);
}

/** No byte of the request has left: the same error, with the code that says so. */
export function unsent(error: Error): Error {
  const { code } = error as NodeJS.ErrnoException;
  return Object.assign(new Error(error.message || code, { cause: error }), { code: unsentCode });
}
