/** Values that notebooks show richly: Deno's Jupyter kernel asks a value for `Symbol.for("Jupyter.display")`. */

/** The forms of a value by their MIME types. */
export type MimeBundle = Readonly<Record<string, string>>;

const symbol = Symbol.for("Jupyter.display");

/**
 * Makes the way to show a value: `show` is loaded when one is shown. The value itself, or whatever has it for a
 * prototype, is then shown so. It stays as plain as it was: what is added is not enumerable, so that it compares,
 * spreads, prints and serialises as before.
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
