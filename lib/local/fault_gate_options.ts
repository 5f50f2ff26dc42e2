/** What a fault gate is told. */
import { assertNames, namesOf } from "../option_names.ts";
import { assertAction } from "./fault_values.ts";
import { wrongValue } from "./wrong_value.ts";

/** These actions on this table, and on its indexes. */
export interface Allowed {
  /** As IAM names them, without `dynamodb:`. */
  readonly actions: readonly string[];
  /** The table's name. */
  readonly table: string;
}

/** What stands behind the gate, and who may pass. */
export interface FaultGateOptions {
  /** The DynamoDB behind the gate: an `http://` endpoint, such as `startDynamoDB` gives. */
  readonly target: string;
  /** As an IAM policy would: whatever none of these allows is refused. Default: all may pass. */
  readonly allow?: Allowed | readonly Allowed[];
  /** TCP port on 127.0.0.1. Default: 0, the system chooses. */
  readonly port?: number;
  /** Decides about shares; a number in [0, 1). Default: `Math.random`. */
  readonly random?: () => number;
}

const optionNames = {
  known: namesOf<FaultGateOptions>({ target: true, allow: true, port: true, random: true }),
};
const allowedNames = { known: namesOf<Allowed>({ actions: true, table: true }), what: "a name in allow" };

/**
 * @throws {TypeError} If an option is unknown, or a value of the wrong type.
 * @throws {RangeError} If the target is no `http://` endpoint.
 */
export function assertGateOptions(options: FaultGateOptions): void {
  assertNames("start the gate", options, optionNames);
  const target: unknown = (options as FaultGateOptions | undefined)?.target;
  if (!isEndpoint(target)) {
    const rule = "an http:// endpoint, such as the endpoint of startDynamoDB()";
    throw new RangeError(wrongValue("start the gate", "target", rule, target));
  }
  for (const each of [options.allow].flat()) if (each !== undefined) assertAllowed(each);
}

function isEndpoint(target: unknown): boolean {
  return typeof target === "string" && URL.canParse(target) && new URL(target).protocol === "http:";
}

function assertAllowed(allowed: Allowed): void {
  assertNames("start the gate", allowed, allowedNames);
  const { actions, table } = Object(allowed) as Partial<Allowed>;
  if (!Array.isArray(actions)) {
    const rule = 'a list of actions such as ["GetItem"]';
    throw new TypeError(wrongValue("start the gate", "actions", rule, actions));
  }
  for (const [index, action] of actions.entries()) {
    assertAction("start the gate", action, `actions[${index}]`);
  }
  if (typeof table !== "string") {
    throw new TypeError(wrongValue("start the gate", "table", "the name of a table", table));
  }
}
