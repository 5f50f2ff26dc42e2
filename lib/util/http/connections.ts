/**
 * What Node's and Deno's fetch have in common: how long connections live, errors of requests that were not sent, and
 * responses that were read whole.
 */
import { type Clock, systemClock } from "../clock.ts";

/** A connection that has rested for so long may be dead at its other end, or in between, without a word. */
export const idleMs = 5000;

/**
 * An address that does not answer within this time gives way to the name's next one. Node's own default, 250 ms, is
 * less than a server far away takes.
 */
export const nextAddressAfterMs = 1000;

/** A request that has no connection by then is given up. */
export const connectWithinMs = 10_000;

export interface ConnectionPoolOptions<T> {
  /** Makes a generation: connections of one age. */
  readonly create: () => T;
  /** Closes the connections of a generation that are not in use; those in use are used to their end. */
  readonly close: (generation: T) => void;
  readonly clock?: Clock | undefined;
}

/** Connections that are kept between requests, and left after a rest and after a failure. */
export class ConnectionPool<T> {
  readonly #options: ConnectionPoolOptions<T>;
  readonly #clock: Clock;
  #generation: T | undefined;
  /** By the wall clock, which goes on while a machine sleeps. */
  #usedAt = -Infinity;

  constructor(options: ConnectionPoolOptions<T>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** The connections for a request that leaves now. */
  get current(): T {
    const now = this.#clock.now();
    if (Math.abs(now - this.#usedAt) >= idleMs) this.leave(this.#generation);
    this.#usedAt = now;
    return this.#generation ??= this.#options.create();
  }

  /** A request has been answered: the connections are alive. */
  noteAlive(): void {
    this.#usedAt = this.#clock.now();
  }

  /** A request that used these connections got no answer: what comes next makes connections anew. */
  leave(generation: T | undefined): void {
    if (generation === undefined || generation !== this.#generation) return;
    this.#generation = undefined;
    this.#options.close(generation);
  }
}

/** Requests to this machine go past any proxy. */
export function isThisMachine({ hostname }: URL): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

/** The code of an error after which no byte of a request can have reached a server. */
export const unsentCode = "ERR_REQUEST_UNSENT";

/** The error with the code that says that no byte of the request has left. */
export function unsent(error: Error): Error {
  const { code } = error as NodeJS.ErrnoException;
  return Object.assign(new Error(error.message || code, { cause: error }), { code: unsentCode });
}

/** No connection was made in time. */
export function noConnection(): Error {
  return new Error(`connect ETIMEDOUT: no connection within ${connectWithinMs / 1000} s`);
}

export function proxyRefusal(status: number): Error {
  const answer = Number.isInteger(status) ? String(status) : "something that is not HTTP";
  const why = status === 407 ? " (it wants a user and a password)" : "";
  return new Error(`the proxy does not connect: it answers ${answer}${why}`);
}

/** A response that has been read whole, with as much of `Response` as grammY and the AWS SDK's handler use. */
export interface WholeResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  readonly content: ArrayBuffer;
}

export function toResponse({ status, statusText, headers, content }: WholeResponse): Response {
  const text = (): string => new TextDecoder().decode(content);
  const response = {
    ...{ ok: status >= 200 && status < 300, status, statusText, headers },
    // deno-lint-ignore require-await -- async, so that what is no JSON rejects as it does with every fetch
    json: async () => JSON.parse(text()) as unknown,
    text: () => Promise.resolve(text()),
    arrayBuffer: () => Promise.resolve(content),
  } satisfies Partial<Response>;
  return response as unknown as Response;
}
