/**
 * A bot that broadcasts, and what it is told by its killer. Commands come on its standard input, each with a number
 * before it: `1 broadcast ID`, `2 initialize` (which finishes what was left, in the background), `3 resume` (which
 * waits for that). Each is answered by one line, such as `ANSWER 1 {"report":{}}`. It ends with its parent.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import {
  type BroadcastReport,
  createTelegramBotFromEnv,
  type Ledger,
  type ResumedBroadcasts,
} from "../../mod.ts";
import { announcement } from "./announcement.ts";
import { type ClockOrigin, SharedClock } from "./shared_clock.ts";

/** The last argument, as JSON. */
export interface BroadcasterOptions {
  readonly clock: ClockOrigin;
  /** By that clock. */
  readonly messagesPerSecond: number;
  readonly onUnknown: "skip" | "resend";
  readonly expiresAt?: number | undefined;
  /** As a signal: at once, and without what cannot be reached. */
  readonly whenUnreadable?: "send" | undefined;
  readonly whenLedgerDown?: "send" | undefined;
}

/** What a command is answered, as JSON. */
export interface Answer extends Partial<ResumedBroadcasts> {
  readonly report?: BroadcastReport;
  readonly error?: string;
}

/** Obeys until its parent is gone. The ledger is the bot's own, where none is given. */
export function obeyParent(ledgerBy?: (clock: SharedClock) => Ledger): void {
  const { clock: origin, ...how } = JSON.parse(process.argv.at(-1) ?? "") as BroadcasterOptions;
  const clock = new SharedClock(origin);
  const { messagesPerSecond, ...others } = how;
  const bot = createTelegramBotFromEnv({ messagesPerSecond, clock, ledger: ledgerBy?.(clock) });

  const commands: Readonly<Record<string, (id: string) => Promise<Answer>>> = {
    async broadcast(broadcastId) {
      const allowPaidBroadcast = messagesPerSecond > 30;
      const options = { ...others, broadcastId, allowPaidBroadcast };
      return { report: await bot.broadcast(announcement(broadcastId), options) };
    },
    async initialize() {
      await bot.initialize();
      return {};
    },
    resume: () => bot.resumeBroadcasts(),
  };

  const obey = async (line: string): Promise<void> => {
    const [number, command = "", id = ""] = line.split(" ");
    const asked = commands[command]?.(id) ?? Promise.reject(new Error(`There is no command "${command}"`));
    const answer = await asked.catch((error: Error): Answer => ({
      error: `${error.name}: ${error.message}`,
    }));
    console.log(`ANSWER ${number} ${JSON.stringify(answer)}`);
  };

  createInterface({ input: process.stdin })
    .on("line", (line) => void obey(line))
    .on("close", () => process.exit());
  console.log("READY");
}
