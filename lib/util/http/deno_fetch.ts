/**
 * Fetches that send a request once and follow no redirect: by a function of the user's, or by Deno's own `fetch`.
 *
 * Deno sends a request a second time, without a word, when a connection closes before the answer: then a signal may
 * arrive twice. It does not do so where the body is a Blob.
 */
import { Buffer } from "node:buffer";
import net from "node:net";
import type { Socket } from "node:net";
import process from "node:process";
import tls from "node:tls";
import { deadline, DeadlineError } from "../async.ts";
import { type Clock, systemClock } from "../clock.ts";
import {
  ConnectionPool,
  connectWithinMs,
  idleMs,
  isThisMachine,
  nextAddressAfterMs,
  noConnection,
  proxyRefusal,
  toResponse,
  unsent,
} from "./connections.ts";
import { Deno, type HttpClient } from "../deno.ts";
import { allProxyVariables, mayRead, proxyFor } from "./proxy.ts";

type Input = Parameters<typeof fetch>[0];
type Signal = AbortSignal | null | undefined;

/** A fetch by the user's, whose connections are the user's to manage. */
export function fetchOnceBy(ask: typeof fetch): typeof fetch {
  return async (input, init: RequestInit = {}) => {
    const { body } = init;
    // Not every fetch takes a stream.
    const whole = body instanceof ReadableStream ? { body: await bytesOf(body) } : {};
    const buffered = { ...init, ...whole };
    return await ask(input, { ...buffered, ...once(input, buffered) });
  };
}

/** The options with which a request is sent once. */
function once(input: Input, { body }: RequestInit): RequestInit {
  const isPlain = typeof body === "string" || body instanceof Uint8Array;
  const redirect = { redirect: "manual" } as const;
  return isPlain && mayAsk(input) ? { ...redirect, body: new Blob([body as string]) } : redirect;
}

async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Hosts that may be asked, as Deno has said once. */
const granted = new Set<string>();

/** Only Deno needs a Blob; where it refuses a host, a Blob that was meant for it would keep the program alive for ever. */
function mayAsk(input: Input): boolean {
  if (Deno === undefined) return false;
  try {
    const { host } = urlOf(input);
    if (granted.has(host)) return true;
    const isGranted = Deno.permissions.querySync({ name: "net", host }).state === "granted";
    if (isGranted) granted.add(host);
    return isGranted;
  } catch {
    return false;
  }
}

function urlOf(input: Input): URL {
  return new URL(input instanceof Request ? input.url : input);
}

/** What a request may carry beside the standard's options: a client of the user's own. */
type Init = RequestInit & { readonly client?: unknown };

/** Connections of one age. */
interface Generation {
  readonly client: HttpClient | undefined;
  readonly check: ConnectionCheck;
}

/**
 * Deno's own fetch, which heeds HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Its pool keeps connections for a minute and a half;
 * these are left after a rest of five seconds, and after a failure.
 */
export function createDenoFetch(clock: Clock = systemClock): typeof fetch {
  const pool = new ConnectionPool<Generation>({
    create: () => ({
      // With HTTP/2 all requests under way would share one connection, and die with it.
      client: Deno?.createHttpClient({ poolIdleTimeout: idleMs, http2: false }),
      check: new ConnectionCheck(clock),
    }),
    close: ({ client }) => client?.close(),
    clock,
  });
  return async (input, init: Init = {}) => {
    const { current } = pool;
    const ask = (client: unknown): Promise<Response> =>
      wholeAnswer(input, { ...init, ...once(input, init), client } as Init);
    try {
      if (init.client !== undefined) return await ask(init.client);
      const response = await current.check.before(urlOf(input), init.signal, () => ask(current.client));
      pool.noteAlive();
      return response;
    } catch (error) {
      pool.leave(current);
      throw error;
    }
  };
}

async function wholeAnswer(input: Input, init: RequestInit): Promise<Response> {
  const response = await fetch(input, init);
  const { status, statusText, headers } = response;
  return toResponse({ status, statusText, headers, content: await response.arrayBuffer() });
}

interface HostConnections {
  /** Requests that are under way. */
  open: number;
  /** As many were under way at once: so many connections have been made. */
  most: number;
}

/**
 * Finds out whether a connection can be made, as Deno's fetch does not tell a request that never had one from one that
 * was not answered. Where fetch is about to make another connection, one is made and closed before.
 */
class ConnectionCheck {
  readonly #clock: Clock;
  readonly #hosts = new Map<string, HostConnections>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Runs the request once it has a connection.
   * @throws {Error} With the code of a request that was not sent, if none can be made within ten seconds.
   */
  async before<T>(url: URL, signal: Signal, request: () => Promise<T>): Promise<T> {
    const connections = this.#hosts.get(url.host) ?? { open: 0, most: 0 };
    this.#hosts.set(url.host, connections);
    connections.open++;
    try {
      if (connections.open > connections.most) {
        await checkConnection(url, signal, this.#clock);
        connections.most = Math.max(connections.most, connections.open);
      }
      return await request();
    } finally {
      connections.open--;
    }
  }
}

async function checkConnection(url: URL, signal: Signal, clock: Clock): Promise<void> {
  // A server on this machine takes a connection or refuses it, and fetch tells a refusal.
  // Where Deno does not permit the host, fetch says so, and at a terminal asks.
  if (isThisMachine(url) || !isProxyKnown() || !mayAsk(url)) return;
  const sockets: Socket[] = [];
  try {
    const proxy = await proxyFor(url);
    const connected = connect(url, proxy, (socket) => void sockets.push(socket));
    await deadline(connected, { ms: connectWithinMs, clock, signal: signal ?? undefined });
  } catch (error) {
    signal?.throwIfAborted();
    throw unsent(error instanceof DeadlineError ? noConnection() : error as Error);
  } finally {
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
  // The certificate is checked when there is something to be sent.
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
function isProxyKnown(): boolean {
  if (!allProxyVariables.every(mayRead)) return false;
  const exempt = process.env["no_proxy"] || process.env["NO_PROXY"] || "";
  return /^([a-z\d.,-]*|\*)$/.test(exempt);
}

function addressOf({ protocol, hostname, port }: URL): net.TcpNetConnectOpts {
  return {
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port || (protocol === "https:" ? 443 : 80)),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: nextAddressAfterMs,
  };
}
