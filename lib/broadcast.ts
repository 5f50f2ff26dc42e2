/** One message to many chats: who is next, how many at once, and when it is over. */
import type { BroadcastProgress, Control } from "./broadcast_run.ts";
import { type Clock, monotonic } from "./clock.ts";
import { displayable } from "./displayable.ts";
import { reasonOf } from "./reason.ts";
import type { Settlement, Tally } from "./tally.ts";

/** What is written ahead of a window, so that whoever finds the run unfinished knows whom it may have reached. */
export interface Journal {
  /** Up to which recipient may be sent to at the beginning. */
  readonly end: number;
  /**
   * Writes the next window ahead, with those of earlier ones that are under way, and gives its end. Where that fails for
   * good it ends the run.
   */
  advance(underWay: readonly number[]): Promise<number>;
}

/** Those under way when a window is written, and those left over at an end: more would not fit into the ledger's item. */
export const unsentAtMost = 15;
export const pendingAtMost = 30;

export interface RunOptions {
  /** Ascending. */
  readonly recipients: ArrayLike<number>;
  /** `onTurn` is told when it no longer waits for the bot's pace: it goes out, or its chat has to be waited for. */
  readonly deliver: (chatId: number, onTurn: (isHeld: boolean) => void) => Promise<Settlement>;
  /** Recipients that may wait for the bot's pace at a time: more than one where each has a text to be made first. */
  readonly aheadAtMost: number;
  /** Whether the photo is yet to be uploaded: then each try is an upload. */
  readonly isUpload: () => boolean;
  readonly tally: Tally;
  readonly journal?: Journal | undefined;
  readonly control: Control;
  readonly messagesPerSecond: number;
  readonly startedAt: number;
  readonly clock: Clock;
  readonly ending: Ending;
  readonly pauseMs: () => number;
  readonly onProgress: (progress: BroadcastProgress) => void;
}

/** Why a run ends before its time. */
export type EndKind = "expired" | "stopped" | "left";

/** How a run ends before its time: said once, and heard by all that waits. */
export class Ending {
  readonly #controller = new AbortController();
  #kind: EndKind | undefined;
  #words: string | undefined;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get kind(): EndKind | undefined {
    return this.#kind;
  }

  /** What is said of it in the report; nothing where its time was over. */
  get words(): string | undefined {
    return this.#words;
  }

  end(kind: EndKind, words?: string): void {
    if (this.#kind !== undefined) return;
    this.#kind = kind;
    this.#words = words;
    this.#controller.abort(new Error(words ?? "The message has expired."));
  }
}

/**
 * Chats tried one by one until the first has taken the message: what is refused there would be refused by all.
 * A photo that is yet to be uploaded goes on so until somebody has taken it.
 */
const triedAlone = 10;
/** Chats that have to be waited for tell nothing, so that another one is tried meanwhile. */
const triedAtMost = 3;
/** Calls under way, so that the pace is kept up at a latency of four seconds. */
const latencySeconds = 4;
const [callsAtLeast, callsAtMost] = [64, 4000];
const progressEveryMs = 250;

export class Run {
  readonly #options: RunOptions;
  readonly #atOnce: number;
  readonly #now: () => number;
  /** Those who are accounted for in the end, whoever has begun with them. */
  readonly #recipients: number;
  readonly #underWay = new Set<number>();
  /** Those of them whose chats may not be written to yet. */
  readonly #held = new Set<number>();
  /** How many wait for the bot's pace, behind whom nobody else need wait. */
  #waiting = 0;
  #isAdvancing = false;
  #next = 0;
  #end: number;
  #unclear: string | undefined;
  #toldAt = -Infinity;
  #endedAt: number | undefined;
  #finish = (): void => {};

  constructor(options: RunOptions) {
    this.#options = options;
    this.#now = monotonic(options.clock);
    this.#recipients = options.tally.done + options.recipients.length;
    this.#end = options.journal?.end ?? options.recipients.length;
    this.#atOnce = Math.min(callsAtMost, Math.max(callsAtLeast, latencySeconds * options.messagesPerSecond));
  }

  /** Recipients that it had begun with, and had to leave to the next process. */
  readonly unsent: number[] = [];

  /** How many recipients it has come to. */
  get next(): number {
    return this.#next;
  }

