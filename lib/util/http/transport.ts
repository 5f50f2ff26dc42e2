/**
 * The way of a request to a server: Node's HTTP client, Deno's fetch, or a fetch of the user's. What needs one takes it from
 * `createTransport()`; the other files of this folder are its parts.
 */
import process from "node:process";
import { createDenoFetch, fetchOnceBy } from "./deno_fetch.ts";
import { createNodeFetch } from "./node_fetch.ts";

const { deno: isDeno } = process.versions as { readonly deno?: string };

/**
 * A fetch that sends a request once and follows no redirect. A connection that has rested for five seconds, or that is
 * of the same age as one that has failed, is not used again.
 * @param ask A fetch of the user's, in place of the runtime's.
 */
export function createTransport(ask?: typeof fetch): typeof fetch {
  if (ask !== undefined) return fetchOnceBy(ask);
  if (isDeno !== undefined) return createDenoFetch();
  const [byNode, byFetch] = [createNodeFetch(), fetchOnceBy(fetch)];
  // Only the runtime's fetch knows what to do with a dispatcher.
  return (input, init) => init && "dispatcher" in init ? byFetch(input, init) : byNode(input, init);
}
