/** How fast messages may leave, and what a pause does to it. Pure: time comes in as an argument. */

export interface Pace {
  /**
   * Takes the next slot and tells how many milliseconds from `now` it is; 0 or less is now.
   * A slot that a pause has overtaken meanwhile is worthless: look at `pausedUntil` when it comes.
   */
  take(now: number): number;
  /** Lets nothing leave for so long. */
  pause(ms: number, now: number): void;
  /** Milliseconds since 1970; in the past where there is no pause. */
  readonly pausedUntil: number;
}

/** Slots that a late timer missed are made up for, up to this long: less than Telegram would call a burst. */
const catchUpMs = 100;

/** Evenly spaced slots. */
export function createPace(messagesPerSecond: number): Pace {
  const spacingMs = 1000 / messagesPerSecond;
  let next = -Infinity;
  let pausedUntil = -Infinity;
  let latest = -Infinity;
  /** A clock that is set back would have everything wait until it is where it was. */
  const follow = (now: number): void => {
    if (now < latest) {
      next -= latest - now;
      pausedUntil -= latest - now;
    }
    latest = now;
  };
  return {
    take(now) {
      follow(now);
      const slot = Math.max(next, now - catchUpMs, pausedUntil);
      next = slot + spacingMs;
      return slot - now;
    },
    pause(ms, now) {
      follow(now);
      pausedUntil = Math.max(pausedUntil, now + ms);
      next = Math.max(next, pausedUntil);
    },
    get pausedUntil() {
      return pausedUntil;
    },
  };
}
