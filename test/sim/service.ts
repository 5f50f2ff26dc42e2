/** What the simulated network carries: a request as a service gets it, and its answer. */

/** A request of HTTP, its body read whole. */
export interface ServiceRequest {
  /** In capitals: `POST`. */
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  /** Empty where the request has none. */
  readonly body: Uint8Array;
  /** Aborts when the client has left. */
  readonly signal: AbortSignal;
}

/** The answer to a request. */
export interface ServiceResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** A simulated server. */
export interface Service {
  /** Applies the request, now; resolves with the answer, later where the service waits (a long poll). */
  handle(request: ServiceRequest): Promise<ServiceResponse>;
}
