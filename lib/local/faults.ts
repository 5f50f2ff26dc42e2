/** What a fault gate can do to a request, and to which requests it does it. */
import { assertNames, namesOf } from "../option_names.ts";
import { assertFaultValues } from "./fault_values.ts";

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
