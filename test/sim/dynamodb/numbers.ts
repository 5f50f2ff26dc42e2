/** DynamoDB's numbers: decimals of up to 38 digits, between 1e-130 and 1e126, which travel as text. */
import { invalid } from "./errors.ts";

/** `digits * 10 ** exponent`, and no digit zero at the end. */
interface Decimal {
  readonly digits: bigint;
  readonly exponent: number;
}

const digitsAtMost = 38;
const [smallestMagnitude, largestMagnitude] = [-130, 125];
const decimalText = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,6}))?$/;

/** Whether it is an integer in normal form that a double holds exactly, as it does the sum of two. */
export function isSmall(text: string): boolean {
  return text.length < 16 && /^(?:0|-?[1-9]\d*)$/.test(text);
}

/**
 * The number as DynamoDB gives it back: `1` for `01.0`.
 * @throws {DynamoDBError} If the text is no number, or one that DynamoDB cannot hold.
 */
export function normalNumber(text: string): string {
  return isSmall(text) ? text : textOf(decimalOf(text));
}

/** Negative where `left` is less than `right`, 0 where they are equal. */
export function compareNumbers(left: string, right: string): number {
  if (left === right) return 0;
  if (left.length < 16 && right.length < 16) return Number(left) - Number(right);
  return Number(difference(decimalOf(left), decimalOf(right)).digits > 0n) * 2 - 1;
}

/** @throws {DynamoDBError} If DynamoDB cannot hold the sum. */
export function addNumbers(left: string, right: string): string {
  if (isSmall(left) && isSmall(right)) return String(Number(left) + Number(right));
  return textOf(sumOf(decimalOf(left), decimalOf(right)));
}

/** @throws {DynamoDBError} If DynamoDB cannot hold the difference. */
export function subtractNumbers(left: string, right: string): string {
  if (isSmall(left) && isSmall(right)) return String(Number(left) - Number(right));
  return textOf(difference(decimalOf(left), decimalOf(right)));
}

/** About how many bytes it takes in an item: one for two digits, one more, and one for the sign. */
export function numberSize(text: string): number {
  const sign = text.startsWith("-") ? 1 : 0;
  const digits = isSmall(text) ? text.length - sign : magnitudeOf(decimalOf(text).digits).length;
  return Math.ceil(digits / 2) + 1 + sign;
}

function decimalOf(text: string): Decimal {
  const [, sign = "", whole = "", fraction = "", power = "0"] = decimalText.exec(text) ?? [];
  if (whole + fraction === "") {
    const detail = text === "" ? "" : `: ${text}`;
    throw invalid(`The parameter cannot be converted to a numeric value${detail}`);
  }
  return trimmed(BigInt(whole + fraction) * (sign === "-" ? -1n : 1n), Number(power) - fraction.length);
}

function trimmed(digits: bigint, exponent: number): Decimal {
  if (digits === 0n) return { digits, exponent: 0 };
  const text = String(digits);
  const zeros = text.length - text.replace(/0+$/, "").length;
  return { digits: zeros === 0 ? digits : BigInt(text.slice(0, -zeros)), exponent: exponent + zeros };
}

function sumOf(left: Decimal, right: Decimal): Decimal {
  const exponent = Math.min(left.exponent, right.exponent);
  const aligned = ({ digits, exponent: own }: Decimal): bigint => digits * 10n ** BigInt(own - exponent);
  return trimmed(aligned(left) + aligned(right), exponent);
}

function difference(left: Decimal, right: Decimal): Decimal {
  return sumOf(left, { ...right, digits: -right.digits });
}

const magnitudeOf = (digits: bigint): string => String(digits).replace("-", "");

function textOf({ digits, exponent }: Decimal): string {
  const magnitude = magnitudeOf(digits);
  assertHeld(magnitude, exponent);
  const sign = digits < 0n ? "-" : "";
  if (exponent >= 0) return sign + magnitude + "0".repeat(exponent);
  const padded = magnitude.padStart(1 - exponent, "0");
  return `${sign}${padded.slice(0, exponent)}.${padded.slice(exponent)}`;
}

function assertHeld(magnitude: string, exponent: number): void {
  const size = magnitude.length - 1 + exponent;
  const problem = "Attempting to store a number with magnitude";
  if (size > largestMagnitude) throw invalid(`Number overflow. ${problem} larger than supported range`);
  if (size < smallestMagnitude) throw invalid(`Number underflow. ${problem} smaller than supported range`);
  if (magnitude.length > digitsAtMost) {
    throw invalid(`Attempting to store more than ${digitsAtMost} significant digits in a Number`);
  }
}
