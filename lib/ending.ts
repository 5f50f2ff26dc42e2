/** How a bot's polling ends: with an error, or because it was stopped. */
export class Ending {
  readonly #promise: Promise<void>;
  #resolve = (): void => {};
  #reject = (_error: unknown): void => {};
  #isAwaited = false;
  #hasFailed = false;

  /** `onUnheard` is told of an error that nobody has asked for. */
  constructor(onUnheard: (error: Error) => void) {
    this.#promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#promise.catch((error: Error) => {
      if (!this.#isAwaited) onUnheard(error);
    });
  }

  get promise(): Promise<void> {
    this.#isAwaited = true;
    return this.#promise;
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** It ends as the task does. */
  follow(task: Promise<void>): void {
    task.then(this.#resolve, (error) => {
      this.#hasFailed = true;
      this.#reject(error);
    });
  }

  /** It ends well, unless it has ended. */
  end(): void {
    this.#resolve();
  }
}
