/** A broadcast that is under way, as its caller sees it. */
import { displayable } from "./displayable.ts";
import type { BroadcastCounts, BroadcastReport } from "./report.ts";

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

/** What connects the caller's hold on a broadcast with the broadcast. */
export class Control {
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
    return displayable({ ...this.#progress?.() ?? nothing, isPaused: this.#isPaused }, "progress");
  }

  /** The broadcast begins. `onChange` is called when it is paused, and when it may go on. */
  attach(progress: () => BroadcastProgress, onChange: () => void): void {
    this.#progress = progress;
    this.#onChange = onChange;
  }
}

/** Runs the task, and gives its promise with a hold on it. */
export function startRun(task: (control: Control) => Promise<BroadcastReport>): BroadcastRun {
  const control = new Control();
  const run: BroadcastRun = Object.defineProperties(task(control), {
    pause: { value: () => void (control.isPaused = true) },
    resume: { value: () => void (control.isPaused = false) },
    progress: { get: () => control.progress },
  }) as BroadcastRun;
  return displayable(run, "run");
}
