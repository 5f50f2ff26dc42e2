/** A machine with a bot on it, life after life: started, stopped, killed, frozen, put to sleep, without power. */
import { MeanReversionTelegramBot } from "../../lib/bot/bot.ts";
import type { BroadcastRun } from "../../lib/broadcast/broadcast_run.ts";
import type { BroadcastMessage, BroadcastOptions, SignalOptions } from "../../lib/broadcast/options.ts";
import type { BroadcastReport } from "../../lib/broadcast/report.ts";
import { createDynamoDBClient } from "../../lib/dynamodb/client.ts";
import { webhookCallback } from "../../lib/telegram/webhook.ts";
import type { LambdaAnswer, LambdaEvent } from "../../lib/telegram/http_callback.ts";
import type { Logger } from "../../lib/util/log.ts";
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { Disk } from "./disk.ts";
import { dynamodbHost, telegramRoot } from "./endpoints.ts";
import { clockOf } from "./globals.ts";
import type { Network } from "./network.ts";
import type { Machine, Scheduler } from "./scheduler.ts";
import { webhookAddress, webhookSecret } from "./webhook_route.ts";

export interface BotMachineOptions {
  readonly name: string;
  /** Whether it receives updates; else it only sends. */
  readonly isPoller: boolean;
  /** Whether it receives them by a webhook. Default: by polls. */
  readonly hasWebhook?: boolean;
  readonly hasSpool: boolean;
  readonly messagesPerSecond: number;
  readonly skewMs: number;
  readonly lateMs: number;
  /** How long the user's own handlers take, in milliseconds at most. Default: there are none. */
  readonly handlersMs?: number | undefined;
}

export interface World {
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly token: string;
  /** Called with each line that a bot logs. */
  readonly onLog?: (line: LogLine) => void;
}

export interface LogLine {
  readonly at: number;
  readonly machine: string;
  readonly level: "info" | "warn" | "error" | "exit";
  readonly message: string;
}

/** Called with the report or the error of a broadcast, and with the machine that has sent it. */
export type Done = (report: BroadcastReport | undefined, error: Error | undefined, machine: Machine) => void;

export class BotMachine {
  readonly options: BotMachineOptions;
  readonly disk: Disk;
  /** What its lives have logged. */
  readonly log: LogLine[] = [];
  /** Its life at present, or the last one. */
  machine: Machine | undefined;
  bot: MeanReversionTelegramBot | undefined;
  /** The webhook of its life at present, as a serverless function is called. */
  receive: ((event: LambdaEvent) => Promise<LambdaAnswer>) | undefined;
  /** Whether it is to run: it is started again whenever it ends. */
  isWanted = false;
  /** Whether it runs and its start has ended. */
  isReady = false;
  /** Called when its start has ended. */
  onReady: () => void = () => {};
  /** Lives that were ended by a kill or a loss of power. */
  kills = 0;
  /** When its life at present has begun. */
  startedAt: number = Infinity;
  #lives = 0;
  readonly #world: World;
  readonly #stopping = new Map<Machine, (() => void)[]>();

  /** @param disk Its own by default. */
  constructor(options: BotMachineOptions, world: World, disk: Disk = new Disk(world.scheduler)) {
    this.options = options;
    this.#world = world;
    this.disk = disk;
  }

  get name(): string {
    return this.options.name;
  }

  get isUp(): boolean {
    return this.machine !== undefined && !this.machine.isDead;
  }

  start(): void {
    this.isWanted = true;
    if (this.isUp) return;
    const machine = this.machine = this.#newLife();
    this.isReady = false;
    this.startedAt = this.#world.scheduler.now;
    this.#world.scheduler.after(0, () => this.#run(machine), { owner: machine, label: "starts" });
  }

