/**
 * A fetch that asks once.
 *
 * Deno sends a request a second time, without a word, when a connection closes before the answer: then a signal may
 * arrive twice. It does not do so where the body is a Blob, which Node takes just as well.
 */
export const sendOnce: typeof fetch = (input, init) => {
  const { body } = init ?? {};
  const isPlain = typeof body === "string" || body instanceof Uint8Array;
  return isPlain && mayAsk(input)
    ? fetch(input, { ...init, body: new Blob([body as string]) })
    : fetch(input, init);
};

interface Deno {
  readonly permissions: {
    querySync(descriptor: { name: "net"; host: string }): { readonly state: string };
  };
}

/** Hosts that may be asked, as Deno has said once. */
const granted = new Set<string>();

/** Where Deno refuses a host, a Blob that was meant for it would keep the program alive for ever. */
function mayAsk(input: Parameters<typeof fetch>[0]): boolean {
  const { Deno } = globalThis as { Deno?: Deno };
  if (Deno === undefined) return true;
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
