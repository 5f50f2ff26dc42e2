/** A bot on an emulator, its capacity units metered, with so many users; and what a signal to all of them consumes. */
import { randomUUID } from "node:crypto";
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { MeanReversionTelegramBot } from "../../lib/bot/bot.ts";
import { startDynamoDB } from "../../lib/local/dynamodb/server.ts";
import { type BotApiServer, type LocalUser, startBotApiServer } from "../../lib/local/mod.ts";
import type { SignalOptions } from "../../lib/broadcast/options.ts";
import { FastClock } from "../support/clocks.ts";
import { clientAt } from "../support/client.ts";
import { type Capacity, Meter, times } from "./capacity.ts";
import { chatIdAt, seed } from "./chats.ts";

export interface MeteredBot {
  /** Yet to be started. */
  readonly bot: MeanReversionTelegramBot;
  readonly server: BotApiServer;
  readonly client: DynamoDBClient;
  readonly meter: Meter;
  readonly clock: FastClock;
  /** What the bot has warned of, errors included. */
  readonly warnings: string[];
  readonly users: readonly LocalUser[];
}

export const tableName = "telegram-chats";
const signalsCounted = 2;
/** The clock's speed while nothing is counted. */
const timesAsFast = 20;
/**
 * The clock's speeds while it is counted, tried in turn: reads have time limits by the bot's clock, and where the machine is
 * too slow for one, the bot takes the table for unreadable.
 */
const countedAsFast: readonly number[] = [4, 2, 1];

/** Runs the task with such a bot, and stops it afterwards. */
export async function withMeteredBot<T>(
  count: number,
  task: (counted: MeteredBot) => Promise<T>,
): Promise<T> {
  await using db = await startDynamoDB();
  await using server = await startBotApiServer({ firstUpdateId: 900_000_000 });
  await seed(db.endpoint, tableName, count);
  const [client, aside] = [clientAt(db.endpoint), clientAt(db.endpoint)];
  const meter = new Meter(aside);
  meter.putOn(client);
  const users = Array.from({ length: count }, (_, index) => userAt(server, chatIdAt(index, count)));
  const clock = new FastClock(timesAsFast);
  const warnings: string[] = [];
  const warn = (text: string): void => void warnings.push(text);
  const logger = { info() {}, warn, error: warn };
  const { token: botToken, apiRoot } = server;
  const bot = new MeanReversionTelegramBot({ botToken, apiRoot, client, tableName, clock, logger });
  try {
    return await task({ bot, server, client, meter, clock, warnings, users });
  } finally {
    await bot.stopBot();
    client.destroy();
    aside.destroy();
  }
}

/** The mean of a few, each with a `broadcastId`, after one for which the ledger's table is made. */
export async function capacityOfSignal(counted: MeteredBot, options: SignalOptions = {}): Promise<Capacity> {
  const { clock, warnings, meter } = counted;
  clock.setFactor(timesAsFast);
  await sendSignal(counted, options);
  try {
    for (const factor of countedAsFast) {
      clock.setFactor(factor);
      warnings.length = 0;
      meter.take();
      for (let signal = 0; signal < signalsCounted; signal++) await sendSignal(counted, options);
      if (warnings.length === 0) return times(1 / signalsCounted, meter.take());
    }
  } finally {
    clock.setFactor(timesAsFast);
  }
  throw new Error(`The machine is too slow to count what a signal consumes: ${warnings[0]}`);
}

async function sendSignal({ bot, users }: MeteredBot, options: SignalOptions): Promise<void> {
  const { sent } = await bot.sendSignal(
    { direction: "long", symbol: "BTC-USD", entry: 67250, stop: 66980, target: 67800 },
    { broadcastId: randomUUID(), ...options },
  );
  if (sent !== users.length) throw new Error(`The signal reached ${sent} of ${users.length} users`);
}

/** The user that the table has under this id. */
function userAt(server: BotApiServer, id: number): LocalUser {
  return server.user({ id, username: `user_${id}`, first_name: "Ada", opened: true });
}
