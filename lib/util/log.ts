import { type Clock, monotonic } from "./clock.ts";

/** Where the toolkit speaks: one line for what a person would want to know, nothing for the rest. */
export interface Logger {
  /** What a person may want to know. */
  info(message: string): void;
  /** What went wrong and mends itself. */
  warn(message: string): void;
  /** What somebody has to look at. */
  error(message: string): void;
}

/** Information on standard output, warnings and errors on standard error, each as one plain line. */
export const consoleLogger: Logger = {
  info: (message) => console.log(message),
  warn: (message) => console.warn(message),
  error: (message) => console.error(message),
};

const linesPerMinute = 10;

const minuteMs = 60_000;

/** The first lines of a minute go out, the others are counted. @param say Where the lines go. */
export function createRateLimitedLog(
  say: (message: string) => void,
  clock: Clock,
): (message: string) => void {
  const now = monotonic(clock);
  let since = -Infinity;
  let said = 0;
  let unsaid = 0;
  return (message) => {
    if (now() - since >= minuteMs) {
      if (unsaid > 0) say(`The same happened ${unsaid} more times.`);
      since = now();
      said = unsaid = 0;
    }
    if (said++ < linesPerMinute) say(message);
    else unsaid++;
  };
}
