/**
 * The bot that is killed, in a process of its own: as a user would write it, but for the clock. Its argument is
 * `BotProgramOptions` as JSON, all else is in the environment. It prints READY, and then obeys the commands on its standard
 * input, each with a number before it, such as `1 broadcast ID`; it answers each by a line such as `ANSWER 1 {"report":{}}`.
 * It ends with its parent.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import {
  type BroadcastReport,
  createTelegramBotFromEnv,
  type Ledger,
  type ResumedBroadcasts,
} from "../../mod.ts";
import { type ClockOrigin, FastClock } from "../support/clocks.ts";
import { announcement } from "./announcement.ts";
import { createLedgerMutant, isLedgerMutant, type MutantName, startUpdateMutant } from "./mutants.ts";

export interface BotProgramOptions {
  /** Whether it receives updates. @default false */
  readonly polls?: boolean;
  /** Runs a bot with this bug instead. */
  readonly mutant?: MutantName | undefined;
  /** @default real time */
  readonly clock?: ClockOrigin;
  /** By that clock. */
  readonly messagesPerSecond: number;
  readonly onUnknown?: "skip" | "resend";
  readonly expiresAt?: number | undefined;
  /** As a signal does: at once, and without what cannot be reached. */
  readonly whenUnreadable?: "send" | undefined;
  readonly whenLedgerDown?: "send" | undefined;
}

/** What a command is answered, as JSON. */
export interface Answer extends Partial<ResumedBroadcasts> {
  readonly report?: BroadcastReport;
  readonly error?: string;
}

type Commands = Readonly<Record<string, (name: string) => Promise<Answer>>>;

async function startBot(options: BotProgramOptions): Promise<Commands> {
  const { clock: origin, messagesPerSecond, polls = false, mutant, ...others } = options;
  const clock = origin && new FastClock(origin.factor, { ...origin, random: Math.random });
  const ledger: Ledger | undefined = isLedgerMutant(mutant) ? createLedgerMutant(mutant, clock) : undefined;
  const bot = createTelegramBotFromEnv({ messagesPerSecond, ...clock && { clock }, ...ledger && { ledger } });
  if (polls) {
    bot.finished.catch(() => process.exit(3));
    await bot.startBot();
  }
  return {
    /** A plain message to all subscribers. One that is cut off is the operator's to repeat. */
    signal: async (name) => ({ report: await bot.broadcast(`Signal ${name}`) }),
    broadcast: async (broadcastId) => {
      const allowPaidBroadcast = messagesPerSecond > 30;
      const settings = { ...others, broadcastId, allowPaidBroadcast };
      return { report: await bot.broadcast(announcement(broadcastId), settings) };
    },
    /** Finishes open broadcasts in the background. */
    initialize: async () => {
      await bot.initialize();
      return {};
    },
    /** Finishes open broadcasts, and waits for that. */
    resume: () => bot.resumeBroadcasts(),
  };
}

const options = JSON.parse(process.argv.at(-1) ?? "") as BotProgramOptions;
const { mutant } = options;
const starting = mutant === "early" || mutant === "twice" ? startUpdateMutant(mutant) : startBot(options);

async function obey(line: string): Promise<void> {
  const [number, command = "", name = ""] = line.split(" ");
  const commands: Commands = await starting ?? {};
  const asked = commands[command]?.(name) ?? Promise.reject(new Error(`There is no command "${command}"`));
  const answer = await asked.catch((error: Error): Answer => ({ error: `${error.name}: ${error.message}` }));
  console.log(`ANSWER ${number} ${JSON.stringify(answer)}`);
}

createInterface({ input: process.stdin })
  .on("line", (line) => void obey(line))
  .on("close", () => process.exit());
await starting;
console.log("READY");
