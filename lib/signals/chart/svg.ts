/** Writes SVG elements as text, and measures text in the bundled font. */
import { wellFormed } from "../../telegram/text.ts";
import { boldWidths, regularWidths } from "./font.ts";

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An element; attributes that are `undefined` are left out, numbers are rounded to a tenth of a pixel. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes).filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === "number" ? tenth(value) : escaped(value ?? "")}"`);
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

/** A text that is as wide as `widthOf` says, in whatever font it is drawn: where Inter is missing, letters are squeezed. */
export function text(
  content: string,
  { x, y, size, fill, anchor = "start", isBold = false }: TextStyle,
): string {
  const family = `Inter ${isBold ? "Semi Bold" : "Medium"}, Inter, sans-serif`;
  const font = { "font-family": family, "font-weight": isBold ? 600 : undefined, "font-size": size };
  const attributes = { x, y, ...font, "text-anchor": anchor, fill };
  const widthIn = (run: string): Attributes =>
    measured.test(run) ? { textLength: widthOf(run, size, isBold), lengthAdjust: "spacingAndGlyphs" } : {};
  const shown = content.replace(/\s+/g, " ").trim();
  const runs = shown.split(measuredRuns).filter((run) => run !== "");
  if (runs.length < 2) return element("text", { ...attributes, ...widthIn(shown) }, escaped(shown));
  return element("text", attributes, ...runs.map((run) => element("tspan", widthIn(run), escaped(run))));
}

/** Characters whose width is known; of others `widthOf` knows the most. A letter belongs to the accents behind it. */
const measuredRuns = /((?:[ -~×σ−…](?!\p{M}))+)/u;
const measured = /^[ -~×σ−…]+$/;

export function line(
  [x1, y1]: readonly [number, number],
  [x2, y2]: readonly [number, number],
  stroke: Attributes,
): string {
  return element("line", { x1, y1, x2, y2, ...stroke });
}

/** How wide a text is, in pixels; at most so, if it has characters beyond ASCII. */
export function widthOf(content: string, size: number, isBold: boolean = false): number {
  const widths = isBold ? boldWidths : regularWidths;
  let thousandths = 0;
  for (const character of content) {
    thousandths += widths[(character.codePointAt(0) ?? 0) - 32] ?? signs[character] ?? widest;
  }
  return thousandths * size / 1000;
}

/** Widths of the other characters that the chart itself writes. */
const signs: Readonly<Record<string, number>> = { "×": 673, "σ": 657, "−": 673, "…": 814 };
/** The width of any other character, at most. */
const widest = 1050;
const charactersAtMost = 1000;

/** The text, or as much of its beginning as there is room for. */
export function fitted(content: string, width: number, size: number, isBold: boolean = false): string {
  if (widthOf(content, size, isBold) <= width) return content;
  // Longer text than a picture could hold is not measured letter by letter.
  const characters = [...content.slice(0, charactersAtMost)];
  while (characters.length > 0 && widthOf(`${characters.join("")}…`, size, isBold) > width) characters.pop();
  return `${characters.join("")}…`;
}

/** Characters that XML does not allow, lone halves of a pair included, become U+FFFD. */
function escaped(content: string): string {
  return wellFormed(content)
    .replace(/\s+/g, " ")
    .replace(/[\p{Cc}\ufffe\uffff]/gu, "\ufffd")
    .replace(/[&<>"]/g, (character) => entities[character] ?? "");
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Rounded to a tenth. */
export const tenth = (value: number): number => Math.round(value * 10) / 10;

/** The path of a triangle that points up or down. */
export function triangle(x: number, y: number, reach: number, isUp: boolean): string {
  const [tip, base] = isUp ? [y - reach, y + reach] : [y + reach, y - reach];
  return `M${x} ${tip}L${x + 1.15 * reach} ${base}L${x - 1.15 * reach} ${base}Z`;
}

export interface Span {
  readonly top: number;
  readonly bottom: number;
}
