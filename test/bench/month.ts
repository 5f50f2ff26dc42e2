/** What a month consumes: a day's events, each kind counted on the emulator, as often as they come. */
import { type DynamoDBClient, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { systemClock } from "../../lib/util/clock.ts";
import type { BotApiServer } from "../../lib/local/mod.ts";
import { type Capacity, dollars, onLine, sum, times } from "./capacity.ts";
import { chatIdAt } from "./chat_ids.ts";
import { capacityOfSignal, tableName, withCountedBot } from "./counted_bot.ts";
import type { Meter } from "./meter.ts";

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
/** More users are not put into the emulator: what a signal takes grows in step with them. */
export const countedAtMost = 2000;
const messagesCounted = 50;

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
function count(users: number): Promise<Counted> {
  return withCountedBot(users, async (counted) => {
    const { bot, server, client, meter, people } = counted;
    await bot.startBot();
    const start = meter.take();
    const signal = await capacityOfSignal(counted);
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
  });
}

async function messageOf(server: BotApiServer, meter: Meter, speak: () => void): Promise<Capacity> {
  speak();
  while (server.pendingUpdates > 0) await systemClock.sleep(5);
  return meter.take();
}

/** The write that the Python original does for every message that it has sent. */
async function updateOf(client: DynamoDBClient, meter: Meter): Promise<Capacity> {
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
