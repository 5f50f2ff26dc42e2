/** Printing what other programs may have put into the table, so that it does nothing to the terminal. */

/** What moves a terminal's cursor, or turns the direction in which it writes. */
const controls = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu;
const wordsAtMost = 256;

/** What another program may have put into a name does not reach the terminal as it is. */
export function words(value: unknown): string {
  if (typeof value !== "string") return "";
  const start = value.slice(0, wordsAtMost);
  return (start.length < value.length ? `${start}…` : start).replace(controls, " ").replace(/ +/g, " ");
}

/** A name and its value in a line. */
export function printFact(name: string, value: unknown): void {
  const text = typeof value === "object" ? JSON.stringify(value, plain) : String(value);
  console.log(`${name.padEnd(24)}${text.replace(controls, escaped)}`);
}

/** JSON for a person or a program. Gives the exit status. */
export function printJson(value: unknown): number {
  // The lines that it is laid out in stay; within texts JSON has escaped what is below U+0020.
  console.log(
    JSON.stringify(value, plain, 2).replace(
      controls,
      (control) => control === "\n" ? control : escaped(control),
    ),
  );
  return 0;
}

function escaped(control: string): string {
  return `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** JSON knows no sets, which another program may keep in an item. */
function plain(_key: string, value: unknown): unknown {
  return value instanceof Set ? [...value] : value;
}
