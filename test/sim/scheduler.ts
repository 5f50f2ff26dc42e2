/**
 * The scheduler of a simulation: virtual time, and chance from a seed, for whole programs in one process.
 *
 * Each timer, macrotask and message on the network is an event in one heap; time is the time of the event that runs, and
 * advances only when nothing else can run. An event belongs to a machine, or to the world around the machines; so does all
 * that its microtasks begin, as machines meet only through events. That is how the globals know whose they are.
 */
import type fs from "node:fs/promises";
import { setImmediate as realImmediate } from "node:timers";
import { type Random, randomOf } from "../support/histories.ts";
import { type Globals, installGlobals } from "./globals.ts";

export type FileSystem = Pick<typeof fs, "open" | "mkdir" | "lstat">;

/** A machine with one program on it, which ends with the machine's life. */
export interface Machine {
  readonly name: string;
  readonly random: Random;
  /** What its clock shows beyond the true time, in milliseconds. */
  skewMs: number;
  isDead: boolean;
  /** Its events wait until this time: a debugger, a full garbage collection. */
  frozenUntil: number;
  /** For how long it has slept in all, in milliseconds: its timers stood still meanwhile, as did `performance.now()`. */
  sleptMs: number;
  /** How late its timers are, in milliseconds at most. */
  readonly lateMs: number;
  /** Its file system, as lib uses one. */
  readonly files: FileSystem;
}

interface Event {
  at: number;
  readonly order: number;
  readonly owner: Machine | undefined;
  readonly label: string;
  /** `undefined` when it is cancelled or has run. */
  run: (() => void) | undefined;
  /** Timers wait for a machine's sleep; it is as long as this when they are set. */
  sleptMs: number | undefined;
}

export interface EventHandle {
  cancel(): void;
}

export interface EventOptions {
  /** Default: the world. */
  readonly owner?: Machine | undefined;
  /** What the trace says when it runs. Default: nothing. */
  readonly label?: string;
  /** Whether the time in which the machine sleeps does not count. @default false */
  readonly isTimer?: boolean;
}

/** When time begins: 2026-11-25T12:00:00Z. */
export const epoch: number = Date.UTC(2026, 10, 25, 12);

/** Seconds since the history began. */
export function timeOf(ms: number): string {
  return ((ms - epoch) / 1000).toFixed(3);
}

export interface SchedulerOptions {
  /** Whether all that happens is noted in `lines`. @default false */
  readonly keepsTrace?: boolean;
  /** What the global `fetch` does. Default: it is refused. */
  readonly fetch?: typeof fetch;
}

export class Scheduler {
  readonly seed: number;
  /** The chance of the world. */
  readonly random: Random;
  /** True time, in milliseconds since 1970. */
  now: number = epoch;
  /** Whose event runs. */
  current: Machine | undefined;
  /** How many events have run. */
  events = 0;
  /** What happened, if it is kept. */
  readonly lines: string[] | undefined;
  readonly #heap: Event[] = [];
  readonly #globals: Globals;
  #order = 0;
  #held = 0;
  #hash: [number, number] = [0x811c9dc5, 0x1234567];

  constructor(seed: number, { keepsTrace = false, fetch }: SchedulerOptions = {}) {
    this.seed = seed;
    this.random = randomOf(seed);
    this.lines = keepsTrace ? [] : undefined;
    this.#globals = installGlobals(this, fetch);
  }

  /** A further source of chance, which does not depend on how often others are asked. */
  fork(): Random {
    return randomOf(Math.floor(this.random() * 2 ** 32));
  }

