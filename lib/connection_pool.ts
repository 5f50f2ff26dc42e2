/** Node's connections for HTTP: kept between requests, left after a rest and after a failure, through a proxy if there is one. */
import http from "node:http";
import https from "node:https";
import process from "node:process";
import type { HttpsProxyAgent } from "https-proxy-agent";

/** A connection that has rested for so long may be dead at its other end, or in between, without a word. */
export const idleMs = 5000;

/**
 * An address that does not answer within this time gives way to the name's next one. Node's own default, 250 ms, is
 * less than a server far away takes.
 */
const nextAddressAfterMs = 1000;

/** Variables that name a proxy, as `proxy-from-env` reads them. */
const proxyVariables = ["https_proxy", "http_proxy", "all_proxy"];

/** A request emits this when nobody waits for it any more: then its way to a proxy ends, too. */
export const abandoned = "abandoned";

const options = { keepAlive: true, timeout: idleMs, autoSelectFamilyAttemptTimeout: nextAddressAfterMs };

/** Connections of one age; those that are in use when a pool is left are used to their end. */
class Generation {
  readonly #agents = new Map<string, http.Agent>();

  /** @throws {TypeError} If the proxy's address is none. */
  async agentFor(url: URL): Promise<http.Agent> {
    const proxy = await proxyFor(url);
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

async function createAgent(url: URL, proxy: string): Promise<http.Agent> {
  const isEncrypted = url.protocol === "https:";
  if (proxy === "") return isEncrypted ? new https.Agent(options) : new http.Agent(options);
  if (!URL.canParse(proxy)) {
    throw new TypeError(
      "The proxy's address is none: HTTPS_PROXY and HTTP_PROXY must be such as http://proxy.example.org:3128.",
    );
  }
  const { HttpsProxyAgent } = await import("https-proxy-agent");
  if (isEncrypted) return heeding(new HttpsProxyAgent(proxy, options));
  const { HttpProxyAgent } = await import("http-proxy-agent");
  return heeding(new HttpProxyAgent(proxy, options));
}

type ProxyAgent = Pick<HttpsProxyAgent<string>, "connect" | "connectOpts">;

/** By themselves these agents wait for ever for a proxy that says nothing, and keep the connection. */
function heeding<A extends ProxyAgent>(agent: A): A {
  const connect = agent.connect.bind(agent);
  agent.connect = async (request, asked) => {
    const ending = new AbortController();
    let isConnecting = true;
    // Not at once: in between a proxy's answer and the agent's next step, nobody hears of the connection's errors.
    request.once(abandoned, () => setTimeout(() => void (isConnecting && ending.abort())));
    agent.connectOpts = { ...agent.connectOpts, signal: ending.signal };
    try {
      return await connect(request, asked);
    } finally {
      isConnecting = false;
    }
  };
  return agent;
}

/** The address of the proxy that the environment names for the URL; nothing where there is none, or for this machine itself. */
async function proxyFor({ protocol, hostname, host }: URL): Promise<string> {
  const isNamed = Object.keys(process.env).some((name) => proxyVariables.includes(name.toLowerCase()));
  if (!isNamed || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)) return "";
  const { getProxyForUrl } = await import("proxy-from-env");
  return getProxyForUrl(`${protocol}//${host}`);
}
