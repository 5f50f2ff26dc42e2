/**
 * How soon a signal is at the first chat and at the last one, and what it consumes, where each page of the table takes
 * its time; beside the same signal with the list of chats read first.
 */
import { randomUUID } from "node:crypto";
import { MeanReversionTelegramBot } from "../../lib/bot/bot.ts";
import type { SignalOptions } from "../../lib/broadcast/options.ts";
import type { Update } from "grammy/types";
import { clientAt } from "../support/client.ts";
import type { Capacity } from "./capacity.ts";
import { chatIdAt } from "./chats.ts";
import { type RunningServer, startServer } from "./processes.ts";
import { capacityOfSignal, withMeteredBot } from "./metered_bot.ts";
import { type Counts, countsAt } from "./counting_server.ts";
import { comparison, type Row } from "./report.ts";
import { inParallel, quantileOf, takeTurns } from "./sampling.ts";

/** What DynamoDB takes for a page of a scan, and for one item; and Telegram for a call. */
const [pageMs, itemMs, callMs] = [60, 5, 80];
const rounds = { few: 7, many: 5 };
const many = 1_000_000;
const readFirst = "the list is read first";
const signal = { direction: "long", symbol: "BTC-USD", entry: 67250, stop: 66980, target: 67800 } as const;

type Way = "ours" | typeof readFirst;
const ways: Readonly<Record<Way, SignalOptions>> = { "ours": {}, [readFirst]: { whenUnreadable: "throw" } };

interface Servers {
  readonly telegram: RunningServer;
  readonly table: RunningServer;
}

/** A bot with so many chats, on a table that makes them up. */
class Signaller {
  readonly #bot: MeanReversionTelegramBot;
  readonly #servers: Servers;
  readonly #chats: number;
  readonly #client: ReturnType<typeof clientAt>;
  /** How many chats have come so far, and how many have gone. */
  #changed = 0;

