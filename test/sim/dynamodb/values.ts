/** Values of attributes as they travel in JSON: checked, compared and measured. */
import { Buffer } from "node:buffer";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { invalid } from "./errors.ts";
import { compareNumbers, isSmall as isNormal, normalNumber, numberSize } from "./numbers.ts";

export type Type = "S" | "N" | "B" | "BOOL" | "NULL" | "SS" | "NS" | "BS" | "L" | "M";

/** The value of an attribute, of which exactly one member is there. Binary is in Base64. It is never changed, but replaced. */
export interface Value {
  readonly S?: string;
  readonly N?: string;
  readonly B?: string;
  readonly BOOL?: boolean;
  readonly NULL?: boolean;
  readonly SS?: readonly string[];
  readonly NS?: readonly string[];
  readonly BS?: readonly string[];
  readonly L?: readonly Value[];
  readonly M?: Item;
}

/** The attributes of an item, by their names. It is never changed, but replaced. */
export interface Item {
  readonly [name: string]: Value;
}

/** An item as the SDK gives it, whose binary values are arrays of bytes. */
export type SdkItem = Record<string, AttributeValue>;

/** The item as the SDK's client would give it. */
export function sdkItem(item: Item): SdkItem {
  return mapBinary(item, (text) => new Uint8Array(Buffer.from(text as string, "base64"))) as SdkItem;
}

/** The item as the SDK's client would send it. */
export function wireItem(item: SdkItem): Item {
  return mapBinary(item, (bytes) => Buffer.from(bytes as Uint8Array).toString("base64")) as Item;
}

type AnyValue = Readonly<Record<string, unknown>>;

function mapBinary(item: object, change: (binary: unknown) => unknown): object {
  const mapValue = ({ B, BS, L, M, ...rest }: AnyValue): object => {
    if (B !== undefined) return { B: change(B) };
    if (BS !== undefined) return { BS: (BS as unknown[]).map(change) };
    if (L !== undefined) return { L: (L as AnyValue[]).map(mapValue) };
    return M === undefined ? rest : { M: mapBinary(M as object, change) };
  };
  return Object.fromEntries(Object.entries(item).map(([name, value]) => [name, mapValue(value)]));
}

export function typeOf(value: Value): Type {
  if (value.S !== undefined) return "S";
  if (value.N !== undefined) return "N";
  if (value.BOOL !== undefined) return "BOOL";
  if (value.M !== undefined) return "M";
  if (value.NULL !== undefined) return "NULL";
  for (const type of rareTypes) if (value[type] !== undefined) return type;
  throw invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes");
}

const rareTypes = ["B", "SS", "NS", "BS", "L"] as const;

/** What a value of a scalar type holds; `undefined` where the type is another. */
export function scalarOf(value: Value | undefined, type: string): string | undefined {
  return value?.[type as "S" | "N" | "B"];
}

// Checked, as a request gives them.

/**
 * The attributes with their numbers in normal form; the same object, where all of them are.
 * @throws {DynamoDBError} If a value is none.
 */
export function checkedItem(item: Item): Item {
  let changed: Record<string, Value> | undefined;
  for (const name in item) {
    if (isPlain(item[name] as Value)) continue;
    const value = item[name] as Value;
    const checked = checkedValue(value);
    if (checked !== value) (changed ??= { ...item })[name] = checked;
  }
  return changed ?? item;
}

/** Whether the value is nothing but a text or a small number, as most are. */
function isPlain(value: Value): boolean {
  const text = value.S ?? value.N;
  if (text === undefined || (value.S === undefined && !isNormal(text))) return false;
  for (const type in value) if (type !== "S" && type !== "N") return false;
  return value.S === undefined || value.N === undefined;
}

/** @throws {DynamoDBError} If the value is none. */
export function checkedValue(value: Value): Value {
  const type = typeOf(value);
  const checked = checkedByType(value, type);
  for (const other in value) if (other !== type) throw severalTypes();
  return checked;
}

function severalTypes(): Error {
  return invalid(
    "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
  );
}

function checkedByType(value: Value, type: Type): Value {
  switch (type) {
    case "N": {
      const text = value.N as string;
      const normal = normalNumber(text);
      return normal === text ? value : { N: normal };
    }
    case "NULL":
      if (value.NULL === true) return value;
      throw invalid(
        "One or more parameter values were invalid: Null attribute value types must have the value of true",
      );
    case "SS":
    case "NS":
    case "BS":
      return checkedSet(value, type);
    case "L": {
      const list = value.L ?? [];
      const checked = list.map(checkedValue);
      return checked.every((each, index) => each === list[index]) ? value : { L: checked };
    }
    case "M": {
      const checked = checkedItem(value.M ?? {});
      return checked === value.M ? value : { M: checked };
    }
  }
  return value;
}

