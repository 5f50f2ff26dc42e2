/**
 * The hostile corpus: random updates, items, options and webhooks, made from a seed. `npm test` plays a part of it;
 * `npm run test:hostile` all 10,000. A failure names its seed, for `HOSTILE_SEED=…`, and the least input that fails alike.
 */
import process from "node:process";
import { inspect, isDeepStrictEqual } from "node:util";
import { assert } from "../harness.ts";
import type { BotApiServer } from "../../lib/local/mod.ts";
import { type Logs, said, type Scene, until } from "../support/bot.ts";

export const seed: number = Number(process.env["HOSTILE_SEED"] || Date.now() % 1_000_000_000);

const isFull = process.env["HOSTILE"] === "full";

/** How many of a kind are played. */
export function countOf(kind: keyof typeof counts): number {
  const [usual, full] = counts[kind];
  return isFull ? full : usual;
}

const counts: Readonly<
  Record<"updates" | "items" | "runs" | "options" | "webhooks", readonly [number, number]>
> = {
  updates: [1500, 5000],
  items: [100, 400],
  runs: [100, 600],
  options: [1500, 3000],
  webhooks: [300, 1000],
};

/** For all of them; in `npm test` it takes seconds. */
export const limitMs = 1_800_000;

export async function confirmed(server: BotApiServer): Promise<void> {
  await until(() => server.pendingUpdates === 0, "the updates were not all confirmed");
}

// What must hold, whatever comes.

/** A good subscriber comes, gets a signal, and is gone after /stop. */
export async function expectServed({ server, bot, settled, item }: Scene): Promise<void> {
  const user = server.user({ first_name: "Ada" });
  user.say("/start");
  await settled();
  const signal = { direction: "long", symbol: "AFTER-ALL", entry: 100, stop: 95, target: 110 } as const;
  const report = await bot.sendSignal(signal);
  assert.is(report.stopped, undefined);
  assert.ok(said(user).some((text) => text.includes("AFTER-ALL")), "the signal does not arrive");
  user.say("/stop");
  await settled();
  assert.equal((await item(user))?.["removed_reason"], { S: "stopped" });
}

const rejections: unknown[] = [];
process.on("unhandledRejection", (reason) => rejections.push(reason));

const shared = [Object, Array, Function, String, Number, Promise, Map, Set, Date, Error, Uint8Array];
const prototypes = shared.map(({ prototype }) => [prototype, shapeOf(prototype)] as const);

function shapeOf(prototype: object): unknown {
  return Reflect.ownKeys(prototype).map((key) => [key, Object.getOwnPropertyDescriptor(prototype, key)]);
}

/** Nothing was rejected that nobody waits for, and no object has a property that it had not before. */
export function expectUnharmed(): void {
  assert.equal(rejections.splice(0), []);
  for (const [prototype, shape] of prototypes) {
    assert.ok(
      isDeepStrictEqual(shapeOf(prototype), shape),
      `${prototype.constructor.name}.prototype was changed`,
    );
  }
}

/** Whatever comes, nobody reads more lines than these. */
export const linesAtMost = 50;
const lineAtMost = 2000;
/** Of the tokens and secrets that the corpus is played with. */
export const marker = "AAhostile-corpus_secret-that-nobody-sees";
// deno-lint-ignore no-control-regex -- they are what is looked for
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

/** Few lines, none of them long, and in none a secret, or what a terminal would obey. */
export function expectQuiet({ lines }: Logs): void {
  const loud = lines.filter(({ level }) => level !== "info");
  const start = loud.slice(0, 5).map(({ message }) => message.slice(0, 300)).join("\n");
  assert.ok(loud.length <= linesAtMost, `${loud.length} lines, beginning with\n${start}`);
  for (const { message } of lines) expectPlain(message);
}

/** A text that a person may be shown. */
export function expectPlain(text: string): void {
  assert.ok(text.length <= lineAtMost, `${text.length} characters: ${text.slice(0, 300)}`);
  assert.not.match(text, controls);
  assert.not.ok(text.includes(marker), "a secret is shown");
}

