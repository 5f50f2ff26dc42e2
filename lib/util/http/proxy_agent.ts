/** Node's agents for requests through a proxy. Loaded only where there is one. */
import type { Agent, ClientRequest } from "node:http";
import { HttpProxyAgent } from "http-proxy-agent";
import { HttpsProxyAgent } from "https-proxy-agent";
import { nextTurn, systemClock } from "../clock.ts";

type ConnectOptions = Parameters<HttpsProxyAgent<string>["connect"]>[1] & { readonly ending?: AbortSignal };
type Connected = Awaited<ReturnType<HttpsProxyAgent<string>["connect"]>>;

/** Ends a connection that waits for the proxy's answer with its request; the library leaves it open for ever. */
class TunnelAgent extends HttpsProxyAgent<string> {
  readonly #proxy: URL;
  readonly #options: object;

  constructor(proxy: URL, options: object) {
    super(proxy.href, options);
    this.#proxy = proxy;
    this.#options = options;
  }

  override async connect(request: ClientRequest, options: ConnectOptions): Promise<Connected> {
    options.ending?.throwIfAborted();
    const ending = new AbortController();
    let isConnecting = true;
    // Not at once: between a proxy's answer and the agent's next step nothing listens for the connection's errors.
    const end = (): void => void nextTurn(systemClock).then(() => isConnecting && ending.abort());
    options.ending?.addEventListener("abort", end, { once: true });
    try {
      const agent = new HttpsProxyAgent(this.#proxy.href, { ...this.#options, signal: ending.signal });
      return await agent.connect(request, options);
    } finally {
      isConnecting = false;
      options.ending?.removeEventListener("abort", end);
    }
  }
}

export function createProxyAgent({ protocol }: URL, proxy: URL, options: object): Agent {
  return protocol === "https:" ? new TunnelAgent(proxy, options) : new HttpProxyAgent(proxy.href, options);
}
