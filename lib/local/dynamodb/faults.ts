/** What is wrong with the values of a gate's faults, and with the names of DynamoDB's actions. */
import { assertNames, lettersBetween, namesOf, nearest } from "../../util/validate.ts";
import { wrongValue } from "../wrong_value.ts";

/** Those that clients ask for. Others may be named, too, where they are not spelt nearly as one of these. */
const knownActions: readonly string[] = [
  ...["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan"],
  ...["BatchGetItem", "BatchWriteItem", "TransactGetItems", "TransactWriteItems"],
  ...["ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"],
  ...["CreateTable", "DeleteTable", "DescribeTable", "ListTables", "UpdateTable"],
  ...["DescribeTimeToLive", "UpdateTimeToLive", "TagResource", "UntagResource", "ListTagsOfResource"],
];

const throttlingTypes: readonly ThrottlingType[] = [
  "ThrottlingException",
  "ProvisionedThroughputExceededException",
];

/**
 * The name of an action, as requests have it; empty for those that name none.
 * @throws {TypeError} If it is misspelt, or no name of an action.
 */
export function assertAction(doing: string, action: unknown, name: string = "action"): void {
  if (typeof action === "string" && /^[A-Za-z]*$/.test(action) && !isMisspelt(action)) return;
  const rule = 'the name of a DynamoDB action such as "UpdateItem", in its own spelling, without "dynamodb:"';
  throw new TypeError(wrongValue(doing, name, rule, action, knownActions));
}

function isMisspelt(action: string): boolean {
  if (knownActions.includes(action)) return false;
  const meant = nearest(action, knownActions);
  return meant !== undefined && lettersBetween(action, meant) <= (meant.length < 8 ? 1 : 2);
}

/**
 * @throws {TypeError} If an action is misspelt, or a value of the wrong type.
 * @throws {RangeError} If the share is outside 0 to 1, or the times are no whole number above 0.
 */
export function assertFaultValues({ action, share = 1, times = Infinity }: FaultOptions): void {
  if (action !== undefined) assertAction("set a fault", action);
  if (!(typeof share === "number" && share >= 0 && share <= 1)) {
    throw new RangeError(wrongValue("set a fault", "share", "a number between 0 and 1", share));
  }
  assertTimes(times);
}

/** @throws {RangeError} If it is no whole number above 0. */
export function assertTimes(times: unknown): void {
  if (times === Infinity || (Number.isInteger(times) && times as number > 0)) return;
  throw new RangeError(wrongValue("set a fault", "times", "a whole number above 0, or Infinity", times));
}

/** @throws {RangeError} If it is no number of milliseconds. */
export function assertMilliseconds(name: string, ms: unknown): void {
  if (typeof ms === "number" && Number.isFinite(ms) && ms >= 0) return;
  throw new RangeError(wrongValue("set a fault", name, "a number of milliseconds from 0 on", ms));
}

/** @throws {TypeError | RangeError} If the service could not answer so. */
export function assertServiceError({ status, type, message }: ServiceError): void {
  if (!(Number.isInteger(status) && status >= 400 && status < 600)) {
    throw new RangeError(
      wrongValue("set a fault", "status", "an HTTP status of an error, 400 to 599", status),
    );
  }
  for (const [name, text] of Object.entries({ type, message })) {
    if (typeof text !== "string") throw new TypeError(wrongValue("set a fault", name, "a text", text));
  }
}

/** @throws {TypeError} If the service does not throttle so. */
export function assertThrottlingType(type: unknown): void {
  if (throttlingTypes.includes(type as ThrottlingType)) return;
  const rule = throttlingTypes.map((each) => JSON.stringify(each)).join(" or ");
  throw new TypeError(wrongValue("set a fault", "type", rule, type, throttlingTypes));
}

// What a fault gate can do to a request, and to which requests it does it.

/** Which requests a fault befalls: by default every one, until it is cleared. */
export interface FaultOptions {
  /** One action only, such as `"UpdateItem"`. Default: all. */
  readonly action?: string;
  /** The share of those requests, 0 to 1. Default: 1. */
  readonly share?: number;
  /** How often it happens before the fault is spent. Default: without end. */
  readonly times?: number;
}

/** A fault that was set. */
export interface Fault {
  /** How often it has happened. */
  readonly fired: number;
  /** Ends it. Requests that it holds already stay held. */
  clear(): void;
}

