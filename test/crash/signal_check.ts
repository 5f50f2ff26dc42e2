/** Sends signals to subscribed people and checks, by the server's record of calls, that all have them in time. */
import type { BroadcastReport, BroadcastRun, MeanReversionTelegramBot, SignalOptions } from "../../mod.ts";
import type { BotApiCall, BotApiServer, LocalUser } from "../../lib/local/mod.ts";
import { DynamoDBLedger } from "../../lib/dynamodb/ledger.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { assert } from "../harness.ts";
import {
  FastClock,
  plantActive,
  type Scene as Fixture,
  type SceneOptions as FixtureOptions,
  until,
  withBot,
} from "../support/bot.ts";
import { randomOf } from "../support/histories.ts";

/** How large a scenario is. */
export interface Size {
  /** How many people are to have the signal. */
  readonly people: number;
  /** How many times as fast as real time the clock runs while times are measured. */
  readonly factor: number;
  /**
   * How many times the pace's own time the signal may take, what it may take beside that, and when the first person is
   * to have it, in milliseconds.
   */
  readonly bounds: { readonly times: number; readonly slackMs: number; readonly firstMs: number };
}

export const perSecond = 30;
const firstPersonId = 5_000_000;
const earlierText = ["an earlier broadcast", "message-1", "an earlier signal"] as const;
const facts = { direction: "long", symbol: "BTC-USD", entry: 67250.5, stop: 66980, target: 67800 } as const;

/** Ids of the people, from the lowest on. */
export function idsOf(count: number): number[] {
  return Array.from({ length: count }, (_, index) => firstPersonId + index * 11);
}

export interface SignalCheckOptions extends Omit<FixtureOptions, "bot"> {
  readonly bot?: FixtureOptions["bot"] & { readonly clock?: never };
  /** Keeps chats in memory, where the scenario would otherwise measure the table's emulator. */
  readonly isInMemory?: boolean;
  /** Determines whom broadcasts draw. @default 1 */
  readonly seed?: number;
  /** Are subscribed besides, and not counted among the people. */
  readonly alsoSubscribed?: (server: BotApiServer) => readonly LocalUser[];
}

/** What a signal came to. */
export interface Numbers {
  /** From the call to the first message, and to the last person's, in milliseconds. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** What the pace takes for so many messages as the signal had until then. */
  readonly ownMs: number;
  /** Messages to others that left between the signal's first message and its last one. */
  readonly others: number;
}

/** A signal that was sent. */
export interface Sent {
  readonly run: BroadcastRun;
  readonly mark: string;
  readonly startedAt: number;
}

export class SignalCheck {
  readonly fixture: Fixture;
  readonly clock: FastClock;
  readonly size: Size;
  readonly people: readonly LocalUser[];
  readonly #ids: ReadonlySet<number>;
  #count = 0;

  constructor(fixture: Fixture, clock: FastClock, size: Size, people: readonly LocalUser[]) {
    this.fixture = fixture;
    this.clock = clock;
    this.size = size;
    this.people = people;
    this.#ids = new Set(people.map(({ chatId }) => chatId));
  }

  /** Sends a signal that is like no other. */
  send(options: SignalOptions = {}): Sent {
    return this.#send(this.fixture.bot, `signal no. ${++this.#count}.`, options);
  }

  /** Sends the same signal once more, perhaps by another bot. */
  repeated({ mark }: Sent, bot: MeanReversionTelegramBot, options: SignalOptions): Sent {
    return this.#send(bot, mark, options);
  }

  /** Repeats the task until it is stopped. */
  repeat(everyMs: number, task: () => void): { stop(): Promise<void> } {
    const ending = new AbortController();
    const run = async (): Promise<void> => {
      for (;;) {
        await this.clock.sleep(everyMs, ending.signal);
        task();
      }
    };
    const running = run().catch((error) => {
      if (!ending.signal.aborted) throw error;
    });
    return {
      stop() {
        ending.abort();
        return running;
      },
    };
  }

  /** Resolves once all of the people have it, or these. */
  async arrived({ mark }: Sent, people: readonly LocalUser[] = this.people): Promise<void> {
    const waiting = new Set(people);
    await until(
      () => {
        for (const person of waiting) if (timesIn(person, mark) > 0) waiting.delete(person);
        return waiting.size === 0;
      },
      `${waiting.size} people of ${people.length} do not have the signal`,
      3_600_000,
    );
  }

  /** Waits for the run's end with a fast clock, as the rest of it may take hours. */
  async finished({ run }: Sent, factor: number = 300): Promise<BroadcastReport> {
    this.clock.setFactor(factor);
    try {
      return await run;
    } finally {
      this.clock.setFactor(this.size.factor);
    }
  }

