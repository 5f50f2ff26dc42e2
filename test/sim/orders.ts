/** The broadcasts and signals of a history: somebody wants each, and asks for it, perhaps of several machines, until it is over. */
import { announcement, messagesOf } from "../crash/announcement.ts";
import type { SimulatedUsers } from "../crash/simulated_users.ts";
import type { Random } from "../support/histories.ts";
import type { BotMachine, Done } from "./bot_machine.ts";
import { type Mode, WatchedBroadcast } from "./broadcast_oracle.ts";
import type { SimulatedDynamoDB } from "./dynamodb/dynamodb.ts";
import type { Oracle } from "./oracle.ts";
import { type HistoryPlan, pick, TableName } from "./plan.ts";
import type { Machine, Scheduler } from "./scheduler.ts";
import type { SimulatedTelegram } from "./telegram.ts";

export interface OrdersOptions {
  readonly plan: HistoryPlan;
  readonly scheduler: Scheduler;
  readonly telegram: SimulatedTelegram;
  readonly dynamodb: SimulatedDynamoDB;
  readonly users: SimulatedUsers;
  readonly oracle: Oracle;
  /** The chance of the event that happens now. */
  readonly random: Random;
  /** The chance of what only signals need. */
  readonly signalRandom: Random;
  /** The machines that can send. */
  readonly ready: () => readonly BotMachine[];
  readonly isHealed: () => boolean;
}

interface Order {
  readonly broadcast: WatchedBroadcast;
  /** Calls that have not returned. */
  calls: number;
  isAskedAtEnd: boolean;
}

export class Orders {
  readonly #options: OrdersOptions;
  readonly #orders: Order[] = [];

  constructor(options: OrdersOptions) {
    this.#options = options;
  }

