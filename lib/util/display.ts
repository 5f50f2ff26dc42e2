/** Rich views of values in notebooks: Deno's Jupyter kernel asks a value for `Symbol.for("Jupyter.display")`. */

/** The views of a value by their MIME types. */
export type MimeBundle = Readonly<Record<string, string>>;

const symbol = Symbol.for("Jupyter.display");

/**
 * Gives a function that adds the view to a value, or to a prototype. The view's code is loaded when a value is first
 * shown. The added property is not enumerable, so that the value compares, spreads, prints and serialises as before.
 */
export function createDisplay<T extends object>(
  load: () => Promise<(value: T) => MimeBundle>,
): <V extends T>(value: V) => V {
  const property: PropertyDescriptor = {
    async value(this: T): Promise<MimeBundle> {
      return (await load())(this);
    },
  };
  return (value) => Object.defineProperty(value, symbol, property);
}
