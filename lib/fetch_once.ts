/**
 * A fetch that asks once and follows nothing.
 *
 * Deno sends a request a second time, without a word, when a connection closes before the answer: then a signal may
 * arrive twice. It does not do so where the body is a Blob.
 */

export interface Deno {
  readonly permissions: {
    querySync(
      descriptor:
        | { readonly name: "net"; readonly host: string }
        | { readonly name: "env"; readonly variable: string },
    ): { readonly state: string };
  };
  createHttpClient(options: object): HttpClient;
}

export interface HttpClient {
  close(): void;
}

export const Deno: Deno | undefined = (globalThis as { Deno?: Deno }).Deno;

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