/** What a runtime says of a mistake in the code, and nobody understands who made it in the options. */
const accidental =
  /(?<!failed for chat -?\d+: .*)(?:Cannot (?:read|set|convert|destructure|use '|mix)|is not (?:a function|iterable|a constructor|defined|an object)|undefined|\[object |circular|call stack|Invalid (?:time|array|date|URL)|BigInt|Reflect|incompatible receiver|this is not a)/i;
const kindsOfErrors = ["Error", "ConfigError", "TypeError", "RangeError", "StorageError", "TelegramError"];

/** An error that says what is wrong with which option. @param told Words that it may quote from the input. */
export function expectClear(error: unknown): void {
  assert.ok(error instanceof Error, `no error was thrown, but ${inspect(error)}`);
  const { name, message } = error;
  assert.ok(kindsOfErrors.includes(name), `${name}: ${error.stack}`);
  // What is quoted may be anything.
  const own = message.replace(/(?:current value is|gave|it is) .*|"(?:[^"\\]|\\.)*"/g, "");
  assert.not.match(own, accidental, error.stack);
  expectPlain(message);
}

// Playing, and finding the least that fails.

/** Shrinks for so long at most, in real time. */
const withinMs = 60_000;

/** As `playAll`, so many at a time: each scene has its own time limit. */
export async function playInBatches<T>(
  inputs: readonly T[],
  size: number,
  play: (inputs: readonly T[]) => unknown,
): Promise<void> {
  for (let from = 0; from < inputs.length; from += size) await playAll(inputs.slice(from, from + size), play);
}

/** Plays all inputs at once. Where that fails, says which few of them fail alike. */
export async function playAll<T>(
  inputs: readonly T[],
  play: (inputs: readonly T[]) => unknown,
): Promise<void> {
  const failure = await failureOf(inputs, play);
  if (failure === undefined) return;
  const isAlike = (other: Error | undefined): boolean => kindOf(other) === kindOf(failure);
  const least = await shrunk(inputs, async (fewer) => isAlike(await failureOf(fewer, play)));
  const { message } = await failureOf(least, play) ?? failure;
  const shown = inspect(least, { depth: 20, maxStringLength: 300, maxArrayLength: 50, breakLength: 120 });
  throw new Error(`HOSTILE_SEED=${seed}: ${message}\nwith ${shown}`, { cause: failure });
}

async function failureOf<T>(
  inputs: readonly T[],
  play: (inputs: readonly T[]) => unknown,
): Promise<Error | undefined> {
  try {
    await play(inputs);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** What failures have in common whose inputs differ: where they were found. */
function kindOf(failure: Error | undefined): string | undefined {
  const { cause, name, stack = "" } = failure ?? {};
  if (cause instanceof Error) return `${name} ${kindOf(cause)}`;
  return failure && `${name} ${/[\w/.-]+\.ts:\d+/.exec(stack)?.[0]}`;
}

/** The least list that still fails: without half of it, a quarter and so on, and then without parts of what is left. */
export async function shrunk<T>(
  inputs: readonly T[],
  fails: (inputs: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  const endsAt = performance.now() + withinMs;
  let best = inputs;
  const isTaken = async (candidate: readonly T[]): Promise<boolean> => {
    if (performance.now() > endsAt || !await fails(candidate)) return false;
    best = candidate;
    return true;
  };
  for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < best.length && best.length > 1;) {
      if (!await isTaken([...best.slice(0, start), ...best.slice(start + size)])) start += size;
    }
  }
  for (let index = 0; index < best.length; index++) {
    for (let isShorter = true; isShorter;) {
      isShorter = false;
      for (const simpler of simplerThan(best[index])) {
        if (await isTaken(withAt(best, index, simpler as T))) {
          isShorter = true;
          break;
        }
      }
    }
  }
  return best;
}

/** The value with a part less, for each part of it. */
function* simplerThan(value: unknown): Generator<unknown> {
  if (typeof value === "string" && value.length > 1) {
    yield value.slice(0, value.length >> 1);
    yield value.slice(value.length >> 1);
  }
  if (Array.isArray(value)) {
    for (const index of value.keys()) yield value.filter((_, at) => at !== index);
    for (const [index, each] of value.entries()) {
      for (const simpler of simplerThan(each)) yield withAt(value, index, simpler);
    }
  } else if (
    typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype
  ) {
    for (const key of Object.keys(value)) yield replaced(value, key);
    for (const key of Object.keys(value)) {
      const { value: each } = Object.getOwnPropertyDescriptor(value, key) ?? {};
      for (const simpler of simplerThan(each)) yield replaced(value, key, { value: simpler });
    }
  }
}

function withAt<T>(list: readonly T[], index: number, value: T): T[] {
  return list.map((each, at) => at === index ? value : each);
}

/** A copy in which the property is another, or is missing. */
function replaced(object: object, key: string, property?: { readonly value: unknown }): object {
  const descriptors = Object.entries(Object.getOwnPropertyDescriptors(object));
  const copy = {};
  for (const [name, descriptor] of descriptors) {
    if (name !== key) Object.defineProperty(copy, name, descriptor);
    else if (property !== undefined) Object.defineProperty(copy, name, { ...descriptor, ...property });
  }
  return copy;
}
