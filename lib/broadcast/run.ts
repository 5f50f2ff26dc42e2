/** One message to many chats: which chat is next, how many at once, and when the run is over. */
import { type Clock, steady } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import {
  type BroadcastProgress,
  displayProgress,
  messagesIn,
  msFor,
  type Paces,
  type PauseControl,
  RecentRate,
} from "./handle.ts";
import type { BroadcastCounters, DeliveryResult } from "./report.ts";
import { RefusalPoll } from "./safeguards.ts";
import { drawPeople, type RecipientQueue } from "./send_order.ts";

/** Writes ahead, so that the process that goes on with an unfinished run knows which chats it may have reached. */
export interface Journal {
  /** Writes a window ahead, with chats of earlier ones that are under way. Where that fails it ends the run: false. */
  advance(window: readonly number[], underWay: readonly number[]): Promise<boolean>;
  /** The same for chats that are sent to out of their turn. */
  nameEarly(chatIds: readonly number[]): Promise<boolean>;
}

/** Messages under way when a window is written: with so many the ledger's item has less than 1 KB. */
export const pendingAtMost = 30;
/** Chats that have to be waited for at such a time, and chats left over at an end: the item costs more with them. */
const heldAtMost = 2000;

export interface BroadcastRunnerOptions {
  readonly queue: RecipientQueue;
  /** The first recipients, which a ledger has as its first window. */
  readonly window: readonly number[];
  readonly windowSize: number;
  /** Whether recipients may still join: then the run does not end with those that it knows. */
  readonly isOpen: () => boolean;
  /** Calls `onTurn` when the message no longer waits for the bot's pace: it goes out, or its chat has to be waited for. */
  readonly deliver: (
    chatId: number,
    onTurn: (isHeld: boolean) => void,
    isDrawn: boolean,
  ) => Promise<DeliveryResult>;
  /** Whether it is not known whom a flood concerns: then people are drawn at random, and written to one by one. */
  readonly isUnclear: () => boolean;
  /** Recipients that may wait for the bot's pace at a time: several where something is read or made for each. */
  readonly aheadAtMost: () => number;
  /** Whether the photo is yet to be uploaded: then each try is an upload. */
  readonly isUpload: () => boolean;
  readonly counters: BroadcastCounters;
  readonly checkpoint?: Journal | undefined;
  readonly control: PauseControl;
  readonly messagesPerSecond: number;
  readonly startedAt: number;
  /** Milliseconds since 1970, or `Infinity`. */
  readonly expiresAt: number;
  /** By which it takes so long, and expires. */
  readonly now: () => number;
  readonly clock: Clock;
  readonly ending: RunEnd;
  /** Milliseconds for which Telegram has asked the bot to wait; 0 or less where it has not. */
  readonly pauseMs: () => number;
  /** Milliseconds for which Telegram has asked to wait before the chat is written to; 0 or less where it has not. */
  readonly holdMs: (chatId: number) => number;
  /** The bot's paces as they are now. */
  readonly paces: () => Paces;
  /** Called once, where all chats that are left have to be waited for, with for how long at least, and how many. */
  readonly onAllHeld: (ms: number, chats: number) => void;
  readonly onProgress: (progress: BroadcastProgress) => void;
}

/** Why a run ends early. `refused`: it stays open, and can be called for again. */
export type EndKind = "expired" | "stopped" | "left" | "refused";

/** The early end of a run: set once; its signal ends all that waits. */
export class RunEnd {
  readonly #controller = new AbortController();
  #kind: EndKind | undefined;
  #words: string | undefined;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get kind(): EndKind | undefined {
    return this.#kind;
  }

  /** The reason for the report; `undefined` where the message expired. */
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
 * With a photo that is yet to be uploaded it goes on so until a chat has taken it.
 */
const triedAlone = 10;
/** An answer that takes so long is waited for no longer before the next chat is tried; an upload may take longer. */
const [lateAfterMs, uploadLateAfterMs] = [1000, 5000];
/** Calls under way, so that the pace is kept up at a latency of four seconds. */
const latencySeconds = 4;
const [callsAtLeast, callsAtMost] = [64, 4000];
const progressEveryMs = 250;

