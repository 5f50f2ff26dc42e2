/** Stops a program on Ctrl-C (SIGINT) and SIGTERM. */
import process from "node:process";

/** What is used of `node:process`. */
export interface SignalSource {
  on(event: "SIGINT" | "SIGTERM", listener: () => void): unknown;
  exit(code: number): unknown;
}

/** Aborts at the first SIGINT or SIGTERM, so that what is being sent can be finished; the second exits with 130. */
export function stopOnSignals(say: (line: string) => void, source: SignalSource = process): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) return void source.exit(130);
    say("Stopping. Ctrl-C again ends at once.");
    controller.abort();
  };
  source.on("SIGINT", stop);
  source.on("SIGTERM", stop);
  return controller.signal;
}
