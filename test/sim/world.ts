/**
 * Virtual time for tests: while a task runs, timers, the date and chance are the scheduler's, and servers are simulated
 * ones on a network without faults. What the task waits for takes no real time.
 */
import fs, { type FileHandle } from "node:fs/promises";
import type { BotApiServer, BotApiServerOptions } from "../../lib/local/mod.ts";
import type { Clock } from "../../lib/util/clock.ts";
import { randomOf } from "../support/histories.ts";
import { clockOf } from "./globals.ts";
import { Hosts, inProcess } from "./hosts.ts";
import { loadLazyModules } from "./lazy_modules.ts";
import { type FileSystem, type Machine, Scheduler } from "./scheduler.ts";
import { SimulatedTelegram } from "./telegram.ts";

/** How long a request and its answer are on their way each, in milliseconds. */
const wayMs = 0.1;

/** After so long nothing that the task has begun may run any more, in milliseconds. */
const restMs = 600_000;

/** The longest that a task may take by the real clock, in milliseconds. */
const realLimitMs = 50_000;

let current: World | undefined;

/** The world of the tasks that run; `undefined` in real time. */
export function currentWorld(): World | undefined {
  return current;
}

/** The simulated servers that can be reached now. */
export function currentHosts(): Hosts {
  return current?.hosts ?? inProcess;
}

/**
 * Runs a task in virtual time; several at once share it. They must wait for nothing real but files: no sockets, no processes.
 * @throws What the task throws, or an Error if it does not end, or leaves something running.
 */
export async function inVirtualTime<T>(task: () => Promise<T>): Promise<T> {
  await loadLazyModules();
  while (current?.isOver) await current.ended;
  if (current !== undefined) return await current.join(task);
  const world = current = new World();
  try {
    return await world.run(task);
  } finally {
    current = undefined;
  }
}

/** One machine, simulated servers, and the way to them. */
export class World {
  readonly scheduler: Scheduler = new Scheduler(1, { fetch: (...request) => this.hosts.fetch(...request) });
  /** The one that the task runs on. */
  readonly machine: Machine;
  readonly hosts: Hosts;
  /** Whether nothing can join it any more. */
  isOver = false;
  /** Resolves when all has ended. */
  ended: Promise<void> = Promise.resolve();
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
    this.hosts = new Hosts((arrive) => void scheduler.after(wayMs, arrive, { owner: this.machine }));
  }

  /** Runs a task to its end, and all that join it meanwhile. */
  run<T>(task: () => Promise<T>): Promise<T> {
    const running = this.#run(task);
    this.ended = running.then(() => {}, () => {});
    return running;
  }

  async #run<T>(task: () => Promise<T>): Promise<T> {
    const result = await this.scheduler.runTask(() => this.#all(task), this.machine, realLimitMs);
    await this.scheduler.run(this.scheduler.now + restMs);
    if (!this.scheduler.isIdle) {
      throw new Error(`Something is still running ${restMs / 60_000} minutes after the end`);
    }
    return result;
  }

  async #all<T>(task: () => Promise<T>): Promise<T> {
    const result = await Promise.allSettled([task()]);
    while (this.#joined.size > 0) await Promise.allSettled(this.#joined);
    this.isOver = true;
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

  /** What a bot needs to live in this world. */
  get botOptions(): { readonly clock: Clock; readonly fetch: typeof fetch } {
    return { clock: clockOf(this.scheduler, this.machine), fetch: this.hosts.fetch };
  }

  /** As `startBotApiServer()`. */
  startBotApiServer(options: BotApiServerOptions = {}): BotApiServer {
    const hostClock = clockOf(this.scheduler, this.machine);
    const { clock = hostClock } = options;
    const apiRoot = this.hosts.serve("telegram", { handle: (request) => telegram.handle(request) });
    const close = (): void => this.hosts.close(apiRoot);
    const telegram = new SimulatedTelegram({ ...options, clock, hostClock, apiRoot, onClose: close });
    return telegram.server;
  }
}

/** The machine's own files. Time stands still while one is read or written. */
function realFiles(scheduler: Scheduler): FileSystem {
  const { open, mkdir, lstat } = fs;
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
    lstat: ((path: string) => scheduler.hold(lstat(path))) as typeof lstat,
  };
}
