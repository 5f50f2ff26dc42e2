/** What is done once, however often it is asked for; where it fails, the next call tries again. */
export class Attempt<T> {
  readonly #task: () => Promise<T>;
  #result: Promise<T> | undefined;

  constructor(task: () => Promise<T>) {
    this.#task = task;
  }

  /** Begins, or joins what has begun. */
  run(): Promise<T> {
    return this.#result ??= this.#task().catch((error) => {
      this.#result = undefined;
      throw error;
    });
  }

  /** Resolves when nothing is under way, whatever became of it. */
  async settled(): Promise<void> {
    await this.#result?.catch(() => {});
  }
}
