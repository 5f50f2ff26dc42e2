/** How fast something went in the last few seconds. Pure: times are in milliseconds, and ascend. */
import { createDisplay } from "../util/display.ts";
import type { BroadcastCounts, BroadcastReport } from "./report.ts";

/** What is looked back on, and what is too little to tell. */
const [windowMs, tellingMs] = [5000, 2000];
/** Marks are so far apart. */
const stepMs = 250;

export class RecentRate {
  #marks: { readonly at: number; readonly count: number }[] = [];

  /** How many there were by then, in all. */
  note(at: number, count: number): void {
    const last = this.#marks.at(-1);
    if (last !== undefined && at - last.at < stepMs) return;
    this.#marks.push({ at, count });
    // One mark stays that is as old as the window.
    while ((this.#marks[1]?.at ?? Infinity) <= at - windowMs) this.#marks.shift();
  }

  /** How many a millisecond; `undefined` where that cannot be told, or there were none. */
  get perMs(): number | undefined {
    const [first, last] = [this.#marks[0], this.#marks.at(-1)];
    if (first === undefined || last === undefined || last.at - first.at < tellingMs) return undefined;
    return last.count > first.count ? (last.count - first.count) / (last.at - first.at) : undefined;
  }
}

// How far a broadcast comes in a time, and how long it takes, at the bot's present paces. Pure.

/** What is paid for leaves first, at a pace of its own. */
export interface Paces {
  /** Messages a second that are not paid for. */
  readonly free: number;
  /** Messages a second that are paid for. */
  readonly paid: number;
  /** How many may still be paid for; 0 where none is, and `Infinity` without a budget. */
  readonly paidLeft: number;
}

/** How many messages leave in so many milliseconds; not rounded. */
export function messagesIn(ms: number, { free, paid, paidLeft }: Paces): number {
  const seconds = ms / 1000;
  if (seconds * paid <= paidLeft) return seconds * paid;
  return paidLeft + (seconds - paidLeft / paid) * free;
}

/** How many milliseconds so many messages take. */
export function msFor(messages: number, { free, paid, paidLeft }: Paces): number {
  const paidFor = Math.min(messages, paidLeft);
  return (paidFor / paid + (messages - paidFor) / free) * 1000;
}

// A broadcast that is under way, as its caller sees it.

/** How far a broadcast has come. */
export interface BroadcastProgress extends Readonly<BroadcastCounts> {
  /** Chats that it is meant for, as far as they are known; the list may be read anew meanwhile. 0 until it begins. */
  readonly recipients: number;
  /** Chats that are accounted for: the sum of the five counts. */
  readonly done: number;
  /** Since the call, in milliseconds. */
  readonly elapsedMs: number;
  /**
   * How long it will still take, in milliseconds: the wait that Telegram has asked for, and the rest at the bot's pace, or
   * at the rate of the last few seconds, if that is lower. `undefined` where that cannot be told yet.
   */
  readonly remainingMs: number | undefined;
  /** Chats that cannot be reached before the message expires, at that pace. */
  readonly willExpire: number;
  /** Whether you have paused it. */
  readonly isPaused: boolean;
  /** Whether Telegram has asked the bot to wait (429). */
  readonly isWaiting: boolean;
  /** For how much longer, in milliseconds; 0 where it has not. */
  readonly waitingMs: number;
}

/** A promise of the report, with a hold on the broadcast. */
export interface BroadcastRun extends Promise<BroadcastReport> {
  /** Lets nothing more leave until `resume()`; what is under way arrives. Its time may run out meanwhile. */
  pause(): void;
  /** Goes on. */
  resume(): void;
  /** How far it has come. */
  readonly progress: BroadcastProgress;
}

const nothing: BroadcastProgress = {
  recipients: 0,
  done: 0,
  sent: 0,
  deactivated: 0,
  skipped: 0,
  failed: 0,
  unknown: 0,
  elapsedMs: 0,
  remainingMs: undefined,
  willExpire: 0,
  isPaused: false,
  isWaiting: false,
  waitingMs: 0,
};

/** Shows a broadcast's progress richly in a notebook. */
export const displayProgress: <T extends BroadcastProgress>(progress: T) => T = createDisplay(async () =>
  (await import("./display.ts")).showProgress
);
const displayRun = createDisplay<BroadcastRun>(async () => {
  const { showProgress } = await import("./display.ts");
  return ({ progress }) => showProgress(progress);
});

/** What connects the caller's hold on a broadcast with the broadcast. */
export class PauseControl {
  #isPaused = false;
  #onChange = (): void => {};
  readonly #waiting = new Set<() => void>();
  #progress: (() => BroadcastProgress) | undefined;

  get isPaused(): boolean {
    return this.#isPaused;
  }

  set isPaused(isPaused: boolean) {
    this.#isPaused = isPaused;
    this.#onChange();
    if (isPaused) return;
    for (const resume of [...this.#waiting]) resume();
  }

  /** Resolves when it is not paused, or has ended. */
  async resumed(ending: AbortSignal): Promise<void> {
    if (!this.#isPaused || ending.aborted) return;
    await new Promise<void>((resolve) => {
      const resume = (): void => {
        this.#waiting.delete(resume);
        ending.removeEventListener("abort", resume);
        resolve();
      };
      this.#waiting.add(resume);
      ending.addEventListener("abort", resume);
    });
  }

  get progress(): BroadcastProgress {
    return displayProgress({ ...this.#progress?.() ?? nothing, isPaused: this.#isPaused });
  }

  /** The broadcast begins. `onChange` is called when it is paused, and when it may go on. */
  attach(progress: () => BroadcastProgress, onChange: () => void): void {
    this.#progress = progress;
    this.#onChange = onChange;
  }
}

/** Runs the task, and gives its promise with a hold on it. */
export function createRunHandle(task: (control: PauseControl) => Promise<BroadcastReport>): BroadcastRun {
  const control = new PauseControl();
  const run: BroadcastRun = Object.defineProperties(task(control), {
    pause: { value: () => void (control.isPaused = true) },
    resume: { value: () => void (control.isPaused = false) },
    progress: { get: () => control.progress },
  }) as BroadcastRun;
  return displayRun(run);
}
