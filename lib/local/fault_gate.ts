import { Agent, createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { systemClock } from "../clock.ts";
import {
  accessDenied,
  type Call,
  errorBody,
  type Fault,
  FaultList,
  type FaultOptions,
  type ServiceError,
  serviceErrorNames,
  throttled,
  type ThrottlingType,
} from "./faults.ts";
import { type Allowed, assertGateOptions, type FaultGateOptions } from "./fault_gate_options.ts";
import {
  assertAction,
  assertMilliseconds,
  assertServiceError,
  assertThrottlingType,
} from "./fault_values.ts";
import { type Answer, forward, parse, readAll } from "./forward.ts";
import { wrongValue } from "./wrong_value.ts";

/** One request that the gate saw. */
export interface GateEntry extends Call {
  /** The HTTP status that the client was sent, or why it was sent none. */
  readonly status: number | "hung" | "lost" | "refused";
}

/** Called with a request's parsed body before it is forwarded; the request waits for it. */
export type BeforeForward = (requestBody: Record<string, unknown>) => void | Promise<void>;
const logLimit = 1000;

/**
 * Starts an HTTP proxy on loopback in front of a DynamoDB emulator, to play what no emulator shows: refused access,
 * throttling, lost answers, silence. Give its `endpoint` to the client in place of the emulator's.
 * @throws {TypeError} If an option is unknown, or an action misspelt; so do the gate's methods.
 * @throws {RangeError} If the target is no `http://` endpoint.
 */
export async function startFaultGate(options: FaultGateOptions): Promise<FaultGate> {
  assertGateOptions(options);
  const gate = new FaultGate(options);
  await gate.listen(options.port ?? 0);
  return gate;
}

/** The proxy that `startFaultGate` starts. Where several faults fit a request, the one set first befalls it. */
export class FaultGate {
  readonly #target: URL;
  readonly #allow: readonly Allowed[] | undefined;
  readonly #faults: FaultList;
  readonly #hooks = new Set<{ action: string; hook: BeforeForward; fired: number }>();
  readonly #counts = new Map<string, number>();
  readonly #log: GateEntry[] = [];
  readonly #agent = new Agent({ keepAlive: true });
  readonly #closing = new AbortController();
  readonly #server: Server;

  /** @ignore Gates are started by `startFaultGate`. */
  constructor({ target, allow, random = Math.random }: FaultGateOptions) {
    this.#target = new URL(target);
    this.#allow = allow && [allow].flat();
    this.#faults = new FaultList(random);
    this.#server = createServer((request, response) => {
      // A client that leaves is no error of ours; unheard, it would end the process.
      request.on("error", () => {});
      // Whatever breaks behind the gate reaches the client as a broken connection, as it would without the gate.
      this.#handle(request, response).catch(() => request.socket.destroy());
    });
  }

  /** Called by `startFaultGate`. */
  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, "127.0.0.1", () => resolve());
    });
  }

  /** `http://127.0.0.1:PORT` */
  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Requests since the start or the last `resetCounts()`; an SDK's own retries count too. */
  get requests(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Requests of one action, such as `"UpdateItem"`. */
  count(action: string): number {
    assertAction("count requests", action);
    return this.#counts.get(action) ?? 0;
  }

  /** Counts from zero again. */
  resetCounts(): void {
    this.#counts.clear();
  }

  /** The last thousand requests that came to an end, oldest first. */
  get log(): readonly GateEntry[] {
    return this.#log;
  }

  /** Refuses access, to one action or to all. */
  deny(action?: string): Fault {
    return this.#faults.add({ kind: "answer", error: accessDenied }, action === undefined ? {} : { action });
  }

  /** Says that it is too much. `type` defaults to `"ThrottlingException"`, an on-demand table's way. */
  throttle(options: FaultOptions & { readonly type?: ThrottlingType } = {}): Fault {
    const { type = "ThrottlingException" } = options;
    assertThrottlingType(type);
    return this.fail({ ...options, ...throttled(type) });
  }

  /** Answers with any error of the service's. */
  fail(options: FaultOptions & ServiceError): Fault {
    const effect = { kind: "answer", error: () => options } as const;
    return this.#faults.add(effect, options, serviceErrorNames, () => assertServiceError(options));
  }

  /** Accepts the request and never answers. */
  hang(options: FaultOptions = {}): Fault {
    return this.#faults.add({ kind: "hang" }, options);
  }

  /** Forwards the request, so that it takes effect, and cuts the connection in place of the answer. */
  loseAnswers(options: FaultOptions = {}): Fault {
    return this.#faults.add({ kind: "lose" }, options);
  }

  /** Cuts the connection, without forwarding the request. */
  refuse(options: FaultOptions = {}): Fault {
    return this.#faults.add({ kind: "refuse" }, options);
  }

  /** Holds the request for `ms` milliseconds first; another fault may follow. */
  delay(options: FaultOptions & { readonly ms: number }): Fault {
    const { ms } = options;
    return this.#faults.add({ kind: "delay", ms }, options, ["ms"], () => assertMilliseconds("ms", ms));
  }

  /** Ends all faults and hooks. `allow` stays. */
  clear(): void {
    this.#faults.clear();
    this.#hooks.clear();
  }

  /**
   * Calls `hook` before each request of `action` that is forwarded, so that a test can let another writer go first.
   * If the hook itself writes through the gate, it has to `clear()` its handle before, or it waits for itself.
   * A hook that throws is answered by a 400 `HookFailed` with its message, which the SDK does not retry.
   */
  before(action: string, hook: BeforeForward): Fault {
    assertAction("set a hook", action);
    if (typeof hook !== "function") throw new TypeError(wrongValue("set a hook", "hook", "a function", hook));
    const entry = { action, hook, fired: 0 };
    this.#hooks.add(entry);
    return {
      get fired(): number {
        return entry.fired;
      },
      clear: (): void => void this.#hooks.delete(entry),
    };
  }

  /** Stops at once; whatever is under way or hanging is cut off. */
  async close(): Promise<void> {
    this.#closing.abort();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await closed;
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readAll(request);
    const { call, parameters } = parse(request, body);
    this.#counts.set(call.action, this.count(call.action) + 1);
    const { delayMs, effect } = this.#decide(call);
    if (delayMs > 0) await systemClock.sleep(delayMs, this.#closing.signal);
    if (effect?.kind === "hang") return this.#note(call, "hung");
    if (effect?.kind === "refuse") return this.#cut(call, request, "refused");
    if (effect?.kind === "answer") return this.#answerError(call, response, effect.error(call));
    try {
      await this.#runHooks(call, parameters);
    } catch (error) {
      const message = `The hook before ${call.action} failed: ${String(error)}`;
      return this.#answerError(call, response, { status: 400, type: "HookFailed", message });
    }
    const answer = await forward(this.#target, this.#agent, request, body);
    if (effect?.kind === "lose") return this.#cut(call, request, "lost");
    this.#answer(call, response, answer);
  }

  #decide(call: Call): ReturnType<FaultList["next"]> {
    const { action, table } = call;
    return this.#allow?.some((each) => each.actions.includes(action) && each.table === table) ?? true
      ? this.#faults.next(call)
      : { delayMs: 0, effect: { kind: "answer", error: accessDenied } };
  }

  async #runHooks(call: Call, parameters: Record<string, unknown>): Promise<void> {
    for (const entry of this.#hooks) {
      if (entry.action !== call.action) continue;
      entry.fired++;
      await entry.hook(parameters);
    }
  }

  #cut(call: Call, request: IncomingMessage, status: "lost" | "refused"): void {
    this.#note(call, status);
    request.socket.destroy();
  }

  #answer(call: Call, response: ServerResponse, { head, content }: Answer): void {
    const { connection: _connection, "transfer-encoding": _encoding, ...headers } = head.headers;
    const status = head.statusCode ?? 500;
    this.#note(call, status);
    response.writeHead(status, { ...headers, "content-length": content.length }).end(content);
  }

  #answerError(call: Call, response: ServerResponse, error: ServiceError): void {
    this.#note(call, error.status);
    response.writeHead(error.status, {
      "content-type": "application/x-amz-json-1.0",
      "x-amzn-requestid": "LOCALFAULTGATE",
    }).end(errorBody(error));
  }

  #note(call: Call, status: GateEntry["status"]): void {
    this.#log.push({ ...call, status });
    if (this.#log.length > logLimit) this.#log.shift();
  }
}
