/** A short history written by hand: what happens is said, and only the rest is left to a seed. */
import type { SignalOptions } from "../../lib/broadcast/options.ts";
import type { LocalUser } from "../../lib/local/mod.ts";
import { announcement, messagesOf } from "../crash/announcement.ts";
import { SimulatedUsers } from "../crash/simulated_users.ts";
import { BotMachine, type BotMachineOptions, type Done } from "./bot_machine.ts";
import { WatchedBroadcast } from "./broadcast_oracle.ts";
import { Disk } from "./disk.ts";
import { type OnWrite, SimulatedDynamoDB } from "./dynamodb/dynamodb.ts";
import { dynamodbEndpoint, telegramEndpoint } from "./endpoints.ts";
import { clockOf } from "./globals.ts";
import { type Conditions, Network, type ServiceName } from "./network.ts";
import { Oracle } from "./oracle.ts";
import { TableName } from "./plan.ts";
import { epoch, Scheduler } from "./scheduler.ts";
import { SimulatedTelegram } from "./telegram.ts";
import { type DeliveryConditions, WebhookRoute } from "./webhook_route.ts";

const calm: Conditions = { baseMs: 2, tailMs: 5 };

export interface SceneOptions {
  /** What the machines send. Default: 30. */
  readonly messagesPerSecond?: number;
  /** What Telegram takes from the bot each second. Default: no limit. */
  readonly telegramLimit?: number;
  /** What becomes of deliveries to the webhook of machines that have one. Default: none has. */
  readonly webhook?: DeliveryConditions;
}

export class Scene {
  readonly scheduler: Scheduler;
  readonly telegram: SimulatedTelegram;
  readonly dynamodb: SimulatedDynamoDB;
  readonly network: Network;
  readonly users: SimulatedUsers;
  readonly oracle: Oracle;
  readonly route: WebhookRoute | undefined;
  /** Called with each write to DynamoDB. */
  onWrite: OnWrite = () => {};
  readonly #disk: Disk;
  readonly #messagesPerSecond: number;
  readonly #machines: BotMachine[] = [];

