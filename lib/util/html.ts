/**
 * HTML and SVG with every text escaped, control characters included, and the parts of which the views in notebooks are made.
 */
import type { MimeBundle } from "./display.ts";
import { escapeControls, escapeLines } from "./safe_text.ts";

/** Markup, which is not escaped again. */
export class SafeHtml {
  readonly text: string;

  /** @param text Markup, which is taken as it is. */
  constructor(text: string) {
    this.text = text;
  }

  /** The markup. */
  toString(): string {
    return this.text;
  }
}

/** A value in a template: texts and numbers are escaped, markup is not. */
export type Content = string | number | SafeHtml | readonly SafeHtml[];

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** A tag for template literals, which gives markup. (`deno fmt` would lay out templates of a tag `html` anew.) */
export function safeHtml(template: TemplateStringsArray, ...contents: readonly Content[]): SafeHtml {
  const [first = "", ...rest] = template;
  return new SafeHtml(
    rest.reduce((text, part, index) => text + escaped(contents[index] ?? "") + part, first),
  );
}

function escaped(content: Content): string {
  if (content instanceof SafeHtml) return content.text;
  if (Array.isArray(content)) return content.map(escaped).join("");
  return escapeLines(String(content)).replace(/[&<>"']/g, (letter) => entities[letter] ?? "");
}

// The parts of a view, in the notebook's own text colour, so that they are legible on light and on dark.

/** A name and its value. */
export type Fact = readonly [name: string, value: string];

/** A part of a whole. */
export interface Share {
  readonly name: string;
  readonly count: number;
  readonly colour: string;
}

/** A line in bold, and an explanation behind it. */
export function heading(text: string, more: string = ""): SafeHtml {
  const rest = more === "" ? [] : [safeHtml` <span style="opacity: 0.65">${more}</span>`];
  return safeHtml`<div style="margin: 4px 0"><strong>${text}</strong>${rest}</div>`;
}

/** A line in small print; nothing for an empty text. */
export function small(text: string): SafeHtml {
  return text === "" ? safeHtml`` : safeHtml`<div style="font-size: 85%; opacity: 0.65">${text}</div>`;
}

const side = "display: flex; flex-wrap: wrap; gap: 12px 40px; align-items: flex-start";

/** The parts side by side where there is room, else below each other. */
export function columns(...parts: readonly SafeHtml[]): SafeHtml {
  const boxes = parts.map((part) => safeHtml`<div>${part}</div>`);
  return safeHtml`<div style="${side}">${boxes}</div>`;
}

const line = "border: 0; border-bottom: 1px solid rgba(128, 128, 128, 0.3); padding: 3px 12px 3px 0";
const cell = `${line}; text-align: left; white-space: pre-wrap; overflow-wrap: break-word`;
const nameCell = `${cell}; font-weight: normal; opacity: 0.65`;
const whole = "border-collapse: collapse; margin: 4px 0; background: none";
const row = "background: none";

/** A table with a row for each fact. */
export function factsTable(facts: readonly Fact[]): SafeHtml {
  if (facts.length === 0) return safeHtml``;
  const rows = facts.map(([name, value]) => {
    const cells = [
      safeHtml`<th scope="row" style="${nameCell}">${name}</th>`,
      safeHtml`<td style="${cell}">${value}</td>`,
    ];
    return safeHtml`<tr style="${row}">${cells}</tr>`;
  });
  return safeHtml`<table style="${whole}">${rows}</table>`;
}

/** A table with a row for each list of texts. */
export function table(names: readonly string[], rows: readonly (readonly string[])[]): SafeHtml {
  const head = names.map((name) => safeHtml`<th scope="col" style="${nameCell}">${name}</th>`);
  const body = rows.map((texts) => {
    const cells = texts.map((text) => safeHtml`<td style="${cell}">${text}</td>`);
    return safeHtml`<tr style="${row}">${cells}</tr>`;
  });
  return safeHtml`<table style="${whole}"><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`;
}

const track = "display: flex; height: 10px; margin: 6px 0; border-radius: 5px; overflow: hidden; " +
  "background: rgba(128, 128, 128, 0.25)";

/** A progress bar: each share as long as its part of all. */
export function shareBar(shares: readonly Share[], all: number): SafeHtml {
  const parts = shares.filter(({ count }) => count > 0 && all > 0).map(({ count, colour }) => {
    const style = `width: ${(count / all * 100).toFixed(2)}%; background: ${colour}`;
    return safeHtml`<span style="${style}"></span>`;
  });
  const label = shares.map(({ name, count }) => `${count} ${name}`).join(", ");
  return safeHtml`<div role="img" aria-label="${label}; of ${all}" style="${track}">${parts}</div>`;
}

/** The colours of the bar, with their names and counts. */
export function legend(shares: readonly Share[]): SafeHtml {
  const parts = shares.map(({ name, count, colour }) => {
    const dot = safeHtml`<span style="color: ${colour}">●</span>`;
    return safeHtml`<span>${dot} ${count.toLocaleString("en")} ${name}</span>`;
  });
  return safeHtml`<div style="display: flex; flex-wrap: wrap; gap: 2px 20px">${parts}</div>`;
}

/** The texts of a bar chart. */
export interface BarChartOptions {
  readonly title: string;
  /** The text below the first bar. */
  readonly first: string;
  /** The text below the last bar. */
  readonly last: string;
  /** The text of a bar under the pointer. */
  readonly label: (value: number, index: number) => string;
}

const chart = { step: 13, gap: 3, height: 90, top: 38, foot: 20 };
/** An SVG does not inherit the notebook's colours. */
const [ink, fill] = ["#8a919e", "#4c8dd6"];

/** A bar for each value, as SVG. */
export function barChart(
  values: readonly number[],
  { title, first, last, label }: BarChartOptions,
): SafeHtml {
  const { step, height, top, foot } = chart;
  const highest = Math.max(1, ...values);
  const [width, base] = [values.length * step, top + height];
  const parts = [
    note(title, 12),
    note(`highest: ${highest.toLocaleString("en")}`, top - 6, width),
    ...values.map((value, index) => bar(index, value / highest, label(value, index))),
    safeHtml`<path d="M0 ${base}.5H${width}" stroke="${ink}" stroke-opacity="0.5"/>`,
    note(first, base + 15),
    note(last, base + 15, width),
  ];
  return drawing(title, width, base + foot, parts);
}

function drawing(title: string, width: number, height: number, parts: readonly SafeHtml[]): SafeHtml {
  const size = safeHtml`viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`;
  const type = safeHtml`font-family="sans-serif" font-size="11" fill="${ink}"`;
  const space = "http://www.w3.org/2000/svg";
  return safeHtml`<svg xmlns="${space}" ${size} role="img" aria-label="${title}" ${type}>${parts}</svg>`;
}

/** A text from the left edge on, or up to `end`. */
function note(text: string, y: number, end?: number): SafeHtml {
  const place = end === undefined ? safeHtml`x="0"` : safeHtml`x="${end}" text-anchor="end"`;
  return safeHtml`<text ${place} y="${y}">${text}</text>`;
}

/** @param share The bar's part of the whole height; a small one is still drawn 2 pixels high. */
function bar(index: number, share: number, label: string): SafeHtml {
  const { step, gap, height, top } = chart;
  const tall = share === 0 ? 0 : Math.max(2, Math.round(share * height));
  const place = safeHtml`x="${index * step + gap / 2}" y="${top + height - tall}" width="${step - gap}"`;
  return safeHtml`<rect ${place} height="${tall}" rx="1.5" fill="${fill}"><title>${label}</title></rect>`;
}

/** The view of a value: its title and facts as plain text, and its parts as HTML. */
export function bundle(title: string, facts: readonly Fact[], parts: readonly SafeHtml[]): MimeBundle {
  const width = Math.max(0, ...facts.map(([name]) => name.length));
  const lines = facts.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  return { "text/plain": plainLines(title, lines), "text/html": block(parts) };
}

/** A title, and lines below it; a break within one of them is shown. */
export function plainLines(title: string, lines: readonly string[]): string {
  return [escapeControls(title), ...lines.map((line) => `  ${escapeControls(line)}`)].join("\n");
}

/** The parts as one block of HTML, as wide as the notebook. */
export function block(parts: readonly SafeHtml[]): string {
  return String(safeHtml`<div style="line-height: 1.5; max-width: 860px; overflow-x: auto">${parts}</div>`);
}

/** A whole number with separators between its thousands. */
export function count(value: number): string {
  return value.toLocaleString("en");
}

/** Milliseconds as seconds. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
