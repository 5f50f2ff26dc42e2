/**
 * The scheduler that is killed, in a process of its own: as a user would write it, but for the clock, the market, and its
 * patience with the ledger. Its argument is `SchedulerProgramOptions` as JSON, all else is in the environment. It prints READY
 * once its strategies run, and ends with its parent.
 */
import process from "node:process";
import { createTelegramBotFromEnv } from "../../mod.ts";
import { runStrategies, type SignalPublisher } from "../../lib/live/mod.ts";
import { type ClockOrigin, FastClock } from "../support/clocks.ts";
import { botOfMutant, feedOfMutant, type SchedulerMutant } from "./mutants.ts";
import { marketFeed } from "./replayed_day.ts";
import { strategies } from "./scheduler_strategies.ts";

export interface SchedulerProgramOptions {
  /** Where the market is. */
  readonly market: string;
  readonly clock: ClockOrigin;
  readonly onUnknown: "skip" | "resend";
  /** Runs a scheduler with this bug instead. */
  readonly mutant?: SchedulerMutant | undefined;
}

const { market, clock: origin, onUnknown, mutant } = JSON.parse(
  process.argv.at(-1) ?? "",
) as SchedulerProgramOptions;
process.stdin.resume().on("close", () => process.exit());

const clock = new FastClock(origin.factor, { ...origin, random: Math.random });
const bot = createTelegramBotFromEnv({ clock });
await bot.startBot({ retry: true });
/** A ledger that does not answer within 0.8 s counts as down for a signal, and a slow machine's is no faster. */
const waiting: SignalPublisher = {
  sendSignal: (signal, options) => bot.sendSignal(signal, { ...options, whenLedgerDown: "wait" }),
  broadcast: (message, options) => bot.broadcast(message, { ...options, whenLedgerDown: "wait" }),
};
const run = runStrategies({
  bot: botOfMutant(mutant, waiting),
  feed: feedOfMutant(mutant, marketFeed(market)),
  ...{ strategies, onUnknown, clock },
});
console.log("READY");
await run.finished;
