/**
 * A fetch that asks once and follows nothing.
 *
 * Deno sends a request a second time, without a word, when a connection closes before the answer: then a signal may
 * arrive twice. It does not do so where the body is a Blob.
 */
import { ConnectionCheck } from "./connection_check.ts";
import { idleMs } from "./connections.ts";
import { toResponse } from "./node_fetch.ts";
import { Deno, type HttpClient } from "./proxy.ts";

/** A fetch by the user's, whose connections are the user's affair. */
export function fetchOnceBy(ask: typeof fetch): typeof fetch {
  return async (input, init: RequestInit = {}) => {
    const { body } = init;
    // Not every fetch takes a stream.
    const whole = body instanceof ReadableStream ? { body: await bytesOf(body) } : {};
    const buffered = { ...init, ...whole };
    return await ask(input, { ...buffered, ...once(input, buffered) });
  };
}

/** What has a request sent once. */
export function once(input: Parameters<typeof fetch>[0], { body }: RequestInit): RequestInit {
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

// Deno's own fetch, which heeds HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Its pool keeps connections for a minute and a
// half; ours are left after a rest of five seconds, and after a failure.

/** What a request may carry beside the standard's options: a client of the user's own. */
type Init = RequestInit & { readonly client?: unknown };

export function createDenoFetch(): typeof fetch {
  const generations = new Generations();
  return async (input, init: Init = {}) => {
    const { current } = generations;
    const ask = (client: unknown): Promise<Response> =>
      wholeAnswer(input, { ...init, ...once(input, init), client } as Init);
    try {
      if (init.client !== undefined) return await ask(init.client);
      const url = new URL(input instanceof Request ? input.url : input);
      const response = await current.check.before(url, init.signal, () => ask(current.client));
      generations.noteAlive();
      return response;
    } catch (error) {
      generations.leave(current);
      throw error;
    }
  };
}

async function wholeAnswer(input: Parameters<typeof fetch>[0], init: RequestInit): Promise<Response> {
  const response = await fetch(input, init);
  const { status, statusText, headers } = response;
  return toResponse({ status, statusText, headers, content: await response.arrayBuffer() });
}

/** Connections of one age; what is under way when they are left goes on to its end. */
interface Generation {
  readonly client: HttpClient | undefined;
  readonly check: ConnectionCheck;
}

class Generations {
  #generation: Generation | undefined;
  /** By the wall clock, which goes on while a machine sleeps. */
  #usedAt = -Infinity;

  /** The connections for a request that leaves now. */
  get current(): Generation {
    const now = Date.now();
    if (Math.abs(now - this.#usedAt) >= idleMs) this.leave(this.#generation);
    this.#usedAt = now;
    return this.#generation ??= create();
  }

  /** A request has been answered: the connections are alive. */
  noteAlive(): void {
    this.#usedAt = Date.now();
  }

  leave(generation: Generation | undefined): void {
    if (generation === undefined || generation !== this.#generation) return;
    this.#generation = undefined;
    generation.client?.close();
  }
}

function create(): Generation {
  // With HTTP/2 all that is under way would share one connection, and die with it.
  const client = Deno?.createHttpClient({ poolIdleTimeout: idleMs, http2: false });
  return { client, check: new ConnectionCheck() };
}
