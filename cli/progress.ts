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
      const { done, sent, recipients } = progress;
      const isOver = done >= recipients;
      const share = (isOver ? sent : done) / recipients;
      const full = Math.round(barLength * share);
      const bar = `${"█".repeat(full)}${"░".repeat(barLength - full)} ${Math.floor(100 * share)}%`;
      const notes = isOver ? [endOf(progress)] : [`${done}/${recipients}`, ...notesOf(progress)];
      screen.write(`${clearLine}${[`${label} ${bar}`, ...notes].join(" | ")}`);
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
      if (done >= recipients) return void screen.write(`${label}: ${endOf(progress)}\n`);
      const now = Math.floor(10 * done / recipients);
      if (now <= tenth || elapsedMs - printedAtMs < lineIntervalMs) return;
      [tenth, printedAtMs] = [now, elapsedMs];
      const percent = Math.floor(100 * done / recipients);
      const parts = [`${label}: ${done} of ${recipients} (${percent}%)`, ...notesOf(progress)];
      screen.write(`${parts.join(", ")}\n`);
    },
    clear() {},
    end() {},
  };
}

/** `12 of 54 sent, 42 skipped in 3 s` */
function endOf(progress: BroadcastProgress): string {
  const { sent, recipients, elapsedMs } = progress;
  const others = (["deactivated", "skipped", "failed", "unknown"] as const)
    .filter((name) => progress[name] > 0).map((name) => `${progress[name]} ${name}`);
  return `${[`${sent} of ${recipients} sent`, ...others].join(", ")} in ${duration(elapsedMs)}`;
}

function notesOf({ remainingMs, isPaused, isWaiting, waitingMs }: BroadcastProgress): string[] {
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
