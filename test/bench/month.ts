/** What a month consumes: a day's events, each kind counted on the emulator, as often as they come. */
import { type DynamoDBClient, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { systemClock } from "../../lib/util/clock.ts";
import type { BotApiServer } from "../../lib/local/mod.ts";
import { type Capacity, dollars, type Meter, onLine, sum, times } from "./capacity.ts";
import { chatIdAt } from "./chats.ts";
import { capacityOfSignal, tableName, withMeteredBot } from "./metered_bot.ts";
import type { Row } from "./report.ts";

/** How busy the bot is. */
export interface Usage {
  readonly users: number;
  /** Signals a day, each to all users. */
  readonly signals: number;
  /** Messages a day from each user. */
  readonly messages: number;
}

export const defaultUsage: Usage = { users: 1000, signals: 100, messages: 2 };

/** A kind of event, how often it happens, and what one consumes. */
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
/** With more users the figures are extrapolated: what a signal consumes grows in step with them. */
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

function dollarsOf(kinds: readonly Kind[]): number {
  return dollars(totalOf(kinds));
}

async function countedFor(users: number): Promise<Counted> {
  if (users <= countedAtMost) return await countOneOfEach(users);
  const [half, whole] = [await countOneOfEach(countedAtMost / 2), await countOneOfEach(countedAtMost)];
  const grown = (kind: keyof Counted): Capacity =>
    onLine([countedAtMost / 2, half[kind]], [countedAtMost, whole[kind]], users);
  return { ...whole, signal: grown("signal"), start: grown("start") };
}

/** One event of each kind, with so many users. */
function countOneOfEach(users: number): Promise<Counted> {
  return withMeteredBot(users, async (counted) => {
    const { bot, server, client, meter, clock, users: all } = counted;
    await bot.startBot();
    const start = meter.take();
    const signal = await capacityOfSignal(counted);
    const senders = all.slice(0, messagesCounted);
    // At its own pace: a write whose time limit has passed is done, and counted, again.
    clock.setFactor(1);
    const message = await messageOf(
      server,
      meter,
      () => senders.forEach((person) => person.say("How is it?")),
    );
    return {
      start,
      signal,
      message: times(1 / senders.length, message),
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
  const { $metadata: { attempts = 1 } } = await client.send(
    new UpdateItemCommand({
      TableName: tableName,
      Key: { chat_id: { N: String(chatIdAt(0, 1)) } },
      UpdateExpression: "SET last_active = :at ADD message_count :one",
      ExpressionAttributeValues: { ":at": { S: new Date().toISOString() }, ":one": { N: "1" } },
    }),
  );
  // On a slow machine an answer may be late, so that the request is made and counted again.
  return times(1 / attempts, meter.take());
}

/** The row of the usual month. */
export async function measure(): Promise<Row[]> {
  const { users, signals, messages } = defaultUsage;
  const { kinds, original } = await monthOf(defaultUsage);
  return [{
    measure: `a month of ${
      users.toLocaleString("en-US")
    } users, ${signals} signals a day, ${messages} messages a day from each`,
    unit: " ¢",
    ours: 100 * dollarsOf(kinds),
    other: { name: original.name, value: 100 * dollarsOf([original]) },
    target: { of: "ours", is: "at most", value: 10 },
  }];
}
