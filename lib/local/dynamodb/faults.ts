/** The faults of a `FaultGate`: which requests they hit, what they do to them, and the service's own error texts. */
import { assertNames, namesOf } from "../../util/validate.ts";
import { assertTimes, isTypoOf, oneOf, wrongValue } from "../validate.ts";

/** Which requests a fault hits: by default every one, until it is cleared. */
export interface FaultOptions {
  /** One action only, such as `"UpdateItem"`. Default: all. */
  readonly action?: string;
  /** The share of those requests, 0 to 1. Default: 1. */
  readonly share?: number;
  /** How many requests it hits before it ends. Default: without end. */
  readonly times?: number;
}

/** A fault that was set. */
export interface Fault {
  /** How often it has happened. */
  readonly fired: number;
  /** Ends it. Requests that it holds already stay held. */
  clear(): void;
}

/** An error that the service answers with. */
export interface ServiceError {
  /** HTTP status: 400 for the caller's mistakes, throttling among them; 500 and above for the service's own. */
  readonly status: number;
  /** The exception's name, such as `"UnrecognizedClientException"`. */
  readonly type: string;
  /** The service's own sentence. */
  readonly message: string;
}

/** What a fault knows of a request. */
export interface Call {
  /** `"UpdateItem"`; empty where the request names none. */
  readonly action: string;
  /** The table's name; empty where the request names none. */
  readonly table: string;
}

/** What a fault does to a request. */
export type Effect =
  | { readonly kind: "answer"; readonly error: (call: Call) => ServiceError }
  | { readonly kind: "hang" | "lose" | "refuse" }
  | { readonly kind: "delay"; readonly ms: number };

const faultNames = namesOf<FaultOptions>({ action: true, share: true, times: true });

/** The faults that are set, oldest first. */
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
    assertNames("set a fault", options, { known: [...faultNames, ...further] });
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

  /** What happens to this call: the sum of the delays before it, and at most one other effect, the first that applies. */
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

function assertFaultValues({ action, share = 1, times = Infinity }: FaultOptions): void {
  if (action !== undefined) assertAction("set a fault", action);
  if (!(typeof share === "number" && share >= 0 && share <= 1)) {
    throw new RangeError(wrongValue("set a fault", "share", "a number between 0 and 1", share));
  }
  assertTimes(times);
}

/** Actions that clients send. Other names are taken, too, unless they look like a misspelt one of these. */
const knownActions: readonly string[] = [
  ...["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan"],
  ...["BatchGetItem", "BatchWriteItem", "TransactGetItems", "TransactWriteItems"],
  ...["ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"],
  ...["CreateTable", "DeleteTable", "DescribeTable", "ListTables", "UpdateTable"],
  ...["DescribeTimeToLive", "UpdateTimeToLive", "TagResource", "UntagResource", "ListTagsOfResource"],
];

/**
 * Checks the name of an action, which is empty for requests that name none.
 * @throws {TypeError} If it is misspelt, or no name of an action.
 */
export function assertAction(doing: string, action: unknown, name: string = "action"): void {
  const isGood = typeof action === "string" && /^[A-Za-z]*$/.test(action) &&
    (knownActions.includes(action) || !isTypoOf(action, knownActions));
  if (isGood) return;
  const rule = 'the name of a DynamoDB action such as "UpdateItem", in its own spelling, without "dynamodb:"';
  throw new TypeError(wrongValue(doing, name, rule, action, knownActions));
}

export const serviceErrorNames: readonly string[] = namesOf<ServiceError>({
  status: true,
  type: true,
  message: true,
});

/**
 * @throws {RangeError} If the status is no HTTP status of an error.
 * @throws {TypeError} If the type or the message is no text.
 */
export function assertServiceError({ status, type, message }: ServiceError): void {
  if (!(Number.isInteger(status) && status >= 400 && status < 600)) {
    const rule = "an HTTP status of an error, 400 to 599";
    throw new RangeError(wrongValue("set a fault", "status", rule, status));
  }
  for (const [name, text] of Object.entries({ type, message })) {
    if (typeof text !== "string") throw new TypeError(wrongValue("set a fault", name, "a text", text));
  }
}

/** The two errors by which the service throttles: on-demand tables give the first, provisioned ones the second. */
export type ThrottlingType = "ThrottlingException" | "ProvisionedThroughputExceededException";

const throttlingMessages: Readonly<Record<ThrottlingType, string>> = {
  ThrottlingException:
    "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your table " +
    "or index so please try again shortly. If exceptions persist, check if you have a hot key.",
  ProvisionedThroughputExceededException:
    "The level of configured provisioned throughput for the table was exceeded. Consider increasing your " +
    "provisioning level with the UpdateTable API.",
};

/** @throws {TypeError} If the service has no such error. */
export function throttled(type: ThrottlingType): ServiceError {
  if (Object.hasOwn(throttlingMessages, type)) {
    return { status: 400, type, message: throttlingMessages[type] };
  }
  const types = Object.keys(throttlingMessages);
  throw new TypeError(wrongValue("set a fault", "type", oneOf(types), type, types));
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

const namespaces: Readonly<Record<string, string>> = {
  AccessDeniedException: "com.amazon.coral.service",
  InvalidSignatureException: "com.amazon.coral.service",
  MissingAuthenticationTokenException: "com.amazon.coral.service",
  SerializationException: "com.amazon.coral.service",
  UnrecognizedClientException: "com.amazon.coral.service",
  ThrottlingException: "com.amazon.coral.availability",
  ValidationException: "com.amazon.coral.validate",
};

/** The body in which the service sends an error. Refused access has a capital `Message`, as from the service. */
export function errorBody({ type, message }: ServiceError): string {
  const namespace = namespaces[type] ?? "com.amazonaws.dynamodb.v20120810";
  const key = type === "AccessDeniedException" ? "Message" : "message";
  return JSON.stringify({ __type: `${namespace}#${type}`, [key]: message });
}
