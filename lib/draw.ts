/** Draws recipients at random: whoever comes next in the order may be a stranger's choice. */
import type { Audience } from "./audience.ts";

/**
 * Draws people among those of the window and those behind it, each with the same chance; fewer where there are not so
 * many. `random` gives numbers in [0, 1).
 */
export function drawPeople(
  count: number,
  { window, audience, random }: {
    /** Recipients of the present window that are not begun with. */
    readonly window: readonly number[];
    readonly audience: Audience;
    readonly random: () => number;
  },
): number[] {
  const people = window.filter((chatId) => chatId > 0);
  const others = audience.draw(count, random);
  const inWindow = people.length / Math.max(1, people.length + audience.left);
  const drawn = new Set<number>();
  while (drawn.size < count && people.length + others.length > 0) {
    const from = others.length === 0 || (people.length > 0 && random() < inWindow) ? people : others;
    drawn.add(from.splice(Math.floor(random() * from.length), 1)[0] as number);
  }
  return [...drawn];
}