/** An answer of the service's that is an error. */
export interface ServiceError {
  /** HTTP status: 400 for the caller's mistakes, throttling among them; 500 and above for the service's own. */
  readonly status: number;
  /** The exception's name, such as `"UnrecognizedClientException"`. */
  readonly type: string;
  /** The service's own sentence. */
  readonly message: string;
}

/** A request as far as faults are concerned. */
export interface Call {
  /** `"UpdateItem"`; empty where the request names none. */
  readonly action: string;
  /** The table's name; empty where the request names none. */
  readonly table: string;
}

const optionNames = namesOf<FaultOptions>({ action: true, share: true, times: true });
export const serviceErrorNames: readonly string[] = namesOf<ServiceError>({
  status: true,
  type: true,
  message: true,
});

export type Effect =
  | { readonly kind: "answer"; readonly error: (call: Call) => ServiceError }
  | { readonly kind: "hang" | "lose" | "refuse" }
  | { readonly kind: "delay"; readonly ms: number };

/** The faults that are set, in the order in which they were. */
export class FaultList {
  readonly #random: () => number;
  readonly #faults = new Set<{ effect: Effect; options: FaultOptions; fired: number }>();

  constructor(random: () => number) {
    this.#random = random;
  }

  /**
   * @param further Names that the options may have besides; `check` refuses their values.
   * @throws {TypeError} If an option is unknown, or the action misspelt.
   * @throws {RangeError} If the share is outside 0 to 1, or the times are no whole number above 0.
   */
  add(
    effect: Effect,
    options: FaultOptions,
    further: readonly string[] = [],
    check: () => void = () => {},
  ): Fault {
    assertNames("set a fault", options, { known: [...optionNames, ...further] });
    assertFaultValues(options);
    check();
    const fault = { effect, options: { ...options }, fired: 0 };
    this.#faults.add(fault);
    return {
      get fired(): number {
        return fault.fired;
      },
      clear: (): void => void this.#faults.delete(fault),
    };
  }

  clear(): void {
    this.#faults.clear();
  }

  /** What befalls this call: the delays before it summed up, and at most one other effect, the first that applies. */
  next(call: Call): { delayMs: number; effect: Effect | undefined } {
    let delayMs = 0;
    for (const fault of this.#faults) {
      const { effect, options: { action, share = 1, times = Infinity } } = fault;
      if (action !== undefined && action !== call.action) continue;
      if (share < 1 && this.#random() >= share) continue;
      if (++fault.fired >= times) this.#faults.delete(fault);
      if (effect.kind !== "delay") return { delayMs, effect };
      delayMs += effect.ms;
    }
    return { delayMs, effect: undefined };
  }
}

/** The service's refusal of a call that no IAM policy allows, in its own words. */
export function accessDenied({ action, table }: Call): ServiceError {
  const account = "000000000000";
  const resource = `arn:aws:dynamodb:us-east-1:${account}:table/${table || "*"}`;
  return {
    status: 400,
    type: "AccessDeniedException",
    message:
      `User: arn:aws:iam::${account}:user/local is not authorized to perform: dynamodb:${action} on resource: ` +
      `${resource} because no identity-based policy allows the dynamodb:${action} action`,
  };
}

/** The two ways in which the service says "too much": for on-demand tables the first, for provisioned the second. */
export type ThrottlingType = "ThrottlingException" | "ProvisionedThroughputExceededException";

export function throttled(type: ThrottlingType): ServiceError {
  const message = type === "ThrottlingException"
    ? "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your table " +
      "or index so please try again shortly. If exceptions persist, check if you have a hot key."
    : "The level of configured provisioned throughput for the table was exceeded. Consider increasing your " +
      "provisioning level with the UpdateTable API.";
  return { status: 400, type, message };
}

const namespaces: Readonly<Record<string, string>> = {
  AccessDeniedException: "com.amazon.coral.service",
  InvalidSignatureException: "com.amazon.coral.service",
  MissingAuthenticationTokenException: "com.amazon.coral.service",
  SerializationException: "com.amazon.coral.service",
  UnrecognizedClientException: "com.amazon.coral.service",
  ThrottlingException: "com.amazon.coral.availability",
  ValidationException: "com.amazon.coral.validate",
};

/** The body in which the service sends an error. Access is refused with a capital `Message`, as by the service. */
export function errorBody({ type, message }: ServiceError): string {
  const namespace = namespaces[type] ?? "com.amazonaws.dynamodb.v20120810";
  const key = type === "AccessDeniedException" ? "Message" : "message";
  return JSON.stringify({ __type: `${namespace}#${type}`, [key]: message });
}
