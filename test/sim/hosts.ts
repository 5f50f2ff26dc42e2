/** Simulated servers by their names, and a `fetch` that leads to them, on a network without faults. */
import { setImmediate } from "node:timers";
import { FaultGate, type FaultGateOptions, type GateAnswer } from "../../lib/local/dynamodb/fault_gate.ts";
import type { LocalDynamoDB } from "../../lib/local/mod.ts";
import { abortable } from "../../lib/util/async.ts";
import type { Clock } from "../../lib/util/clock.ts";
import { SimulatedDynamoDB, type SimulatedDynamoDBOptions } from "./dynamodb/dynamodb.ts";
import { bytesOf, responseOf, socketError } from "./network.ts";
import type { Service, ServiceRequest, ServiceResponse } from "./service.ts";

/** A way to a server, on a network that may be down. */
export interface Link {
  readonly url: string;
  /** Requests that are under way are reset, and further ones refused, until it is `up()` again. */
  readonly down: () => void;
  readonly up: () => void;
}

type UnsentRequest = Omit<ServiceRequest, "signal">;

export class Hosts {
  readonly #travel: (arrive: () => void) => void;
  readonly #services = new Map<string, Service>();
  #served = 0;

  /** @param travel Calls back once a request, or an answer, has arrived. */
  constructor(travel: (arrive: () => void) => void) {
    this.#travel = travel;
  }

  /** Serves requests from now on. Gives the address: `http://telegram-1.sim`. */
  serve(name: string, service: Service): string {
    const host = `${name}-${++this.#served}.sim`;
    this.#services.set(host, service);
    return `http://${host}`;
  }

  /** Refuses connections from now on. */
  close(address: string): void {
    this.#services.delete(new URL(address).hostname);
  }

  /** A way to the server at this address. */
  link(address: string): Link {
    const target = this.#services.get(new URL(address).hostname);
    if (target === undefined) throw new Error(`There is no server at ${address}`);
    let down: AbortController | undefined = new AbortController();
    const handle = async (request: ServiceRequest): Promise<ServiceResponse> => {
      if (down === undefined) throw socketError("ECONNREFUSED");
      return await abortable(target.handle(request), down.signal);
    };
    return {
      url: this.serve("link", { handle }),
      down: () => {
        down?.abort(socketError("ECONNRESET"));
        down = undefined;
      },
      up: () => void (down = new AbortController()),
    };
  }

  /** The way to the servers. */
  readonly fetch: typeof fetch = async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const { method = "GET", signal } = init;
    const request = { url, method, headers: new Headers(init.headers), body: await bytesOf(init.body) };
    return responseOf(await this.#exchange(request, signal ?? undefined));
  };

  #exchange(request: UnsentRequest, signal: AbortSignal | undefined): Promise<ServiceResponse> {
    return new Promise((resolve, reject) => {
      const gone = new AbortController();
      const abort = (): void => {
        reject(signal?.reason);
        this.#travel(() => gone.abort(signal?.reason));
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener("abort", abort, { once: true });
      const end = (settle: () => void): void => {
        signal?.removeEventListener("abort", abort);
        this.#travel(settle);
      };
      this.#travel(() => {
        if (signal?.aborted) return;
        const service = this.#services.get(request.url.hostname);
        if (service === undefined) return end(() => reject(socketError("ECONNREFUSED")));
        handleBy(service, { ...request, signal: gone.signal })
          .then((response) => end(() => resolve(response)), (error) => end(() => reject(error)));
      });
    });
  }

  /** Starts a DynamoDB, and a gate before it. */
  startDynamoDB(options: SimulatedDynamoDBOptions, gateOptions: GateOptions): SimulatedEngine {
    const dynamodb = new SimulatedDynamoDB(options);
    const endpoint = this.serve("dynamodb", dynamodb);
    const closing = new AbortController();
    const address = this.serve("gate", {
      handle: (request) => abortable(throughGate(gate, request), closing.signal),
    });
    const gate = new FaultGate(gateOptions, {
      endpoint: address,
      clock: gateOptions.clock,
      forward: ({ headers, body }) => forwardTo(dynamodb, String(headers["x-amz-target"]), body),
      close: () => {
        closing.abort(socketError("ECONNRESET"));
        return Promise.resolve(this.close(address));
      },
    });
    const credentials = { accessKeyId: "local", secretAccessKey: "local" };
    const close = (): Promise<void> => Promise.resolve(this.close(endpoint));
    const db = { endpoint, region: "us-east-1", credentials, close, [Symbol.asyncDispose]: close };
    return { db, gate };
  }
}

export interface GateOptions extends Omit<FaultGateOptions, "target" | "port"> {
  readonly clock: Clock;
}

export interface SimulatedEngine {
  readonly db: LocalDynamoDB;
  readonly gate: FaultGate;
}

/** Rejects, too, where the service throws. */
async function handleBy(service: Service, request: ServiceRequest): Promise<ServiceResponse> {
  return await service.handle(request);
}

async function throughGate(gate: FaultGate, request: ServiceRequest): Promise<ServiceResponse> {
  const { method, url, headers, body, signal } = request;
  const answer = await gate.handle({
    ...{ method, target: url.pathname, body },
    headers: Object.fromEntries(headers),
  });
  if (answer === "cut") throw socketError("ECONNRESET");
  if (answer !== "hang") return { ...answer, headers: answer.headers as Record<string, string> };
  return await abortable(new Promise<never>(() => {}), signal);
}

async function forwardTo(dynamodb: SimulatedDynamoDB, target: string, body: Uint8Array): Promise<GateAnswer> {
  const headers = new Headers({ "x-amz-target": target });
  const request = { method: "POST", url: new URL("http://dynamodb.sim"), headers, body };
  const answer = await dynamodb.handle({ ...request, signal: new AbortController().signal });
  const { body: content } = answer;
  return { ...answer, body: typeof content === "string" ? new TextEncoder().encode(content) : content };
}

/** Servers in real time. */
export const inProcess: Hosts = new Hosts((arrive) => void setImmediate(arrive));
