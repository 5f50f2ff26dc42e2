/** Stops a program on Ctrl-C (SIGINT) and SIGTERM. */
import process from "node:process";

/** What is used of `node:process`. */
export interface SignalSource {
  on(event: "SIGINT" | "SIGTERM", listener: () => void): unknown;
  exit(code: number): unknown;
}

/** Why a broadcast was ended, as its report says it. */
export const interrupted = "it was interrupted";

/**
 * Aborts at the first SIGINT or SIGTERM, so that what is being sent can be finished; the second exits with 130. By its reason
 * a broadcast with an id stays open for a further call.
 */
export function stopOnSignals(say: (line: string) => void, source: SignalSource = process): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) return void source.exit(130);
    say("Stopping. Ctrl-C again ends at once.");
    controller.abort(Object.assign(new Error(interrupted), { name: "InterruptedError" }));
  };
  source.on("SIGINT", stop);
  source.on("SIGTERM", stop);
  return controller.signal;
}
