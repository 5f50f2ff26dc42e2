/** The lines that the bot prints, and the actions of the visitor between them. */
export interface LogLine {
  readonly id: number;
  readonly text: string;
  readonly by: "bot" | "warning" | "you";
  /** Milliseconds since 1970. */
  readonly date: number;
}

const maxLines = 200;

export class BotLog {
  readonly #secret: string;
  readonly #onLine: (line: LogLine) => void;
  #lines: readonly LogLine[] = [];
  #lastId = 0;

  /** `secret` is replaced in all lines. */
  constructor(secret: string, onLine: (line: LogLine) => void) {
    this.#secret = secret;
    this.#onLine = onLine;
  }

  /** The latest lines, oldest first. */
  get lines(): readonly LogLine[] {
    return this.#lines;
  }

  add(text: string, by: LogLine["by"]): void {
    if (text.trim() === "") return;
    const shown = text.replaceAll(this.#secret, "[token]");
    const line = { id: ++this.#lastId, text: shown, by, date: Date.now() };
    this.#lines = [...this.#lines, line].slice(-maxLines);
    this.#onLine(line);
  }
}
