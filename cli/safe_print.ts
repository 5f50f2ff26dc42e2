/** Prints texts of others, from the table or from an exchange, with their control characters shown. */

/** Characters that move a terminal's cursor, change its colours, or turn the direction of what follows. */
const controls = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;
const maxNameLength = 256;

/** A name without control characters, cut to a length that a line can hold. */
export function safeText(value: unknown): string {
  if (typeof value !== "string") return "";
  const start = value.slice(0, maxNameLength);
  return (start.length < value.length ? `${start}…` : start).replace(controls, " ").replace(/ +/g, " ");
}

/** Lines in which only the breaks are left as they are. */
export function safeLines(text: string): string {
  return text.replace(controls, (control) => control === "\n" ? control : escaped(control));
}

/** Prints a field's name and value in a line. */
export function printField(name: string, value: unknown): void {
  const text = typeof value === "object" ? JSON.stringify(value, plain) : String(value);
  console.log(`${name.replace(controls, escaped).padEnd(24)}${text.replace(controls, escaped)}`);
}

/** Prints JSON, indented. Returns the exit status. */
export function printJson(value: unknown): number {
  // Its line breaks stay; within texts JSON has escaped all characters below U+0020.
  console.log(safeLines(JSON.stringify(value, plain, 2)));
  return 0;
}

function escaped(control: string): string {
  return `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** JSON has no sets, which another program may keep in an item. */
function plain(_key: string, value: unknown): unknown {
  return value instanceof Set ? [...value] : value;
}
