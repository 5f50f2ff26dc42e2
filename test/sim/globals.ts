/**
 * The globals that a simulation owns while it runs: timers, the date, chance. lib asks its `Clock` for them; grammY and the
 * AWS SDK ask the globals. What would leave the simulation throws.
 */
import fs from "node:fs/promises";
import timers from "node:timers";
import type { Clock } from "../../lib/util/clock.ts";
import { epoch, type EventHandle, type Machine, type Scheduler } from "./scheduler.ts";

export interface Globals {
  enter(): void;
  leave(): void;
}

class Timer {
  handle: EventHandle | undefined;
  unref(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  hasRef(): boolean {
    return true;
  }
}

/** A Blob whose content can be read in the same turn of the event loop. */
export class ReadableBlob extends Blob {
  readonly parts: readonly (string | Uint8Array)[];

  constructor(parts: (string | Uint8Array<ArrayBuffer>)[], options?: BlobPropertyBag) {
    super(parts, options);
    this.parts = parts;
  }
}

type Task = (...args: unknown[]) => void;

const RealDate = Date;
const longestTimerMs = 2 ** 31 - 1;
let active: Scheduler | undefined;

/** What a machine's clock shows; the world's is right. */
export function shownBy(scheduler: Scheduler, machine: Machine | undefined): number {
  return Math.floor(scheduler.now + (machine?.skewMs ?? 0));
}

/** The milliseconds of `performance.now()`. */
function elapsedBy(scheduler: Scheduler, machine: Machine | undefined): number {
  return scheduler.now - epoch - (machine?.sleptMs ?? 0);
}

function uuidBy(scheduler: Scheduler, machine: Machine | undefined): string {
  const random = machine?.random ?? scheduler.random;
  const hex = (length: number): string =>
    Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join("");
  return `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`;
}

/** As Node has timers: whole milliseconds, at least one, never early, and sometimes late. */
function timerMs(ms: number, machine: Machine | undefined): number {
  const whole = ms >= 1 && ms <= longestTimerMs ? Math.trunc(ms) : 1;
  const lateMs = machine === undefined || machine.lateMs === 0 ? 0 : machine.random() ** 6 * machine.lateMs;
  return whole + lateMs;
}

/** Time and chance of one machine, or of the world. */
export function clockOf(scheduler: Scheduler, owner?: Machine): Clock {
  return {
    now: () => shownBy(scheduler, owner),
    elapsed: () => elapsedBy(scheduler, owner),
    random: () => (owner?.random ?? scheduler.random)(),
    uuid: () => uuidBy(scheduler, owner),
    nextTurn: () => new Promise((resolve) => void scheduler.after(0, resolve, { owner })),
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const abort = (): void => {
          timer.cancel();
          reject(signal?.reason);
        };
        const timer = scheduler.after(timerMs(ms, owner), () => {
          signal?.removeEventListener("abort", abort);
          resolve();
        }, { owner, isTimer: true });
        signal?.addEventListener("abort", abort, { once: true });
      }),
  };
}

/** @throws {Error} On `enter()`, while another simulation runs. */
export function installGlobals(scheduler: Scheduler, fetch?: typeof globalThis.fetch): Globals {
  const replacements = [...timersOf(scheduler), ...chanceOf(scheduler), ...exits(scheduler, fetch)];
  const originals = replacements.map(([target, name]) =>
    [target, name, Object.getOwnPropertyDescriptor(target, name)] as const
  );
  return {
    enter() {
      if (active !== undefined) throw new Error("Another simulation runs: a process has one at a time.");
      active = scheduler;
      for (const [target, name, value] of replacements) {
        Object.defineProperty(target, name, { value, writable: true, configurable: true });
      }
    },
    leave() {
      active = undefined;
      for (const [target, name, descriptor] of originals) {
        if (descriptor === undefined) Reflect.deleteProperty(target, name);
        else Object.defineProperty(target, name, descriptor);
      }
    },
  };
}

type Replacement = readonly [target: object, name: string, value: unknown];

function timersOf(scheduler: Scheduler): Replacement[] {
  const { clearTimeout: realClearTimeout, clearImmediate: realClearImmediate } = globalThis;
  const set = (ms: number, task: Task, args: unknown[], isTimer: boolean): Timer => {
    const timer = new Timer();
    timer.handle = scheduler.after(ms, () => task(...args), { owner: scheduler.current, isTimer });
    return timer;
  };
  const clearBy = (clear: (timer: never) => void) => (timer: unknown): void => {
    if (timer instanceof Timer) timer.handle?.cancel();
    else clear(timer as never);
  };
  const immediate = (task: Task, ...args: unknown[]): Timer => set(0, task, args, false);
  const timeout = (ms: number): AbortSignal => {
    const late = new AbortController();
    const abort = (): void =>
      late.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError"));
    scheduler.after(ms, abort, { owner: scheduler.current, isTimer: true });
    return late.signal;
  };
  return [
    [
      globalThis,
      "setTimeout",
      (task: Task, ms = 0, ...args: unknown[]) => set(timerMs(ms, scheduler.current), task, args, true),
    ],
    [globalThis, "clearTimeout", clearBy(realClearTimeout)],
    [globalThis, "setImmediate", immediate],
    [timers, "setImmediate", immediate],
    [globalThis, "clearImmediate", clearBy(realClearImmediate)],
    [AbortSignal, "timeout", timeout],
  ];
}

function chanceOf(scheduler: Scheduler): Replacement[] {
  function SimulatedDate(this: unknown, ...args: unknown[]): Date | string {
    if (new.target === undefined) return new RealDate(SimulatedDate.now()).toString();
    const time = args.length > 0 ? args : [SimulatedDate.now()];
    return Reflect.construct(RealDate, time, new.target) as Date;
  }
  SimulatedDate.prototype = RealDate.prototype;
  SimulatedDate.UTC = RealDate.UTC;
  SimulatedDate.parse = RealDate.parse;
  SimulatedDate.now = (): number => shownBy(scheduler, scheduler.current);
  return [
    [globalThis, "Date", SimulatedDate],
    [performance, "now", () => elapsedBy(scheduler, scheduler.current)],
    [Math, "random", () => (scheduler.current?.random ?? scheduler.random)()],
    [crypto, "randomUUID", () => uuidBy(scheduler, scheduler.current)],
  ];
}

/** A machine's own files; what else would wait for something real is refused. */
function exits(scheduler: Scheduler, fetch: typeof globalThis.fetch | undefined): Replacement[] {
  const refuse = (name: string) => (): never => {
    throw new Error(`${name} would leave the simulation`);
  };
  const { open, mkdir, lstat } = fs;
  return [
    [globalThis, "Blob", ReadableBlob],
    [globalThis, "setInterval", refuse("setInterval()")],
    [globalThis, "fetch", fetch ?? refuse("fetch()")],
    [fs, "open", (...args: Parameters<typeof open>) => (scheduler.current?.files ?? { open }).open(...args)],
    [
      fs,
      "mkdir",
      (...args: Parameters<typeof mkdir>) => (scheduler.current?.files ?? { mkdir }).mkdir(...args),
    ],
    [
      fs,
      "lstat",
      (...args: Parameters<typeof lstat>) => (scheduler.current?.files ?? { lstat }).lstat(...args),
    ],
  ];
}
