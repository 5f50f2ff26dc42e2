/**
 * Whether a connection can be made, for Deno's fetch, which does not tell a request that never had one from one that
 * was not answered. Where another connection is about to be made, one is made and closed before.
 */
import { EventEmitter } from "node:events";
import type { ClientRequest } from "node:http";
import net, { type Socket } from "node:net";
import process from "node:process";
import tls from "node:tls";
import { connectWithinMs, isThisMachine, nextAddressAfterMs } from "./connection_pool.ts";
import { unsentCode } from "./outcome.ts";
import { allProxyVariables, mayRead, proxyFor, setProxyVariables } from "./proxy.ts";

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
      if (connections.open > connections.most) {
        await check(url, signal);
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

async function check(url: URL, signal: AbortSignal | null | undefined): Promise<void> {
  if (!isWayKnown(url)) return;
  const proxy = await proxyFor(url);
  // A plain request asks the proxy itself.
  const isTunnel = proxy !== undefined && url.protocol === "https:";
  const ending = new AbortController();
  const abort = (): void => ending.abort(signal?.reason);
  const timer = setTimeout(() => ending.abort(noConnection()), connectWithinMs);
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort);
  let socket: Socket | undefined;
  try {
    socket = isTunnel
      ? await tunnel(url, proxy, ending.signal)
      : await opened(net.connect(addressOf(proxy ?? url)), "connect", ending.signal);
    if (url.protocol === "https:") {
      // What the certificate is worth is decided when there is something to be sent.
      const options = {
        socket,
        servername: net.isIP(hostOf(url)) ? "" : url.hostname,
        rejectUnauthorized: false,
      };
      socket = await opened(tls.connect(options), "secureConnect", ending.signal);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw unsent(ending.signal.aborted ? ending.signal.reason : error as Error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
    ending.abort();
    socket?.destroy();
  }
}

/**
 * Whether it is known if there is a proxy: Deno heeds the variables even where a program may not read them, asks it for
 * this machine, too, and reads fewer forms of NO_PROXY.
 */
function isWayKnown(url: URL): boolean {
  if (!allProxyVariables.every(mayRead)) return false;
  const exempt = process.env["no_proxy"] || process.env["NO_PROXY"] || "";
  const isSimple = /^([a-z\d.,-]*|\*)$/.test(exempt);
  return isSimple && !(isThisMachine(url) && setProxyVariables().length > 0);
}

/** A connection through a proxy, up to where the encrypted one begins. */
async function tunnel(url: URL, proxy: URL, signal: AbortSignal): Promise<Socket> {
  const { HttpsProxyAgent } = await import("https-proxy-agent");
  const request = new EventEmitter();
  let status = 0;
  request.on("proxyConnect", ({ statusCode }: { readonly statusCode: number }) => void (status = statusCode));
  const agent = new HttpsProxyAgent(proxy.href, { signal });
  const { host, port } = addressOf(url);
  const options = { host, port, secureEndpoint: false as const };
  const socket = await orAborted(agent.connect(request as ClientRequest, options), signal);
  if (status !== 200) throw proxyRefusal(status);
  return socket;
}

function opened(socket: Socket, event: "connect" | "secureConnect", signal: AbortSignal): Promise<Socket> {
  const ready = new Promise<Socket>((resolve, reject) => {
    socket.on("error", reject).once(event, () => resolve(socket));
  });
  return orAborted(ready, signal).catch((error) => {
    socket.destroy();
    throw error;
  });
}

function orAborted<T>(task: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    task.then(resolve, reject);
  });
}

const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, "");

function addressOf(url: URL): { readonly host: string; readonly port: number } & net.TcpNetConnectOpts {
  return {
    host: hostOf(url),
    port: Number(url.port || (url.protocol === "https:" ? 443 : 80)),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: nextAddressAfterMs,
  };
}

/** What has no connection in time is given up. */
export function noConnection(): Error {
  return new Error(`connect ETIMEDOUT: no connection within ${connectWithinMs / 1000} s`);
}

export function proxyRefusal(status: number): Error {
  const answer = Number.isInteger(status) ? String(status) : "something that is not HTTP";
  const why = status === 407 ? " (it wants a user and a password)" : "";
  return new Error(`the proxy does not connect: it answers ${answer}${why}`);
}

/** No byte of the request has left: the same error, with the code that says so. */
export function unsent(error: Error): Error {
  const { code } = error as NodeJS.ErrnoException;
  return Object.assign(new Error(error.message || code, { cause: error }), { code: unsentCode });
}
