/** Sends one message to many chats: which chat is next, how many deliveries run at once, and when the run is over. */
import { cleared } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { RunCheckpoint } from "./checkpoint.ts";
import type { Deliverer } from "./delivery.ts";
import { type ProgressSource, ProgressTracker } from "./broadcast_run.ts";
import { HeldChats, type HeldSplit } from "./held_chats.ts";
import { drawPeople, partToDrawFrom, RefusalSampling } from "./refusal_sampling.ts";
import { type BroadcastCounters, type DeliveryResult, inDoubtResult } from "./report.ts";
import type { RunContext, WindowState } from "./request.ts";

/** Deliveries under way when a window is written: with so many the ledger's item has less than 1 KB. */
const pendingAtMost = 30;
/** Held chats at such a time, and chats left over at an end: the item costs more with them. */
const heldAtMost = 2000;
/**
 * Chats tried one by one until the first has taken the message: what is refused there would be refused by all. With a
 * photo that is yet to be uploaded this goes on until a chat has taken it.
 */
const triedAlone = 10;
/** An answer that takes so long is waited for no longer before the next chat is tried; an upload may take longer. */
const [lateAfterMs, uploadLateAfterMs] = [1000, 5000];
/** Deliveries under way, so that the pace is kept up at a latency of four seconds. */
const latencySeconds = 4;
const [deliveriesAtLeast, deliveriesAtMost] = [64, 4000];
/** Recipients that may wait for the bot's pace at a time, where something is read or made for each. */
const preparedAtOnce = 16;
const [windowAtLeast, windowSeconds] = [100, 2];

/** How many chats are sent to between two checkpoints: after a crash so many are in doubt, at most. */
export function windowSizeAt(messagesPerSecond: number): number {
  return Math.max(windowAtLeast, Math.ceil(windowSeconds * messagesPerSecond));
}

const noChats: ReadonlySet<number> = new Set();
const nothingHeld: HeldSplit = { ahead: [], unsent: [] };

export class SendLoop implements ProgressSource {
  readonly #run: RunContext;
  readonly #deliverer: Deliverer;
  readonly #checkpoint: RunCheckpoint | undefined;
  readonly #deliveriesAtOnce: number;
  readonly #windowSize: number;
  /** Chats of the first window that may have the message already, and get it again. */
  readonly #inDoubt: ReadonlySet<number>;
  readonly progress: ProgressTracker;
  /** Begins with the first refusal that may concern the message. */
  #refusalSampling: RefusalSampling | undefined;
  /** Recipients that may be sent to, how many of them have been begun with, and how many deliveries have begun in all. */
  #window: readonly number[];
  #next = 0;
  #begun = 0;
  /** How many recipients the window has that is being written. */
  #coming = 0;
  readonly #underWay = new Set<number>();
  /** Those of them that wait for something of their own chat, and hold up no others. Made when the first has to. */
  #held: HeldChats | undefined;
  /** Those of the first few whose answers are late: the next is tried meanwhile. */
  readonly #late = new Set<number>();
  /** How many wait for the bot's pace. */
  #waiting = 0;
  #isAdvancing = false;
  #isFinished = false;
  /** Whether a person is being written to who was drawn to find out whom a flood concerns. */
  #isProbing = false;
  #finish = (): void => {};

  /**
   * @param window The first recipients, which a ledger has as its first window.
   * @param inDoubt Those of them that may have the message already.
   */
  constructor(
    run: RunContext,
    deliverer: Deliverer,
    checkpoint: RunCheckpoint | undefined,
    window: readonly number[],
    inDoubt: ReadonlySet<number>,
  ) {
    const { request: { startedAt, expiresAt, now, control, options }, deps } = run;
    const { messagesPerSecond, rateLimiter, clock, logger } = deps;
    this.#run = run;
    this.#deliverer = deliverer;
    this.#checkpoint = checkpoint;
    this.#window = window;
    this.#inDoubt = inDoubt;
    this.#windowSize = windowSizeAt(messagesPerSecond);
    const atOnce = Math.max(deliveriesAtLeast, latencySeconds * messagesPerSecond);
    this.#deliveriesAtOnce = Math.min(deliveriesAtMost, atOnce);
    this.progress = new ProgressTracker({
      ...{ startedAt, expiresAt, now, control, rateLimiter, clock, logger },
      onProgress: options.onProgress,
      isStopped: () => options.signal?.aborted === true,
      paidLeft: () => deliverer.budget.left,
    }, this);
  }

