/**
 * The simulated network: each request is lost, late, refused or answered, as the conditions and the seed have it. What a
 * client has given up may still arrive, and what has arrived may never be answered.
 */
import { Buffer } from "node:buffer";
import { ReadableBlob } from "./globals.ts";
import type { Machine, Scheduler } from "./scheduler.ts";
import type { Service, ServiceRequest, ServiceResponse } from "./service.ts";

/** What may become of a request other than that it is answered. */
export const fates = [
  /** There is no connection: it surely does not arrive. */
  "refused",
  /** It does not arrive, and the connection is reset. */
  "reset",
  /** It does not arrive, and nobody says so. */
  "dropped",
  /** It arrives; its answer does not, and nobody says so. */
  "unanswered",
  /** It arrives; the connection is reset before its answer. */
  "answerReset",
  /** The service fails, and has done nothing. */
  "failed",
  /** The service says that it failed, and has done it. */
  "failedAfterEffect",
  /** DynamoDB throttles; Telegram says 429. */
  "throttled",
  /** DynamoDB denies the action. */
  "denied",
  /** DynamoDB does not know the keys. */
  "expired",
] as const;

export type Fate = typeof fates[number] | "answered";

/** The fates of which the service itself tells. */
export type Refusal = "failed" | "failedAfterEffect" | "throttled" | "denied" | "expired";

/** Shares of requests, 0 to 1, by what becomes of them; and how long they take. */
export type Conditions = { readonly [Kind in typeof fates[number]]?: number } & {
  /** Milliseconds one way: at least about these, */
  readonly baseMs: number;
  /** and seldom up to so many more. */
  readonly tailMs: number;
  /** The share that takes seconds to arrive: the client may have given up. */
  readonly late?: number;
};

export type ServiceName = "telegram" | "dynamodb";

/** Worse conditions for a while. */
export interface Disturbance {
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
  readonly service: ServiceName;
  /** Only for this machine. Default: for all. */
  readonly machine?: string | undefined;
  /** Only for requests whose description contains this text. Default: for all. */
  readonly only?: string | undefined;
  readonly conditions: Partial<Conditions>;
}

/** A request on its way, as the oracle sees it. */
export interface Sending {
  readonly number: number;
  readonly machine: Machine;
  readonly service: ServiceName;
  /** What the request asks for, in a few words: `sendMessage 5 "Broadcast text1, 1"`. */
  readonly what: string;
  readonly sentAt: number;
  readonly fate: Fate;
  readonly isLate: boolean;
}

/** A service on the network. */
export interface Endpoint {
  readonly service: Service;
  /** The request in a few words. */
  describe(request: Omit<ServiceRequest, "signal">): string;
  /** What the service answers where it refuses. */
  refuse(refusal: Refusal, random: () => number): ServiceResponse;
}

export class Network {
  /** Called with each request as it leaves, */
  onSend: (sending: Sending) => void = () => {};
  /** with each answer that reaches its client, */
  onAnswer: (sending: Sending, status: number) => void = () => {};
  /** and once its client does not wait for it any more. */
  onEnd: (sending: Sending) => void = () => {};
  /** Called when a machine's connections break, and no one is left to say so if its power is lost. */
  onCut: (machine: Machine, isPowerLost: boolean) => void = () => {};
  /** Failures of the services themselves. */
  readonly problems: string[] = [];
  /** The request that has arrived last: what a service does at once is its doing. */
  latest: Sending | undefined;
  /** How many requests met which fate. */
  readonly met: Partial<Record<Fate | "late", number>> = {};
  readonly #scheduler: Scheduler;
  readonly #endpoints: Readonly<Record<ServiceName, Endpoint>>;
  #conditions: Readonly<Record<ServiceName, Conditions>>;
  #disturbances: readonly Disturbance[];
  #sent = 0;
  readonly #sendings = new WeakMap<ServiceRequest, Sending>();
  /** How often DynamoDB's keys were renewed. */
  #renewals = 0;
  /** The requests of each machine that a service has, by what ends them. */
  readonly #open = new Map<Machine, Set<AbortController>>();

  constructor(
    scheduler: Scheduler,
    endpoints: Readonly<Record<ServiceName, Endpoint>>,
    conditions: Readonly<Record<ServiceName, Conditions>>,
    disturbances: readonly Disturbance[] = [],
  ) {
    this.#scheduler = scheduler;
    this.#endpoints = endpoints;
    this.#conditions = conditions;
    this.#disturbances = disturbances;
  }

