/** HTML and SVG in which every text stands for itself, whatever it contains. */
import type { MimeBundle } from "./display.ts";

/** What is markup already. */
export class SafeHtml {
  readonly text: string;

  /** `text` is taken as it is. */
  constructor(text: string) {
    this.text = text;
  }

  /** The markup. */
  toString(): string {
    return this.text;
  }
}

/** What may stand in a template: texts and numbers are escaped, markup is not. */
export type Content = string | number | SafeHtml | readonly SafeHtml[];

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** A tag for template literals. */
export function html(template: TemplateStringsArray, ...contents: readonly Content[]): SafeHtml {
  const [first = "", ...rest] = template;
  return new SafeHtml(
    rest.reduce((text, part, index) => text + escaped(contents[index] ?? "") + part, first),
  );
}

function escaped(content: Content): string {
  if (content instanceof SafeHtml) return content.text;
  if (Array.isArray(content)) return content.map(escaped).join("");
  return String(content).replace(/[&<>"']/g, (letter) => entities[letter] ?? "");
}

// The parts of what notebooks show: in the notebook's own text colour, so that they read on light and on dark.

/** A name and its value. */
export type Fact = readonly [name: string, value: string];

/** A part of a whole. */
export interface Share {
  readonly name: string;
  readonly count: number;
  readonly colour: string;
}

/** A line in bold, and whatever explains it. */
export function heading(text: string, more: string = ""): SafeHtml {
  const rest = more === "" ? [] : [html`
    <span style="opacity: 0.65">${more}</span>
  `];
  return html`<div style="margin: 4px 0"><strong>${text}</strong>${rest}</div>`;
}

/** A line in small print; nothing where there is nothing to say. */
export function small(text: string): SafeHtml {
  return text === "" ? html`` : html`<div style="font-size: 85%; opacity: 0.65">${text}</div>`;
}

const side = "display: flex; flex-wrap: wrap; gap: 12px 40px; align-items: flex-start";

/** Side by side where there is room, else below each other. */
export function columns(...parts: readonly SafeHtml[]): SafeHtml {
  const boxes = parts.map((part) => html`<div>${part}</div>`);
  return html`<div style="${side}">${boxes}</div>`;
}

const line = "border: 0; border-bottom: 1px solid rgba(128, 128, 128, 0.3); padding: 3px 12px 3px 0";
const cell = `${line}; text-align: left; white-space: pre-wrap; overflow-wrap: break-word`;
const nameCell = `${cell}; font-weight: normal; opacity: 0.65`;
const whole = "border-collapse: collapse; margin: 4px 0; background: none";
const row = "background: none";

/** A row for each fact. */
export function factsTable(facts: readonly Fact[]): SafeHtml {
  if (facts.length === 0) return html``;
  const rows = facts.map(([name, value]) => {
    const cells = [
      html`<th scope="row" style="${nameCell}">${name}</th>`,
      html`<td style="${cell}">${value}</td>`,
    ];
    return html`<tr style="${row}">${cells}</tr>`;
  });
  return html`<table style="${whole}">${rows}</table>`;
}

/** A row for each list of texts. */
export function table(names: readonly string[], rows: readonly (readonly string[])[]): SafeHtml {
  const head = names.map((name) => html`<th scope="col" style="${nameCell}">${name}</th>`);
  const body = rows.map((texts) => {
    const cells = texts.map((text) => html`<td style="${cell}">${text}</td>`);
    return html`<tr style="${row}">${cells}</tr>`;
  });
  return html`
    <table style="${whole}">
      <thead>
        <tr>${head}</tr>
      </thead>
      <tbody>${body}</tbody>
    </table>
  `;
}

const track = "display: flex; height: 10px; margin: 6px 0; border-radius: 5px; overflow: hidden; " +
  "background: rgba(128, 128, 128, 0.25)";

/** A bar that fills up: each share as long as its part of all. */
export function shareBar(shares: readonly Share[], all: number): SafeHtml {
  const parts = shares.filter(({ count }) => count > 0 && all > 0).map(({ count, colour }) => {
    const style = `width: ${(count / all * 100).toFixed(2)}%; background: ${colour}`;
    return html`<span style="${style}"></span>`;
  });
  const words = shares.map(({ name, count }) => `${count} ${name}`).join(", ");
  return html`<div role="img" aria-label="${words}; of ${all}" style="${track}">${parts}</div>`;
}

/** What the bar's colours are, and how much each is. */
export function legend(shares: readonly Share[]): SafeHtml {
  const parts = shares.map(({ name, count, colour }) => {
    const dot = html`<span style="color: ${colour}">●</span>`;
    return html`<span>${dot} ${count.toLocaleString("en")} ${name}</span>`;
  });
  return html`<div style="display: flex; flex-wrap: wrap; gap: 2px 20px">${parts}</div>`;
}

/** What a bar chart says besides its bars. */
export interface BarChartOptions {
  readonly title: string;
  /** What stands below the first bar. */
  readonly first: string;
  /** What stands below the last bar. */
  readonly last: string;
  /** What is said of a bar under the pointer. */
  readonly label: (value: number, index: number) => string;
}

const chart = { step: 13, gap: 3, height: 90, top: 38, foot: 20 };
/** As a picture of its own it does not know the notebook's colours. */
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
    html`
      <path d="M0 ${base}.5H${width}" stroke="${ink}" stroke-opacity="0.5" />
    `,
    note(first, base + 15),
    note(last, base + 15, width),
  ];
  return drawing(title, width, base + foot, parts);
}

function drawing(title: string, width: number, height: number, parts: readonly SafeHtml[]): SafeHtml {
  const size = html`viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`;
  const type = html`font-family="sans-serif" font-size="11" fill="${ink}"`;
  const space = "http://www.w3.org/2000/svg";
  return html`<svg xmlns="${space}" ${size} role="img" aria-label="${title}" ${type}>${parts}</svg>`;
}

/** A text from the left edge on, or up to `end`. */
function note(text: string, y: number, end?: number): SafeHtml {
  const place = end === undefined ? html`x="0"` : html`x="${end}" text-anchor="end"`;
  return html`<text ${place} y="${y}">${text}</text>`;
}

/** `share` is its part of the whole height. What is little is seen all the same. */
function bar(index: number, share: number, label: string): SafeHtml {
  const { step, gap, height, top } = chart;
  const tall = share === 0 ? 0 : Math.max(2, Math.round(share * height));
  const place = html`x="${index * step + gap / 2}" y="${top + height - tall}" width="${step - gap}"`;
  return html`
    <rect ${place} height="${tall}" rx="1.5" fill="${fill}">
      <title>${label}</title>
    </rect>
  `;
}

/** A value in both forms: what it is called and its facts as text, and its parts as HTML. */
export function bundle(title: string, facts: readonly Fact[], parts: readonly SafeHtml[]): MimeBundle {
  const width = Math.max(0, ...facts.map(([name]) => name.length));
  const lines = facts.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
  return { "text/plain": [title, ...lines].join("\n"), "text/html": block(parts) };
}

/** The parts as one piece of HTML, in the notebook's own width. */
export function block(parts: readonly SafeHtml[]): string {
  return String(html`<div style="line-height: 1.5; max-width: 860px; overflow-x: auto">${parts}</div>`);
}

/** A whole number with its thousands apart. */
export function count(value: number): string {
  return value.toLocaleString("en");
}

/** Milliseconds as seconds. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
