/** What is wrong with the answer that a fault, or a chat that refuses, is to give. */
import { assertNames, namesOf } from "../../option_names.ts";
import { oneOf, wrongValue } from "../wrong_value.ts";
import type { ApiErrorParameters } from "./errors.ts";
import type { BotApiFaultAnswer, BotApiRefusal } from "./fault_options.ts";

/** The names of all forms of an answer. */
type AnswerNames<T = BotApiFaultAnswer> = T extends object ? keyof T : never;
type Rule = readonly [isGood: (value: unknown) => boolean, rule: string];

const words: readonly string[] = namesOf<Record<Extract<BotApiFaultAnswer, string>, unknown>>({
  ...{ reset: true, lose: true, hang: true, "half-open": true, stale: true, cut: true },
});
const refusalNames = namesOf<BotApiRefusal>({ error_code: true, description: true, parameters: true });
const parameterNames = {
  known: namesOf<ApiErrorParameters>({ retry_after: true, migrate_to_chat_id: true }),
  what: "a name in parameters",
};

const isText = (value: unknown): boolean => typeof value === "string";
const isObject = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isWithin = (from: number, to: number) => (value: unknown): boolean =>
  Number.isInteger(value) && value as number >= from && value as number <= to;
const milliseconds: Rule = [
  (value) => Number.isFinite(value) && value as number >= 0,
  "a number of milliseconds from 0 on",
];
const redirects: readonly unknown[] = [301, 302, 303, 307, 308];

const rules: Readonly<Record<AnswerNames, Rule>> = {
  error_code: [isWithin(400, 599), "a whole number, 400 to 599"],
  description: [
    (value) => isText(value) && value !== "",
    'a text with its prefix, such as "Bad Request: chat not found"',
  ],
  parameters: [isObject, "an object such as { retry_after: 5 }"],
  delayMs: milliseconds,
  slowBodyMs: milliseconds,
  result: [() => true, "any value"],
  page: [isWithin(200, 599), "an HTTP status, 200 to 599"],
  redirect: [(value) => redirects.includes(value), `one of ${redirects.join(", ")}`],
  location: [isText, "a text"],
  body: [(value) => isText(value) || value instanceof Uint8Array, "a text or bytes"],
  status: [isWithin(200, 599), "an HTTP status, 200 to 599"],
  contentType: [isText, "a text"],
  headers: [(value) => isObject(value) && Object.values(Object(value)).every(isText), "texts by name"],
  isTorn: [(value) => typeof value === "boolean", "true or false"],
};

/** What makes an object an answer, and what may stand beside it. */
const forms: Readonly<Record<string, readonly string[]>> = {
  error_code: ["description", "parameters"],
  result: [],
  delayMs: ["slowBodyMs"],
  slowBodyMs: ["delayMs"],
  page: [],
  redirect: ["location"],
  body: ["status", "contentType", "headers", "isTorn"],
};

const answerNames = { known: Object.keys(rules), what: "a name in answer" };

/** What an answer may have, for whoever writes it a level too high. */
export const namesInAnswer: readonly string[] = answerNames.known;

/** @throws {TypeError} If a fault cannot answer so. */
export function assertAnswer(answer: unknown): void {
  const action = "set a fault";
  if (answer === undefined) {
    throw new TypeError(
      `Cannot ${action} as "answer" is missing, which says what becomes of the calls: "reset", for example, or ` +
        `{ delayMs: 1000 }`,
    );
  }
  if (words.includes(answer as string)) return;
  if (!isObject(answer)) {
    const rule = `${oneOf(words)}, or an object such as { error_code, description }`;
    throw new TypeError(wrongValue(action, "answer", rule, answer, words));
  }
  assertNames(action, answer, answerNames);
  const given = Object.entries(Object(answer)).filter(([, value]) => value !== undefined);
  assertForm(action, given.map(([name]) => name));
  assertFields(action, answer as Partial<BotApiRefusal>);
}

/** @throws {TypeError} If Telegram could not refuse in these words. */
export function assertRefusal(refusal: unknown): void {
  const action = "refuse messages";
  if (!isObject(refusal)) {
    const rule = "an object { error_code, description }";
    throw new TypeError(wrongValue(action, "refusal", rule, refusal));
  }
  assertNames(action, refusal, { known: refusalNames, what: "a name in a refusal" });
  const { error_code, description, parameters } = refusal as Partial<BotApiRefusal>;
  assertFields(action, { error_code, description, ...parameters === undefined ? {} : { parameters } });
}

/** Exactly one form, and nothing that belongs to another one. */
function assertForm(action: string, given: readonly string[]): void {
  const [form, ...others] = given.filter((name) => name in forms);
  if (form === undefined) {
    const owner = Object.keys(forms).find((name) => forms[name]?.some((detail) => given.includes(detail)));
    const hint = owner === undefined ? "" : `: with ${given.join(", ")} it needs ${owner}, too`;
    throw new TypeError(
      `Cannot ${action} as "answer" must have one of ${Object.keys(forms).join(", ")}${hint}`,
    );
  }
  const allowed = forms[form] ?? [];
  const odd = [...others, ...given].find((name) => name !== form && !allowed.includes(name));
  if (odd === undefined) return;
  throw new TypeError(
    `Cannot ${action} as "answer" has ${form}, beside which ${odd} has no effect: leave one out`,
  );
}

function assertFields(action: string, fields: Partial<Record<AnswerNames, unknown>>): void {
  // A refusal without its words is none.
  const whole = "error_code" in fields ? { description: undefined, ...fields } : fields;
  for (const [name, value] of Object.entries(whole)) {
    const [isGood, rule] = rules[name as AnswerNames];
    const isRequired = name === "description" || name in forms;
    if ((value !== undefined || isRequired) && !isGood(value)) {
      throw new TypeError(wrongValue(action, name, rule, value));
    }
  }
  assertParameters(action, fields.parameters);
}

function assertParameters(action: string, parameters: unknown): void {
  assertNames(action, parameters, parameterNames);
  for (const [name, value] of Object.entries(Object(parameters))) {
    if (value === undefined || Number.isFinite(value)) continue;
    throw new TypeError(wrongValue(action, name, "a number", value));
  }
}
