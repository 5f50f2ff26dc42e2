/** Stopping on SIGINT and SIGTERM. */
import { stopOnSignals } from "../../cli/stop_on_signals.ts";
import { assert, suite } from "../harness.ts";

const test = suite("stop_on_signals");

test("stopOnSignals() aborts at the first signal and exits with 130 at the second", () => {
  const listeners = new Map<string, () => void>();
  const codes: number[] = [];
  const source = {
    on: (event: string, listener: () => void) => listeners.set(event, listener),
    exit: (code: number) => codes.push(code),
  };
  const signal = stopOnSignals(() => {}, source);
  assert.is(signal.aborted, false);
  listeners.get("SIGINT")?.();
  assert.equal([signal.aborted, codes.length], [true, 0]);
  listeners.get("SIGTERM")?.();
  assert.equal(codes, [130]);
});

test.run();