  /** How a request that a service has came to it. */
  sendingOf(request: ServiceRequest): Sending | undefined {
    return this.#sendings.get(request);
  }

  /** The keys that DynamoDB knows now. */
  get keys(): string {
    return `AKIDSIM${this.#renewals}`;
  }

  /** From now on DynamoDB knows other keys, and no earlier ones. */
  renewKeys(): void {
    this.#renewals++;
  }

  /** Makes conditions worse for a while, beside what is disturbed already. */
  disturb(disturbance: Disturbance): void {
    this.#disturbances = [...this.#disturbances, disturbance];
  }

  /** From now on all requests are answered, and soon. */
  heal(): void {
    const conditions = { baseMs: 2, tailMs: 5 };
    this.#conditions = { telegram: conditions, dynamodb: conditions };
    this.#disturbances = [];
  }

  /** The machine's way to the services: hosts that begin with `dynamodb` are DynamoDB. */
  fetchOf(machine: Machine): typeof fetch {
    return async (input, init = {}) => {
      const url = new URL(input instanceof Request ? input.url : input);
      const name = url.hostname.startsWith("dynamodb") ? "dynamodb" : "telegram";
      const request = {
        ...{ url, method: init.method ?? "GET", headers: new Headers(init.headers) },
        body: await bytesOf(init.body),
      };
      const { signal } = init;
      return responseOf(await this.#send(machine, name, request, signal ?? undefined));
    };
  }

  /** The machine's connections break: at once if somebody is left to say so, never if its power is lost. */
  cut(machine: Machine, isPowerLost: boolean): void {
    const { random } = this.#scheduler;
    for (const gone of this.#open.get(machine) ?? []) {
      if (!isPowerLost) this.#scheduler.after(1 + random() * 20, () => gone.abort());
    }
    this.#open.delete(machine);
    this.onCut(machine, isPowerLost);
  }

  #conditionsOf({ name }: Machine, service: ServiceName, what: string): Conditions {
    const { now } = this.#scheduler;
    const machine = name.split(".")[0];
    return this.#disturbances
      .filter((each) =>
        each.service === service && each.from <= now && now < each.to &&
        (each.machine === undefined || each.machine === machine) &&
        (each.only === undefined || what.includes(each.only))
      )
      .reduce<Conditions>((sum, each) => ({ ...sum, ...each.conditions }), this.#conditions[service]);
  }

  #send(
    machine: Machine,
    name: ServiceName,
    request: Omit<ServiceRequest, "signal">,
    signal: AbortSignal | undefined,
  ): Promise<ServiceResponse> {
    const scheduler = this.#scheduler;
    const { random } = scheduler;
    const endpoint = this.#endpoints[name];
    const what = endpoint.describe(request);
    const conditions = this.#conditionsOf(machine, name, what);
    const hasOldKeys = name === "dynamodb" && request.headers.get("authorization") !== this.keys;
    const fate: Fate = hasOldKeys
      ? "expired"
      : fates.find((each) => (conditions[each] ?? 0) > 0 && random() < (conditions[each] ?? 0)) ??
        "answered";
    const isLate = (conditions.late ?? 0) > 0 && random() < (conditions.late ?? 0);
    const sending = { machine, service: name, what, fate, isLate };
    const way: Way = { ms: () => conditions.baseMs * (0.5 + random()) + random() ** 4 * conditions.tailMs };
    return this.#exchange(
      { ...sending, number: ++this.#sent, sentAt: scheduler.now },
      { endpoint, request, way },
      signal,
    );
  }