  constructor(
    servers: Servers,
    chats: number,
    messagesPerSecond: number,
    tableName: string = `chats-${chats}`,
  ) {
    this.#servers = servers;
    this.#chats = chats;
    this.#client = clientAt(servers.table.endpoint);
    this.#bot = new MeanReversionTelegramBot({
      botToken: "1:counted",
      apiRoot: servers.telegram.endpoint,
      client: this.#client,
      tableName,
      broadcastsTableName: `ledger-${chats}`,
      messagesPerSecond,
      logger: { info() {}, warn: console.error, error: console.error },
    });
  }

  async open(): Promise<void> {
    await this.#bot.initialize();
  }

  /** Some hundreds of chats come, and as many go, as since the list was read last. */
  async change(): Promise<void> {
    const each = Math.min(150, Math.ceil(this.#chats / 200));
    const first = this.#changed;
    this.#changed += each;
    await inParallel(each, 50, async (index) => {
      const chatId = chatIdAt(first + index, this.#chats);
      await this.#bot.handleUpdate(messageOf(chatId + 1, 2 * (first + index)));
      await this.#bot.handleUpdate(blockOf(chatId, 2 * (first + index) + 1));
    });
  }

  /** Milliseconds from the call to the first message at the server; then the signal is ended. */
  async first(options: SignalOptions): Promise<number> {
    const ending = new AbortController();
    const onProgress = ({ sent }: { readonly sent: number }): void => {
      if (sent > 0) ending.abort();
    };
    const { startedAt, firstAt } = await this.#send({ ...options, signal: ending.signal, onProgress });
    return firstAt - startedAt;
  }

  /** Milliseconds to the last message. */
  async last(options: SignalOptions): Promise<number> {
    const { startedAt, lastAt, messages } = await this.#send(options);
    if (messages !== this.#chats) throw new Error(`The signal reached ${messages} of ${this.#chats} chats`);
    return lastAt - startedAt;
  }

  async #send(options: SignalOptions): Promise<Counts & { readonly startedAt: number }> {
    const { endpoint } = this.#servers.telegram;
    await countsAt(endpoint);
    const startedAt = Date.now();
    await this.#bot.sendSignal(signal, options);
    return { ...await countsAt(endpoint), startedAt };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bot.stopBot();
    this.#client.destroy();
  }
}

const sender = (id: number) => ({ id, is_bot: false, first_name: "Ada" }) as const;
const privateChat = (id: number) => ({ id, type: "private", first_name: "Ada" }) as const;

function messageOf(id: number, update_id: number): Update {
  const date = Math.floor(Date.now() / 1000);
  const message = { message_id: 1, date, chat: privateChat(id), from: sender(id), text: "How is it?" };
  return { update_id, message } as Update;
}

function blockOf(id: number, update_id: number): Update {
  const user = { id: 1, is_bot: true, first_name: "Signals" } as const;
  const [old_chat_member, new_chat_member] = [{ user, status: "member" }, {
    user,
    status: "kicked",
    until_date: 0,
  }];
  const date = Math.floor(Date.now() / 1000);
  const my_chat_member = { chat: privateChat(id), from: sender(id), date, old_chat_member, new_chat_member };
  return { update_id, my_chat_member } as Update;
}

/** Measures both ways in turns. */
function compareWays(
  chats: number,
  turn: (options: SignalOptions) => Promise<number>,
): Promise<Record<Way, number[]>> {
  return takeTurns(chats < many ? rounds.few : rounds.many, {
    ours: () => turn(ways.ours),
    [readFirst]: () => turn(ways[readFirst]),
  });
}

async function firstRows(servers: Servers, chats: number): Promise<Row[]> {
  await using signaller = new Signaller(servers, chats, 30);
  await signaller.open();
  const turn = async (options: SignalOptions): Promise<number> => {
    await signaller.change();
    return await signaller.first(options);
  };
  const title = `signal to ${chats.toLocaleString("en-US")} chats`;
  const plain = await compareWays(chats, turn);
  const kept = await compareWays(chats, (options) => turn({ ...options, broadcastId: randomUUID() }));
  return [
    ...timeRows(`${title}: first message`, plain),
    ...timeRows(`${title}, with an id: first message`, kept),
  ];
}

function timeRows(measure: string, turns: Record<Way, number[]>): Row[] {
  const row = (what: string, figure: (times: readonly number[]) => number): Row => ({
    measure: `${measure}${what}`,
    unit: " ms",
    ours: figure(turns.ours),
    other: { name: readFirst, value: figure(turns[readFirst]) },
  });
  return [
    comparison(measure, " ms", turns.ours, { name: readFirst, values: turns[readFirst] }, {
      of: "ours",
      is: "at most",
      value: 50,
    }),
    row(", lower quartile", (times) => quantileOf(times, 1 / 4)),
    row(", upper quartile", (times) => quantileOf(times, 3 / 4)),
  ];
}

async function lastRow(servers: Servers, chats: number): Promise<Row> {
  // A table of its own, from which no chat has gone.
  await using signaller = new Signaller(servers, chats, 1000, `unchanged-${chats}`);
  await signaller.open();
  const turns = await compareWays(
    chats,
    (options) => signaller.last({ ...options, allowPaidBroadcast: true }),
  );
  return comparison(
    `signal to ${chats.toLocaleString("en-US")} chats at 1,000/s: to the last chat`,
    " ms",
    turns.ours,
    { name: readFirst, values: turns[readFirst] },
    { of: "ratio", is: "at most", value: 1 },
  );
}

function unitRows(chats: number): Promise<Row[]> {
  return withMeteredBot(chats, async (counted) => {
    await counted.bot.initialize();
    const [ours, other] = [
      await capacityOfSignal(counted, ways.ours),
      await capacityOfSignal(counted, ways[readFirst]),
    ];
    return (["reads", "writes"] as const).map((units: keyof Capacity) => ({
      measure: `signal to ${chats.toLocaleString("en-US")} chats, with an id: units of ${units}`,
      unit: "",
      ours: ours[units],
      other: { name: readFirst, value: other[units] },
    }));
  });
}

export async function measure(): Promise<Row[]> {
  await using telegram = await startServer("counting_server", String(callMs));
  await using table = await startServer("scan_server", String(pageMs), String(itemMs));
  const servers: Servers = { telegram, table };
  return [
    ...await firstRows(servers, 1000),
    ...await firstRows(servers, 100_000),
    ...await firstRows(servers, many),
    await lastRow(servers, 1000),
    ...await unitRows(1000),
  ];
}
