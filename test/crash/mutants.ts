/** Bots with deliberate bugs, made of the same parts: each suite has to catch its mutants. */
import process from "node:process";
import { Bot } from "grammy/web";
import type { StopLog } from "../../lib/chats/storage.ts";
import { DynamoDBLedger } from "../../lib/dynamodb/ledger.ts";
import type { CandleFeed } from "../../lib/live/feed.ts";
import type { SignalPublisher } from "../../lib/live/signal_sender.ts";
import type { Clock } from "../../lib/util/clock.ts";
import {
  type ApplyResult,
  type BroadcastOptions,
  type ChatEvent,
  type ExpectedState,
  type Ledger,
  type RunRecord,
  subscriptions,
  TelegramDynamoDBStorage,
} from "../../mod.ts";
import type { InstanceMutant } from "./instance_simulation.ts";
import { allSeries } from "./scheduler_strategies.ts";

export type MutantName = UpdateMutant | LedgerMutant;

/** `early` confirms an update to Telegram before it is written; `twice` forgets which updates it has counted. */
export type UpdateMutant = "early" | "twice";

/** Counts repeated updates again. */
class Forgetful extends TelegramDynamoDBStorage {
  override apply(chatId: number, events: readonly ChatEvent[], belief?: ExpectedState): Promise<ApplyResult> {
    return super.apply(chatId, events.map((event) => ({ ...event, updateId: undefined })), belief);
  }
}

/** Resolves once it receives updates. */
export async function startUpdateMutant(mutant: UpdateMutant): Promise<undefined> {
  const storage = mutant === "twice" ? new Forgetful() : new TelegramDynamoDBStorage();
  const commands = subscriptions({ storage }).middleware();
  const apiRoot = process.env["TELEGRAM_API_ROOT"] ?? "";
  const bot = new Bot(process.env["TELEGRAM_BOT_TOKEN"] ?? "", { client: { apiRoot } });
  bot.use(async (ctx, next) => {
    const written = commands(ctx, next).catch(() => {});
    if (mutant !== "early") await written;
  });
  await new Promise<void>((resolve, reject) => bot.start({ onStart: () => resolve() }).catch(reject));
}

/**
 * `late` writes each window after it was sent; `again` and `forgets` hide from the bot that takes a run over which chats the
 * last one left in doubt, so that those get the message again, or never; `unfenced` overwrites another owner's record.
 */
export type LedgerMutant = "late" | "again" | "forgets" | "unfenced";

const noWindow = { window_size: 0, pending: [] };

class Late extends DynamoDBLedger {
  #written: RunRecord | undefined;
  #next: RunRecord | undefined;

  override async begin(run: RunRecord): Promise<RunRecord> {
    this.#next = { ...run, ...noWindow, cursor: undefined };
    const begun = await super.begin(this.#next);
    return begun.owner === run.owner ? run : begun;
  }

  override async claim(run: RunRecord, owner: string, leaseUntil: number): Promise<RunRecord | undefined> {
    return this.#next = await super.claim(run, owner, leaseUntil);
  }

  override async save(run: RunRecord): Promise<boolean> {
    if (run.state === "finished") return await super.save(run);
    if (windowOf(run) !== windowOf(this.#next)) [this.#written, this.#next] = [this.#next, run];
    return await super.save({ ...this.#written ?? run, lease_until: run.lease_until });
  }
}

function windowOf(run: RunRecord | undefined): string {
  return JSON.stringify([run?.window_after, run?.cursor, run?.pending]);
}

class Again extends DynamoDBLedger {
  override async claim(run: RunRecord, owner: string, leaseUntil: number): Promise<RunRecord | undefined> {
    const claimed = await super.claim(run, owner, leaseUntil);
    return claimed && { ...claimed, ...noWindow, cursor: claimed.window_after };
  }
}

class Forgets extends DynamoDBLedger {
  override async claim(run: RunRecord, owner: string, leaseUntil: number): Promise<RunRecord | undefined> {
    const claimed = await super.claim(run, owner, leaseUntil);
    return claimed && { ...claimed, ...noWindow, window_after: claimed.cursor };
  }
}

class Unfenced extends DynamoDBLedger {
  override async begin(run: RunRecord): Promise<RunRecord> {
    await super.begin(run);
    return run;
  }

  override async save(run: RunRecord): Promise<boolean> {
    await super.save(run);
    return true;
  }
}

const ledgerMutants: Readonly<Record<LedgerMutant, typeof DynamoDBLedger>> = {
  late: Late,
  again: Again,
  forgets: Forgets,
  unfenced: Unfenced,
};

export function isLedgerMutant(name: string | undefined): name is LedgerMutant {
  return name !== undefined && name in ledgerMutants;
}

export function createLedgerMutant(name: LedgerMutant, clock: Clock | undefined): Ledger {
  return new ledgerMutants[name]({ clock });
}

// Storages for one of two bots on a table.

/** Reads an empty log of /stops. */
class Unread extends TelegramDynamoDBStorage {
  override async readStopLog(): Promise<StopLog> {
    return { ...await super.readStopLog(), chats: new Set() };
  }
}

/** Reads the log as it was three readings ago. */
class Stale extends TelegramDynamoDBStorage {
  readonly #read: StopLog[] = [];

  override async readStopLog(): Promise<StopLog> {
    this.#read.push(await super.readStopLog());
    return this.#read.at(-3) ?? this.#read[0] as StopLog;
  }
}

/** Does not record that it sends. */
class Silent extends TelegramDynamoDBStorage {
  override async beginSending(): Promise<StopLog> {
    return await super.readStopLog();
  }
}

export const instanceMutants: Readonly<Record<string, InstanceMutant>> = {
  "confirms a /stop at once": { confirmsAtOnce: true },
  "ignores the log of /stops": { Storage: Unread },
  "relies on a log that is too old": { Storage: Stale },
  "does not announce that it sends": { Storage: Silent },
};

/** `alone` gives each signal an id of its process; `liveOnly` sends nothing that has closed before its start. */
export type SchedulerMutant = "alone" | "liveOnly";

export function botOfMutant(mutant: SchedulerMutant | undefined, bot: SignalPublisher): SignalPublisher {
  const ownId = <T extends BroadcastOptions>(options: T): T =>
    mutant === "alone" ? { ...options, broadcastId: `${options.broadcastId} ${process.pid}` } : options;
  return {
    sendSignal: (signal, options) => bot.sendSignal(signal, ownId(options)),
    broadcast: (message, options) => bot.broadcast(message, ownId(options)),
  };
}

export function feedOfMutant(mutant: SchedulerMutant | undefined, feed: CandleFeed): CandleFeed {
  if (mutant !== "liveOnly") return feed;
  // Until all series are live, their candles are those of the history.
  let series = allSeries.length;
  return {
    name: feed.name,
    now: () => series > 0 ? Infinity : feed.now?.() ?? NaN,
    history: (request) => feed.history(request),
    live(request) {
      series--;
      return feed.live(request);
    },
  };
}
