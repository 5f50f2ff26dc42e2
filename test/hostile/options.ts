/** Options as a JavaScript program may pass them, or a file of JSON: of every type, with names of `Object.prototype`. */
import type { Random } from "../support/histories.ts";
import { ticket } from "../support/texts.ts";
import { marker } from "./corpus.ts";
import { below, junk, pick } from "./updates.ts";

export const botToken: string = `123456:${marker}`;

class OfAClass {
  readonly token = botToken;
}

const cycle: Record<string, unknown> = {};
cycle["self"] = cycle;

/** Made anew for each case, as a call may change it. Functions and symbols are no JSON. */
const makers: readonly (() => unknown)[] = [
  ...junk.map((value) => () => structuredClone(value)),
  () => undefined,
  () => NaN,
  () => Infinity,
  () => -Infinity,
  () => 10n,
  () => Symbol("a symbol"),
  () => () => {},
  () =>
    function (): string {
      return botToken;
    },
  () => OfAClass,
  () => new OfAClass(),
  () => new Date(NaN),
  () => new Date(8.64e15),
  () => Object.create(null),
  () => Object.create(Date.prototype),
  () => Object.create(Uint8Array.prototype),
  () => Object.create({ botToken, text: "inherited" }),
  () => Object.assign(new Date(0), { getTime: 5, toString: null }),
  () => ({ constructor: null }),
  () => ({ constructor: { name: Symbol("a name") } }),
  () => ({ constructor: { name: "a\u001b[2J\u202e" } }),
  () => ({ constructor: { name: botToken } }),
  () => ({ toString: null, valueOf: null }),
  () => Object.assign(() => {}, { toString: () => botToken }),
  () => Object.assign(() => {}, { toString: null }),
  () => Object.defineProperty({}, "constructor", { get: fails }),
  () => ({ [Symbol.toPrimitive]: fails }),
  () => cycle,
  () => [cycle],
  () => Object.assign([1], { map: 5, every: null, includes: "x" }),
  () => new Map([["__proto__", 1]]),
  () => new Set([1]),
  () => new Uint8Array(3),
  () => /x/,
  () => botToken,
  () => `https://user:${marker}@example.com`,
  () => "-100456, 5\u202e",
  () => "2026-01-01T00:00:00Z\u202e",
  () => ["private", "__proto__"],
  () => ["constructor"],
  () => [botToken],
  () => "__proto__",
  () => "constructor",
  () => "hasOwnProperty",
];

export class OfTheCaller extends Error {}

function fails(): never {
  throw new OfTheCaller("the caller's own");
}

export const oddValue = (random: Random): unknown => pick(random, makers)();

const oddNames = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "valueOf",
  "hasOwnProperty",
  "then",
  "",
  "0",
  "a\u001b[31m",
  "a\u202eb",
  "名前",
  "x".repeat(5000),
  botToken,
];

/** Good options of which some are odd, under odd names as well; or no options at all. */
export function oddOptions(random: Random, good: Readonly<Record<string, unknown>>): unknown {
  if (random() < 0.08) return oddValue(random);
  const options: Record<string, unknown> = { ...good };
  for (let strikes = 1 + below(random, 2); strikes > 0; strikes--) {
    const isOwn = random() < 0.75 && Object.keys(good).length > 0;
    const name = isOwn ? pick(random, Object.keys(good)) : pick(random, oddNames);
    if (random() < 0.1) delete options[name];
    // Not by an assignment, which would set the prototype.
    else Object.defineProperty(options, name, { value: oddValue(random), ...own });
  }
  return random() < 0.05 ? Object.assign(Object.create(null), options) : options;
}

/** Without tokens, for what is kept as it is given: nothing looks for secrets in people's names and in ids. */
export function withoutTokens(options: unknown): unknown {
  if (Object.prototype.toString.call(options) !== "[object Object]") {
    return options === botToken ? "x" : options;
  }
  return Object.fromEntries(Object.entries(options as object).filter((entry) => !entry.includes(botToken)));
}

const own = { enumerable: true, writable: true, configurable: true };

/** What a function of the caller's gives, or throws. */
const oddFunction = (random: Random): unknown => {
  const value = oddValue(random);
  return pick(random, [
    () => value,
    () => Promise.resolve(value),
    fails,
    () => Promise.reject(new OfTheCaller()),
  ]);
};

export const broadcastOptions: Readonly<Record<string, unknown>> = {
  ...{
    broadcastId: undefined,
    uniqueForMs: undefined,
    onUnknown: "skip",
    expiresAt: undefined,
    maxAgeMs: 60_000,
    priority: "bulk",
  },
  ...{ allowPaidBroadcast: false, starBudget: undefined, perChat: () => undefined, filter: () => true },
  ...{ order: "rotating", whenUnreadable: "send", whenLedgerDown: "send", massDeactivation: "proceed" },
  ...{ onProgress: () => {}, signal: undefined },
};

/** Options of a broadcast, with functions that give what they should not. */
export function oddFunctions(random: Random): Record<string, unknown> {
  const name = pick(random, ["perChat", "filter", "order", "onProgress"]);
  return { [name]: oddFunction(random) };
}

export const signal: Readonly<Record<string, unknown>> = { ...ticket };

/** Variables as a shell can set them. */
export function oddVariables(random: Random): Record<string, string> {
  const names = [
    ...["TELEGRAM_BOT_TOKEN", "TELEGRAM_CHATS_TABLE", "TELEGRAM_BROADCASTS_TABLE", "AWS_REGION"],
    ...[
      "TELEGRAM_AUTO_REGISTER",
      "TELEGRAM_ALLOWED_USERS",
      "TELEGRAM_CHAT_TYPES",
      "TELEGRAM_CHATS_PER_ADDER",
    ],
    ...["TELEGRAM_SPOOL_FILE", "TELEGRAM_API_ROOT", "TELEGRAM_WEBHOOK_SECRET", "TELEGRAM_ALOWED_USERS"],
  ];
  const given: Record<string, string> = { TELEGRAM_BOT_TOKEN: botToken };
  for (let left = 1 + below(random, 3); left > 0; left--) {
    const value = oddValue(random);
    if (typeof value === "string") given[pick(random, names)] = value.replace(/\0|\p{Cs}/gu, "");
  }
  return given;
}
