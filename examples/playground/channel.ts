/** Server-sent events: whatever changes, to every page that is open. */
import type { ServerResponse } from "node:http";

/** What a page is told, under its name. */
export type Topic = "items" | "log" | "message" | "state";

const aliveEveryMs = 15_000;
const pagesAtMost = 8;
/** A page that reads no longer is let go. */
const bytesBehindAtMost = 1_000_000;

export class Channel {
  readonly #pages = new Set<ServerResponse>();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor() {
    this.#timer = setInterval(() => this.#write(": alive\n\n"), aliveEveryMs);
  }

  /** Whether anybody is looking. */
  get isWatched(): boolean {
    return this.#pages.size > 0;
  }

  /** Keeps the response open; the page is first told how things are. False where too many are open already. */
  open(response: ServerResponse, told: readonly (readonly [Topic, unknown])[]): boolean {
    if (this.#pages.size >= pagesAtMost) return false;
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    for (const [topic, value] of told) response.write(eventOf(topic, value));
    this.#pages.add(response);
    response.once("close", () => this.#pages.delete(response));
    return true;
  }

  send(topic: Topic, value: unknown): void {
    this.#write(eventOf(topic, value));
  }

  close(): void {
    clearInterval(this.#timer);
    for (const page of this.#pages) page.end();
  }

  #write(text: string): void {
    for (const page of this.#pages) {
      if (page.writableLength > bytesBehindAtMost) page.destroy();
      else page.write(text);
    }
  }
}

/** JSON has no line breaks of its own, so it is one line of data. */
function eventOf(topic: Topic, value: unknown): string {
  return `event: ${topic}\ndata: ${JSON.stringify(value)}\n\n`;
}
