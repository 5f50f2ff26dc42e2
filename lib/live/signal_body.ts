/** Reads what another program has sent: a body that nobody has checked becomes a signal or an alert, with an id and an age. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { TradingSignal } from "../signals/signal.ts";
import { validateSignal } from "../signals/signal.ts";
import { toIso } from "../util/clock.ts";
import { assertValue, isObject, type Rule, shownName } from "../util/validate.ts";
import { alertOf, type Found, isMessage } from "./found.ts";
import type { Alert } from "./strategy.ts";

const action = "take the signal";

/** A body as it came. */
export interface ParsedBody {
  /** The JSON; the text where it is none. */
  readonly value: unknown;
  /** Why it is no JSON, behind "the body must be JSON: "; `undefined` where it is. */
  readonly mistake: string | undefined;
}

/** What is to be sent. */
export interface Posted {
  readonly found: Found;
  readonly id: string;
  /** For how long the id means this signal; `undefined` for ever. */
  readonly uniqueForMs: number | undefined;
  /** From then on it is too old, in milliseconds since 1970. */
  readonly expiresAt: number;
}

/** A signal, an alert (a text, or `{ text }`), or `undefined` for nothing. */
export type MappedSignal = TradingSignal | Alert | undefined;

/** The options of `signalCallback()` that say what a body means. */
export interface PostedOptions {
  readonly map?: ((body: unknown) => MappedSignal | Promise<MappedSignal>) | undefined;
  readonly broadcastId?: ((body: unknown) => string | undefined) | undefined;
  readonly maxAgeMs: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** @param body Bytes or a text; or a value that a server has parsed. */
export function parseBody(body: unknown): ParsedBody {
  if (typeof body !== "string" && !(body instanceof Uint8Array)) return { value: body, mistake: undefined };
  let text = "";
  try {
    text = typeof body === "string" ? body : new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    return { value: undefined, mistake: "it is no UTF-8" };
  }
  if (text.trim() === "") return { value: undefined, mistake: "it is empty" };
  try {
    return { value: JSON.parse(text), mistake: undefined };
  } catch (error) {
    // The rest of the message shows what was sent, with its secret.
    const [place = "it cannot be parsed"] = /position \d+/.exec((error as Error).message) ?? [];
    return { value: text, mistake: place.startsWith("position") ? `it is wrong at ${place}` : place };
  }
}

/** The field `secret` of a JSON object. */
export function secretIn({ value }: ParsedBody): unknown {
  return isRecord(value) && Object.hasOwn(value, "secret") ? value["secret"] : undefined;
}

/**
 * Makes of a body what is to be sent; `undefined` where `map` finds nothing in it.
 * @throws {TypeError | RangeError} If it is no signal, or too old.
 */
export async function postedIn(
  { value, mistake }: ParsedBody,
  { map, broadcastId, maxAgeMs, now }: PostedOptions,
): Promise<Posted | undefined> {
  assertPlain(value);
  const body = isRecord(value) ? without(value, "secret") : value;
  if (value === undefined || (map === undefined && mistake !== undefined)) {
    throw new TypeError(`Cannot ${action} as the body must be JSON: ${mistake}`);
  }
  const found = foundOf(map === undefined ? defaultMap(body) : await map(body));
  if (found === undefined) return undefined;
  const given = broadcastId?.(body) ?? idField(body);
  if (given !== undefined) {
    assertValue(action, broadcastId === undefined ? "id" : "broadcastId", given, idRule);
  }
  const time = found.kind === "signal" ? found.signal.time : undefined;
  const age = { expiresAt: expiryOf(time === undefined ? now : new Date(time).getTime(), maxAgeMs, now) };
  if (given !== undefined) return { found, id: given, uniqueForMs: undefined, ...age };
  if (found.kind === "signal" && time !== undefined) {
    return { found, id: `signal ${hashOf(factsOf(found.signal))}`, uniqueForMs: undefined, ...age };
  }
  return { found, id: `signal ${hashOf(body)}`, uniqueForMs: maxAgeMs, ...age };
}

type Fields = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is Fields {
  return isObject(value) && !Array.isArray(value);
}

function without(value: Fields, ...names: readonly string[]): Fields {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)));
}

// What no body may have.

