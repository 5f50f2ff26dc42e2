/** Node's agents for requests through a proxy. Loaded only where there is one. */
import type { Agent, ClientRequest } from "node:http";
import { HttpProxyAgent } from "http-proxy-agent";
import { HttpsProxyAgent } from "https-proxy-agent";

type ConnectOptions = Parameters<HttpsProxyAgent<string>["connect"]>[1] & { readonly ending?: AbortSignal };

/** Has a connection that waits for the proxy's answer end with its request, which the library leaves open for ever. */
class TunnelAgent extends HttpsProxyAgent<string> {
  readonly #proxy: URL;
  readonly #options: object;

  constructor(proxy: URL, options: object) {
    super(proxy.href, options);
    this.#proxy = proxy;
    this.#options = options;
  }

  override connect(
    request: ClientRequest,
    options: ConnectOptions,
  ): ReturnType<HttpsProxyAgent<string>["connect"]> {
    const once = new HttpsProxyAgent(this.#proxy.href, { ...this.#options, signal: options.ending });
    return once.connect(request, options);
  }
}

export function createProxyAgent({ protocol }: URL, proxy: URL, options: object): Agent {
  return protocol === "https:" ? new TunnelAgent(proxy, options) : new HttpProxyAgent(proxy.href, options);
}