  /** Calls that carried the signal, in their order. */
  callsOf({ mark }: Sent): BotApiCall[] {
    return this.fixture.server.calls.filter((call) => textOf(call).includes(mark));
  }

  /** Whether it is a message to a chat that is none of the people's. */
  isOthers({ method, payload }: BotApiCall): boolean {
    return method === "sendMessage" && !this.#ids.has(Number(payload["chat_id"]));
  }

  /** Each of the people has it exactly once. */
  assertOnce({ mark }: Sent, people: readonly LocalUser[] = this.people): void {
    const wrong = people.map((person) => [person.chatId, timesIn(person, mark)] as const)
      .filter(([, times]) => times !== 1);
    assert.equal(wrong, [], "not everyone has it once");
  }

  #send(bot: MeanReversionTelegramBot, mark: string, options: SignalOptions): Sent {
    const startedAt = this.clock.now();
    const run = bot.sendSignal({ ...facts, note: mark }, options);
    run.catch(() => {});
    return { run, mark, startedAt };
  }

  /** When the people were written to, and what left for others meanwhile. */
  numbersOf(sent: Sent): Numbers {
    const calls = this.callsOf(sent);
    const lastIndex = calls.map((call) => !this.isOthers(call)).lastIndexOf(true);
    const [first, last] = [calls[0]?.at ?? NaN, calls[lastIndex]?.at ?? NaN];
    const others = this.fixture.server.calls.filter((call) =>
      this.isOthers(call) && call.at >= first && call.at <= last && !textOf(call).includes(sent.mark)
    );
    return {
      firstMs: first - sent.startedAt,
      lastMs: last - sent.startedAt,
      ownMs: lastIndex / perSecond * 1000,
      others: others.length,
    };
  }

  /** Waits until all people have it, and holds it to the bounds; `share` is the signal's part of the pace. */
  async measure(sent: Sent, share: number = 1): Promise<Numbers> {
    await this.arrived(sent);
    this.assertOnce(sent);
    const { ownMs, ...numbers } = this.numbersOf(sent);
    const { bounds } = this.size;
    const atMost = ownMs / share * bounds.times + bounds.slackMs;
    assert.ok(
      numbers.lastMs <= atMost,
      `the last has it after ${numbers.lastMs} ms of ${Math.round(atMost)}`,
    );
    assert.ok(numbers.firstMs <= bounds.firstMs, `the first has it after ${numbers.firstMs} ms`);
    return { ...numbers, ownMs: ownMs / share };
  }
}

/** How many messages of a person contain the mark. */
export function timesIn({ inbox }: Pick<LocalUser, "inbox">, mark: string): number {
  return inbox.filter(({ text = "" }) => text.includes(mark)).length;
}

export function textOf({ payload }: BotApiCall): string {
  return String(payload["text"] ?? "");
}

/** Runs the body with subscribed people; the bot and Telegram have the same clock. */
export async function withSignalCheck<T>(
  size: Size,
  body: (check: SignalCheck) => Promise<T>,
  { before, isInMemory = false, seed = 1, alsoSubscribed, ...options }: SignalCheckOptions = {},
): Promise<T> {
  const clock = new FastClock(size.factor, { random: randomOf(seed) });
  const storage = isInMemory ? new InMemoryChatStorage() : undefined;
  const people: LocalUser[] = [];
  const results: T[] = [];
  const run = async (fixture: Fixture): Promise<unknown> =>
    results.push(await body(new SignalCheck(fixture, clock, size, people)));
  await withBot(run, {
    ...options,
    bot: { messagesPerSecond: perSecond, clock, storage, ...options.bot },
    server: { clock, ...options.server },
    async before(fixture) {
      const { server, table } = fixture;
      people.push(...idsOf(size.people).map((id) => server.user({ id, opened: true })));
      const chatIds = [...people, ...alsoSubscribed?.(server) ?? []].map(({ chatId }) => chatId);
      for (const chatId of chatIds) await storage?.apply(chatId, [{ kind: "saved", at: clock.now() }]);
      if (storage === undefined) await plantActive(table, ...chatIds);
      // The very first broadcast waits a second or more for the ledger's table; the measured one is a later one.
      if (options.hasLedger) await new DynamoDBLedger({ client: table.direct }).writeText(...earlierText);
      await before?.(fixture);
    },
  });
  return results[0] as T;
}

/** `first after 0.03 s, last of 300 after 10.1 s (its own time 10.0 s), 0 messages of others between` */
export function numbersLine(people: number, { firstMs, lastMs, ownMs, others }: Numbers): string {
  const seconds = (ms: number): string => (ms / 1000).toFixed(ms < 1000 ? 2 : 1);
  return `first after ${seconds(firstMs)} s, last of ${people} after ${seconds(lastMs)} s ` +
    `(the pace's own time: ${seconds(ownMs)} s), ${others} messages of others between`;
}
