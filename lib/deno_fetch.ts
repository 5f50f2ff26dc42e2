/**
 * Deno's own fetch, which heeds HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Its pool keeps connections for a minute and a
 * half; ours are left after a rest of five seconds, and after a failure.
 */
import { ConnectionCheck } from "./connection_check.ts";
import { idleMs } from "./connection_pool.ts";
import { Deno, type HttpClient, once } from "./fetch_once.ts";
import { responseOf } from "./whole_response.ts";

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
  return responseOf({ status, statusText, headers, content: await response.arrayBuffer() });
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