export class BroadcastRunner {
  readonly #options: BroadcastRunnerOptions;
  readonly #atOnce: number;
  /** For how fast it goes: a machine's sleep does not count. */
  readonly #elapsed: () => number;
  readonly #refusalPoll = new RefusalPoll();
  /** Recipients that may be sent to, and how many of them have been begun with. */
  #window: readonly number[];
  #next = 0;
  #begun = 0;
  readonly #underWay = new Set<number>();
  /** Those of them whose chats may not be written to yet. */
  readonly #held = new Set<number>();
  /** Those of the first few whose answers are late: the next is tried meanwhile. */
  readonly #late = new Set<number>();
  /** How many wait for the bot's pace; `aheadAtMost` limits them. */
  #waiting = 0;
  #isAdvancing = false;
  /** Whether somebody is being asked who was drawn to find out whom a flood concerns. */
  #isProbing = false;
  #toldAt = -Infinity;
  /** Whether the progress that was told last said that Telegram has asked the bot to wait. */
  #hasToldRest = false;
  #hasToldHeld = false;
  /** The wait that Telegram has asked for, or the pause, as far as it was seen; and how long earlier ones were. */
  #rest: { readonly from: number; readonly until: number } | undefined;
  #restedMs = 0;
  /** How fast it went lately, by the time that was neither waited nor paused. */
  readonly #rate = new RecentRate();
  #endedAt: number | undefined;
  #finish = (): void => {};

  constructor(options: BroadcastRunnerOptions) {
    this.#options = options;
    this.#elapsed = steady(options.clock);
    this.#window = options.window;
    this.#atOnce = Math.min(callsAtMost, Math.max(callsAtLeast, latencySeconds * options.messagesPerSecond));
  }

  /** Recipients that it had begun with, and had to leave to the next process. */
  readonly unsent: number[] = [];

  /** The last recipient that it has begun with in its turn; `undefined` where there is none in this window. */
  get lastBegun(): number | undefined {
    return this.#window[this.#next - 1];
  }

  /** Recipients that were written ahead, and that it has not begun with. */
  get rest(): readonly number[] {
    return this.#window.slice(this.#next);
  }

  /** Resolves once everyone is accounted for, or it has ended and nothing is under way any more. */
  async finish(): Promise<void> {
    const { control, ending } = this.#options;
    control.attach(() => this.#progress(), () => {
      this.#lookAtRest();
      this.launch();
    });
    const finished = new Promise<void>((resolve) => this.#finish = resolve);
    ending.signal.addEventListener("abort", () => this.launch());
    this.#tell();
    this.launch();
    await finished;
    // Whoever was drawn, and not asked any more, is passed over by the order.
    for (let chatId = this.#refusalPoll.next(); chatId !== undefined; chatId = this.#refusalPoll.next()) {
      this.unsent.push(chatId);
    }
    this.#endedAt = this.#options.now();
  }

