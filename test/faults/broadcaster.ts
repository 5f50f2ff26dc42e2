/**
 * A bot that broadcasts, to be killed: as a user would write it, but for its clock. Commands come on its standard
 * input, each with a number before it: `1 broadcast ID`, `2 initialize` (which finishes what was left, in the
 * background), `3 resume` (which waits for that). Each is answered by one line, such as `ANSWER 1 {"report":{}}`.
 * It ends with its parent.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { type BroadcastReport, createTelegramBotFromEnv, type FormattedText } from "../../mod.ts";
import { announcement } from "./announcement.ts";
import { type ClockOrigin, SharedClock } from "./shared_clock.ts";

/** The first argument, as JSON. */
export interface BroadcasterOptions {
  readonly clock: ClockOrigin;
  /** By that clock. */
  readonly messagesPerSecond: number;
  readonly onUnknown: "skip" | "resend";
}

export type Report = BroadcastReport & { readonly broadcastId?: string };

/** What a command is answered, as JSON. */
export interface Answer {
  readonly report?: Report;
  readonly resumed?: readonly Report[];
  readonly left?: readonly { readonly broadcast_id: string; readonly reason: string }[];
  readonly error?: string;
}

/** What the toolkit is about to learn. */
interface Coming {
  initialize(): Promise<unknown>;
  broadcast(
    message: FormattedText,
    options: { broadcastId: string; onUnknown: "skip" | "resend"; allowPaidBroadcast: boolean },
  ): Promise<Report>;
  resumeBroadcasts(): Promise<Required<Pick<Answer, "resumed" | "left">>>;
}

const { clock, messagesPerSecond, onUnknown } = JSON.parse(process.argv.at(-1) ?? "") as BroadcasterOptions;
const options = { messagesPerSecond, clock: new SharedClock(clock) };
const bot = createTelegramBotFromEnv(options) as unknown as Coming;

const commands: Readonly<Record<string, (id: string) => Promise<Answer>>> = {
  async broadcast(broadcastId) {
    const allowPaidBroadcast = messagesPerSecond > 30;
    const how = { broadcastId, onUnknown, allowPaidBroadcast };
    return { report: await bot.broadcast(announcement(broadcastId), how) };
  },
  async initialize() {
    await bot.initialize();
    return {};
  },
  resume: () => bot.resumeBroadcasts(),
};

async function obey(line: string): Promise<void> {
  const [number, command = "", id = ""] = line.split(" ");
  const asked = commands[command]?.(id) ?? Promise.reject(new Error(`There is no command "${command}"`));
  const answer = await asked.catch((error: Error): Answer => ({ error: `${error.name}: ${error.message}` }));
  console.log(`ANSWER ${number} ${JSON.stringify(answer)}`);
}

createInterface({ input: process.stdin })
  .on("line", (line) => void obey(line))
  .on("close", () => process.exit());

console.log("READY");
