/** A `fetch` for tests of a single simulated service, with no network between. */
import { Buffer } from "node:buffer";
import type { Service, ServiceRequest } from "./service.ts";

/** A `fetch` that leads to the service. */
export function fetchOf(service: Service): typeof fetch {
  return async (input, init = {}) => {
    const { method = "GET", headers } = init;
    const body = await readWhole(init.body);
    const request = new Request(input, {
      method,
      ...headers && { headers },
      ...body !== undefined && { body },
    });
    const { status, ...answer } = await service.handle(await serviceRequest(request, init.signal));
    return new Response(answer.body as string, { status, headers: { ...answer.headers } });
  };
}

/** On Node grammY sends files as one of Node's streams, which a `Request` does not take. */
async function readWhole(body: RequestInit["body"]): Promise<RequestInit["body"] | undefined> {
  if (body === undefined || body === null || !(Symbol.asyncIterator in Object(body))) {
    return body ?? undefined;
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks) as unknown as string;
}

/** grammY's own signals are not of the runtime. */
async function serviceRequest(request: Request, signal?: AbortSignal | null): Promise<ServiceRequest> {
  const gone = new AbortController();
  signal?.addEventListener("abort", () => gone.abort(new Error("The client has left")));
  const { method, url, headers } = request;
  const body = new Uint8Array(await request.arrayBuffer());
  return { method, url: new URL(url), headers, body, signal: gone.signal };
}