const emptySets: Readonly<Record<"SS" | "NS" | "BS", string>> = {
  SS: "An string set  may not be empty",
  NS: "An number set  may not be empty",
  BS: "Binary sets should not be empty",
};

function checkedSet(value: Value, type: "SS" | "NS" | "BS"): Value {
  const members = value[type] ?? [];
  const problem = "One or more parameter values were invalid:";
  if (members.length === 0) throw invalid(`${problem} ${emptySets[type]}`);
  const normal = type === "NS" ? members.map(normalNumber) : members;
  if (new Set(normal).size === members.length) return type === "NS" ? { NS: normal } : value;
  if (type === "NS") throw invalid("Input collection contains duplicates");
  const of = type === "BS" ? "of type BS" : "";
  throw invalid(`${problem} Input collection [${members.join(", ")}]${of} contains duplicates.`);
}

// Compared.

/** Whether both are there, of one type, and equal: sets whatever their order. */
export function areEqual(left: Value | undefined, right: Value | undefined): boolean {
  if (left === undefined || right === undefined) return false;
  const type = typeOf(left);
  if (type !== typeOf(right)) return false;
  switch (type) {
    case "SS":
    case "NS":
    case "BS":
      return areSameMembers(left[type] ?? [], right[type] ?? []);
    case "L":
      return left.L?.length === right.L?.length &&
        (left.L ?? []).every((each, index) => areEqual(each, right.L?.[index]));
    case "M": {
      const names = Object.keys(left.M ?? {});
      return names.length === Object.keys(right.M ?? {}).length &&
        names.every((name) => areEqual(left.M?.[name], right.M?.[name]));
    }
  }
  return left[type] === right[type];
}

function areSameMembers(left: readonly string[], right: readonly string[]): boolean {
  const members = new Set(left);
  return left.length === right.length && right.every((each) => members.has(each));
}

/** Negative where `left` comes first, 0 where they are equal, and `undefined` where the two have no order. */
export function orderOf(left: Value | undefined, right: Value | undefined): number | undefined {
  if (left?.N !== undefined && right?.N !== undefined) return compareNumbers(left.N, right.N);
  if (left?.S !== undefined && right?.S !== undefined) return compareStrings(left.S, right.S);
  if (left?.B !== undefined && right?.B !== undefined) {
    return Buffer.compare(Buffer.from(left.B, "base64"), Buffer.from(right.B, "base64"));
  }
  return undefined;
}

/** By their bytes in UTF-8, in which surrogates come after all other characters. */
function compareStrings(left: string, right: string): number {
  if (left === right) return 0;
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const [one, other] = [left.charCodeAt(index), right.charCodeAt(index)];
    if (one !== other) return rankOf(one) - rankOf(other);
  }
  return left.length - right.length;
}

function rankOf(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

// Measured.

/** DynamoDB's limit of an item, in bytes. */
const itemSizeAtMost = 400 * 1024;

/** Whether the item is larger than DynamoDB takes. */
export function isTooLarge(item: Item): boolean {
  // A character has three bytes at most, for which nothing has to be encoded.
  return measured(item, charactersAsBytes) > itemSizeAtMost && itemSize(item) > itemSizeAtMost;
}

/** The bytes of an item by DynamoDB's rule: its names in UTF-8, and its values. */
export function itemSize(item: Item): number {
  return measured(item, Buffer.byteLength);
}

type TextSize = (text: string) => number;

const charactersAsBytes: TextSize = (text) => 3 * text.length;

function measured(item: Item, textSize: TextSize): number {
  let size = 0;
  for (const name of Object.keys(item)) size += textSize(name) + valueSize(item[name] as Value, textSize);
  return size;
}

function valueSize(value: Value, textSize: TextSize): number {
  if (value.S !== undefined) return textSize(value.S);
  if (value.N !== undefined) return numberSize(value.N);
  if (value.M !== undefined) return 3 + Object.keys(value.M).length + measured(value.M, textSize);
  if (value.BOOL !== undefined || value.NULL !== undefined) return 1;
  if (value.L !== undefined) return value.L.reduce((sum, each) => sum + 1 + valueSize(each, textSize), 3);
  if (value.B !== undefined) return binarySize(value.B);
  if (value.SS !== undefined) return sumOf(value.SS, textSize);
  return value.NS === undefined ? sumOf(value.BS ?? [], binarySize) : sumOf(value.NS, numberSize);
}

function sumOf(members: readonly string[], sizeOf: TextSize): number {
  return members.reduce((total, member) => total + sizeOf(member), 0);
}

const binarySize: TextSize = (text) => Buffer.byteLength(text, "base64");