const depthAtMost = 8;
/** Names that change what an object is, where a program copies it carelessly. */
const forbiddenNames: readonly string[] = ["__proto__", "constructor", "prototype"];
/** Texts may have several lines. */
// deno-lint-ignore no-control-regex -- these are what is looked for
const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]|\p{Cs}/u;

function assertPlain(value: unknown, name: string = "the body", depth: number = 1): void {
  if (typeof value === "string" && control.test(value)) {
    throw new TypeError(
      `Cannot ${action} as ${name} must have no control characters and no halves of characters`,
    );
  }
  if (!isObject(value)) return;
  if (depth > depthAtMost) {
    throw new TypeError(`Cannot ${action} as the body must be nested ${depthAtMost} levels deep at most`);
  }
  for (const [key, each] of Object.entries(value)) {
    if (forbiddenNames.includes(key) || control.test(key)) {
      throw new TypeError(`Cannot ${action} as the body must have no field ${shownName(key)}`);
    }
    assertPlain(each, Array.isArray(value) ? name : `"${shownName(key)}"`, depth + 1);
  }
}

// What it is.

function defaultMap(body: unknown): MappedSignal {
  if (!isRecord(body)) {
    throw new TypeError(`Cannot ${action} as the body must be an object: a signal, or { "text" }`);
  }
  return without(body, "id") as unknown as TradingSignal;
}

function foundOf(mapped: unknown): Found | undefined {
  if (mapped === undefined || mapped === null) return undefined;
  if (typeof mapped === "string" || (isRecord(mapped) && isMessage(mapped))) {
    return { kind: "alert", message: alertOf(mapped) };
  }
  const signal = mapped as TradingSignal;
  validateSignal(signal);
  for (const name of ["symbol", "timeframe", "strategy", "currency"] as const) {
    assertValue(action, name, signal[name], oneLineRule);
  }
  for (const name of Object.keys(signal.parameters ?? {})) {
    assertValue(action, "parameters", name, oneLineRule);
  }
  return { kind: "signal", signal };
}

const oneLineRule: Rule = {
  isGood: (value) => typeof value === "string" && value.length <= 200 && !/\p{Cc}/u.test(value),
  rule: "a text of one line, and 200 characters at most",
};

// When it is too old.

/** The clocks of two machines differ. */
const aheadAtMostMs = 60_000;

function expiryOf(time: number, maxAgeMs: number, now: number): number {
  const expiresAt = Math.min(time, now) + maxAgeMs;
  const wrong = time > now + aheadAtMostMs ? "not lie in the future" : "not be too old";
  if (expiresAt > now && time <= now + aheadAtMostMs) return expiresAt;
  const limit = `${maxAgeMs / 60_000} minutes`;
  throw new RangeError(
    `Cannot ${action} as "time" must ${wrong}: it is ${toIso(time)}, now is ${
      toIso(now)
    }, and the oldest are ${limit} old`,
  );
}

// Its id.

const idRule: Rule = {
  isGood: (value) =>
    typeof value === "string" && /^[^\p{Cc}\p{Cs}]+$/u.test(value) && Buffer.byteLength(value) <= 128,
  rule: "a text of 1 to 128 characters (bytes, in UTF-8), none of them a control character",
};

function idField(body: unknown): string | undefined {
  const id = isRecord(body) ? body["id"] ?? undefined : undefined;
  return typeof id === "number" ? String(id) : id as string | undefined;
}

/** What makes it this signal: prices as numbers, as one program writes 1.0850 and the other 1.085. */
function factsOf(
  { strategy, symbol, timeframe, direction, entry, stop, target, time }: TradingSignal,
): unknown {
  const prices = [entry, stop, target].map(Number);
  return [strategy, symbol, timeframe, direction, prices, toIso(new Date(time ?? NaN).getTime())];
}

function hashOf(value: unknown): string {
  return createHash("sha256").update(canonical(value)).digest("hex").slice(0, 32);
}

/** The same text for the same JSON, in whichever order its fields are. */
function canonical(value: unknown): string {
  return JSON.stringify(
    value,
    (_name, each) =>
      isRecord(each)
        ? Object.fromEntries(Object.entries(each).sort(([one], [other]) => one < other ? -1 : 1))
        : each,
  );
}