  /** How long it has taken, by a clock that is not set back. */
  get elapsedMs(): number {
    const { now, startedAt } = this.#options;
    return Math.max(0, (this.#endedAt ?? now()) - startedAt);
  }

  /** How many there are to be accounted for, as far as they are known. */
  get recipients(): number {
    return this.#options.counters.done + this.#left;
  }

  /** How many of them cannot be reached before the message expires, at the bot's present pace. */
  get willExpire(): number {
    const { expiresAt, now, paces, pauseMs } = this.#options;
    if (expiresAt === Infinity) return 0;
    const leftMs = expiresAt - now();
    const tooLate = this.#holds().filter((ms) => ms >= leftMs).length;
    const ms = Math.max(0, leftMs - Math.max(0, pauseMs()));
    const others = this.#left - this.#held.size;
    // Those who are held for their own sake take no place of others, as long as there is time for all.
    const { perMs } = this.#rate;
    const atPace = messagesIn(ms, paces());
    const reached = perMs === undefined ? atPace : Math.min(atPace, ms * perMs);
    return tooLate + Math.max(0, Math.ceil(others - reached));
  }

  /** For how long Telegram has asked to wait before the next message leaves: for the bot, or for all chats that are left. */
  get #waitingMs(): number {
    const holds = this.#held.size > 0 && this.#held.size === this.#left ? this.#holds() : [0];
    return Math.max(0, Math.ceil(this.#options.pauseMs()), Math.ceil(Math.min(...holds)));
  }

  /** Reports the progress; to be called once more when the rest is counted, too. */
  tell(): void {
    this.#options.onProgress(this.#progress());
  }

  /** Begins with as many recipients as it may now; to be called whenever that may be more. */
  launch(): void {
    const { control, ending, isOpen, isUnclear, queue, aheadAtMost } = this.#options;
    while (!ending.signal.aborted && !control.isPaused && this.#waiting < aheadAtMost() && this.#hasRoom()) {
      const chatId = this.#take();
      if (chatId === undefined) break;
      void this.#deliver(chatId);
    }
    if (this.#isAdvancing) return;
    if (isUnclear() && !this.#isProbing && !ending.signal.aborted && !control.isPaused) void this.#probe();
    if (this.#isAdvancing) return;
    const { isSitting, waiting, wants } = this.#refusalPoll;
    const hasMore = this.#next < this.#window.length || isSitting || waiting > 0 || this.#isProbing ||
      queue.left > 0 || isOpen();
    if (ending.signal.aborted || !hasMore) {
      if (this.#underWay.size === 0) this.#finish();
    } else if (wants > 0) void this.#draw();
    else if (this.#next >= this.#window.length && queue.left > 0) void this.#advance();
  }

  /** Known to be left: under way, written ahead, or to come. */
  get #left(): number {
    const { queue } = this.#options;
    return this.unsent.length + this.#underWay.size + this.#refusalPoll.waiting + this.#window.length -
      this.#next +
      queue.left;
  }

  /** For how long Telegram holds back the chats that have to be waited for. */
  #holds(): number[] {
    return [...this.#held].map((chatId) => this.#options.holdMs(chatId));
  }

  #take(): number | undefined {
    const drawn = this.#refusalPoll.next();
    if (drawn !== undefined || this.#refusalPoll.isSitting) return drawn;
    return this.#window[this.#next] === undefined ? undefined : this.#window[this.#next++];
  }

  /** A message that waits for its own chat takes no place of the others. */
  #hasRoom(): boolean {
    const atOnce = this.#isProven() ? this.#atOnce : 1 + this.#late.size;
    return this.#underWay.size < callsAtMost && this.#underWay.size - this.#held.size < atOnce;
  }

  async #deliver(chatId: number, isDrawn: boolean = false, onSaid: () => void = () => {}): Promise<void> {
    this.#begun++;
    this.#underWay.add(chatId);
    this.#waiting++;
    let waits = true;
    const answered = new AbortController();
    const onTurn = (isHeld: boolean): void => {
      if (isHeld) {
        this.#held.add(chatId);
        this.#late.delete(chatId);
        onSaid();
        this.#tell();
      } else this.#held.delete(chatId);
      if (waits) this.#waiting--;
      waits = false;
      if (!isHeld && !this.#isProven()) void this.#noteLate(chatId, answered.signal);
      this.launch();
    };
    const result = await this.#options.deliver(chatId, onTurn, isDrawn).catch(unexpected);
    answered.abort();
    this.#late.delete(chatId);
    this.#underWay.delete(chatId);
    onSaid();
    this.#settle(chatId, result);
    onTurn(false);
  }

  /** One answer that does not come holds nobody else up. */
  async #noteLate(chatId: number, answered: AbortSignal): Promise<void> {
    const { clock, isUpload } = this.#options;
    if (answered.aborted) return;
    await clock.sleep(isUpload() ? uploadLateAfterMs : lateAfterMs, answered).catch(() => {});
    if (answered.aborted || this.#held.has(chatId)) return;
    this.#late.add(chatId);
    this.launch();
  }

  async #advance(): Promise<void> {
    const { queue, windowSize, checkpoint } = this.#options;
    const held = this.#held.size;
    const isFull = this.#underWay.size - held > pendingAtMost || held > heldAtMost;
    if (isFull && checkpoint !== undefined) return;
    const room = windowSize - (checkpoint === undefined ? 0 : this.#underWay.size);
    const window = queue.take(Math.max(Math.ceil(windowSize / 2), room));
    this.#isAdvancing = checkpoint !== undefined;
    if (checkpoint === undefined || await checkpoint.advance(window, [...this.#underWay])) {
      this.#window = window;
      this.#next = 0;
    } else this.#options.queue.putBack(window);
    this.#isAdvancing = false;
    this.launch();
  }

  /** Draws people at random from all recipients: what they refuse alike is the message's fault, and no single chat's. */
  async #draw(): Promise<void> {
    const chosen = this.#drawn(this.#refusalPoll.wants);
    // With too few for a proof everyone is written to in turn.
    if (chosen.length < this.#refusalPoll.wants) {
      this.#refusalPoll.dismiss();
      return this.launch();
    }
    await this.#takeEarly(chosen);
    this.#refusalPoll.call(chosen);
    this.launch();
  }

  /** Writes to somebody drawn at random, to find out whom a flood concerns. */
  async #probe(): Promise<void> {
    const [chatId] = this.#drawn(1);
    if (chatId === undefined) return;
    this.#isProbing = true;
    await this.#takeEarly([chatId]);
    if (this.#options.ending.signal.aborted) this.unsent.push(chatId);
    else void this.#deliver(chatId, true, () => this.#isProbing = false);
    this.launch();
  }

  #drawn(count: number): number[] {
    const { queue, clock } = this.#options;
    return drawPeople(count, { window: this.rest, queue, random: () => clock.random() });
  }

  /** Takes these recipients out of their turn. */
  async #takeEarly(chosen: readonly number[]): Promise<void> {
    const { queue, checkpoint } = this.#options;
    const early = new Set(chosen);
    this.#window = [...this.#window.slice(0, this.#next), ...this.rest.filter((id) => !early.has(id))];
    queue.except(chosen);
    this.#isAdvancing = true;
    if (chosen.length > 0) await checkpoint?.nameEarly(chosen);
    this.#isAdvancing = false;
  }

  #settle(chatId: number, result: DeliveryResult): void {
    const { counters, ending } = this.#options;
    if (result.outcome === "withdrawn") return;
    const isLeft = ending.kind === "left" && result.outcome === "skipped" && result.why === "stopped";
    if (isLeft && this.unsent.length < heldAtMost) return void this.unsent.push(chatId);
    // A message that somebody has taken is not at fault: then the refusal is the chat's own.
    if ("stops" in result && (result.stops === "stopped" || counters.counts.sent === 0)) {
      ending.end(result.stops, result.message);
    }
    counters.record(chatId, result, this.elapsedMs);
    if (counters.counts.sent > 0) this.#refusalPoll.dismiss();
    else {
      const refusal = "refusal" in result ? result.refusal : undefined;
      if (this.#refusalPoll.hear(chatId, refusal) && "message" in result) {
        ending.end("refused", result.message);
      }
    }
    this.#tell();
  }

  #isProven(): boolean {
    const { counters, isUpload } = this.#options;
    return !isUpload() && !this.#refusalPoll.isSitting &&
      (counters.counts.sent > 0 || this.#begun >= triedAlone);
  }

  /** For how long Telegram has asked to wait; keeps count of the time that has gone by so, or paused, or finding out. */
  #lookAtRest(): number {
    const now = this.#elapsed();
    const { control, isUnclear } = this.#options;
    const waitingMs = this.#left > 0 ? this.#waitingMs : 0;
    const { from, until } = this.#rest ?? { from: now, until: now };
    if (control.isPaused || isUnclear()) this.#rest = { from, until: Infinity };
    else if (waitingMs > 0) this.#rest = { from, until: now + waitingMs };
    else {
      this.#restedMs += Math.min(now, until) - from;
      this.#rest = undefined;
      if (this.#isProven()) this.#rate.note(now - this.#restedMs, this.#options.counters.done);
    }
    return waitingMs;
  }

  /** How long it will still take: at the bot's pace, or at the rate of the last few seconds, if that is lower. */
  #remainingMs(waitingMs: number): number | undefined {
    const { counters: { done }, paces } = this.#options;
    const left = this.#left;
    if (done === 0 || left === 0) return done === 0 ? undefined : 0;
    return Math.round(waitingMs + Math.max(msFor(left, paces()), left / (this.#rate.perMs ?? Infinity)));
  }

  #tell(): void {
    const now = this.#elapsed();
    const waitingMs = this.#lookAtRest();
    const rests = waitingMs > 0;
    if (rests && this.#options.pauseMs() <= 0 && !this.#hasToldHeld) {
      this.#hasToldHeld = true;
      this.#options.onAllHeld(waitingMs, this.#held.size);
    }
    if (now - this.#toldAt < progressEveryMs && rests === this.#hasToldRest) return;
    this.#toldAt = now;
    this.#hasToldRest = rests;
    this.tell();
  }

  #progress(): BroadcastProgress {
    const { counters, control } = this.#options;
    const { done, counts } = counters;
    const { elapsedMs } = this;
    const isOver = this.#endedAt !== undefined;
    const left = isOver ? 0 : this.#left;
    const waitingMs = isOver ? 0 : this.#lookAtRest();
    return displayProgress({
      recipients: done + left,
      done,
      ...counts,
      elapsedMs,
      remainingMs: isOver ? 0 : this.#remainingMs(waitingMs),
      willExpire: left > 0 ? this.willExpire : 0,
      isPaused: control.isPaused,
      isWaiting: waitingMs > 0,
      waitingMs,
    });
  }
}

/** A defect of ours costs one chat its message, and not everyone after it. */
function unexpected(error: unknown): DeliveryResult {
  return { outcome: "failed", message: messageOf(error) };
}
