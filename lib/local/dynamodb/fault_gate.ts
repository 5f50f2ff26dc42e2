/** `FaultGate`: decides what becomes of each request to a DynamoDB: passed on, refused, throttled, delayed, lost. It has no sockets. */
import { type Clock, systemClock } from "../../util/clock.ts";
import {
  anything,
  assertOptions,
  assertValue,
  type Checks,
  functionRule,
  textRule,
} from "../../util/validate.ts";
import { millisecondsRule, portRule, required } from "../validate.ts";
import {
  accessDenied,
  addCounted,
  assertAction,
  type Call,
  errorBody,
  type Fault,
  FaultList,
  type FaultOptions,
  type ServiceError,
  serviceErrorRules,
  throttled,
  type ThrottlingType,
} from "./faults.ts";

/** These actions on this table, and on its indexes. */
export interface Allowed {
  /** As IAM names them, without `dynamodb:`. */
  readonly actions: readonly string[];
  /** The table's name. */
  readonly table: string;
}

/** Where a gate forwards requests to, and which it lets pass. */
export interface FaultGateOptions {
  /** The DynamoDB behind the gate: an `http://` endpoint, such as `startDynamoDB` gives. */
  readonly target: string;
  /** As in an IAM policy: a request that none of these allows is refused. Default: every request passes. */
  readonly allow?: Allowed | readonly Allowed[];
  /** TCP port on 127.0.0.1. Default: 0, the system chooses. */
  readonly port?: number;
  /** Decides which share of the requests a fault hits; a number in [0, 1). Default: the machine's own. */
  readonly random?: () => number;
}

/** What the gate stands between. */
export interface GatePlace {
  /** Where clients find the gate: `http://127.0.0.1:PORT`. */
  readonly endpoint: string;
  /** Has the DynamoDB behind the gate answer a request. */
  readonly forward: (request: GateRequest) => Promise<GateAnswer>;
  /** Stops listening, and cuts off requests that are under way. */
  readonly close: () => Promise<void>;
  /** The time of delays. @default systemClock */
  readonly clock?: Clock;
}

/** A request as it came, its body read whole. */
export interface GateRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Uint8Array;
}

/** An answer. */
export interface GateAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Uint8Array;
}

/** Stands for no answer: the connection is kept open, or cut. */
export type NoAnswer = "hang" | "cut";

/** One request that the gate saw. */
export interface GateEntry extends Call {
  /** The HTTP status that the client got, or why it got none. */
  readonly status: number | "hung" | "lost" | "refused";
}

/** Called with a request's parsed body before it is forwarded; the request waits for it. */
export type BeforeForward = (requestBody: Record<string, unknown>) => void | Promise<void>;

const gateChecks: Checks<FaultGateOptions> = {
  rules: {
    target: required({
      isGood: (target) =>
        typeof target === "string" && URL.canParse(target) && new URL(target).protocol === "http:",
      rule: "an http:// endpoint, such as the endpoint of startDynamoDB()",
      Refusal: RangeError,
    }),
    ...{ allow: anything, port: portRule, random: functionRule() },
  },
};

const allowedChecks: Checks<Allowed> = {
  rules: {
    actions: required({ isGood: Array.isArray, rule: 'a list of actions such as ["GetItem"]' }),
    table: required(textRule("the name of a table")),
  },
  ...{ subject: '"allow"', what: "a name in allow" },
};

export function assertGateOptions(options: FaultGateOptions): void {
  const action = "start the gate";
  assertOptions(action, options ?? {}, gateChecks);
  for (const allowed of options.allow === undefined ? [] : [options.allow].flat()) {
    assertOptions(action, allowed, allowedChecks);
    allowed.actions.forEach((each, index) => assertAction(action, each, `actions[${index}]`));
  }
}

const logLimit = 1000;

/** The gate that `startFaultGate` starts. Where several faults fit a request, the one that was set first applies. */
export class FaultGate {
  readonly #place: GatePlace;
  readonly #clock: Clock;
  readonly #allow: readonly Allowed[] | undefined;
  readonly #faults: FaultList;
  readonly #hooks = new Set<{ action: string; hook: BeforeForward; fired: number }>();
  readonly #counts = new Map<string, number>();
  readonly #log: GateEntry[] = [];
  readonly #closing = new AbortController();

