/** The faults of a `FaultGate`: which requests they hit, what they do to them, and the service's own error texts. */
import {
  assertOptions,
  assertValue,
  numberRule,
  oneOfRule,
  type Rule,
  type Rules,
  textRule,
} from "../../util/validate.ts";
import { isTypoOf, required, timesRule } from "../validate.ts";

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

/** Adds a fault or a hook to the set, and gives its handle. */
export function addCounted<T extends { readonly fired: number }>(set: Set<T>, entry: T): Fault {
  set.add(entry);
  return {
    get fired(): number {
      return entry.fired;
    },
    clear: (): void => void set.delete(entry),
  };
}

/** What a fault does to a request. */
export type Effect =
  | { readonly kind: "answer"; readonly error: (call: Call) => ServiceError }
  | { readonly kind: "hang" | "lose" | "refuse" }
  | { readonly kind: "delay"; readonly ms: number };

/** The faults that are set, oldest first. */
export class FaultList {
  readonly #random: () => number;
  readonly #faults = new Set<{ effect: Effect; options: FaultOptions; fired: number }>();

  constructor(random: () => number) {
    this.#random = random;
  }

  /**
   * @param furtherRules Of what the options may have besides.
   * @throws {TypeError} If an option is unknown, or the action misspelt.
   * @throws {RangeError} If the share is outside 0 to 1, or the times are no whole number above 0.
   */
  add(effect: Effect, options: FaultOptions, furtherRules: Readonly<Record<string, Rule>> = {}): Fault {
    assertOptions("set a fault", options, { rules: { ...faultRules, ...furtherRules } });
    return addCounted(this.#faults, { effect, options: { ...options }, fired: 0 });
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

/** Actions that clients send. Other names are taken, too, unless they look like a misspelt one of these. */
const knownActions: readonly string[] = [
  ...["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan"],
  ...["BatchGetItem", "BatchWriteItem", "TransactGetItems", "TransactWriteItems"],
  ...["ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"],
  ...["CreateTable", "DeleteTable", "DescribeTable", "ListTables", "UpdateTable"],
  ...["DescribeTimeToLive", "UpdateTimeToLive", "TagResource", "UntagResource", "ListTagsOfResource"],
];

const actionRule: Rule = {
  isGood: (action) =>
    typeof action === "string" && /^[A-Za-z]*$/.test(action) &&
    (knownActions.includes(action) || !isTypoOf(action, knownActions)),
  rule: 'the name of a DynamoDB action such as "UpdateItem", in its own spelling, without "dynamodb:"',
  known: knownActions,
  isData: true,
};

/**
 * Checks the name of an action, which is empty for requests that name none.
 * @throws {TypeError} If it is misspelt, or no name of an action.
 */
export function assertAction(doing: string, action: unknown, name: string = "action"): void {
  assertValue(doing, name, action, required(actionRule));
}

const faultRules: Rules<FaultOptions> = {
  action: actionRule,
  share: numberRule("a number between 0 and 1", (share) => share >= 0 && share <= 1, RangeError),
  times: timesRule,
};

export const serviceErrorRules: Rules<ServiceError> = {
  status: required(numberRule(
    "an HTTP status of an error, 400 to 599",
    (status) => Number.isInteger(status) && status >= 400 && status < 600,
    RangeError,
  )),
  type: required(textRule("a text")),
  message: required(textRule("a text")),
};

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
  assertValue("set a fault", "type", type, oneOfRule(...Object.keys(throttlingMessages)));
  return { status: 400, type, message: throttlingMessages[type] };
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
