/**
 * The runtime's own fetch, or a user's, asking once and following nothing.
 *
 * Deno sends a request a second time, without a word, when a connection closes before the answer: then a signal may
 * arrive twice. It does not do so where the body is a Blob. Its pool keeps connections for a minute and a half; ours
 * are left after a rest of five seconds, and after a failure. Deno's fetch heeds HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
 */
import { idleMs } from "./connection_pool.ts";
import { responseOf } from "./whole_response.ts";

type HttpClient = Disposable & { close(): void };

interface Deno {
  readonly permissions: {
    querySync(descriptor: { name: "net"; host: string }): { readonly state: string };
  };
  createHttpClient(options: object): HttpClient;
}

const { Deno } = globalThis as { Deno?: Deno };

/** What a request may carry beside the standard's options: a client of the user's own. */
type Init = RequestInit & { readonly client?: unknown };

/** A fetch by the runtime's. */
export function createFetchOnce(): typeof fetch {
  const clients = new HttpClients();
  return async (input, init: Init = {}) => {
    const client = clients.current;
    try {
      const own = client === undefined || init.client !== undefined ? {} : { client };
      const response = await fetch(input, { ...init, ...own, ...once(input, init) });
      const { status, statusText, headers } = response;
      const content = await response.arrayBuffer();
      clients.noteAlive();
      return responseOf({ status, statusText, headers, content });
    } catch (error) {
      clients.leave(client);
      throw error;
    }
  };
}

/** A fetch by the user's, whose connections are the user's affair. */
export function fetchOnceBy(ask: typeof fetch): typeof fetch {
  return async (input, init: Init = {}) => {
    const { body } = init;
    // Not every fetch takes a stream.
    const whole = body instanceof ReadableStream ? { body: await bytesOf(body) } : {};
    const buffered = { ...init, ...whole };
    return await ask(input, { ...buffered, ...once(input, buffered) });
  };
}

function once(input: Parameters<typeof fetch>[0], { body }: Init): RequestInit {
  const isPlain = typeof body === "string" || body instanceof Uint8Array;
  const redirect = { redirect: "manual" } as const;
  return isPlain && mayAsk(input) ? { ...redirect, body: new Blob([body as string]) } : redirect;
}

async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Deno's clients, each with connections of its own. */
class HttpClients {
  #client: HttpClient | undefined;
  /** By the wall clock, which goes on while a machine sleeps. */
  #usedAt = -Infinity;

  get current(): HttpClient | undefined {
    const now = Date.now();
    if (Math.abs(now - this.#usedAt) >= idleMs) this.leave(this.#client);
    this.#usedAt = now;
    // With HTTP/2 all that is under way would share one connection, and die with it.
    return this.#client ??= Deno?.createHttpClient({ poolIdleTimeout: idleMs, http2: false });
  }

  noteAlive(): void {
    this.#usedAt = Date.now();
  }

  /** What is under way by the client goes on to its end. */
  leave(client: HttpClient | undefined): void {
    if (client === undefined || client !== this.#client) return;
    this.#client = undefined;
    client.close();
  }
}

/** Hosts that may be asked, as Deno has said once. */
const granted = new Set<string>();

/** Only Deno needs a Blob; where it refuses a host, a Blob that was meant for it would keep the program alive for ever. */
function mayAsk(input: Parameters<typeof fetch>[0]): boolean {
  if (Deno === undefined) return false;
  try {
    const { host } = new URL(input instanceof Request ? input.url : input);
    if (granted.has(host)) return true;
    const isGranted = Deno.permissions.querySync({ name: "net", host }).state === "granted";
    if (isGranted) granted.add(host);
    return isGranted;
  } catch {
    return false;
  }
}