  constructor(seed: number, { messagesPerSecond = 30, telegramLimit, webhook }: SceneOptions = {}) {
    const scheduler = this.scheduler = new Scheduler(seed, { keepsTrace: true });
    this.#messagesPerSecond = messagesPerSecond;
    this.telegram = new SimulatedTelegram({
      clock: clockOf(scheduler),
      onMessage: (event) => this.oracle.onMessage(event),
      webhookFetch: (...request) => (this.route as WebhookRoute).fetch(...request),
      ...telegramLimit && { messagesPerSecond: telegramLimit },
    });
    this.dynamodb = new SimulatedDynamoDB({
      ...{ now: () => scheduler.now, createMs: 100, pageItems: 50 },
      onWrite: (...write) => {
        this.oracle.onWrite(...write);
        this.onWrite(...write);
      },
      catchUp: (task) => void scheduler.after(100, task),
    });
    const endpoints = {
      telegram: telegramEndpoint(this.telegram),
      dynamodb: dynamodbEndpoint(this.dynamodb),
    };
    this.network = new Network(scheduler, endpoints, { telegram: calm, dynamodb: calm });
    this.users = new SimulatedUsers(this.telegram.server, scheduler.fork());
    this.users.isInOrder = webhook === undefined;
    this.oracle = new Oracle({
      scheduler,
      network: this.network,
      users: this.users,
      messagesPerSecond,
      hasSpool: true,
      mayOvertake: webhook !== undefined,
    });
    const route = webhook && new WebhookRoute(scheduler, () => this.#machines, webhook);
    this.route = route;
    this.network.onCut = (machine, isPowerLost) => route?.cut(machine, isPowerLost);
    this.#disk = new Disk(scheduler);
  }

  /** A machine that receives updates, with a right clock. All of a scene have one disk. */
  machine(options: Partial<BotMachineOptions> = {}): BotMachine {
    const { scheduler, network, telegram: { server: { token } } } = this;
    const defaults = { name: "a", isPoller: true, hasSpool: false, skewMs: 0, lateMs: 0 };
    const all = { ...defaults, messagesPerSecond: this.#messagesPerSecond, ...options };
    const machine = new BotMachine(all, { scheduler, network, token }, this.#disk);
    this.#machines.push(machine);
    return machine;
  }

  /** Makes the network worse from now on, until it is healed. */
  disturb(service: ServiceName, conditions: Partial<Conditions>, only?: string): void {
    const { now } = this.scheduler;
    this.network.disturb({ from: now, to: Infinity, service, only, conditions });
  }

  /** New people who are subscribed once some seconds have passed. */
  subscribe(count: number): LocalUser[] {
    return Array.from({ length: count }, () => {
      const user = this.users.newUser();
      this.users.say(user, "/start");
      return user;
    });
  }

  /** Has a bot send a text under an id; may be called for several bots. Each report is judged at the end. */
  broadcast(bot: BotMachine, id: string, mode: "skip" | "resend" = "skip"): void {
    const watched = this.#watch(id, mode);
    bot.broadcast(announcement(id), { broadcastId: id, onUnknown: mode }, reportTo(watched));
  }

  /** Has a bot send a signal, likewise. */
  signal(
    bot: BotMachine,
    id: string,
    mode: "skip" | "resend" = "skip",
    options: Partial<SignalOptions> = {},
  ): void {
    const watched = this.#watch(id, mode, true);
    bot.sendSignal(id, { ...options, broadcastId: id, onUnknown: mode }, reportTo(watched));
  }

  #watch(id: string, mode: "skip" | "resend", isSignal: boolean = false): WatchedBroadcast {
    const watched = this.oracle.broadcasts.get(id) ?? new WatchedBroadcast({
      ...{ id, mode, begunAt: this.scheduler.now, messages: isSignal ? 1 : messagesOf(id).length },
      ...{ eligible: this.#active(), messagesPerSecond: this.#messagesPerSecond, mayUseMemory: isSignal },
    });
    this.oracle.begin(watched);
    return watched;
  }

  #active(): number[] {
    return [...this.users.model.entries].filter(([, entry]) => entry.is_active).map(([chatId]) => chatId);
  }

  /** Lets so many milliseconds pass. */
  async pass(ms: number): Promise<void> {
    await this.scheduler.run(this.scheduler.now + ms);
  }

  /** Does something as an event of the world, and lets the present moment pass. */
  async act(task: () => void): Promise<void> {
    this.scheduler.after(0, task);
    await this.pass(0);
  }

  /** What is wrong by now: the oracle's problems, and where the table is not what it has to be. */
  problems(): string[] {
    this.oracle.judge(epoch);
    const differences = this.oracle.differences(this.dynamodb.items(TableName));
    return [...this.oracle.problems, ...this.network.problems, ...differences === "" ? [] : [differences]];
  }
}

function reportTo(watched: WatchedBroadcast): Done {
  return (report) => {
    if (report !== undefined && report.stopped === undefined) watched.reported(report);
  };
}

export interface SceneWithReaders {
  readonly scene: Scene;
  readonly poller: BotMachine;
  /** It does not poll. */
  readonly sender: BotMachine;
  readonly readers: readonly LocalUser[];
}

/** A bot that polls and one that does not, and people who are subscribed. */
export async function withReaders(
  seed: number,
  messagesPerSecond: number,
  count: number,
  options: SceneOptions = {},
): Promise<SceneWithReaders> {
  const scene = new Scene(seed, { messagesPerSecond, ...options });
  const poller = scene.machine();
  const sender = scene.machine({ name: "b", isPoller: false });
  await scene.act(() => poller.start());
  await scene.pass(3000);
  const readers = scene.subscribe(count);
  // Each is answered, and the oracle takes later answers for those to later commands.
  await scene.pass(count * 1000 / messagesPerSecond + 75_000);
  await scene.act(() => sender.start());
  await scene.pass(3000);
  if (!poller.isReady || !sender.isReady) throw new Error("The bots are not ready");
  return { scene, poller, sender, readers };
}
