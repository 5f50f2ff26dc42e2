/** Which of a name's addresses can be reached: some networks give it an IPv6 address, or an IPv4 one, and no way there. */
import http from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import { proxyFor } from "./proxy.ts";

export class AddressFamilies {
  readonly #reached = new Map<string, number>();

  /** The family that was reached when another was not, 4 or 6; `undefined` where all are to be tried. */
  of({ host }: URL): number | undefined {
    return this.#reached.get(host);
  }

  /** Remembers the family by which a connection is made, if another one's address did not answer before. */
  watch({ host }: URL, socket: Socket): void {
    if (!socket.connecting) return;
    let hasFailed = false;
    const fail = (): void => void (hasFailed = true);
    socket.once("connectionAttemptTimeout", fail).once("connectionAttemptFailed", fail);
    socket.once("connect", () => {
      if (hasFailed) this.#reached.set(host, socket.remoteFamily === "IPv6" ? 6 : 4);
    });
  }

  /** The next connection tries all of them again. */
  forget({ host }: URL): void {
    this.#reached.delete(host);
  }
}

// Node's connections for HTTP: kept between requests, left after a rest and after a failure, through a proxy if there is one.

/** A connection that has rested for so long may be dead at its other end, or in between, without a word. */
export const idleMs = 5000;

/**
 * An address that does not answer within this time gives way to the name's next one. Node's own default, 250 ms, is
 * less than a server far away takes.
 */
export const nextAddressAfterMs = 1000;

/** What has no connection by then is given up. */
export const connectWithinMs = 10_000;

const options = { keepAlive: true, timeout: idleMs, autoSelectFamilyAttemptTimeout: nextAddressAfterMs };

/** Connections of one age; those that are in use when a pool is left are used to their end. */
class Generation {
  readonly #agents = new Map<string, http.Agent>();

  /** @throws {TypeError} If the proxy's address is none. */
  async agentFor(url: URL): Promise<http.Agent> {
    const proxy = isThisMachine(url) ? undefined : await proxyFor(url);
    const key = `${url.protocol} ${proxy}`;
    const agent = this.#agents.get(key) ?? await createAgent(url, proxy);
    this.#agents.set(key, agent);
    return agent;
  }

  /** Ends the connections that nobody uses. */
  leave(): void {
    for (const { freeSockets } of this.#agents.values()) {
      for (const sockets of Object.values(freeSockets)) sockets?.forEach((socket) => socket.destroy());
    }
  }
}

export class ConnectionPool {
  #generation = new Generation();
  /** By the wall clock, which goes on while a machine sleeps. */
  #usedAt = -Infinity;

  /** The connections for a request that leaves now. */
  get current(): Generation {
    const now = Date.now();
    if (Math.abs(now - this.#usedAt) >= idleMs) this.leave(this.#generation);
    this.#usedAt = now;
    return this.#generation;
  }

  /** A request has been answered: the connections are alive. */
  noteAlive(): void {
    this.#usedAt = Date.now();
  }

  /** A request that used these connections got no answer: what comes next makes connections anew. */
  leave(generation: Generation): void {
    if (generation !== this.#generation) return;
    this.#generation = new Generation();
    generation.leave();
  }
}

async function createAgent(url: URL, proxy: URL | undefined): Promise<http.Agent> {
  if (proxy === undefined) {
    return url.protocol === "https:" ? new https.Agent(options) : new http.Agent(options);
  }
  const { createProxyAgent } = await import("./proxy_agent.ts");
  return createProxyAgent(url, proxy, options);
}

/** Node asks it directly, past any proxy. */
export function isThisMachine({ hostname }: URL): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

/** The code of an error after which no byte of a request can have reached a server. */
export const unsentCode = "ERR_REQUEST_UNSENT";
