/** Shows the progress of a broadcast: a bar on a terminal, some plain lines elsewhere, nothing for a short one. */
import process from "node:process";
import type { BroadcastProgress, Logger } from "telegram-signals";

/** What is used of `process.stderr`. */
export interface Screen {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}

/** A callback for `onProgress`. It ends by itself; where the broadcast fails, by `using`. */
export interface ProgressDisplay extends Disposable {
  (progress: BroadcastProgress): void;
  /** A logger for the bot and for you: on standard error, too, above the bar. */
  readonly logger: Logger;
}

/** One way to show it. */
interface Display {
  show(progress: BroadcastProgress): void;
  /** Clears the bar's line, so that another line can be printed. */
  clear(): void;
  end(): void;
}

/** A broadcast that ends sooner shows nothing. */
const quietMs = 2000;
/** The least time between two plain lines. */
const lineIntervalMs = 2000;

/**
 * A display for one broadcast, on standard error.
 *
 * ```ts
 * using onProgress = showProgress();
 * const report = await bot.broadcast(text, { onProgress });
 * ```
 */
export function showProgress(label: string = "Sending", screen: Screen = process.stderr): ProgressDisplay {
  const display = screen.isTTY ? createBar(label, screen) : createLines(label, screen);
  let state: "quiet" | "shown" | "ended" = "quiet";
  const end = (): void => {
    if (state === "shown") display.end();
    state = "ended";
  };
  const show = (progress: BroadcastProgress): void => {
    const isOver = progress.done >= progress.recipients;
    if (state === "ended" || (state === "quiet" && (isOver || progress.elapsedMs < quietMs))) return;
    state = "shown";
    display.show(progress);
    if (isOver) end();
  };
  const logger = loggerAbove(() => state === "shown" && display.clear());
  return Object.assign(show, { logger, [Symbol.dispose]: end });
}

const barLength = 24;
const clearLine = "\r\u001b[K";

function createBar(label: string, screen: Screen): Display {
  return {
    show(progress) {
      const { done, recipients } = progress;
      const full = Math.round(barLength * done / recipients);
      const bar = `${"█".repeat(full)}${"░".repeat(barLength - full)} ${
        Math.floor(100 * done / recipients)
      }%`;
      const parts = [`${label} ${bar}`, `${done}/${recipients}`, ...notesOf(progress)];
      screen.write(`${clearLine}${parts.join(" | ")}`);
    },
    clear: () => void screen.write(clearLine),
    end: () => void screen.write("\n"),
  };
}

function createLines(label: string, screen: Screen): Display {
  let [tenth, printedAtMs] = [-1, -Infinity];
  return {
    show(progress) {
      const { done, recipients, elapsedMs } = progress;
      const now = Math.floor(10 * done / recipients);
      if (now <= tenth || (elapsedMs - printedAtMs < lineIntervalMs && done < recipients)) return;
      [tenth, printedAtMs] = [now, elapsedMs];
      const percent = Math.floor(100 * done / recipients);
      screen.write(
        `${[`${label}: ${done} of ${recipients} (${percent}%)`, ...notesOf(progress)].join(", ")}\n`,
      );
    },
    clear() {},
    end() {},
  };
}

function notesOf(
  { done, sent, recipients, elapsedMs, remainingMs, isPaused, isWaiting, waitingMs }: BroadcastProgress,
): string[] {
  if (done >= recipients) return [`${sent} sent in ${duration(elapsedMs)}`];
  if (isPaused) return ["paused"];
  if (isWaiting) return [`Telegram asks to wait for ${duration(waitingMs)}`];
  return remainingMs === undefined ? [] : [`about ${duration(remainingMs)} left`];
}

function duration(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

function loggerAbove(clear: () => void): Logger {
  const above = (message: string): void => {
    clear();
    console.error(message);
  };
  return { info: above, warn: above, error: above };
}
