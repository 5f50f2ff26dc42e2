/**
 * Virtual time for tests: while a task runs, timers, the date and chance are the scheduler's, and servers are simulated
 * ones on a network without faults. What the task waits for takes no real time.
 */
import fs, { type FileHandle } from "node:fs/promises";
import type { BotApiServer, BotApiServerOptions, LocalDynamoDB } from "../../lib/local/mod.ts";
import { FaultGate, type FaultGateOptions, type GateRequest } from "../../lib/local/dynamodb/fault_gate.ts";
import type { Clock } from "../../lib/util/clock.ts";
import { abortable } from "../../lib/util/async.ts";
import { randomOf } from "../support/histories.ts";
import { SimulatedDynamoDB, type SimulatedDynamoDBOptions } from "./dynamodb/dynamodb.ts";
import { clockOf } from "./globals.ts";
import { loadLazyModules } from "./lazy_modules.ts";
import { bytesOf, responseOf, socketError } from "./network.ts";
import { type FileSystem, type Machine, Scheduler } from "./scheduler.ts";
import type { Service, ServiceRequest, ServiceResponse } from "./service.ts";
import { SimulatedTelegram } from "./telegram.ts";

/** How long a request and its answer are on their way each, in milliseconds. */
const wayMs = 0.1;

/** The longest that a task may take by the real clock, in milliseconds. */
const realLimitMs = 50_000;

let current: World | undefined;

/** The world of the tasks that run; `undefined` in real time. */
export function currentWorld(): World | undefined {
  return current;
}

/**
 * Runs a task in virtual time; several at once share it. They must wait for nothing real but files: no sockets, no processes.
 * @throws What the task throws, or an Error if it does not end.
 */
export async function inVirtualTime<T>(task: () => Promise<T>): Promise<T> {
  await loadLazyModules();
  if (current !== undefined) return await current.join(task);
  const world = current = new World();
  try {
    return await world.run(task);
  } finally {
    current = undefined;
  }
}

/** A way to a server, on a network that may be down. */
export interface Link {
  readonly url: string;
  readonly down: () => void;
  readonly up: () => void;
}

/** Simulated servers, and the way to them. */
export class World {
  readonly scheduler: Scheduler = new Scheduler(1, { fetch: (...request) => this.fetch(...request) });
  /** The one that the task runs on. */
  readonly machine: Machine;
  readonly #services = new Map<string, Service>();
  /** Tasks that have joined. */
  readonly #joined = new Set<Promise<unknown>>();

  constructor() {
    const { scheduler } = this;
    this.machine = {
      ...{
        name: "test",
        random: randomOf(1),
        skewMs: 0,
        isDead: false,
        frozenUntil: 0,
        sleptMs: 0,
        lateMs: 0,
      },
      files: realFiles(scheduler),
    };
  }

  /** Runs a task to its end, and all that join it meanwhile. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    return await this.scheduler.runTask(() => this.#all(task), this.machine, realLimitMs);
  }

  async #all<T>(task: () => Promise<T>): Promise<T> {
    const result = await Promise.allSettled([task()]);
    while (this.#joined.size > 0) await Promise.allSettled(this.#joined);
    if (result[0].status === "rejected") throw result[0].reason;
    return result[0].value;
  }

  /** Runs a task beside the first. */
  async join<T>(task: () => Promise<T>): Promise<T> {
    const running = this.nextTurn().then(task);
    this.#joined.add(running);
    try {
      return await running;
    } finally {
      this.#joined.delete(running);
    }
  }

  /** Resolves when all that can run now has run. */
  nextTurn(): Promise<void> {
    return new Promise((resolve) => void this.scheduler.after(0, resolve, { owner: this.machine }));
  }

  /** Serves requests from now on. Gives the address: `http://telegram-1.sim`. */
  serve(name: string, service: Service): string {
    const host = `${name}-${this.#services.size + 1}.sim`;
    this.#services.set(host, service);
    return `http://${host}`;
  }

  /** A way to a server that may be down: its requests are reset then, and further ones refused. */
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

  /** Refuses connections from now on. */
  close(address: string): void {
    this.#services.delete(new URL(address).hostname);
  }

  /** The way to the servers. */
  readonly fetch: typeof fetch = async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const { method = "GET", signal } = init;
    const request = { url, method, headers: new Headers(init.headers), body: await bytesOf(init.body) };
    return responseOf(await this.#exchange(request, signal ?? undefined));
  };

