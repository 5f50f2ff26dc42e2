/** How a measurement orders a Telegram, and what it asks of it. */
import type { RunningServer } from "./child.ts";
import type { Address, Arrivals, Order, TelegramOptions } from "./telegram.ts";

/** A Telegram that is open, and closes with its scope. */
export class OpenTelegram {
  readonly address: Address;
  readonly #place: RunningServer;

  private constructor(address: Address, place: RunningServer) {
    this.address = address;
    this.#place = place;
  }

  static async at(place: RunningServer, options: TelegramOptions): Promise<OpenTelegram> {
    return new OpenTelegram(await order<Address>(place, { kind: "open", options }), place);
  }

  arrivals(): Promise<Arrivals> {
    return order(this.#place, { kind: "arrivals", apiRoot: this.address.apiRoot });
  }

  /** Milliseconds until the chat of this index has its answer. */
  ask(index: number, text: string, answer: string): Promise<number> {
    return order(this.#place, { kind: "ask", apiRoot: this.address.apiRoot, index, text, answer });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await order(this.#place, { kind: "close", apiRoot: this.address.apiRoot });
  }
}

async function order<T>({ endpoint }: RunningServer, what: Order): Promise<T> {
  const answer = await fetch(endpoint, { method: "POST", body: JSON.stringify(what) });
  if (!answer.ok) throw new Error(await answer.text());
  return await answer.json() as T;
}
