/**
 * Whether a connection can be made, for Deno's fetch, which does not tell a request that never had one from one that
 * was not answered. Where another connection is about to be made, one is made and closed before.
 */
import { Buffer } from "node:buffer";
import net from "node:net";
import type { Socket } from "node:net";
import process from "node:process";
import tls from "node:tls";
import { connectWithinMs, isThisMachine, nextAddressAfterMs, unsentCode } from "./connections.ts";
import { allProxyVariables, mayRead, proxyFor } from "./proxy.ts";

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
  // Whoever is on this machine takes a connection or refuses it, and fetch tells a refusal.
  if (isThisMachine(url) || !isWayKnown()) return;
  const ending = new AbortController();
  const abort = (): void => ending.abort(signal?.reason);
  const timer = setTimeout(() => ending.abort(noConnection()), connectWithinMs);
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort);
  const sockets: Socket[] = [];
  try {
    await orAborted(connect(url, await proxyFor(url), (socket) => void sockets.push(socket)), ending.signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw unsent(error as Error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
    for (const socket of sockets) socket.destroy();
  }
}

/** Connects as a request would: to the proxy or the host, through the proxy, and encrypted. */
async function connect(url: URL, proxy: URL | undefined, onSocket: (socket: Socket) => void): Promise<void> {
  const opened = (socket: Socket, event: "connect" | "secureConnect"): Promise<Socket> => {
    onSocket(socket);
    // Errors come later, too, when it is destroyed.
    return new Promise((resolve, reject) => socket.on("error", reject).once(event, () => resolve(socket)));
  };
  // What a certificate is worth is decided when there is something to be sent.
  const encrypted = ({ hostname }: URL, socket: Socket): Promise<Socket> => {
    const servername = net.isIP(hostname.replace(/[[\]]/g, "")) ? "" : hostname;
    return opened(tls.connect({ socket, servername, rejectUnauthorized: false }), "secureConnect");
  };
  let socket = await opened(net.connect(addressOf(proxy ?? url)), "connect");
  if (proxy?.protocol === "https:") socket = await encrypted(proxy, socket);
  // A plain request asks the proxy itself.
  if (url.protocol !== "https:") return;
  if (proxy !== undefined) await tunnel(socket, url, proxy);
  await encrypted(url, socket);
}

/** Asks the proxy for a connection to the host (RFC 9110, 9.3.6). */
async function tunnel(socket: Socket, url: URL, { username, password }: URL): Promise<void> {
  const host = `${url.hostname}:${url.port || 443}`;
  const user = Buffer.from(decodeURIComponent(`${username}:${password}`)).toString("base64");
  const authorization = username === "" ? "" : `Proxy-Authorization: Basic ${user}\r\n`;
  socket.write(`CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n${authorization}\r\n`);
  const head = await new Promise<string>((resolve, reject) => {
    let text = "";
    socket.on("data", (bytes) => {
      text += String(bytes);
      if (text.includes("\r\n\r\n") || !"HTTP/1.".startsWith(text.slice(0, 7))) resolve(text);
    });
    socket.on("close", () => reject(new Error("the proxy closes the connection before it answers")));
  });
  socket.removeAllListeners("data").pause();
  const status = Number(/^HTTP\/1\.\d (\d{3})/.exec(head)?.[1] ?? NaN);
  if (status !== 200) throw proxyRefusal(status);
}

/**
 * Whether it is known if there is a proxy: Deno heeds the variables even where a program may not read them, and reads
 * fewer forms of NO_PROXY.
 */
function isWayKnown(): boolean {
  if (!allProxyVariables.every(mayRead)) return false;
  const exempt = process.env["no_proxy"] || process.env["NO_PROXY"] || "";
  return /^([a-z\d.,-]*|\*)$/.test(exempt);
}

function orAborted<T>(task: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    task.then(resolve, reject);
  });
}

function addressOf({ protocol, hostname, port }: URL): net.TcpNetConnectOpts {
  return {
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port || (protocol === "https:" ? 443 : 80)),
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
