/** Server-sent events, to every page that is open. */
import type { ServerResponse } from "node:http";

/** The names of the events. */
export type EventName = "items" | "log" | "message" | "state";

/** Keeps an idle connection open. */
const keepAliveMs = 15_000;
const maxPages = 8;
/** A page that does not read its events is disconnected. */
const maxBufferedBytes = 1_000_000;

export class EventStream {
  readonly #pages = new Set<ServerResponse>();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor() {
    this.#timer = setInterval(() => this.#write(": alive\n\n"), keepAliveMs);
  }

  /** Whether a page is open. */
  get hasPages(): boolean {
    return this.#pages.size > 0;
  }

  /** Keeps the response open, and sends it the first events. False where too many pages are open. */
  open(response: ServerResponse, first: readonly (readonly [EventName, unknown])[]): boolean {
    if (this.#pages.size >= maxPages) return false;
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    for (const [name, value] of first) response.write(eventOf(name, value));
    this.#pages.add(response);
    response.once("close", () => this.#pages.delete(response));
    return true;
  }

  send(name: EventName, value: unknown): void {
    this.#write(eventOf(name, value));
  }

  close(): void {
    clearInterval(this.#timer);
    for (const page of this.#pages) page.end();
  }

  #write(text: string): void {
    for (const page of this.#pages) {
      if (page.writableLength > maxBufferedBytes) page.destroy();
      else page.write(text);
    }
  }
}

/** JSON.stringify writes no line breaks, so that the data is one line. */
function eventOf(name: EventName, value: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
}
