/** What may happen a thousand times is said a few times a minute, and then counted. */
import type { Clock } from "./clock.ts";

const linesPerMinute = 10;
const minuteMs = 60_000;

/** @param say Where the lines go. */
export function createBoundedLog(say: (message: string) => void, clock: Clock): (message: string) => void {
  let since = -Infinity;
  let said = 0;
  let unsaid = 0;
  return (message) => {
    if (clock.now() - since >= minuteMs) {
      if (unsaid > 0) say(`The same happened ${unsaid} more times.`);
      since = clock.now();
      said = unsaid = 0;
    }
    if (said++ < linesPerMinute) say(message);
    else unsaid++;
  };
}
