/** What a month consumes: a day's events, each kind counted on the emulator, as often as they come. */
import { UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { MeanReversionTelegramBot } from "../../lib/bot.ts";
import { systemClock } from "../../lib/clock.ts";
import { startDynamoDB } from "../../lib/local/dynamodb.ts";
import { type BotApiServer, type LocalUser, startBotApiServer } from "../../lib/local/mod.ts";
import { FastClock } from "../support/fast_clock.ts";
import { clientAt } from "../support/client.ts";
import { type Capacity, dollars, onLine, sum, times } from "./capacity.ts";
import { chatIdAt } from "./chat_ids.ts";
import { Meter } from "./meter.ts";
import { seed } from "./seed.ts";

/** How much goes on. */
export interface Usage {
  readonly users: number;
  /** Signals a day, each to all users. */
  readonly signals: number;
  /** Messages a day from each user. */
  readonly messages: number;
}

/** What comes once a day, or more often, and what each of them consumes. */
export interface Kind {
  readonly name: string;
  readonly perMonth: number;
  readonly each: Capacity;
}

export interface Month {
  readonly kinds: readonly Kind[];
  /** One write for every message that is sent. */
  readonly original: Kind;
}

/** What one of each kind consumes. */
interface Counted {
  readonly signal: Capacity;
  readonly message: Capacity;
  readonly start: Capacity;
  readonly update: Capacity;
}

const days = 30;
const tableName = "telegram-chats";
/** More users are not put into the emulator: what a signal takes grows in step with them. */
export const countedAtMost = 2000;
const signalsCounted = 2;
const messagesCounted = 50;
/** Where nothing is counted. */
const timesAsFast = 20;
/**
 * What is read while a signal is sent goes by the bot's clock: where the machine is too slow for it, the bot takes the
 * table for unreadable, and it is counted again with a slower one.
 */
const countedAsFast: readonly number[] = [4, 2, 1];

export async function monthOf(usage: Usage): Promise<Month> {
  const { users, signals, messages } = usage;
  const each = await countedFor(users);
  return {
    kinds: [
      { name: "a signal to everyone", perMonth: days * signals, each: each.signal },
      { name: "a message from somebody", perMonth: days * users * messages, each: each.message },
      { name: "a start of the bot, once a day", perMonth: days, each: each.start },
    ],
    original: { name: "a write a message sent", perMonth: days * signals * users, each: each.update },
  };
}

export function totalOf(kinds: readonly Kind[]): Capacity {
  return sum(...kinds.map(({ perMonth, each }) => times(perMonth, each)));
}

export function dollarsOf(kinds: readonly Kind[]): number {
  return dollars(totalOf(kinds));
}

async function countedFor(users: number): Promise<Counted> {
  if (users <= countedAtMost) return await count(users);
  const [half, whole] = [await count(countedAtMost / 2), await count(countedAtMost)];
  const grown = (kind: keyof Counted): Capacity =>
    onLine([countedAtMost / 2, half[kind]], [countedAtMost, whole[kind]], users);
  return { ...whole, signal: grown("signal"), start: grown("start") };
}

/** One day in small, with so many users. */
async function count(users: number): Promise<Counted> {
  await using db = await startDynamoDB();
  await using server = await startBotApiServer({ firstUpdateId: 900_000_000 });
  await seed(db.endpoint, tableName, users);
  const [client, aside] = [clientAt(db.endpoint), clientAt(db.endpoint)];
  const meter = new Meter(aside);
  meter.putOn(client);
  const people = Array.from(
    { length: users },
    (_, index) => personAt(server, chatIdAt(index, users)),
  );
  const clock = new FastClock(timesAsFast);
  const warnings: string[] = [];
  const bot = new MeanReversionTelegramBot({
    botToken: server.token,
    apiRoot: server.apiRoot,
    client,
    tableName,
    clock,
    logger: { info() {}, warn: (text) => warnings.push(text), error: console.error },
  });
  try {
    await bot.startBot();
    const start = meter.take();
    const signal = await signalOf({ bot, clock, warnings, meter, users });
    clock.setFactor(timesAsFast);
    const spoken = people.slice(0, messagesCounted);
    const message = await messageOf(
      server,
      meter,
      () => spoken.forEach((person) => person.say("How is it?")),
    );
    return {
      start,
      signal,
      message: times(1 / spoken.length, message),
      update: await updateOf(client, meter),
    };
  } finally {
    await bot.stopBot();
    client.destroy();
    aside.destroy();
  }
}

/** Whom the table has under this id. */
function personAt(server: BotApiServer, id: number): LocalUser {
  return server.user({ id, username: `user_${id}`, first_name: "Ada", opened: true });
}

interface Signalling {
  readonly bot: MeanReversionTelegramBot;
  readonly clock: FastClock;
  /** What the bot has complained of. */
  readonly warnings: string[];
  readonly meter: Meter;
  readonly users: number;
  readonly options?: SignalOptions;
}

/** The mean of a few, after one for which the ledger's table is made. */
export async function signalOf(signalling: Signalling): Promise<Capacity> {
  const { bot, clock, warnings, meter, users, options } = signalling;
  const send = async (broadcastId: string): Promise<void> => {
    const { sent } = await bot.sendSignal(
      { direction: "long", symbol: "BTC-USD", entry: 67250, stop: 66980, target: 67800 },
      { broadcastId, ...options },
    );
    if (sent !== users) throw new Error(`The signal reached ${sent} of ${users} users`);
  };
  await send("first");
  for (const factor of countedAsFast) {
    clock.setFactor(factor);
    warnings.length = 0;
    meter.take();
    for (let signal = 0; signal < signalsCounted; signal++) await send(`signal-${factor}-${signal}`);
    if (warnings.length === 0) return times(1 / signalsCounted, meter.take());
  }
  throw new Error(`The machine is too slow to count what a signal takes: ${warnings[0]}`);
}

async function messageOf(server: BotApiServer, meter: Meter, speak: () => void): Promise<Capacity> {
  speak();
  while (server.pendingUpdates > 0) await systemClock.sleep(5);
  return meter.take();
}

/** The write that the Python original does for every message that it has sent. */
async function updateOf(client: ReturnType<typeof clientAt>, meter: Meter): Promise<Capacity> {
  await client.send(
    new UpdateItemCommand({
      TableName: tableName,
      Key: { chat_id: { N: String(chatIdAt(0, 1)) } },
      UpdateExpression: "SET last_active = :at ADD message_count :one",
      ExpressionAttributeValues: { ":at": { S: new Date().toISOString() }, ":one": { N: "1" } },
    }),
  );
  return meter.take();
}
