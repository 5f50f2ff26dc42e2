/** What must hold of a broadcast: who may get it twice, who may miss it, what the ledger and the report say. */
import { factsOf } from "../crash/report_facts.ts";
import { unmarshall } from "@aws-sdk/util-dynamodb";
import type { BroadcastReport } from "../../lib/broadcast/report.ts";
import { type Item, sdkItem } from "./dynamodb/dynamodb.ts";
import type { Sending } from "./network.ts";
import type { Machine } from "./scheduler.ts";

/** How a broadcast treats chats of which nobody knows whether they have it; one without an id has no choice. */
export type Mode = "skip" | "resend" | "without id";

export class WatchedBroadcast {
  readonly id: string;
  readonly mode: Mode;
  readonly begunAt: number;
  /** Whether it goes to the chats that the process knows where the table cannot be read, as a signal does. */
  readonly mayUseMemory: boolean;
  /** Chats that can get it all the time. */
  readonly eligible: Set<number>;
  readonly reports: BroadcastReport[] = [];
  /** How many takeovers there were when each report came. */
  readonly #takeoversAt: number[] = [];
  isOver = false;
  /** How often another process took it over. */
  takeovers = 0;
  readonly problems: string[] = [];
  readonly #messages: number;
  /** The machine that has written its run last, unless its call has failed. */
  sender: Machine | undefined;
  readonly #windowAtMost: number;
  /** For each chat and each of the broadcast's messages, the requests that brought it. */
  readonly #arrivals = new Map<number, Sending[][]>();
  /** Chats in doubt after a process has died, by the ledger. */
  readonly #inDoubt = new Set<number>();
  /** How many chats have joined in the midst of a window that was taken over: they may be in doubt, too. */
  #joined = 0;
  /** Supergroups that groups have become since it began, and which groups these were. */
  readonly #moved = new Map<number, number>();
  /** Chats of which a request, or its answer, was lost. */
  readonly #lost = new Set<number>();
  /** Arrivals of which a process is told, as long as it keeps the run. */
  readonly #told = new Set<string>();

  constructor(
    options: {
      readonly id: string;
      readonly mode: Mode;
      readonly begunAt: number;
      readonly eligible: Iterable<number>;
      readonly messages: number;
      readonly messagesPerSecond: number;
      /** Default: false. */
      readonly mayUseMemory?: boolean;
    },
  ) {
    this.id = options.id;
    this.mode = options.mode;
    this.begunAt = options.begunAt;
    this.mayUseMemory = options.mayUseMemory ?? false;
    this.eligible = new Set(options.eligible);
    this.#messages = options.messages;
    // README: how many chats may be in doubt.
    this.#windowAtMost = Math.max(100, 2 * options.messagesPerSecond);
  }

  /** How many chats were in doubt. */
  get inDoubt(): number {
    return this.#inDoubt.size;
  }

  /** A call of it has returned. */
  reported(report: BroadcastReport): void {
    this.reports.push(report);
    this.#takeoversAt.push(this.takeovers);
  }

  /** A group has become the supergroup `to`. Not known to a process that takes the run over: that it may have the message. */
  moved(from: number, to: number): void {
    this.eligible.delete(from);
    this.#moved.set(to, from);
  }

  /** A request of it has left. */
  sent(chatId: number, { fate, isLate }: Sending): void {
    const isUnclear = isLate ||
      ["dropped", "reset", "unanswered", "answerReset", "failed", "failedAfterEffect"].includes(fate);
    if (isUnclear) this.#lost.add(chatId);
  }