  /** Runs a task after `ms` milliseconds. */
  after(ms: number, run: () => void, { owner, label = "", isTimer = false }: EventOptions = {}): EventHandle {
    const sleptMs = isTimer ? owner?.sleptMs : undefined;
    const event = { at: this.now + Math.max(0, ms), order: ++this.#order, owner, label, run, sleptMs };
    push(this.#heap, event);
    return { cancel: () => void ((event as Event).run = undefined) };
  }

  /** Notes what happened, for the hash and the trace. */
  trace(line: string): void {
    const text = `${((this.now - epoch) / 1000).toFixed(6)} ${line}`;
    let [one, two] = this.#hash;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      one = Math.imul(one ^ code, 0x01000193);
      two = Math.imul(two + code, 0x85ebca6b) ^ (two >>> 13);
    }
    this.#hash = [one, two];
    this.lines?.push(text);
  }

  /** The same for two runs in which the same happened. */
  get hash(): string {
    return this.#hash.map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }

  /** How many events of a machine are still to come: its timers, and what is on its way to it. */
  waitingFor(machine: Machine): number {
    return this.#heap.filter(({ owner, run }) => owner === machine && run !== undefined).length;
  }

  /** When the next event is due; `Infinity` if there is none. */
  get nextAt(): number {
    return this.#heap[0]?.at ?? Infinity;
  }

  /** Whether nothing will ever happen any more. */
  get isIdle(): boolean {
    return this.#heap.every(({ run, owner }) => run === undefined || owner?.isDead);
  }

  /** Runs events until `isOver()`, which is asked after each, or until this time; true if it is over. */
  async run(until: number, isOver: () => boolean = () => false): Promise<boolean> {
    this.#globals.enter();
    try {
      while (!isOver()) {
        const event = this.#heap[0];
        if (event === undefined || event.at > until) {
          this.now = Math.max(this.now, until);
          return isOver();
        }
        pop(this.#heap);
        if (!this.#isDelayed(event)) await this.#play(event);
      }
      return true;
    } finally {
      this.#globals.leave();
    }
  }

  /**
   * Runs a task, and all events, until the task has ended. Time stands still while what `hold()` was given is not settled.
   * @param realMs How long this may take by the real clock, in milliseconds.
   */
  async runTask<T>(task: () => Promise<T>, owner: Machine, realMs: number): Promise<T> {
    let ended: (() => T) | undefined;
    const begin = (): void =>
      void task().then((result) => ended = () => result, (error) => {
        ended = () => {
          throw error;
        };
      });
    this.after(0, begin, { owner });
    const realEnd = realNow() + realMs;
    this.#globals.enter();
    try {
      for (let turns = 0; ended === undefined; turns++) {
        const event = this.#heap[0];
        if (turns % 1000 === 0 && realNow() > realEnd) throw new Error(this.#stuck(realMs));
        if (event === undefined || (this.#held > 0 && event.at > this.now)) {
          // What goes on once a file is read or written is the owner's, too.
          this.current = owner;
          await realTurn();
          this.current = undefined;
        } else {
          pop(this.#heap);
          if (!this.#isDelayed(event)) await this.#play(event);
        }
      }
      return ended();
    } finally {
      this.#globals.leave();
    }
  }

  /** Has time stand still until a promise that waits for something real is settled. */
  async hold<T>(real: Promise<T>): Promise<T> {
    this.#held++;
    try {
      return await real;
    } finally {
      this.#held--;
    }
  }

  #stuck(realMs: number): string {
    const seconds = Math.round((this.now - epoch) / 1000);
    return `it has not ended within ${realMs / 1000} s of real time and ${seconds} s of virtual time`;
  }

  /** Puts an event back that its machine cannot run yet. */
  #isDelayed(event: Event): boolean {
    const { owner } = event;
    if (owner === undefined || owner.isDead || event.run === undefined) return false;
    let delayMs = Math.max(0, owner.frozenUntil - event.at);
    if (event.sleptMs !== undefined && owner.sleptMs > event.sleptMs) {
      delayMs = Math.max(delayMs, owner.sleptMs - event.sleptMs);
      event.sleptMs = owner.sleptMs;
    }
    if (delayMs === 0) return false;
    event.at += delayMs;
    push(this.#heap, event);
    return true;
  }

  async #play(event: Event): Promise<void> {
    const { owner, run, label } = event;
    if (run === undefined || owner?.isDead) return;
    event.run = undefined;
    this.now = Math.max(this.now, event.at);
    this.current = owner;
    this.events++;
    if (label !== "") this.trace(`${owner?.name ?? "world"} ${label}`);
    run();
    await settled();
    this.current = undefined;
  }
}

/** Resolves when all microtasks have run: a turn of the real event loop, in which nothing else happens (2 µs). */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    wake = resolve;
    realImmediate(onTurn);
  });
}
let wake: () => void = () => {};
const onTurn = (): void => wake();

const { setTimeout: realTimeout } = globalThis;
const realNow = performance.now.bind(performance);

/** Gives the real event loop time for what it waits for. */
function realTurn(): Promise<void> {
  return new Promise((resolve) => realTimeout(resolve, 1));
}

// The heap of events.

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

function push(heap: Event[], event: Event): void {
  let index = heap.push(event) - 1;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (isBefore(heap[parent] as Event, event)) break;
    heap[index] = heap[parent] as Event;
    index = parent;
  }
  heap[index] = event;
}

function pop(heap: Event[]): void {
  const last = heap.pop() as Event;
  if (heap.length === 0) return;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++;
    if (isBefore(last, heap[child] as Event)) break;
    heap[index] = heap[child] as Event;
    index = child;
  }
  heap[index] = last;
}