  #newLife(): Machine {
    const { scheduler } = this.#world;
    const { skewMs, lateMs, name } = this.options;
    const machine: Machine = {
      name: `${name}.${++this.#lives}`,
      random: scheduler.fork(),
      ...{ skewMs, lateMs, isDead: false, frozenUntil: 0, sleptMs: 0 },
      files: this.disk.filesOf(() => machine),
    };
    return machine;
  }

  #run(machine: Machine): void {
    const { scheduler, network, token } = this.#world;
    const { messagesPerSecond, hasSpool, isPoller, hasWebhook = false, handlersMs } = this.options;
    const clock = clockOf(scheduler, machine);
    const fetch = network.fetchOf(machine);
    const bot = this.bot = new MeanReversionTelegramBot({
      ...{ botToken: token, apiRoot: telegramRoot, messagesPerSecond, clock, fetch },
      client: clientOn(fetch, () => network.keys),
      logger: this.#loggerOf(machine),
      messages: { signal: ({ signal }) => `Broadcast ${signal.symbol}, 1\n${signal.direction}` },
      ...hasSpool && { spoolFile: "/spool/queue.jsonl" },
    });
    if (handlersMs !== undefined) {
      bot.grammy.on("message", async () => {
        const ms = machine.random() ** 4 * handlersMs;
        if (ms > 1) await clock.sleep(ms);
        if (machine.random() < 0.05) throw new Error("a failure of the user's handler");
      });
    }
    (isPoller && !hasWebhook ? bot.startBot() : this.#initialize(bot)).then(() => {
      this.isReady = true;
      scheduler.trace(`${machine.name} is ready`);
      this.onReady();
      if (isPoller) bot.finished.then(() => {}, (error) => this.#exit(machine, error));
    }, (error) => this.#exit(machine, error));
  }

  async #initialize(bot: MeanReversionTelegramBot): Promise<void> {
    if (!this.options.hasWebhook) return void await bot.initialize();
    this.receive = webhookCallback(bot, { secretToken: webhookSecret });
    await bot.initialize();
    const options = { secret_token: webhookSecret, max_connections: 8, allowed_updates: [] };
    await bot.grammy.api.setWebhook(webhookAddress, options);
  }

  #loggerOf(machine: Machine): Logger {
    const { scheduler, onLog } = this.#world;
    const log = (level: LogLine["level"]) => (message: string): void => {
      const line = { at: scheduler.now, machine: machine.name, level, message };
      this.log.push(line);
      onLog?.(line);
      scheduler.trace(`${machine.name} ${level}: ${message.split("\n")[0]}`);
    };
    return { info: log("info"), warn: log("warn"), error: log("error") };
  }

  /** The program ends by its own error; somebody starts it again. */
  #exit(machine: Machine, error: Error): void {
    const { scheduler, network } = this.#world;
    if (machine.isDead || this.machine !== machine) return;
    scheduler.trace(`${machine.name} exits: ${error.message}`);
    this.log.push({ at: scheduler.now, machine: machine.name, level: "exit", message: error.message });
    this.#end(machine);
    network.cut(machine, false);
    scheduler.after(1000 + scheduler.random() * 4000, () => this.isWanted && this.start());
  }

  #end(machine: Machine): void {
    machine.isDead = true;
    this.receive = undefined;
    this.isReady = false;
  }

  /** Ends the program at once. */
  kill({ isPowerLost = false }: { readonly isPowerLost?: boolean } = {}): void {
    const { scheduler, network } = this.#world;
    const { machine } = this;
    if (machine === undefined || machine.isDead) return;
    scheduler.trace(`${machine.name} ${isPowerLost ? "loses its power" : "is killed"}`);
    this.#end(machine);
    this.kills++;
    network.cut(machine, isPowerLost);
    if (isPowerLost) this.disk.losePower();
  }

  /** Stops the bot as a program does at its end; `then` is called when the program has ended. */
  stop(then: () => void = () => {}): void {
    const { scheduler, network } = this.#world;
    const { machine, bot } = this;
    if (machine === undefined || machine.isDead || bot === undefined) return then();
    this.isReady = false;
    const callbacks = this.#stopping.get(machine) ?? [];
    this.#stopping.set(machine, callbacks);
    if (callbacks.push(then) > 1) return;
    scheduler.after(0, () => {
      const end = (): void => {
        if (machine.isDead) return;
        scheduler.trace(`${machine.name} has stopped`);
        this.#end(machine);
        network.cut(machine, false);
        for (const callback of callbacks) scheduler.after(0, callback);
      };
      bot.stopBot().then(end, end);
    }, { owner: machine, label: "is told to stop" });
  }

  /** Nothing runs on it for so long; its clocks go on. */
  freeze(ms: number): void {
    const { machine } = this;
    if (machine === undefined || machine.isDead) return;
    this.#world.scheduler.trace(`${machine.name} is frozen for ${ms.toFixed(0)} ms`);
    machine.frozenUntil = Math.max(machine.frozenUntil, this.#world.scheduler.now + ms);
  }

  /** It sleeps, as a laptop whose lid is closed: nothing runs, and its timers stand still. */
  sleep(ms: number): void {
    const { machine } = this;
    if (machine === undefined || machine.isDead) return;
    this.#world.scheduler.trace(`${machine.name} sleeps for ${ms.toFixed(0)} ms`);
    machine.frozenUntil = Math.max(machine.frozenUntil, this.#world.scheduler.now + ms);
    machine.sleptMs += ms;
  }

  /** Somebody sets its clock. */
  setClock(byMs: number): void {
    const { machine } = this;
    if (machine === undefined || machine.isDead) return;
    this.#world.scheduler.trace(`${machine.name}'s clock is set by ${byMs.toFixed(0)} ms`);
    machine.skewMs += byMs;
  }

  /** Has the bot send; `done` is not called if the machine dies before. */
  broadcast(message: BroadcastMessage, options: BroadcastOptions, done: Done = () => {}): void {
    this.#send(
      `broadcasts ${options.broadcastId ?? "without an id"}`,
      (bot) => bot.broadcast(message, options),
      done,
    );
  }

  /** Has the bot send a signal whose text names the symbol, likewise. */
  sendSignal(symbol: string, options: SignalOptions, done: Done = () => {}): void {
    const signal = { direction: "long", symbol, entry: 100, stop: 90, target: 120 } as const;
    this.#send(`signals ${symbol}`, (bot) => bot.sendSignal(signal, options), done);
  }

  #send(label: string, send: (bot: MeanReversionTelegramBot) => BroadcastRun, done: Done): void {
    const { machine, bot } = this;
    if (!this.isReady || machine === undefined || bot === undefined) return;
    this.#world.scheduler.after(0, () => {
      send(bot).then(
        (report) => done(report, undefined, machine),
        (error) => done(undefined, error as Error, machine),
      );
    }, { owner: machine, label });
  }
}

/**
 * lib's own client; where DynamoDB is and the keys are known, so that no file is read. Signing costs only time here: a request
 * just names its keys.
 * @param keys Those that are valid now, which the client asks for at first, and when it is to refresh them.
 */
export function clientOn(
  fetch: typeof globalThis.fetch,
  keys: () => string = () => "AKIDSIM",
): DynamoDBClient {
  const client = createDynamoDBClient("us-east-1", fetch);
  const endpoint = { protocol: "http:", hostname: dynamodbHost, path: "/" };
  let accessKeyId = keys();
  const sign = <T extends { readonly headers: Record<string, string> }>(request: T): Promise<T> =>
    Promise.resolve({ ...request, headers: { ...request.headers, authorization: accessKeyId } });
  Object.assign(client.config, {
    ...{ endpoint: () => Promise.resolve(endpoint), isCustomEndpoint: true },
    credentials: ({ forceRefresh = false } = {}) => {
      if (forceRefresh) accessKeyId = keys();
      return Promise.resolve({ accessKeyId, secretAccessKey: "simulated" });
    },
    signer: () => Promise.resolve({ sign }),
  });
  return client;
}
