/** What the bot prints, and what the visitor does to it, line by line. */
export interface LogLine {
  readonly id: number;
  readonly text: string;
  readonly by: "bot" | "warning" | "you";
  /** Milliseconds since 1970. */
  readonly date: number;
}

const keptAtMost = 200;

export class Log {
  readonly #secret: string;
  readonly #onLine: (line: LogLine) => void;
  #lines: readonly LogLine[] = [];
  #lastId = 0;

  /** `secret` is never shown. */
  constructor(secret: string, onLine: (line: LogLine) => void) {
    this.#secret = secret;
    this.#onLine = onLine;
  }

  /** The latest, oldest first. */
  get lines(): readonly LogLine[] {
    return this.#lines;
  }

  add(text: string, by: LogLine["by"]): void {
    if (text.trim() === "") return;
    const shown = text.replaceAll(this.#secret, "[token]");
    const line = { id: ++this.#lastId, text: shown, by, date: Date.now() };
    this.#lines = [...this.#lines, line].slice(-keptAtMost);
    this.#onLine(line);
  }
}