  /** A message of it has reached the chat. */
  arrived(chatId: number, index: number, sending: Sending): void {
    const arrivals = this.#arrivals.get(chatId) ?? Array.from({ length: this.#messages }, () => []);
    this.#arrivals.set(chatId, arrivals);
    const earlier = arrivals.findIndex((all, at) => at < index && all.length === 0);
    // The first parts may have come to the group that has moved meanwhile.
    if (earlier >= 0 && !this.#moved.has(chatId)) {
      this.#wrong(`part ${index + 1} came to chat ${chatId} before part ${earlier + 1}`);
    }
    const mine = arrivals[index] as Sending[];
    mine.push(sending);
    if (sending.fate !== "answered") this.#lost.add(chatId);
    const arrival = [chatId, index, sending.machine.name, this.takeovers].join();
    if (this.#told.has(arrival)) this.#wrong(`came to chat ${chatId} twice by ${sending.machine.name}`);
    if (!this.#lost.has(chatId)) this.#told.add(arrival);
    const isByAnother = this.#moved.has(chatId) && mine.some(({ machine }) => machine !== sending.machine);
    if (this.mode !== "resend" && mine.length > 1 && !isByAnother) {
      const times = mine.map(({ number, machine }) => `#${number} by ${machine.name}`);
      this.#wrong(`came to chat ${chatId} twice: ${times.join(", ")}`);
    }
  }

  /** The ledger's item of the run was written. `known` are all chats. */
  written(before: Item | undefined, after: Item, known: Iterable<number>): void {
    if (before?.["state"]?.S === "finished" && after["state"]?.S !== "finished") {
      this.#wrong("runs again after its end");
    }
    const [was, is] = [before?.["fence"]?.N, after["fence"]?.N];
    if (before === undefined || was === is) return;
    this.takeovers++;
    if (Number(is) !== Number(was) + 1) this.#wrong("a fence was skipped");
    const run = unmarshall(sdkItem(before)) as Record<string, unknown>;
    const pending = chatsOf(run, "pending");
    // Somebody may have deleted a chat's item meanwhile.
    const window = windowOf(run, new Set([...known, ...this.#arrivals.keys()]));
    const size = Number(run["window_size"] ?? 0);
    if (size + pending.length > this.#windowAtMost + this.#joined) {
      this.#wrong(`a window of ${size} and ${pending.length} pending chats are in doubt`);
    }
    this.#joined += window.filter((chatId) => !this.eligible.has(chatId)).length;
    for (const chatId of [...window, ...pending]) this.#inDoubt.add(chatId);
  }

  /** Judges it by its reports, when all is over. */
  judge(): void {
    const report = this.reports.at(-1);
    if (report === undefined) return;
    const { recipients, sent, deactivated, skipped, failed, unknown, stopped } = report;
    if (sent + deactivated + skipped + failed + unknown !== recipients) {
      this.#wrong(`the counts do not add up: ${told(report)}`);
    }
    // A process that could not write that it is finished has reported more than the next one, which took it over, knows.
    const other = this.reports.find((each, index) =>
      this.#takeoversAt[index] === this.takeovers && factsOf(each) !== factsOf(report)
    );
    if (other !== undefined) this.#wrong(`two reports differ: ${told(other)} and ${told(report)}`);
    if (this.reports.some(({ differs }) => differs)) this.#wrong("one text is said to differ from itself");
    const reached = new Set([...this.#arrivals.keys()].filter((chatId) => this.#hasAll(chatId)));
    if (sent > reached.size) this.#wrong(`${sent} sent, but it reached ${reached.size}: ${told(report)}`);
    // A chat that may have got it from a process that has died, and has left meanwhile, counts as unsubscribed.
    const mayCountAsLeft = (chatId: number): boolean => this.mode === "resend" && this.#isUnclear(chatId);
    const surelyReached = [...reached].filter((chatId) => !mayCountAsLeft(chatId)).length;
    if (surelyReached > sent + unknown) {
      this.#wrong(`it reached ${reached.size}, of whom ${sent} count as sent and ${unknown} as unknown`);
    }
    // What a process has in memory may lack chats that others have registered.
    const knowsList = !this.mayUseMemory || report.recipientsFrom === "table";
    if (stopped === undefined && knowsList) this.#judgeMissed(report, reached);
  }

  /** Whether all parts have come to the chat; the first ones perhaps as it was still a group. */
  #hasAll(chatId: number): boolean {
    const from = this.#moved.get(chatId);
    const before = from === undefined || this.#hasAll(from) ? undefined : this.#arrivals.get(from);
    const parts = this.#arrivals.get(chatId) ?? [];
    return parts.length > 0 && parts.every((all, index) => all.length + (before?.[index]?.length ?? 0) > 0);
  }

  #judgeMissed(report: BroadcastReport, reached: ReadonlySet<number>): void {
    const { failed, unknown, skips } = report;
    const missed = [...this.eligible].filter((chatId) => !reached.has(chatId));
    const excused = failed + skips.expired + skips.stopped;
    const forgotten = this.mode === "resend" ? missed : missed.filter((chatId) => !this.#isUnclear(chatId));
    const atMost = this.mode === "resend" ? excused + unknown : excused;
    if (forgotten.length > atMost) {
      this.#wrong(`${forgotten.length} were missed: ${forgotten.slice(0, 5)}: ${told(report)}`);
    }
    if (this.mode !== "resend") return;
    const twice = [...this.#arrivals].find(([chatId, parts]) =>
      parts.some((all) => all.length > 1) && !this.#isUnclear(chatId)
    );
    if (twice !== undefined) this.#wrong(`chat ${twice[0]} got it twice without a doubt`);
  }

  #isUnclear(chatId: number): boolean {
    const mayHaveMoved = this.takeovers > 0 && this.#moved.has(chatId);
    return this.#inDoubt.has(chatId) || this.#lost.has(chatId) || mayHaveMoved;
  }

  #wrong(problem: string): void {
    this.problems.push(`BROADCAST ${this.id} (${this.mode}): ${problem}`);
  }
}

function told(report: BroadcastReport): string {
  const { errors, latencyMs: _latency, ...rest } = report;
  return JSON.stringify({ ...rest, errors: errors.length });
}

/**
 * Those of the chats that are in a run's window. People come first, from a person on and around; then groups and channels,
 * likewise.
 */
export function windowOf(run: Record<string, unknown>, known: Iterable<number>): number[] {
  const { people_start = 0, groups_start = -(2 ** 52), window_after, cursor } = run as Record<string, number>;
  if (cursor === undefined) return [];
  const rankOf = (chatId: number): number => {
    const distance = chatId - (chatId > 0 ? people_start : groups_start);
    return (chatId > 0 ? 0 : 2 ** 52) + (distance < 0 ? distance + 2 ** 52 : distance);
  };
  const [from, to] = [window_after === undefined ? -Infinity : rankOf(window_after), rankOf(cursor)];
  // A chat that the process did not know surely does not have it.
  const passed = chatsOf(run, "passed");
  const isKnown = (chatId: number): boolean => passed.at(-1) !== cursor || passed.includes(chatId);
  return [...known].filter((chatId) => rankOf(chatId) > from && rankOf(chatId) <= to && isKnown(chatId));
}

/** A list of chats of a run, packed or not. */
export function chatsOf(
  run: Record<string, unknown>,
  name: "passed" | "pending" | "sampled" | "unsent",
): number[] {
  const list = run[name] as number[] | Uint8Array | undefined;
  if (!(list instanceof Uint8Array)) return list ?? [];
  const view = new DataView(list.buffer, list.byteOffset, list.byteLength);
  return Array.from({ length: Math.floor(list.byteLength / 8) }, (_, index) => view.getFloat64(8 * index));
}
