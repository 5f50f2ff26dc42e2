/** What is wrong with the values of a gate's faults, and with the names of DynamoDB's actions. */
import { lettersBetween, nearest } from "../option_names.ts";
import type { FaultOptions, ServiceError, ThrottlingType } from "./faults.ts";
import { wrongValue } from "./wrong_value.ts";

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
