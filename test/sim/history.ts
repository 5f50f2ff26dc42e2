/** Plays a history by its plan, and says what was wrong. */
import process from "node:process";
import type { LocalUser } from "../../lib/local/mod.ts";
import { SimulatedUsers } from "../crash/simulated_users.ts";
import { type Random, randomOf } from "../support/histories.ts";
import { BotMachine } from "./bot_machine.ts";
import { Disk } from "./disk.ts";
import { SimulatedDynamoDB } from "./dynamodb/dynamodb.ts";
import { dynamodbEndpoint, telegramEndpoint } from "./endpoints.ts";
import { clockOf } from "./globals.ts";
import { Groups } from "./groups.ts";
import { LeftBehind } from "./left_behind.ts";
import { Network } from "./network.ts";
import { Oracle } from "./oracle.ts";
import { Orders } from "./orders.ts";
import { OthersWrites } from "./others_writes.ts";
import {
  type HistoryPlan,
  LedgerName,
  pick,
  type PlannedEvent,
  type PlannedKind,
  TableName,
} from "./plan.ts";
import { epoch, type Machine, Scheduler } from "./scheduler.ts";
import { SecondPoller } from "./second_poller.ts";
import { plantReaders } from "./readers.ts";
import { Settlement } from "./settlement.ts";
import { SimulatedTelegram } from "./telegram.ts";
import { WebhookRoute } from "./webhook_route.ts";

export interface HistoryResult {
  readonly seed: number;
  /** The same for the same trace. */
  readonly hash: string;
  readonly events: number;
  readonly virtualMs: number;
  readonly problems: readonly string[];
  /** What happened how often. */
  readonly counts: Readonly<Record<string, number>>;
  readonly trace: readonly string[] | undefined;
}

const pendingAtMost = 60;
const pendingWithSpoolAtMost = 250;

export async function playHistory(
  plan: HistoryPlan,
  options: { readonly keepsTrace?: boolean } = {},
): Promise<HistoryResult> {
  return await new History(plan, options).play();
}

class History {
  readonly #plan: HistoryPlan;
  readonly #scheduler: Scheduler;
  readonly #telegram: SimulatedTelegram;
  readonly #dynamodb: SimulatedDynamoDB;
  readonly #network: Network;
  /** The way of updates, where bots have a webhook. */
  readonly #route: WebhookRoute | undefined;
  readonly #users: SimulatedUsers;
  readonly #oracle: Oracle;
  readonly #leftBehind: LeftBehind;
  readonly #others: OthersWrites;
  readonly #groups: Groups;
  #secondPoller: SecondPoller | undefined;
  readonly #machines: readonly BotMachine[];
  readonly #orders: Orders;
  readonly #readers: LocalUser[] = [];
  readonly #hasSpool: boolean;
  /** The chance of the event that happens now. */
  #random: Random;
  #isHealed = false;