  get #scheduler(): Scheduler {
    return this.#options.scheduler;
  }

  /** Those that are not over. */
  get open(): readonly WatchedBroadcast[] {
    return this.#orders.map(({ broadcast }) => broadcast).filter(({ isOver }) => !isOver);
  }

  /** A machine is ready: half of the time somebody who is hasty has it send. */
  onReady(): void {
    const { plan, random, isHealed } = this.#options;
    if (!plan.isHasty || isHealed() || this.#orders.length > 5 || random() < 0.5) return;
    this.#scheduler.after(random() ** 3 * 2000, () => isHealed() || this.begin());
  }

  /** Somebody wants another broadcast. */
  begin(): void {
    const { random, telegram, users, oracle, plan, ready, isHealed } = this.#options;
    const machine = pick(random, ...ready());
    // A migration that the bot has not received yet counts otherwise where a broadcast meets it first.
    const isMigrating = users.updates - telegram.server.pendingUpdates < users.updatesAtLastMigration;
    if (machine === undefined || isMigrating) {
      this.#scheduler.after(1000, () => isHealed() || this.begin());
      return;
    }
    const broadcast = this.#newBroadcast(machine);
    const { mode } = broadcast;
    oracle.begin(broadcast);
    const order: Order = { broadcast, calls: 0, isAskedAtEnd: false };
    this.#orders.push(order);
    users.mayMigrate = plan.mayMigrate;
    this.#call(order, machine);
    // Another scheduler beside it.
    if (mode === "without id" || random() >= 0.3) return;
    const other = pick(random, ...ready());
    if (other !== undefined) this.#scheduler.after(random() ** 2 * 3000, () => this.#call(order, other));
  }

  #newBroadcast({ bot, options: { messagesPerSecond } }: BotMachine): WatchedBroadcast {
    const { random, signalRandom, plan: { signalShare } } = this.#options;
    const modes = [...Array<Mode>(5).fill("skip"), ...Array<Mode>(4).fill("resend"), "without id"] as const;
    const mode = pick(random, ...modes);
    const kinds = [...Array<string>(14).fill("text"), ...Array<string>(3).fill("parts")];
    const kind = pick(random, ...kinds, "photo", "photo", "photo");
    const isSignal = signalRandom() < signalShare;
    const id = `${isSignal ? "signal" : kind}${this.#orders.length}`;
    // Without its list it writes to those who have said /start meanwhile (README).
    const knowsAll = (mode !== "without id" && !isSignal) || bot?.health.isDegraded === false;
    return new WatchedBroadcast({
      ...{ id, mode, begunAt: this.#scheduler.now, messages: isSignal ? 1 : messagesOf(id).length },
      ...{ eligible: knowsAll ? this.#eligible() : [], messagesPerSecond },
      mayUseMemory: isSignal,
    });
  }

  /** Chats that are active, and all of whose updates are in the table. */
  #eligible(): number[] {
    const { dynamodb, users } = this.#options;
    const items = dynamodb.items(TableName).filter((item) => item["is_active"]?.BOOL);
    const written = new Map(
      items.map((item) => [Number(item["chat_id"]?.N), Number(item["last_update_id"]?.N ?? 0)]),
    );
    return [...users.model.entries]
      .filter(([id, entry]) => entry.is_active && written.get(id) === (entry.last_update_id ?? 0))
      .map(([id]) => id);
  }

  #call(order: Order, machine: BotMachine): void {
    const { broadcast } = order;
    if (!machine.isReady || broadcast.isOver) return;
    order.calls++;
    const { machine: life } = machine;
    const { id, mode } = broadcast;
    this.#ask(machine, broadcast, (report, error, by) => {
      order.calls--;
      if (report === undefined && broadcast.sender === by) broadcast.sender = undefined;
      this.#scheduler.trace(`${by.name} broadcast ${id}: ${report ?? error?.message}`);
      const isWhole = report !== undefined && report.stopped === undefined;
      if (isWhole || (report !== undefined && mode === "without id")) broadcast.reported(report);
      if (mode === "without id") this.#end(order);
      else if (!isWhole) this.#callAgain(order);
    });
    this.#watchCaller(order, life);
  }

  #ask(machine: BotMachine, { id, mode, mayUseMemory }: WatchedBroadcast, done: Done): void {
    const options = mode === "without id" ? {} : { broadcastId: id, onUnknown: mode };
    if (mayUseMemory) machine.sendSignal(id, { ...options, whenLedgerDown: "wait" }, done);
    else machine.broadcast(announcement(id), options, done);
  }

  /** The caller dies with its process. */
  #watchCaller(order: Order, life: Machine | undefined): void {
    this.#scheduler.after(3000 + this.#scheduler.random() * 5000, () => {
      if (order.broadcast.isOver || life === undefined) return;
      if (!life.isDead) return this.#watchCaller(order, life);
      if (order.broadcast.mode === "without id") return this.#end(order);
      // Some leave it to the bot's next start.
      if (this.#scheduler.random() < 0.5) this.#callAgain(order);
    });
  }

  #callAgain(order: Order): void {
    const { ready, random, isHealed } = this.#options;
    this.#scheduler.after(500 + this.#scheduler.random() * 4000, () => {
      if (order.broadcast.isOver || isHealed()) return;
      const machine = pick(random, ...ready());
      if (machine === undefined) this.#callAgain(order);
      else this.#call(order, machine);
    });
  }

  #end({ broadcast }: Order): void {
    broadcast.isOver = true;
    if (this.open.length === 0) this.#options.users.mayMigrate = true;
  }

  /** Asks for each report once more, now that all is well. */
  finish(): void {
    const { random, ready } = this.#options;
    for (const order of this.#orders) {
      const { broadcast } = order;
      const machine = pick(random, ...ready());
      if (broadcast.isOver || order.isAskedAtEnd || machine === undefined) continue;
      if (broadcast.mode === "without id") {
        if (order.calls === 0) this.#end(order);
        continue;
      }
      order.isAskedAtEnd = true;
      this.#ask(machine, broadcast, (report, error) => {
        order.isAskedAtEnd = false;
        this.#scheduler.trace(`broadcast ${broadcast.id} at the end: ${report ?? error?.message}`);
        if (report === undefined || report.stopped?.includes("goes on")) return;
        broadcast.reported(report);
        this.#end(order);
      });
    }
  }
}
