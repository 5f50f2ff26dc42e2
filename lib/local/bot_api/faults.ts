/** Trouble on demand: the answers that a real server gives rarely and a test wants now. */
import type { Connection, Connections } from "./connections.ts";
import { ApiError } from "./errors.ts";
import {
  assertFaultOptions,
  type BotApiFault,
  type BotApiFaultAnswer,
  type BotApiFaultOptions,
  type BotApiRawAnswer,
} from "./fault_options.ts";
import { methodNames } from "./methods.ts";

interface Entry {
  readonly options: BotApiFaultOptions;
  /** The number of the latest connection when the fault was set. */
  readonly latestConnection: number;
  hits: number;
}

/** What a fault is chosen by. */
export interface FaultTarget {
  readonly method: string;
  readonly chatId: unknown;
  readonly connection: Connection;
}

/** The faults in force, oldest first; a call meets the first one that matches. */
export class Faults {
  readonly #connections: Connections;
  #entries: Entry[] = [];

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  /**
   * @throws {TypeError} If an option is unknown, or its value none.
   * @throws {RangeError} If the times are no whole number above 0.
   */
  add(options: BotApiFaultOptions): BotApiFault {
    assertFaultOptions(options, methodNames);
    const entry: Entry = { options, latestConnection: this.#connections.latest, hits: 0 };
    this.#entries.push(entry);
    return {
      get hits(): number {
        return entry.hits;
      },
      clear: () => this.#remove(entry),
    };
  }

  /** The answer for this call, if a fault is waiting for it; counts as a hit. */
  take(target: FaultTarget): BotApiFaultAnswer | undefined {
    return this.#hit(this.#entries.find((entry) => matches(entry, target)));
  }

  /** Whether the connection of a call that is under way has died meanwhile; counts as a hit. */
  takeDeath(target: FaultTarget): boolean {
    const entry = this.#entries.find((each) => each.options.answer === "half-open" && matches(each, target));
    return this.#hit(entry) !== undefined;
  }

  #hit(entry: Entry | undefined): BotApiFaultAnswer | undefined {
    if (entry === undefined) return undefined;
    entry.hits += 1;
    if (entry.hits >= (entry.options.times ?? 1)) this.#remove(entry);
    return entry.options.answer;
  }

  #remove(entry: Entry): void {
    this.#entries = this.#entries.filter((other) => other !== entry);
  }
}

function matches({ options, latestConnection }: Entry, { method, chatId, connection }: FaultTarget): boolean {
  if (options.method !== undefined && options.method.toLowerCase() !== method.toLowerCase()) return false;
  if (options.chatId !== undefined && options.chatId !== Number(chatId)) return false;
  const isOfConnections = options.answer === "half-open" || options.answer === "stale";
  return !isOfConnections || connection.number <= latestConnection;
}

/** The refusal that a fault asks for, or undefined if it asks for something else. */
export function refusalOf(answer: BotApiFaultAnswer | undefined): ApiError | undefined {
  if (typeof answer !== "object" || !("error_code" in answer)) return undefined;
  return new ApiError(answer.error_code, answer.description, answer.parameters);
}

/** The bytes that a fault asks for, or undefined if it asks for something else. `path` is the call's own. */
export function rawAnswerOf(
  answer: BotApiFaultAnswer | undefined,
  path: string,
): BotApiRawAnswer | undefined {
  if (typeof answer !== "object") return undefined;
  if ("body" in answer) return answer;
  if ("result" in answer) return { body: JSON.stringify({ ok: true, result: answer.result }) };
  if ("page" in answer) return { status: answer.page, contentType: "text/html", body: pageOf(answer.page) };
  if (!("redirect" in answer)) return undefined;
  const { redirect, location = path } = answer;
  return { status: redirect, contentType: "text/html", body: pageOf(redirect), headers: { location } };
}

/** What a proxy or a hotel's network puts in the place of an answer. */
function pageOf(status: number): string {
  return `<html>\n<head><title>${status}</title></head>\n<body><h1>${status}</h1><hr>proxy</body>\n</html>\n`;
}
