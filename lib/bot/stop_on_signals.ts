/** Ends a program's bot on SIGINT (Ctrl-C) and SIGTERM (`kill`, `docker stop`, a scheduler's end of a task). */
import process from "node:process";
import { attempt } from "../util/async.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";

export interface StoppableBot {
  stopBot(): Promise<void>;
}

/** What is used of `node:process`. */
export interface SignalSource {
  on(event: "SIGINT" | "SIGTERM", listener: () => void): unknown;
  off(event: "SIGINT" | "SIGTERM", listener: () => void): unknown;
  exit(code: number): unknown;
}

const signals = ["SIGINT", "SIGTERM"] as const;

/**
 * At the first signal the returned one aborts, and the bot stops; the second ends the process at once, by 130. Once `closed`
 * aborts the process hears signals as before.
 */
export function stopOnSignals(
  bot: StoppableBot,
  closed: AbortSignal,
  logger: Logger,
  source: SignalSource = process,
): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) return void source.exit(130);
    logger.info("The bot stops, once what is being sent has left. A second signal ends at once.");
    controller.abort(new Error("The program was told to stop."));
    bot.stopBot().catch((error) => logger.error(`The bot could not be stopped: ${messageOf(error)}`));
  };
  if (closed.aborted) return controller.signal;
  // Windows knows no SIGTERM under Deno.
  for (const name of signals) attempt(() => source.on(name, stop), undefined);
  closed.addEventListener("abort", () => {
    for (const name of signals) attempt(() => source.off(name, stop), undefined);
  });
  return controller.signal;
}
