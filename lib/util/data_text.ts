/**
 * Writes data as a console shows it, in one line and to a depth: for messages, and without a runtime's own module, so that it
 * works in a browser, too.
 */

const itemsAtMost = 100;
const lettersAtMost = 10_000;

/** @param depth How deep objects are written whose parts are objects. Default: 1. */
export function dataText(value: unknown, depth: number = 1): string {
  return write(value, depth, []);
}

function write(value: unknown, depth: number, around: readonly unknown[]): string {
  if (typeof value === "string") return quoted(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") {
    return `[Function${value.name === "" ? " (anonymous)" : `: ${value.name}`}]`;
  }
  if (typeof value !== "object" || value === null) return Object.is(value, -0) ? "-0" : String(value);
  if (around.includes(value)) return "[Circular]";
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof Error || value instanceof RegExp) return String(value);
  const name = nameOf(value);
  if (depth < 0 && Object.keys(value).length > 0) {
    return Array.isArray(value) ? "[Array]" : `[${name === "" ? "Object" : name}]`;
  }
  const inside = (part: unknown): string => write(part, depth - 1, [...around, value]);
  return Array.isArray(value) ? listText(value, inside) : objectText(value, name, inside);
}

/** The class of what is no plain object. */
function nameOf(value: object): string {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === null) return "Object: null prototype";
  const { constructor } = prototype;
  return typeof constructor === "function" && constructor !== Object ? String(constructor.name) : "";
}

function listText(list: readonly unknown[], inside: (part: unknown) => string): string {
  const items = Array.from(
    list.slice(0, itemsAtMost),
    (_, index) => partText(list, String(index), inside),
  );
  const left = list.length - items.length;
  return enclosed("[]", "", [...items, ...left > 0 ? [`... ${left} more item${left === 1 ? "" : "s"}`] : []]);
}

function objectText(value: object, name: string, inside: (part: unknown) => string): string {
  const title = name === "" ? "" : `${name === "Object: null prototype" ? `[${name}]` : name} `;
  const parts = Object.keys(value).slice(0, itemsAtMost).map((key) =>
    `${/^[A-Za-z_]\w*$/.test(key) ? key : quoted(key)}: ${partText(value, key, inside)}`
  );
  return enclosed("{}", title, parts);
}

/** What a getter would give is not asked for: it may do anything. */
function partText(value: object, key: string, inside: (part: unknown) => string): string {
  const { get, set, value: part } = Object.getOwnPropertyDescriptor(value, key) ?? {};
  if (get === undefined && set === undefined) return inside(part);
  return get === undefined ? "[Setter]" : set === undefined ? "[Getter]" : "[Getter/Setter]";
}

function enclosed(brackets: string, title: string, parts: readonly string[]): string {
  const [open = "", close = ""] = brackets;
  return parts.length === 0 ? `${title}${brackets}` : `${title}${open} ${parts.join(", ")} ${close}`;
}

/** In single quotes, or in those that the text has not. */
function quoted(text: string): string {
  const left = text.length - lettersAtMost;
  const more = left > 0 ? `... ${left} more character${left === 1 ? "" : "s"}` : "";
  const shown = text.slice(0, lettersAtMost);
  const quote =
    ["'", '"', "`"].find((each) => !shown.includes(each) && (each !== "`" || !shown.includes("${"))) ?? "'";
  const escaped = shown.replace(unprintable, (each) => escapes[each] ?? codeOf(each));
  return `${quote}${quote === "'" ? escaped.replaceAll("'", "\\'") : escaped}${quote}${more}`;
}

/** A backslash, control characters, and halves of a pair. */
// deno-lint-ignore no-control-regex -- these are what is looked for
const unprintable = /[\\\u0000-\u001f\u007f-\u009f]|\p{Cs}/gu;
const escapes: Readonly<Record<string, string>> = {
  ...{ "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r" },
};

function codeOf(character: string): string {
  const code = character.charCodeAt(0).toString(16).toUpperCase();
  return code.length > 2 ? `\\u${code}` : `\\x${code.padStart(2, "0")}`;
}
