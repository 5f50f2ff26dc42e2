/** HTML and SVG in which every text stands for itself, whatever it contains. */

/** What is markup already. */
export class Markup {
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
export type Content = string | number | Markup | readonly Markup[];

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** A tag for template literals. */
export function markup(template: TemplateStringsArray, ...contents: readonly Content[]): Markup {
  const [first = "", ...rest] = template;
  return new Markup(rest.reduce((text, part, index) => text + escaped(contents[index] ?? "") + part, first));
}

function escaped(content: Content): string {
  if (content instanceof Markup) return content.text;
  if (Array.isArray(content)) return content.map(escaped).join("");
  return String(content).replace(/[&<>"']/g, (letter) => entities[letter] ?? "");
}
