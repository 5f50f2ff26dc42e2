/** Values that notebooks show richly. How is in `display.ts`, which is loaded when something is shown. */
import type { MimeBundle, views } from "../bot/display.ts";

/** One of the ways to show a value. */
export type View = keyof typeof views;

/** What Deno's Jupyter kernel asks a value for. */
const symbol = Symbol.for("Jupyter.display");

const ways: Readonly<Record<View, PropertyDescriptor>> = {
  chat: shownAs("chat"),
  chats: shownAs("chats"),
  statistics: shownAs("statistics"),
  report: shownAs("report"),
  progress: shownAs("progress"),
  run: shownAs("run"),
};

/**
 * The value itself, or whatever has it for a prototype, is shown in this way. It stays as plain as it was: what is
 * added is not enumerable, so that it compares, spreads, prints and serialises as before.
 */
export function displayable<T extends object>(value: T, view: View): T {
  return Object.defineProperty(value, symbol, ways[view]);
}

function shownAs(view: View): PropertyDescriptor {
  return {
    async value(this: never): Promise<MimeBundle> {
      const { views } = await import("../bot/later.ts");
      return views[view](this);
    },
  };
}
