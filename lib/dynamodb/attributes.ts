/**
 * Values as attributes, and attributes as values. The SDK's marshalling does it, but for maps: it would take a member called
 * `__proto__` for a map's prototype, and one called `constructor` for its class.
 */
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { type Item, marshalling } from "./client.ts";

const options = { removeUndefinedValues: true, convertTopLevelContainer: true };

/** @throws {Error} If an attribute cannot be made of it. */
export function attributeOf(value: unknown): AttributeValue {
  if (typeof value === "string") return { S: value };
  if (Array.isArray(value)) return { L: value.filter(isKept).map(attributeOf) };
  if (!isMap(value)) return marshalling().convertToAttr(value, options);
  const members = Object.entries(value).filter(([, member]) => isKept(member));
  return { M: Object.fromEntries(members.map(([name, member]) => [name, attributeOf(member)])) };
}

const isKept = (value: unknown): boolean => value !== undefined && typeof value !== "function";

function isMap(value: unknown): value is object {
  return typeof value === "object" && value !== null && !(value instanceof Set) && !ArrayBuffer.isView(value);
}

/** The members of a map, without those of a type that is not known here. */
export function membersOf(map: Item): Record<string, unknown> {
  const members = Object.entries(map).map(([name, attribute]) => [name, valueOf(attribute)] as const);
  return Object.fromEntries(members.filter(([, value]) => value !== undefined));
}

/** @param attribute `undefined` is what the SDK makes of an item's attribute `__proto__`. */
function valueOf(attribute: AttributeValue | undefined): unknown {
  if (attribute?.M !== undefined) return membersOf(attribute.M);
  if (attribute?.L !== undefined) return attribute.L.map(valueOf);
  try {
    return attribute && marshalling().convertToNative(attribute, { wrapNumbers: exactNumber });
  } catch {
    return undefined;
  }
}

/** A number; its digits as a text where JavaScript's numbers cannot hold them. */
function exactNumber(digits: string): number | string {
  const number = Number(digits);
  const isExact = Number.isSafeInteger(number) || /^[^e]{1,16}$/i.test(digits);
  return isExact ? number : digits;
}
