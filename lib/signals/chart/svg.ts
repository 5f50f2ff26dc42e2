/** SVG as text. */
import { wellFormed } from "../../telegram/text.ts";
import { boldWidths, regularWidths } from "./font.ts";

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An element; attributes that are `undefined` are left out, numbers are rounded to a tenth of a pixel. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes).filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === "number" ? rounded(value) : escaped(value ?? "")}"`);
  return `<${name}${written.join("")}>${children.join("")}</${name}>`;
}

export interface TextStyle {
  readonly x: number;
  /** Of the baseline. */
  readonly y: number;
  readonly size: number;
  readonly fill: string;
  readonly anchor?: "start" | "middle" | "end";
  readonly isBold?: boolean;
}

export function text(
  words: string,
  { x, y, size, fill, anchor = "start", isBold = false }: TextStyle,
): string {
  const family = isBold ? "Inter Semi Bold" : "Inter Medium";
  const style = { "font-family": family, "font-size": size, "text-anchor": anchor, fill };
  return element("text", { x, y, ...style }, escaped(words));
}

/** A straight line. */
export function line(
  [x1, y1]: readonly [number, number],
  [x2, y2]: readonly [number, number],
  stroke: Attributes,
): string {
  return element("line", { x1, y1, x2, y2, ...stroke });
}

/** How wide a text is, in pixels; at most so, where it has characters beyond those of English. */
export function widthOf(words: string, size: number, isBold: boolean = false): number {
  const widths = isBold ? boldWidths : regularWidths;
  let thousandths = 0;
  for (const character of words) {
    thousandths += widths[(character.codePointAt(0) ?? 0) - 32] ?? signs[character] ?? widest;
  }
  return thousandths * size / 1000;
}

/** Of the chart's own words. */
const signs: Readonly<Record<string, number>> = { "×": 673, "σ": 657, "−": 673, "…": 814 };
/** Of a character of which nothing is known. */
const widest = 1050;
const charactersAtMost = 1000;

/** The text, or as much of its beginning as there is room for. */
export function fitted(words: string, width: number, size: number, isBold: boolean = false): string {
  if (widthOf(words, size, isBold) <= width) return words;
  // More than a picture could hold is not measured letter by letter.
  const characters = [...words.slice(0, charactersAtMost)];
  while (characters.length > 0 && widthOf(`${characters.join("")}…`, size, isBold) > width) characters.pop();
  return `${characters.join("")}…`;
}

/** Characters that no XML may hold, lone halves of others included, become one that says so. */
function escaped(words: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
  };
  return wellFormed(words)
    .replace(/\s+/g, " ")
    .replace(/[\p{Cc}\ufffe\uffff]/gu, "\ufffd")
    .replace(/[&<>"]/g, (character) => entities[character] ?? "");
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

/** A triangle that says up or down. */
export function triangle(x: number, y: number, reach: number, isUp: boolean): string {
  const [tip, base] = isUp ? [y - reach, y + reach] : [y + reach, y - reach];
  return `M${x} ${tip}L${x + 1.15 * reach} ${base}L${x - 1.15 * reach} ${base}Z`;
}

export interface Span {
  readonly top: number;
  readonly bottom: number;
}
