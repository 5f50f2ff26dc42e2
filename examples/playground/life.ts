/** What happens by itself, as long as somebody is looking. */
export interface LifeOptions {
  /** From one signal to the next; 0: nothing happens by itself. */
  readonly everySeconds: number;
  readonly isWatched: () => boolean;
  /** Somebody of the crowd says something. */
  readonly speak: () => void;
  readonly sendSignal: () => void;
}

const speakEveryMs = 11_000;
const firstSignalAfterMs = 6000;

export class Life {
  readonly #options: LifeOptions;
  readonly #timers: ReturnType<typeof setTimeout>[] = [];
  #isWelcome = false;

  constructor(options: LifeOptions) {
    this.#options = options;
    const { everySeconds, speak } = options;
    if (everySeconds === 0) return;
    this.#timers.push(setInterval(() => this.#watched(speak), speakEveryMs));
  }

  /** Whoever has come waits for the first signal less than for any other. */
  welcome(): void {
    const { everySeconds, sendSignal } = this.#options;
    if (this.#isWelcome || everySeconds === 0) return;
    this.#isWelcome = true;
    this.#timers.push(
      setTimeout(sendSignal, firstSignalAfterMs),
      setInterval(() => this.#watched(sendSignal), everySeconds * 1000),
    );
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #watched(task: () => void): void {
    if (this.#options.isWatched()) task();
  }
}