  #exchange(
    sending: Sending,
    { endpoint, request, way }: Exchange,
    signal: AbortSignal | undefined,
  ): Promise<ServiceResponse> {
    const scheduler = this.#scheduler;
    const { machine, service, number, what, fate, isLate } = sending;
    this.met[fate] = (this.met[fate] ?? 0) + 1;
    if (isLate) this.met.late = (this.met.late ?? 0) + 1;
    scheduler.trace(`${machine.name} #${number} > ${service} ${what} ${fate}${isLate ? " late" : ""}`);
    this.onSend(sending);
    const gone = new AbortController();
    return new Promise((resolve, reject) => {
      let isOver = false;
      const end = (): boolean => {
        if (isOver) return false;
        isOver = true;
        signal?.removeEventListener("abort", abort);
        this.onEnd(sending);
        return true;
      };
      const abort = (): void => {
        if (!end()) return;
        // The service hears of it later, as it does of a machine's death.
        scheduler.after(way.ms(), () => gone.abort());
        reject(signal?.reason);
      };
      const fail = (code: string, ms: number): void =>
        void scheduler.after(ms, () => end() && reject(socketError(code)), {
          ...{ owner: machine, label: `#${number} ${code}` },
        });
      const answer = (response: ServiceResponse): void => {
        if (fate === "unanswered") return;
        if (fate === "answerReset") return fail("ECONNRESET", way.ms());
        const receive = (): void => {
          if (!end()) return;
          this.onAnswer(sending, response.status);
          resolve(response);
        };
        scheduler.after(way.ms(), receive, { owner: machine, label: `#${number} < ${response.status}` });
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener("abort", abort);
      if (fate === "refused") return fail("ECONNREFUSED", way.ms());
      if (fate === "reset") return fail("ECONNRESET", way.ms() * 2);
      if (fate === "dropped") return;
      scheduler.after(way.ms() + (isLate ? 500 + scheduler.random() * 12_000 : 0), () => {
        // It was not sent yet when the machine died, or when the connection was closed.
        if ((machine.isDead || isOver) && scheduler.random() < 0.5) return;
        scheduler.trace(`${service} #${number} arrives`);
        this.#arrive(sending, endpoint, { ...request, signal: gone.signal }, gone).then(answer, (error) => {
          if (error.code === "ECONNRESET") return fail(error.code, way.ms());
          if (!gone.signal.aborted) {
            this.problems.push(`SERVICE ${service} failed at ${what}: ${error.stack}`);
          }
        });
      });
    });
  }

  async #arrive(
    sending: Sending,
    { service, refuse }: Endpoint,
    request: ServiceRequest,
    gone: AbortController,
  ): Promise<ServiceResponse> {
    const { random } = this.#scheduler;
    const { machine, fate } = sending;
    if (isRefusal(fate) && fate !== "failedAfterEffect") return refuse(fate, random);
    const open = this.#open.get(machine) ?? new Set();
    if (machine.isDead) this.#scheduler.after(1 + random() * 20, () => gone.abort());
    else this.#open.set(machine, open.add(gone));
    try {
      this.#sendings.set(request, sending);
      this.latest = sending;
      const response = await service.handle(request);
      request.signal.throwIfAborted();
      return fate === "failedAfterEffect" ? refuse(fate, random) : response;
    } finally {
      open.delete(gone);
    }
  }
}

interface Way {
  readonly ms: () => number;
}

interface Exchange {
  readonly endpoint: Endpoint;
  readonly request: Omit<ServiceRequest, "signal">;
  readonly way: Way;
}

function isRefusal(fate: Fate): fate is Refusal {
  return ["failed", "failedAfterEffect", "throttled", "denied", "expired"].includes(fate);
}

/** The body of a request, read whole. */
export async function bytesOf(body: RequestInit["body"]): Promise<Uint8Array> {
  if (body === undefined || body === null) return new Uint8Array();
  if (typeof body === "string") return Buffer.from(body);
  if (body instanceof Uint8Array) return copyOf(body);
  if (body instanceof ReadableBlob) return Buffer.concat(body.parts.map(copyOf));
  const chunks: Uint8Array[] = [];
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The SDK's bytes have the methods of a text as well, and warn of their use. */
function copyOf(part: string | Uint8Array): Uint8Array {
  return typeof part === "string" ? Buffer.from(part) : new Uint8Array(part);
}

/** A response whose body can be read in the same turn of the event loop. */
export function responseOf({ status, headers, body }: ServiceResponse): Response {
  const text = (): string => typeof body === "string" ? body : new TextDecoder().decode(body);
  const bytes = (): Uint8Array => typeof body === "string" ? new TextEncoder().encode(body) : body;
  const response = {
    ...{ ok: status < 300, status, statusText: "", headers: new Headers({ ...headers }) },
    // deno-lint-ignore require-await -- async, so that what is no JSON rejects
    json: async () => JSON.parse(text()) as unknown,
    text: () => Promise.resolve(text()),
    arrayBuffer: () => Promise.resolve(bytes().slice().buffer),
  };
  return response as unknown as Response;
}

export function socketError(code: string): Error {
  const text = code === "ECONNREFUSED" ? `connect ${code} 10.0.0.1:443` : `read ${code}`;
  return Object.assign(new Error(text), { code, errno: -1, syscall: "read" });
}