  /** Resolves once everyone is accounted for, or it has ended and nothing is under way any more. */
  async finish(): Promise<void> {
    const { control, ending } = this.#options;
    control.attach(() => this.#progress(), () => this.#launch());
    const finished = new Promise<void>((resolve) => this.#finish = resolve);
    ending.signal.addEventListener("abort", () => this.#launch());
    this.#tell();
    this.#launch();
    await finished;
    this.#endedAt = this.#now();
  }

  /** How long it has taken, by a clock that is not set back. */
  get elapsedMs(): number {
    return Math.max(0, (this.#endedAt ?? this.#now()) - this.#options.startedAt);
  }

  /** To be called once what is left is counted, too. */
  tell(): void {
    this.#options.onProgress(this.#progress());
  }

  #launch(): void {
    const { recipients, control, ending, journal, aheadAtMost } = this.#options;
    while (
      !ending.signal.aborted && !control.isPaused && this.#waiting < aheadAtMost && this.#next < this.#end &&
      this.#hasRoom()
    ) void this.#deliver(recipients[this.#next++] as number);
    const isOver = ending.signal.aborted || this.#next >= recipients.length;
    if (isOver && this.#underWay.size === 0 && !this.#isAdvancing) this.#finish();
    else if (!isOver && this.#next >= this.#end && journal !== undefined) void this.#advance(journal);
  }

  /** Whoever waits for its own chat's sake is in nobody's way. */
  #hasRoom(): boolean {
    const [atOnce, atMost] = this.#isProven() ? [this.#atOnce, callsAtMost] : [1, triedAtMost];
    return this.#underWay.size < atMost && this.#underWay.size - this.#held.size < atOnce;
  }

  async #deliver(chatId: number): Promise<void> {
    this.#underWay.add(chatId);
    this.#waiting++;
    let waits = true;
    const onTurn = (isHeld: boolean): void => {
      if (isHeld) this.#held.add(chatId);
      else this.#held.delete(chatId);
      if (waits) this.#waiting--;
      waits = false;
      this.#launch();
    };
    const settlement = await this.#options.deliver(chatId, onTurn).catch(unexpected);
    this.#underWay.delete(chatId);
    this.#settle(chatId, settlement);
    onTurn(false);
  }

  async #advance(journal: Journal): Promise<void> {
    if (this.#isAdvancing || this.#underWay.size > pendingAtMost) return;
    this.#isAdvancing = true;
    this.#end = await journal.advance([...this.#underWay]);
    this.#isAdvancing = false;
    this.#launch();
  }

  #settle(chatId: number, settlement: Settlement): void {
    const { tally, ending } = this.#options;
    const isLeft = ending.kind === "left" && settlement.outcome === "skipped" && settlement.why === "stopped";
    if (isLeft && this.unsent.length < unsentAtMost) return void this.unsent.push(chatId);
    if ("stops" in settlement) ending.end("stopped", settlement.message);
    // Two chats that refuse the very first sends in the same words refuse the message.
    if ("isUnclear" in settlement && settlement.isUnclear && tally.counts.sent === 0) {
      if (this.#unclear === settlement.message) ending.end("stopped", settlement.message);
      this.#unclear = settlement.message;
    }
    tally.settle(chatId, settlement, this.elapsedMs);
    this.#tell();
  }

  #isProven(): boolean {
    const { tally, isUpload } = this.#options;
    return !isUpload() && (tally.counts.sent > 0 || this.#next >= triedAlone);
  }

  #tell(): void {
    const now = this.#now();
    if (now - this.#toldAt < progressEveryMs) return;
    this.#toldAt = now;
    this.tell();
  }

  #progress(): BroadcastProgress {
    const { tally, control, pauseMs } = this.#options;
    const { done, counts } = tally;
    const { elapsedMs } = this;
    const left = this.#recipients - done;
    return displayable({
      recipients: this.#recipients,
      done,
      ...counts,
      elapsedMs,
      remainingMs: done === 0 ? undefined : Math.round(elapsedMs / done * left),
      isPaused: control.isPaused,
      isWaiting: left > 0 && pauseMs() > 0,
    }, "progress");
  }
}

/** A defect of ours costs one chat its message, and not everyone after it. */
function unexpected(error: unknown): Settlement {
  return { outcome: "failed", message: reasonOf(error) };
}
