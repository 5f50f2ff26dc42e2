/** The end of a history: how long it takes until nothing is left to be done, and what is wrong then. */
import type { BotMachine } from "./bot_machine.ts";
import type { SimulatedDynamoDB } from "./dynamodb/dynamodb.ts";
import type { Network } from "./network.ts";
import type { Oracle } from "./oracle.ts";
import type { Orders } from "./orders.ts";
import { type HistoryPlan, TableName } from "./plan.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimulatedTelegram } from "./telegram.ts";

export interface SettlementOptions {
  readonly plan: HistoryPlan;
  readonly scheduler: Scheduler;
  readonly telegram: SimulatedTelegram;
  readonly dynamodb: SimulatedDynamoDB;
  readonly network: Network;
  readonly oracle: Oracle;
  readonly orders: Orders;
  readonly machines: readonly BotMachine[];
}

/** After the trouble all has to be settled within this time. */
const settledWithinMs = 20 * 60_000;
/** Machines are at rest for so long before it is looked at what they keep; longer while they keep something, at most so long. */
const restsForMs = 2 * 60_000;
const restAtMostMs = 20 * 60_000;
/** Timers and requests of a machine at rest: its poll, its check of the connection, and a few more. */
const leftAtMost = 12;

export class Settlement {
  readonly #options: SettlementOptions;
  readonly #pollers: readonly BotMachine[];

  constructor(options: SettlementOptions) {
    this.#options = options;
    this.#pollers = options.machines.filter(({ options }) => options.isPoller);
  }

  get #wanted(): BotMachine[] {
    return this.#options.machines.filter(({ isWanted }) => isWanted);
  }

  /** Lets time pass until nothing is left to be done; the problems. */
  async settle(): Promise<string[]> {
    const { scheduler, oracle, orders, network, dynamodb } = this.#options;
    const healedAt = scheduler.now;
    const until = scheduler.now + settledWithinMs;
    let unsettled: string[] = [];
    let differences = "";
    do {
      await scheduler.run(Math.min(until, scheduler.now + 5000));
      if (this.#wanted.every(({ isReady, isUp }) => isReady && isUp)) orders.finish();
      unsettled = this.#unsettled();
      // While Telegram limits the bot, nobody tells it who a group's administrators are.
      const isLimited = this.#options.machines.some(({ log }) =>
        log.some(({ message }) => /limits the rate/.test(message))
      );
      if (unsettled.length > 0) continue;
      differences = oracle.differences(dynamodb.items(TableName), { isWithoutGroups: isLimited });
      if (differences === "") break;
    } while (scheduler.now < until);
    await scheduler.run(scheduler.now + 1000);
    // A process that is stopped may leave the last reply unsaid; of two pollers one may say still what the other knows better.
    const [poller, ...others] = this.#pollers;
    const quietFrom = others.length > 0 ? Infinity : Math.max(healedAt, poller?.startedAt ?? 0);
    oracle.judge(quietFrom, (chatId) => this.#isExcused(chatId));
    this.#judgeAnswers();
    // The user's handlers end meanwhile, those of a chat one after another.
    const restUntil = scheduler.now + restAtMostMs;
    do {
      await scheduler.run(scheduler.now + restsForMs);
    } while (this.#leftovers().length > 0 && scheduler.now < restUntil);
    return [
      ...oracle.problems,
      ...network.problems,
      ...unsettled.length > 0 ? [`UNSETTLED ${unsettled.join(", ")}`] : [],
      ...differences === "" ? [] : [`LOST\n${differences}`],
      ...this.#failuresInLogs(),
      ...this.#leftovers(),
    ];
  }

  /** What machines at rest still keep that can be seen from outside: timers, requests, and files. */
  #leftovers(): string[] {
    return this.#wanted.flatMap(({ name, machine, disk }) => {
      const waiting = machine === undefined ? 0 : this.#options.scheduler.waitingFor(machine);
      return [
        ...waiting > leftAtMost ? [`KEPT ${name} still has ${waiting} timers and requests`] : [],
        ...disk.size > 0 ? [`KEPT the files of ${name} still have ${disk.size} bytes`] : [],
      ];
    });
  }

  /** Of two pollers the one that has answered may have ended. */
  #judgeAnswers(): void {
    const [poller, ...others] = this.#pollers;
    if (poller === undefined || others.length > 0) return;
    this.#options.oracle.judgeAnswers(poller.startedAt, (chatId) => this.#isExcused(chatId));
  }

  /** Whether a bot has logged why it did not answer the chat; where it drops many replies, it does not log each. */
  #isExcused(chatId: number): boolean {
    return this.#pollers.some(({ log, bot }) =>
      (bot?.health.droppedReplies ?? 0) > 0 ||
      log.some(({ message }) => message.startsWith(`Chat ${chatId} `))
    );
  }

  #failuresInLogs(): string[] {
    const floods = this.#options.oracle.isBotLimited || this.#options.plan.telegramLimit !== undefined
      ? []
      : this.#options.machines.flatMap(({ log }) => log).filter(({ message }) =>
        /Nothing is sent until/.test(message)
      )
        .map(({ machine, message }) => `FLOOD only chats were flooded, but ${machine} says: ${message}`);
    return [...floods, ...this.#failures()];
  }

  #failures(): string[] {
    return this.#options.machines.flatMap(({ log }) => log)
      .filter(({ level, message }) => level === "error" && /failed in a handler|unreachable:/.test(message))
      .filter(({ message }) => !message.includes("a failure of the user's handler"))
      .map(({ machine, message }) => `LOG of ${machine}: ${message}`);
  }

  #unsettled(): string[] {
    const { pendingUpdates } = this.#options.telegram.server;
    return [
      ...pendingUpdates > 0 ? [`${pendingUpdates} updates are not confirmed`] : [],
      ...this.#wanted.flatMap(({ name, isReady, bot }) => {
        if (!isReady || bot === undefined) return [`${name} is not ready`];
        const { isDegraded, queuedUpdates, pendingReplies } = bot.health;
        if (isDegraded || queuedUpdates > 0) return [`${name} is degraded, ${queuedUpdates} queued`];
        return pendingReplies > 0 ? [`${name} has ${pendingReplies} replies pending`] : [];
      }),
      ...this.#options.orders.open.map(({ id }) => `broadcast ${id} is not over`),
    ];
  }
}