  #exchange(
    request: Omit<ServiceRequest, "signal">,
    signal: AbortSignal | undefined,
  ): Promise<ServiceResponse> {
    const { scheduler, machine: owner } = this;
    return new Promise((resolve, reject) => {
      const gone = new AbortController();
      const abort = (): void => {
        reject(signal?.reason);
        scheduler.after(wayMs, () => gone.abort(signal?.reason), { owner });
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener("abort", abort, { once: true });
      const end = (settle: () => void): void => {
        signal?.removeEventListener("abort", abort);
        scheduler.after(wayMs, settle, { owner });
      };
      scheduler.after(wayMs, () => {
        if (signal?.aborted) return;
        const service = this.#services.get(request.url.hostname);
        if (service === undefined) return end(() => reject(socketError("ECONNREFUSED")));
        service.handle({ ...request, signal: gone.signal })
          .then((response) => end(() => resolve(response)), (error) => end(() => reject(error)));
      }, { owner });
    });
  }

  /** What a bot needs to live in this world. */
  get botOptions(): { readonly clock: Clock; readonly fetch: typeof fetch } {
    return { clock: clockOf(this.scheduler, this.machine), fetch: this.fetch };
  }

  /** As `startBotApiServer()`. */
  startBotApiServer(options: BotApiServerOptions = {}): BotApiServer {
    const hostClock = clockOf(this.scheduler, this.machine);
    const { clock = hostClock } = options;
    const apiRoot = this.serve("telegram", { handle: (request) => telegram.handle(request) });
    const close = (): void => this.close(apiRoot);
    const telegram = new SimulatedTelegram({ ...options, clock, hostClock, apiRoot, onClose: close });
    return telegram.server;
  }

  /** A DynamoDB behind a gate; gives the addresses of both. */
  startDynamoDB(options: SimulatedDynamoDBOptions, gateOptions: Omit<FaultGateOptions, "target">): {
    readonly db: LocalDynamoDB;
    readonly gate: FaultGate;
  } {
    const { scheduler, machine } = this;
    const dynamodb = new SimulatedDynamoDB({ now: () => scheduler.now, ...options });
    const endpoint = this.serve("dynamodb", dynamodb);
    const address = this.serve("gate", { handle: (request) => throughGate(gate, request) });
    const gate = new FaultGate(gateOptions, {
      endpoint: address,
      clock: clockOf(scheduler, machine),
      forward: ({ headers, body }) => forwardTo(dynamodb, headers, body),
      close: () => Promise.resolve(this.close(address)),
    });
    const credentials = { accessKeyId: "local", secretAccessKey: "local" };
    const close = (): Promise<void> => Promise.resolve(this.close(endpoint));
    const db = { endpoint, region: "us-east-1", credentials, close, [Symbol.asyncDispose]: close };
    return { db, gate };
  }
}

async function throughGate(gate: FaultGate, request: ServiceRequest): Promise<ServiceResponse> {
  const { method, url, headers, body, signal } = request;
  const answer = await gate.handle({
    ...{ method, target: url.pathname, body },
    headers: Object.fromEntries(headers),
  });
  if (answer === "cut") throw socketError("ECONNRESET");
  if (answer !== "hang") return { ...answer, headers: answer.headers as Record<string, string> };
  return await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

async function forwardTo(
  dynamodb: SimulatedDynamoDB,
  headers: GateRequest["headers"],
  body: Uint8Array,
): Promise<{ status: number; headers: Record<string, string>; body: Uint8Array }> {
  const target = { "x-amz-target": String(headers["x-amz-target"]) };
  const request = { method: "POST", url: new URL("http://dynamodb.sim"), headers: new Headers(target), body };
  const { signal } = new AbortController();
  const { status, headers: answered, body: content } = await dynamodb.handle({ ...request, signal });
  return {
    status,
    headers: answered,
    body: typeof content === "string" ? new TextEncoder().encode(content) : content,
  };
}

/** The machine's own files. Time stands still while one is read or written. */
function realFiles(scheduler: Scheduler): FileSystem {
  const { open, mkdir } = fs;
  const holding = (handle: FileHandle): FileHandle =>
    new Proxy(handle, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          const result = Reflect.apply(value, target, args);
          return result instanceof Promise ? scheduler.hold(result) : result;
        };
      },
    });
  return {
    open: async (...args: Parameters<typeof open>) => holding(await scheduler.hold(open(...args))),
    mkdir: ((path: string, options: object) => scheduler.hold(mkdir(path, options))) as typeof mkdir,
  };
}
