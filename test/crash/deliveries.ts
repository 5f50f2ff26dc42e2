/** Who got which signal how often, in which sends a scheduler was killed, and what is wrong with that. */
import type { RunRecord } from "../../mod.ts";
import type { ReplayedDay } from "./replayed_day.ts";
import { type Finding, idIn } from "./scheduler_strategies.ts";
import type { Subscribers } from "./subscribers.ts";

export interface DeliveriesOptions {
  readonly subscribers: Subscribers;
  readonly day: ReplayedDay;
  readonly onUnknown: "skip" | "resend";
}

/** One signal or alert, on its way to all subscribers. */
class Delivery {
  readonly finding: Finding;
  /** How often each chat has got it. */
  readonly copies: Map<number, number> = new Map();
  /** How many schedulers were killed when it was due and not finished. */
  kills = 0;
  /** It became too old while no scheduler was up. */
  isLate = false;
  /** Nothing more is to be expected: the ledger has it as finished, or it is late, and was never begun. */
  isOver = false;

  constructor(finding: Finding) {
    this.finding = finding;
  }
}

export interface DeliveryCounts {
  /** Signals and alerts that were sent, and those that became too old before anybody could send them. */
  readonly sent: number;
  readonly late: number;
  /** Those in whose sends a scheduler died, so that another process took them over. */
  readonly takenOver: number;
  readonly messages: number;
  /** Chats that were in doubt; that got none, or got one twice, of a signal that was sent. */
  readonly inDoubt: number;
  readonly missed: number;
  readonly doubled: number;
}

export class Deliveries {
  readonly problems: string[] = [];
  readonly #options: DeliveriesOptions;
  readonly #all: ReadonlyMap<string, Delivery>;
  readonly #listeners = new Set<() => void>();
  #messages = 0;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
    this.#all = new Map(options.day.findings.map((finding) => [finding.id, new Delivery(finding)]));
    for (const user of this.#users) user.onMessage(({ text = "" }) => this.#arrive(user.chatId, text));
  }

  /** Calls the listener on each arrival, before the bot has the answer. */
  onArrival(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** To be called when so many schedulers have just been killed. */
  async noteKills(count: number): Promise<void> {
    for (const delivery of this.#due) {
      await this.#look(delivery);
      if (!delivery.isOver) delivery.kills += count;
    }
  }

  /** To be called before a scheduler starts and none is up: what has become too old must not be sent any more. */
  noteLate(): void {
    const { day } = this.#options;
    for (const delivery of this.#due) {
      if (delivery.finding.staleAt <= day.now && !this.#isWhole(delivery)) delivery.isLate = true;
    }
  }

  /** Whether everybody has what is due. */
  get areWhole(): boolean {
    return this.#due.every((delivery) => this.#isWhole(delivery));
  }

  /** What is due and not over, by the ledger. @param isStrict Also where everybody has it. */
  async open(isStrict: boolean = false): Promise<string[]> {
    const open: string[] = [];
    for (const delivery of this.#due) {
      if (!isStrict && this.#isWhole(delivery)) continue;
      await this.#look(delivery);
      if (!delivery.isOver) open.push(delivery.finding.id);
    }
    return open;
  }

  /** To be called when nothing is open any more. */
  async judge(): Promise<DeliveryCounts> {
    const counts = { sent: 0, late: 0, takenOver: 0, inDoubt: 0, missed: 0, doubled: 0 };
    for (const delivery of this.#all.values()) {
      if (delivery.finding.time > this.#options.day.now) continue;
      const record = await this.#look(delivery);
      const { id } = delivery.finding;
      const problems = record === undefined
        ? this.#unsentProblems(delivery)
        : this.#sentProblems(delivery, record);
      this.problems.push(...problems.map((problem) => `${id}: ${problem}`));
      if (record === undefined) counts.late++;
      else {
        counts.sent++;
        if (record.fence > 1) counts.takenOver++;
        counts.inDoubt += Number(record["unknown"] ?? 0);
        counts.missed += this.#missed(delivery);
      }
      counts.doubled += this.#doubled(delivery);
    }
    return { ...counts, messages: this.#messages };
  }

  get #users(): Subscribers["users"] {
    return this.#options.subscribers.users;
  }

  /** Those whose candle has closed, and that are not over. */
  get #due(): Delivery[] {
    const { now } = this.#options.day;
    return [...this.#all.values()].filter(({ finding, isOver }) => finding.time <= now && !isOver);
  }

  #isWhole({ copies }: Delivery): boolean {
    return copies.size === this.#users.length;
  }

  #missed({ copies }: Delivery): number {
    return this.#users.length - copies.size;
  }

  #doubled({ copies }: Delivery): number {
    return [...copies.values()].filter((times) => times > 1).length;
  }

  async #look(delivery: Delivery): Promise<RunRecord | undefined> {
    const record = await this.#options.subscribers.record(delivery.finding.id);
    delivery.isOver = record === undefined ? delivery.isLate : record.state === "finished";
    return record;
  }

  #arrive(chatId: number, text: string): void {
    this.#messages++;
    const delivery = this.#all.get(idIn(text) ?? "");
    if (delivery === undefined || delivery.finding.time > this.#options.day.now) {
      this.problems.push(`chat ${chatId} got what no strategy has found: ${JSON.stringify(text)}`);
      return;
    }
    const times = (delivery.copies.get(chatId) ?? 0) + 1;
    delivery.copies.set(chatId, times);
    if (times > 1 && (this.#options.onUnknown === "skip" || times > 1 + delivery.kills)) {
      this.problems.push(`${delivery.finding.id}: chat ${chatId} got it ${times} times`);
    }
    for (const listener of [...this.#listeners]) listener();
  }

  #unsentProblems({ isLate, copies }: Delivery): string[] {
    return [
      ...wrong(!isLate, "it was fresh, and nobody has sent it"),
      ...wrong(copies.size > 0, `${copies.size} chats have it, but the ledger does not`),
    ];
  }

  #sentProblems(delivery: Delivery, { state, fence, ...record }: RunRecord): string[] {
    const { isLate, kills } = delivery;
    const [missed, doubled, unknown] = [
      this.#missed(delivery),
      this.#doubled(delivery),
      Number(record["unknown"] ?? 0),
    ];
    const isTakenOver = fence > 1;
    const mayMiss = this.#options.onUnknown === "skip" && isTakenOver ? unknown : 0;
    return [
      ...wrong(isLate && kills === 0, "it was sent, but was too old"),
      ...wrong(state !== "finished", `it is ${state}`),
      ...wrong(fence > 1 + kills, `it was taken over ${fence - 1} times after ${kills} kills`),
      ...wrong(missed > mayMiss, `${missed} chats do not have it, ${mayMiss} were in doubt`),
      ...wrong(doubled > 0 && !isTakenOver, `${doubled} chats have it twice, though none was in doubt`),
    ];
  }
}

function wrong(isWrong: boolean, problem: string): string[] {
  return isWrong ? [problem] : [];
}
