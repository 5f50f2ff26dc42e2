/**
 * Clocks for tests:
 * - `FastClock`: real time, so many times as fast; several processes can share one;
 * - `JumpClock`: a `FastClock` on a machine whose time is set, or which sleeps;
 * - `TestClock`: shows what a test sets, and moves on by each sleep, which takes no time; `HandClock` moves by hand, too;
 * - `SleepyClock`: a `TestClock` whose sleeps count tenfold;
 * - `StepClock`: virtual time, which a test lets pass from one sleeper's end to the next.
 */
import { setImmediate } from "node:timers/promises";
import type { Clock } from "../../lib/util/clock.ts";

/** What a process needs to know to show the same time as others. */
export interface ClockOrigin {
  readonly factor: number;
  /** Milliseconds since 1970, when the clock and real time showed the same. */
  readonly startedAt: number;
}

export interface FastClockOptions {
  /** Default: when it is first asked. */
  readonly startedAt?: number;
  /** @default always 0.5 */
  readonly random?: () => number;
}

/** Timers that are set for longer end at once. */
const longestTimerMs = 2 ** 31 - 1;

/** Real time, so many times as fast. */
export class FastClock implements Clock {
  #factor: number;
  /** The real time, and the time shown, when it was set last. It begins when it is first asked. */
  #origin: { readonly real: number; readonly shown: number } | undefined;
  /** Sets the timer of each sleeper anew. */
  readonly #sleepers = new Set<() => void>();
  readonly #random: () => number;

  constructor(factor: number, { startedAt, random = () => 0.5 }: FastClockOptions = {}) {
    this.#factor = factor;
    this.#random = random;
    if (startedAt !== undefined) this.#origin = { real: startedAt, shown: startedAt };
  }

  now(): number {
    return this.elapsed();
  }

  elapsed(): number {
    const now = Date.now();
    const { real, shown } = this.#origin ??= { real: now, shown: now };
    return shown + (now - real) * this.#factor;
  }

  /** Changes the speed, also for sleeps under way, so that a slow machine can catch up before time goes on. */
  setFactor(factor: number): void {
    this.#origin = { shown: this.elapsed(), real: Date.now() };
    this.#factor = factor;
    for (const plan of this.#sleepers) plan();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const until = this.elapsed() + ms;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const plan = (): void => {
        clearTimeout(timer);
        timer = setTimeout(wake, Math.min((until - this.elapsed()) / this.#factor, longestTimerMs));
      };
      const end = (): void => {
        clearTimeout(timer);
        this.#sleepers.delete(plan);
        signal?.removeEventListener("abort", abort);
      };
      const wake = (): void => {
        end();
        resolve();
      };
      const abort = (): void => {
        end();
        reject(signal?.reason);
      };
      this.#sleepers.add(plan);
      signal?.addEventListener("abort", abort);
      plan();
    });
  }

  random(): number {
    return this.#random();
  }
}

/** So slow that it stands still. */
const asleep = 1e-9;

/** A clock that is set while it runs, on a machine that may sleep: then its timers stand still. */
export class JumpClock extends FastClock {
  readonly #factor: number;
  #aheadMs = 0;
  /** How many sleeps were begun. */
  sleeps = 0;

  constructor(factor: number, aheadMs: number = 0) {
    super(factor);
    this.#factor = factor;
    this.#aheadMs = aheadMs;
  }

  override now(): number {
    return super.now() + this.#aheadMs;
  }

  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.sleeps++;
    await super.sleep(ms, signal);
  }

  /** Sets it forward or back; timers do not notice. */
  jump(ms: number): void {
    this.#aheadMs += ms;
  }

  /** Has the machine sleep until the returned function is called with how long it slept. */
  suspend(): (ms: number) => void {
    this.setFactor(asleep);
    return (ms) => {
      this.jump(ms);
      this.setFactor(this.#factor);
    };
  }
}

/** A clock that a test sets; sleeping takes no time and moves it on. */
export class TestClock implements Clock {
  ms: number;

  constructor(ms: number) {
    this.ms = ms;
  }

  now(): number {
    return this.ms;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.ms += ms;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }

  random(): number {
    return 0.5;
  }
}

/** Moves by hand, and by each sleep. */
export class HandClock extends TestClock {
  advance(ms: number): void {
    this.ms += ms;
  }
}

/** Each sleep counts tenfold, so that a minute of polling ends before a slow machine has created a table. */
export class SleepyClock extends TestClock {
  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return super.sleep(10 * ms, signal);
  }
}

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** Virtual time: stands still until a test lets it pass, from one sleeper's end to the next. */
export class StepClock implements Clock {
  #now: number;
  #offset = 0;
  #sleepers: Sleeper[] = [];
  readonly #settled: () => Promise<unknown>;

  /** @param settled Resolves when nothing more happens until time passes. */
  constructor(start: number = 1_000_000, settled: () => Promise<unknown> = () => setImmediate()) {
    this.#now = start;
    this.#settled = settled;
  }

  /** The time that it shows. */
  now(): number {
    return this.#now + this.#offset;
  }

  /** The time without `shift()`. */
  get passedMs(): number {
    return this.#now;
  }

  elapsed(): number {
    return this.#now;
  }

  /** How many sleeps are under way. */
  get sleepers(): number {
    return this.#sleepers.length;
  }

  /** Sets the shown time back or forward; sleeps under way do not notice. */
  shift(ms: number): void {
    this.#offset += ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const abort = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal?.reason);
      };
      const wake = (): void => {
        signal?.removeEventListener("abort", abort);
        resolve();
      };
      const sleeper = { at: this.#now + ms, wake };
      this.#sleepers.push(sleeper);
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  random(): number {
    return 0.5;
  }

  /** Lets so much time pass. Everything that a sleep's end causes is done before the next one ends. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.#settled();
    while (await this.#step(end));
    this.#now = end;
  }

  /** Lets time pass until no sleep is under way, or so long. */
  async drain(limitMs: number = Infinity): Promise<void> {
    const end = this.#now + limitMs;
    await this.#settled();
    while (await this.#step(end));
  }

  /** Moves it at once, and ends the sleeps that are due. */
  advance(ms: number): void {
    this.#now += ms;
    this.#wakeUntil(this.#now);
  }

  async #step(end: number): Promise<boolean> {
    const next = this.#sleepers.reduce((least, { at }) => Math.min(least, at), Infinity);
    if (next > end || next === Infinity) return false;
    this.#now = Math.max(this.#now, next);
    this.#wakeUntil(next);
    await this.#settled();
    return true;
  }

  #wakeUntil(time: number): void {
    const due = this.#sleepers.filter(({ at }) => at <= time);
    this.#sleepers = this.#sleepers.filter(({ at }) => at > time);
    for (const { wake } of due) wake();
  }
}