  /** Recipients that it had begun with, and had to leave to the next process. */
  readonly unsent: number[] = [];

  /** The last recipient that it has begun with in its turn; `undefined` where there is none in this window. */
  get lastBegun(): number | undefined {
    return this.#window[this.#next - 1];
  }

  /** Recipients of the window that it has not begun with. */
  get rest(): readonly number[] {
    return this.#window.slice(this.#next);
  }

  get counters(): BroadcastCounters {
    return this.#run.counters;
  }

  get held(): ReadonlySet<number> {
    return this.#held?.chats ?? noChats;
  }

  /** Recipients that have been begun with, and may have the message. */
  get underWay(): readonly number[] {
    return [...this.#underWay];
  }

  /** How many recipients are known to be left: under way, in the window, or to come. */
  get left(): number {
    const inWindow = this.#window.length - this.#next;
    return this.unsent.length + this.#underWay.size + this.#drawn.length + inWindow + this.#coming +
      this.#run.queue.left;
  }

  /** People who were drawn out of their turn, and are not written to yet. */
  get #drawn(): readonly number[] {
    return this.#refusalSampling?.waiting ?? [];
  }

  /** Whether many chats may be tried at once: a chat has taken the message, or the first few are through. */
  get isProven(): boolean {
    if (this.#run.message.isUpload || this.#refusalSampling?.isOpen) return false;
    return this.counters.counts.sent > 0 || this.#begun >= triedAlone;
  }

  /** Resolves once everyone is accounted for, or the run has ended and nothing is under way any more. */
  async finish(): Promise<void> {
    const { request: { control }, end } = this.#run;
    control.attach(() => this.progress.current, () => {
      this.progress.measure();
      this.launch();
    });
    const finished = new Promise<void>((resolve) => {
      this.#finish = () => {
        this.#isFinished = true;
        resolve();
      };
    });
    end.signal.addEventListener("abort", () => this.launch());
    this.progress.changed();
    this.launch();
    await finished;
    // People who were drawn, and not written to any more, are passed over by the order.
    for (let chatId; (chatId = this.#refusalSampling?.next()) !== undefined;) this.unsent.push(chatId);
    this.progress.end();
  }

  /** Begins with as many recipients as it may now; to be called whenever that may be more. */
  launch(): void {
    const { request: { control }, deps: { rateLimiter }, recipients: { check }, queue, end } = this.#run;
    // A chat that joins the list after the last one has its outcome is not of this run.
    if (this.#isFinished) return;
    while (
      !end.signal.aborted && !control.isPaused && this.#waiting < this.#waitingAtMost && this.#hasRoom()
    ) {
      const chatId = this.#take();
      if (chatId === undefined) break;
      void this.#deliver(chatId);
    }
    if (end.signal.aborted) this.#held?.end();
    if (this.#isAdvancing) return;
    if (rateLimiter.isUnclear && !this.#isProbing && !end.signal.aborted && !control.isPaused) {
      void this.#probe();
    }
    if (this.#isAdvancing) return;
    const isAtEnd = this.#next >= this.#window.length;
    const { isOpen = false, wants = 0 } = this.#refusalSampling ?? {};
    const hasMore = !isAtEnd || isOpen || this.#drawn.length > 0 || this.#isProbing || queue.left > 0 ||
      check.isReading;
    if (end.signal.aborted || !hasMore) {
      if (this.#underWay.size === 0) this.#finish();
    } else if (wants > 0) void this.#draw();
    else if (isAtEnd && queue.left > 0) void this.#advance();
    if (this.#held?.isAsking && this.#room > 0 && !this.#isAdvancing && !end.signal.aborted) {
      void this.#writeAhead();
    }
  }

  get #waitingAtMost(): number {
    const { message, recipients: { check }, deps: { broadcastAccess } } = this.#run;
    return message.isPerChat || check.readsEach || broadcastAccess?.authorizes ? preparedAtOnce : 1;
  }

  #take(): number | undefined {
    const drawn = this.#refusalSampling?.next();
    if (drawn !== undefined || this.#refusalSampling?.isOpen) return drawn;
    return this.#window[this.#next] === undefined ? undefined : this.#window[this.#next++];
  }

  /** A message that waits for its own chat takes no place of the others. */
  #hasRoom(): boolean {
    const atOnce = this.isProven ? this.#deliveriesAtOnce : 1 + this.#late.size;
    return this.#underWay.size < deliveriesAtMost && this.#underWay.size - this.held.size < atOnce;
  }

  async #deliver(chatId: number, drawnFrom?: number, onAnswer: () => void = () => {}): Promise<void> {
    this.#begun++;
    this.#underWay.add(chatId);
    this.#waiting++;
    let waits = true;
    const answered = new AbortController();
    const passed = (): void => {
      if (waits) this.#waiting--;
      waits = false;
      this.launch();
    };
    const hold = (mayHaveIt: boolean): void => {
      this.#held ??= new HeldChats((chatId) => this.#run.deps.rateLimiter.holdMs(chatId));
      this.#held.hold(chatId, mayHaveIt || this.#inDoubt.has(chatId));
      this.#late.delete(chatId);
      onAnswer();
      this.progress.changed();
      passed();
    };
    const result = await this.#deliverer.deliver(chatId, {
      onPassed: () => {
        this.#held?.pass(chatId);
        this.#run.turn.sends();
        if (!this.isProven) void this.#noteLate(chatId, answered.signal);
        passed();
      },
      onHeld: hold,
      writtenAhead: () => {
        const written = this.#held?.writtenAhead(chatId);
        if (written !== undefined) hold(false);
        return written;
      },
    }, drawnFrom).catch(unexpected);
    answered.abort(cleared);
    this.#late.delete(chatId);
    this.#held?.pass(chatId);
    this.#underWay.delete(chatId);
    onAnswer();
    this.#record(chatId, result);
    passed();
  }

  /** One answer that does not come holds nobody else up. */
  async #noteLate(chatId: number, answered: AbortSignal): Promise<void> {
    const { deps: { clock }, message: { isUpload } } = this.#run;
    if (answered.aborted) return;
    await clock.sleep(isUpload ? uploadLateAfterMs : lateAfterMs, answered).catch(() => {});
    if (answered.aborted || this.held.has(chatId)) return;
    this.#late.add(chatId);
    this.launch();
  }