  /** @ignore Gates are started by `startFaultGate`. */
  constructor({ allow, random = systemClock.random }: Omit<FaultGateOptions, "target">, place: GatePlace) {
    this.#allow = allow && [allow].flat();
    this.#faults = new FaultList(random);
    this.#place = place;
    this.#clock = place.clock ?? systemClock;
  }

  /** `http://127.0.0.1:PORT` */
  get endpoint(): string {
    return this.#place.endpoint;
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

  /** Throttles. `type` defaults to `"ThrottlingException"`, which on-demand tables give. */
  throttle(options: FaultOptions & { readonly type?: ThrottlingType } = {}): Fault {
    return this.fail({ ...options, ...throttled(options.type ?? "ThrottlingException") });
  }

  /** Answers with any error of the service. */
  fail(options: FaultOptions & ServiceError): Fault {
    const effect = { kind: "answer", error: () => options } as const;
    return this.#faults.add(effect, options, { ...serviceErrorRules });
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
    const ms = required({ ...millisecondsRule, Refusal: RangeError });
    return this.#faults.add({ kind: "delay", ms: options.ms }, options, { ms });
  }

  /** Ends all faults and hooks. `allow` stays. */
  clear(): void {
    this.#faults.clear();
    this.#hooks.clear();
  }

  /**
   * Calls `hook` before each request of `action` is forwarded, so that a test can let another writer go first.
   * A hook that itself writes through the gate has to `clear()` its handle before, or it waits for itself.
   * Where a hook throws, the client gets a 400 `HookFailed` with its message, which the SDK does not retry.
   */
  before(action: string, hook: BeforeForward): Fault {
    assertAction("set a hook", action);
    assertValue("set a hook", "hook", hook, required(functionRule()));
    return addCounted(this.#hooks, { action, hook, fired: 0 });
  }

  /** Stops at once, and cuts off requests that are under way or hang. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#place.close();
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @ignore Called by what serves the gate. Rejects if what is behind the gate fails, or the gate is closed. */
  async handle(request: GateRequest): Promise<GateAnswer | NoAnswer> {
    const { call, parameters } = parseCall(request);
    this.#counts.set(call.action, this.count(call.action) + 1);
    const { delayMs, effect } = this.#decide(call);
    if (delayMs > 0) await this.#clock.sleep(delayMs, this.#closing.signal);
    if (effect?.kind === "hang") return this.#note(call, "hung", "hang");
    if (effect?.kind === "refuse") return this.#note(call, "refused", "cut");
    if (effect?.kind === "answer") return this.#errorAnswer(call, effect.error(call));
    try {
      await this.#runHooks(call, parameters);
    } catch (error) {
      const message = `The hook before ${call.action} failed: ${String(error)}`;
      return this.#errorAnswer(call, { status: 400, type: "HookFailed", message });
    }
    const answer = await this.#place.forward(request);
    if (effect?.kind === "lose") return this.#note(call, "lost", "cut");
    return this.#note(call, answer.status, answer);
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

  #errorAnswer(call: Call, error: ServiceError): GateAnswer {
    return this.#note(call, error.status, {
      status: error.status,
      headers: { "content-type": "application/x-amz-json-1.0", "x-amzn-requestid": "LOCALFAULTGATE" },
      body: new TextEncoder().encode(errorBody(error)),
    });
  }

  #note<Result>(call: Call, status: GateEntry["status"], result: Result): Result {
    this.#log.push({ ...call, status });
    if (this.#log.length > logLimit) this.#log.shift();
    return result;
  }
}

/** The action stands in a header (`DynamoDB_20120810.UpdateItem`), the table in the body. */
function parseCall(
  { headers, body }: GateRequest,
): { call: Call; parameters: Record<string, unknown> } {
  const [, action = ""] = String(headers["x-amz-target"] ?? "").split(".");
  const parameters = parseObject(new TextDecoder().decode(body));
  const table = parameters["TableName"];
  return { call: { action, table: typeof table === "string" ? table : "" }, parameters };
}

function parseObject(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    return {};
  }
}