  constructor(plan: HistoryPlan, { keepsTrace = false }: { readonly keepsTrace?: boolean }) {
    this.#plan = plan;
    const scheduler = this.#scheduler = new Scheduler(plan.seed, { keepsTrace });
    this.#random = scheduler.fork();
    this.#telegram = new SimulatedTelegram({
      clock: clockOf(scheduler),
      onMessage: (event) => this.#oracle.onMessage(event),
      webhookFetch: (...request) => (this.#route as WebhookRoute).fetch(...request),
      ...plan.telegramLimit && { messagesPerSecond: plan.telegramLimit },
    });
    this.#dynamodb = new SimulatedDynamoDB({
      now: () => scheduler.now,
      createMs: plan.createMs,
      pageItems: plan.pageItems,
      onWrite: (...write) => this.#oracle.onWrite(...write),
      catchUp: (task) => void scheduler.after(scheduler.random() ** 4 * 3000, task),
    });
    const endpoints = {
      telegram: telegramEndpoint(this.#telegram),
      dynamodb: dynamodbEndpoint(this.#dynamodb),
    };
    const network = this.#network = new Network(scheduler, endpoints, plan.conditions, plan.disturbances);
    const users = this.#users = new SimulatedUsers(this.#telegram.server, () => this.#random());
    users.isInOrder = plan.webhook === undefined;
    this.#groups = new Groups(scheduler, this.#telegram, users);
    const [{ messagesPerSecond } = { messagesPerSecond: 30 }] = plan.machines;
    this.#hasSpool = plan.machines.some(({ hasSpool }) => hasSpool);
    this.#oracle = new Oracle({
      ...{ scheduler, network, users, messagesPerSecond, hasSpool: this.#hasSpool },
      mayOvertake: plan.webhook !== undefined || plan.mayMigrate,
    });
    this.#orders = new Orders({
      ...{ plan, scheduler, telegram: this.#telegram, dynamodb: this.#dynamodb, users, oracle: this.#oracle },
      ...{ random: () => this.#random(), signalRandom: randomOf(plan.seed ^ 0x5_0000) },
      ...{ ready: () => this.#ready, isHealed: () => this.#isHealed },
    });
    this.#others = new OthersWrites({
      ...{ scheduler, users, dynamodb: this.#dynamodb },
      onChange: (chatId, isActive) => this.#oracle.onOthersWrite(chatId, isActive),
    });
    const world = { scheduler, network, token: this.#telegram.server.token, onLog: this.#oracle.onLog };
    // Pollers share a machine, and with it the spool.
    const shared = new Disk(scheduler);
    this.#machines = plan.machines.map((options) =>
      new BotMachine(options, world, options.isPoller ? shared : undefined)
    );
    for (const machine of this.#machines) machine.onReady = () => this.#orders.onReady();
    this.#leftBehind = new LeftBehind({
      ...{ pollers: this.#pollers, network, dynamodb: this.#dynamodb },
      ...{ entries: users.model.entries, undecided: this.#oracle.undecided },
    });
    const { webhook } = plan;
    if (webhook !== undefined) {
      const route = this.#route = new WebhookRoute(scheduler, () => this.#pollers, webhook);
      network.onCut = (machine, isPowerLost) => route.cut(machine, isPowerLost);
    }
  }

  async play(): Promise<HistoryResult> {
    const scheduler = this.#scheduler;
    const rejections: string[] = [];
    const onRejection = (error: unknown): void => {
      rejections.push(`UNHANDLED ${(error as Error)?.stack ?? String(error)}`);
    };
    process.on("unhandledRejection", onRejection);
    try {
      // Within the simulation, so that all that is planted has its time.
      scheduler.after(0, () => this.#begin());
      await scheduler.run(epoch + this.#plan.durationMs);
      scheduler.after(0, () => this.#heal());
      const settlement = new Settlement({
        ...{ plan: this.#plan, scheduler, telegram: this.#telegram, dynamodb: this.#dynamodb },
        ...{ network: this.#network, oracle: this.#oracle, orders: this.#orders, machines: this.#machines },
      });
      const problems = await settlement.settle();
      // The report of a rejection takes a turn of the real event loop.
      await new Promise((resolve) => setTimeout(resolve));
      return this.#resultOf([...rejections, ...problems]);
    } finally {
      process.off("unhandledRejection", onRejection);
    }
  }

  #begin(): void {
    this.#readers.push(...plantReaders(this.#plan.readers, this.#telegram, this.#dynamodb, this.#users));
    for (const [index, machine] of this.#machines.entries()) {
      // Of those that poll one begins; behind a webhook there may be several.
      if (machine.options.isPoller && index > 0 && this.#route === undefined) continue;
      this.#scheduler.after(this.#random() * 3000, () => machine.start());
    }
    for (const event of this.#plan.events) this.#scheduler.after(event.at, () => this.#happen(event));
  }

  #happen({ kind, seed }: PlannedEvent): void {
    if (this.#isHealed) return;
    this.#random = randomOf(seed);
    if (kind !== "talk") this.#scheduler.trace(`world: ${kind}`);
    this.#acts[kind]();
  }

  readonly #acts: Readonly<Record<PlannedKind, () => void>> = {
    talk: () => this.#talk(),
    operator: () => this.#others.addAttribute(this.#random),
    othersWrite: () => this.#others.changeChat(this.#random),
    broadcast: () => this.#orders.begin(),
    kill: () => this.#kill(this.#pick(this.#wanted), this.#random() < 0.3 ? 100 : 30_000),
    killAtWrite: () => this.#killAtWrite(),
    deployment: () => this.#deploy(),
    restart: () => {
      const machine = this.#pick(this.#wanted);
      machine?.stop(() => machine.isWanted && machine.start());
    },
    freeze: () => this.#pick(this.#machines)?.freeze(500 + this.#random() ** 2 * 45_000),
    sleep: () => this.#pick(this.#machines)?.sleep(5000 + this.#random() ** 2 * 60_000),
    clock: () =>
      this.#pick(this.#machines)?.setClock(
        (this.#random() - 0.5) * pick(this.#random, 4000, 100_000, 7_200_000),
      ),
    fullDisk: () => {
      const machine = this.#pick(this.#machines);
      if (machine) machine.disk.fullUntil = this.#scheduler.now + this.#random() * 20_000;
    },
    botFlood: () => {
      this.#oracle.isBotLimited = true;
      this.#telegram.server.flood(1 + Math.floor(this.#random() ** 2 * 40));
    },
    killSender: () => this.#killSender(),
    secondPoller: () => this.#pollBeside(),
    slowMode: () => this.#groups.slowDown(this.#random),
    move: () => this.#groups.move(this.#random),
    topic: () => this.#groups.changeTopic(this.#random),
    keys: () => this.#network.renewKeys(),
    chatFlood: () => void this.#pickChat()?.flood(1 + Math.floor(this.#random() ** 2 * 60)),
    unknownRefusal: () => {
      const chat = this.#pickChat();
      const answer = { error_code: 400, description: "Bad Request: TOPIC_OF_THE_DAY_MISSING" };
      if (chat) this.#telegram.server.fault({ chatId: chat.chatId, method: "sendMessage", answer, times: 1 });
    },
  };

  #pollBeside(): void {
    this.#secondPoller?.stop();
    const poller = this.#secondPoller = new SecondPoller(this.#scheduler, this.#telegram, this.#random);
    this.#scheduler.after(this.#random() ** 2 * 60_000, () => poller.stop());
  }

  // Machines.

  #pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#random() * items.length)];
  }

  get #pollers(): BotMachine[] {
    return this.#machines.filter(({ options }) => options.isPoller);
  }

  get #wanted(): BotMachine[] {
    return this.#machines.filter(({ isWanted }) => isWanted);
  }

  get #ready(): BotMachine[] {
    return this.#machines.filter(({ isReady, isUp }) => isReady && isUp);
  }

  /** Where two pollers share a machine, a loss of its power would be that of both. */
  get #mayLosePower(): boolean {
    return this.#pollers.length === 1;
  }

  #kill(machine: BotMachine | undefined, downAtMostMs: number): void {
    this.#leftBehind.note(machine);
    machine?.kill({ isPowerLost: this.#mayLosePower && this.#random() < 0.3 });
    this.#scheduler.after(this.#random() ** 2 * downAtMostMs, () => machine?.isWanted && machine.start());
  }

  /** Kills a process as, or just after, one of its next writes gets to DynamoDB, or is on its way to the disk. */
  #killAtWrite(): void {
    const random = this.#random;
    const strike = (machine: Machine | undefined, ms: number): void => {
      const target = this.#machines.find((each) => each.machine === machine);
      if (target === undefined || this.#isHealed) return;
      this.#scheduler.after(ms, () => {
        this.#random = random;
        this.#kill(target, 20_000);
      }, { label: "kill at a write" });
    };
    let left = 1 + Math.floor(random() * 4);
    const disk = this.#pollers[0]?.disk;
    if (this.#hasSpool && disk && random() < 0.4) {
      left *= 4;
      disk.onAppend = (machine) => {
        if (--left > 0) return;
        disk.onAppend = () => {};
        strike(machine, random() ** 3 * 30);
      };
      return;
    }
    const wanted = random() < 0.6 ? LedgerName : TableName;
    const { onSend } = this.#network;
    // The write has arrived when the kill comes, or has not.
    this.#network.onSend = (sending) => {
      onSend(sending);
      if (!sending.what.includes(`Item ${wanted}`) || --left > 0) return;
      this.#network.onSend = onSend;
      strike(sending.machine, random() ** 2 * 100);
    };
  }

  /** Kills the process that sends a broadcast, or the next one that does. */
  #killSender(): void {
    const random = this.#random;
    const [name] = this.#orders.open.flatMap(({ sender }) => sender?.name ?? []);
    const target = this.#machines.find(({ machine, isUp }) => isUp && machine?.name === name);
    this.#scheduler.after(target === undefined ? 500 : random() ** 2 * 6000, () => {
      if (this.#isHealed) return;
      this.#random = random;
      if (target === undefined) this.#killSender();
      else this.#kill(target, 30_000);
    });
  }

  #deploy(): void {
    const random = this.#random;
    const [old, next] = this.#pollers[0]?.isWanted ? this.#pollers : [...this.#pollers].reverse();
    if (old === undefined || next === undefined || next.isWanted) return;
    next.start();
    this.#scheduler.after(random() ** 2 * 45_000, () => {
      if (!next.isWanted || !old.isWanted || this.#isHealed) return;
      old.isWanted = false;
      if (random() >= 0.3) return old.stop();
      this.#leftBehind.note(old);
      old.kill();
    });
  }

  // People.

  #talk(): void {
    const { server } = this.#telegram;
    const room = (this.#hasSpool ? pendingWithSpoolAtMost : pendingAtMost) - server.pendingUpdates;
    if (room <= 0) return;
    const draw = this.#random();
    if (draw < 0.06) {
      const count = Math.min(room, 2 + Math.floor(this.#random() * 12));
      for (let index = 0; index < count; index++) this.#users.act();
    } else if (draw < 0.24 && this.#readers.length > 0) this.#talkAsReader();
    else this.#users.act();
    // A chat that leaves is not missed.
    for (const { eligible, isOver } of this.#oracle.broadcasts.values()) {
      if (isOver) continue;
      for (const chatId of eligible) {
        if (!this.#users.model.entries.get(chatId)?.is_active) eligible.delete(chatId);
      }
    }
  }

  #talkAsReader(): void {
    const random = this.#random;
    const reader = this.#pick(this.#readers) as LocalUser;
    // While a signal goes out, more of its readers say /stop.
    const isSending = this.#orders.open.length > 0;
    const draw = isSending && random() < 0.5 ? 0.3 : random();
    if (draw < 0.1) this.#users.block(reader);
    else this.#users.say(reader, draw < 0.5 ? "/stop" : draw < 0.7 ? "/start" : "a word of a reader");
  }

  #pickChat(): LocalUser | undefined {
    return this.#pick(this.#readers) ?? this.#users.newUser();
  }

  // The end.

  #heal(): void {
    const scheduler = this.#scheduler;
    this.#isHealed = true;
    this.#network.heal();
    this.#route?.heal();
    this.#secondPoller?.stop();
    scheduler.trace("world: all is healed");
    // A poller that began before another one was killed has not read what that one has left in their spool.
    const pollers = this.#pollers.length > 1 ? this.#pollers.filter(({ isWanted }) => isWanted) : [];
    for (const machine of pollers.slice(1)) machine.isWanted = false;
    for (const machine of this.#pollers) if (!machine.isWanted) machine.kill();
    for (const machine of this.#machines) {
      machine.disk.fullUntil = 0;
      if (!machine.isWanted) continue;
      if (pollers.includes(machine)) machine.stop(() => machine.start());
      else machine.start();
    }
  }

  #resultOf(problems: string[]): HistoryResult {
    const { seed, hash, events, now, lines } = this.#scheduler;
    const sum = (numbers: number[]): number => numbers.reduce((total, number) => total + number, 0);
    const broadcasts = [...this.#oracle.broadcasts.values()];
    const reports = broadcasts.flatMap((each) => each.reports.at(-1) ?? []);
    const logs = this.#machines.flatMap(({ log }) => log);
    const fates = [
      ...Object.entries(this.#network.met).map(([fate, count]) => [`requests ${fate}`, count]),
      ...Object.entries(this.#route?.met ?? {}).map(([fate, count]) => [`deliveries ${fate}`, count]),
    ];
    return {
      ...{ seed, hash, events, problems, virtualMs: now - epoch, trace: lines },
      counts: {
        updates: this.#users.updates,
        chats: this.#users.model.entries.size,
        kills: sum(this.#machines.map(({ kills }) => kills)),
        ...this.#oracle.counts,
        broadcasts: broadcasts.length,
        othersWrites: this.#others.count,
        takeovers: sum(broadcasts.map(({ takeovers }) => takeovers)),
        inDoubt: sum(broadcasts.map(({ inDoubt }) => inDoubt)),
        moves: sum(reports.map(({ migrations }) => migrations.length)),
        closedTopics: sum(reports.map(({ topics }) => topics.length)),
        outages: logs.filter(({ level, message }) => level === "error" && /DynamoDB/.test(message)).length,
        exits: logs.filter(({ level }) => level === "exit").length,
        ...Object.fromEntries(fates),
      },
    };
  }
}
