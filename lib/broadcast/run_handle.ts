/** A broadcast as its caller holds it, what a notebook shows of it, and how a notebook's interrupt ends it. */
import type { Clock } from "../util/clock.ts";
import { createDisplay } from "../util/display.ts";
import { interrupted, isInterrupt } from "../util/errors.ts";
import { isNotebook, untilInterrupted } from "../util/notebook.ts";
import { safeError } from "../util/safe_text.ts";
import { type BroadcastRun, PauseControl } from "./broadcast_run.ts";
import type { BroadcastReport } from "./report.ts";

/** What has become of a run that is over: its report, or the error that has ended it. */
const outcomes = new WeakMap<
  BroadcastRun,
  { readonly report: BroadcastReport } | { readonly error: unknown }
>();

const displayRun = createDisplay<BroadcastRun>(async () => {
  const { showRun } = await import("./display.ts");
  return (run) => showRun(run.progress, outcomes.get(run));
});

/** Runs the task, and gives its promise with pause(), resume(), progress and begun. */
export function createRunHandle(
  clock: Clock,
  task: (control: PauseControl) => Promise<BroadcastReport>,
): BroadcastRun {
  const control = new PauseControl(clock);
  const promise = task(control).then((report) => {
    outcomes.set(run, { report });
    return report;
  }, (thrown) => {
    const error = safeError(thrown);
    const report = isInterrupt(error) ? error.report as BroadcastReport | undefined : undefined;
    outcomes.set(run, report === undefined ? { error } : { report });
    control.beginning.reject(error);
    throw error;
  });
  const run: BroadcastRun = Object.defineProperties(promise, {
    pause: { value: () => void (control.isPaused = true) },
    resume: { value: () => void (control.isPaused = false) },
    progress: { get: () => control.progress },
    begun: { value: control.beginning.promise },
  }) as BroadcastRun;
  return displayRun(run);
}

/**
 * Sends; in a notebook the kernel's interrupt ends that, as the caller's own signal does.
 * @throws {InterruptedError} After an interrupt, with the report's line, so that the cell fails.
 */
export async function sendUntilInterrupted<Options extends { readonly signal?: AbortSignal | undefined }>(
  options: Options,
  send: (options: Options) => Promise<BroadcastReport>,
): Promise<BroadcastReport> {
  if (!isNotebook()) return await send(options);
  return await untilInterrupted(async (interrupt) => {
    const { signal = interrupt } = options;
    const report = await send({ ...options, signal: AbortSignal.any([signal, interrupt]) }).catch((error) => {
      throw isInterrupt(error) ? interrupted("The kernel was interrupted before this was sent.") : error;
    });
    if (!interrupt.aborted || report.stopped === undefined) return report;
    const rest = report.broadcastId === undefined
      ? ""
      : " Call it again with its broadcastId for the others.";
    throw interrupted(`${report}${rest}`, report);
  });
}