  /** Takes the next window, once the ledger has it. */
  async #advance(): Promise<void> {
    const { queue, end, turn, deps: { turns } } = this.#run;
    const checkpoint = this.#checkpoint;
    if (checkpoint === undefined) {
      this.#window = queue.take(this.#windowSize);
      this.#next = 0;
      return this.launch();
    }
    if (this.#mayHaveIt > pendingAtMost || this.held.size > heldAtMost) return;
    this.#isAdvancing = true;
    if (this.#begun === 0) await turns.come(turn, end.signal);
    const split = this.#held?.split(Math.floor(this.#room / 2)) ?? nothingHeld;
    const { recipients } = this.progress;
    const window = queue.take(this.#room - split.ahead.length);
    this.#coming = window.length;
    if (!end.signal.aborted && await checkpoint.advance(window, this.#stateOf(split), recipients)) {
      this.#window = window;
      this.#next = 0;
      this.#held?.written(split);
    } else queue.putBack(window);
    this.#coming = 0;
    this.#isAdvancing = false;
    this.launch();
  }

  /** How many have been begun with, or drawn, and may have the message. */
  get #mayHaveIt(): number {
    return this.#underWay.size - (this.#held?.unsent ?? 0) + this.#drawn.length;
  }

  /** How many more chats may be in doubt. */
  get #room(): number {
    return this.#windowSize - this.rest.length - this.#mayHaveIt;
  }

  #stateOf({ unsent }: HeldSplit, drawn: readonly number[] = []): WindowState {
    const { lastBegun, rest } = this;
    const left = new Set([...this.#underWay, ...this.#drawn, ...drawn]);
    for (const chatId of unsent) left.delete(chatId);
    return { lastBegun, rest, underWay: [...left], unsent };
  }

  /** Has the ledger know who comes next of the held chats, and those that are sent to out of their turn. */
  async #writeAhead(drawn: readonly number[] = [], isCut: boolean = false): Promise<void> {
    const checkpoint = this.#checkpoint;
    if (checkpoint === undefined) return;
    const split = this.#held?.split(this.#room - drawn.length) ?? nothingHeld;
    this.#isAdvancing = true;
    if (await checkpoint.rewrite(this.#stateOf(split, drawn), drawn, isCut)) this.#held?.written(split);
    this.#isAdvancing = false;
    if (drawn.length === 0) this.launch();
  }

  /** Draws people at random from all recipients: what they refuse alike is the message's fault, and no single chat's. */
  async #draw(): Promise<void> {
    const sampling = this.#refusalSampling;
    if (sampling === undefined) return;
    const chosen = this.#drawPeople(sampling.wants);
    if (chosen.length < sampling.wants) {
      // With too few for a proof everyone is written to in turn.
      sampling.close();
      return this.launch();
    }
    await this.#takeEarly(chosen);
    sampling.draw(chosen);
    this.launch();
  }

  /** Writes to a person drawn at random, to find out whom a flood concerns. */
  async #probe(): Promise<void> {
    const drawnFrom = partToDrawFrom({ window: this.rest, queue: this.#run.queue });
    const [chatId] = this.#drawPeople(1);
    if (chatId === undefined) return;
    this.#isProbing = true;
    await this.#takeEarly([chatId]);
    if (this.#run.end.signal.aborted) this.unsent.push(chatId);
    else void this.#deliver(chatId, drawnFrom, () => this.#isProbing = false);
    this.launch();
  }

  #drawPeople(count: number): number[] {
    const { queue, deps: { clock } } = this.#run;
    const drawn = drawPeople(count, { window: this.rest, queue, random: () => clock.random() });
    // Of a window that is taken over all are in doubt, and none of them makes room for others.
    const isFull = this.#checkpoint?.isInOrder === false && this.#room < count;
    return isFull ? drawn.filter((chatId) => this.rest.includes(chatId)) : drawn;
  }

  /** Takes these recipients out of their turn. */
  async #takeEarly(chosen: readonly number[]): Promise<void> {
    const early = new Set(chosen);
    const rest = this.rest.filter((id) => !early.has(id));
    this.#run.queue.except(chosen);
    this.#window = [...this.#window.slice(0, this.#next), ...rest];
    const over = this.#checkpoint?.isInOrder ? chosen.length - this.#room : 0;
    const later = over > 0 ? rest.slice(-over) : [];
    this.#window = this.#window.slice(0, this.#window.length - later.length);
    this.#run.queue.putBack(later);
    if (chosen.length > 0) await this.#writeAhead(chosen, later.length > 0);
  }

  #record(chatId: number, result: DeliveryResult): void {
    const { counters, deps, queue, end } = this.#run;
    const { movedTo = chatId } = result;
    const isOver = result.outcome === "skipped" && (result.why === "expired" || result.why === "stopped");
    const isHandedOver = isOver && end.leavesRest && result.why === "stopped";
    if (isHandedOver && this.unsent.length < heldAtMost) {
      return void this.unsent.push(deps.registry.movedTo(chatId) ?? movedTo);
    }
    if (movedTo !== chatId) queue.moved.push(movedTo);
    if ("why" in result && result.why === "unsubscribed") queue.leftOut.add(chatId);
    if (result.outcome === "withdrawn") return void queue.leftOut.add(chatId);
    // A message that a chat has taken is not at fault: then the refusal is the chat's own.
    if ("stops" in result && result.stops && (result.stops === "stopped" || counters.counts.sent === 0)) {
      end.end(result.stops, result.message);
    }
    const isInDoubt = isOver && !end.leavesRest && this.#inDoubt.has(chatId);
    counters.record(chatId, isInDoubt ? inDoubtResult : result, this.progress.elapsedMs);
    this.#consultPoll(chatId, result);
    this.progress.changed();
  }

  /** Ends the run if a refusal is proved to be the message's fault. */
  #consultPoll(chatId: number, result: DeliveryResult): void {
    if (this.counters.counts.sent > 0) return this.#refusalSampling?.close();
    const refusal = "refusal" in result ? result.refusal : undefined;
    if (refusal !== undefined) this.#refusalSampling ??= new RefusalSampling();
    if (this.#refusalSampling?.note(chatId, refusal) && "message" in result) {
      this.#run.end.end("refused", result.message);
    }
  }
}

/** A defect of ours costs one chat its message, and not everyone after it. */
function unexpected(error: unknown): DeliveryResult {
  return { outcome: "failed", message: messageOf(error) };
}
