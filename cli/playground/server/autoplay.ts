/** Sends messages and signals by timer, as long as a page is open. */
export interface AutoplayOptions {
  /** From one signal to the next; 0: nothing happens by itself. */
  readonly everySeconds: number;
  /** Whether a page is open. */
  readonly hasPages: () => boolean;
  readonly writeMessage: () => void;
  readonly sendSignal: () => void;
}

const messageEveryMs = 11_000;
const firstSignalAfterMs = 6000;

export class Autoplay {
  readonly #options: AutoplayOptions;
  readonly #timers: ReturnType<typeof setTimeout>[] = [];
  #isStarted = false;

  constructor(options: AutoplayOptions) {
    this.#options = options;
    const { everySeconds, writeMessage } = options;
    if (everySeconds === 0) return;
    this.#timers.push(setInterval(() => this.#ifWatched(writeMessage), messageEveryMs));
  }

  /** Begins to send signals, the first one soon. Does nothing when called again. */
  start(): void {
    const { everySeconds, sendSignal } = this.#options;
    if (this.#isStarted || everySeconds === 0) return;
    this.#isStarted = true;
    this.#timers.push(
      setTimeout(sendSignal, firstSignalAfterMs),
      setInterval(() => this.#ifWatched(sendSignal), everySeconds * 1000),
    );
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #ifWatched(task: () => void): void {
    if (this.#options.hasPages()) task();
  }
}
