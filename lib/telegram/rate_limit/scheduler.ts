/** Which call to Telegram may leave next: by the bot's pace, each chat's, the share of replies, and the bot's rests. */
import { Alarm, type Clock, createLeaps, steady } from "../../util/clock.ts";
import type { Heap } from "../../util/collections.ts";
import { type AdaptiveRate, createAdaptiveRate, createReplyShare, type ReplyShare } from "./adaptive_rate.ts";
import { createChatRateLimits, type Limits, RateFeedback, readyAt } from "./chat_limits.ts";
import { type ChatId, FloodWait } from "./flood_wait.ts";
import {
  createAside,
  createImpatient,
  createSendQueues,
  createWaiter,
  isMessage,
  queueOf,
  type SendQueue,
  type SendQueues,
  type Waiter,
} from "./send_queue.ts";
import { chosenBy, type SendPermit, type SendRequest } from "./send_request.ts";

const readsPerSecond = 10;
/** More than there will ever be calls. */
const beforeOthers = 2 ** 52;

export interface SendSchedulerOptions {
  /** Messages a second over all chats. */
  readonly messagesPerSecond: number;
  readonly clock: Clock;
  /** Called when it is found out that the bot, or its replies, have to rest: for how long, and the pace that was lowered. */
  readonly onFlood: (who: "bot" | "replies", seconds: number, messagesPerSecond?: number) => void;
  /** Called when the pace is lowered for good, until time has shown that more is possible; in messages a second. */
  readonly onLowered: (messagesPerSecond: number) => void;
  /** Ends every wait. */
  readonly signal: AbortSignal;
}

export class SendScheduler {
  readonly #options: SendSchedulerOptions;
  /** Notes leaps of the clock, too. */
  readonly #now: (reached?: number) => number;
  readonly #free: AdaptiveRate;
  readonly #paid: AdaptiveRate;
  readonly #limits: Limits = { chats: createChatRateLimits(), flood: new FloodWait() };
  readonly #feedback: RateFeedback;
  readonly #share: ReplyShare = createReplyShare();
  readonly #lines: SendQueues;
  /** All lines; the first that may leave goes first. */
  readonly #inOrder: readonly SendQueue[];
  /**
   * The same while it is not clear whether a flood concerns the bot. Broadcasts come first: a stranger can ask for a reply,
   * but cannot choose which chat a signal is sent to.
   */
  readonly #probesFirst: readonly SendQueue[];
  /** Calls whose chats may not be written to yet. */
  readonly #aside: Heap<Waiter> = createAside();
  /** Calls that give up at some time. */
  readonly #impatient: Heap<Waiter> = createImpatient();
  #lastOrder = 0;
  readonly #alarm: Alarm;
  #isPassing = false;
  /** Whether a broadcast's message waits that its chat's own limits do not hold back. */
  #isBroadcasting = false;

  constructor(options: SendSchedulerOptions) {
    const { messagesPerSecond, clock, signal, onFlood, onLowered } = options;
    this.#options = options;
    const [elapsed, leaps] = [steady(clock), createLeaps(clock)];
    this.#now = (reached) => {
      this.#skip(leaps());
      return elapsed(reached);
    };
    this.#feedback = new RateFeedback({
      ...this.#limits,
      now: this.#now,
      onFlood,
      onLowered,
      onChange: () => this.#pass(),
    });
    this.#alarm = new Alarm({ clock, now: this.#now, onTime: () => this.#pass() });
    this.#free = createAdaptiveRate(messagesPerSecond);
    this.#paid = createAdaptiveRate(messagesPerSecond);
    this.#lines = createSendQueues({
      free: this.#free,
      paid: this.#paid,
      reads: createAdaptiveRate(readsPerSecond),
    });
    const { call, read, confirmation, reply, ...broadcasts } = this.#lines;
    this.#inOrder = Object.values(this.#lines);
    this.#probesFirst = [call, read, ...Object.values(broadcasts), confirmation, reply];
    signal.addEventListener("abort", () => this.#pass());
  }

  /** Milliseconds until the bot's rest ends that Telegram has asked for; 0 or less where there is none. */
  get pauseMs(): number {
    return this.#limits.flood.restsUntil - this.#now();
  }

  /** Whether it is not known yet whom a flood concerns: a broadcast is to draw a chat, and to write to it. */
  get isUnclear(): boolean {
    return this.#limits.flood.isUnclear(this.#now());
  }

  /** Milliseconds for which Telegram has asked to wait before the chat is written to; 0 or less where it has not. */
  holdMs(chatId: ChatId): number {
    const now = this.#now();
    return this.#limits.chats.blockedUntil(chatId, now) - now;
  }

  /** How many rests of the bot were proved so far. */
  get rests(): number {
    return this.#limits.flood.rests;
  }

  /** The pace of what is not paid for, as it is now. */
  get messagesPerSecond(): number {
    this.#feedback.forgive(this.#now());
    return this.#free.messagesPerSecond;
  }

  /** The pace of what is paid for, as it is now. */
  get paidPerSecond(): number {
    return this.#paid.messagesPerSecond;
  }

  /** Resolves when the call may leave; rejects with the signal's reason, a `ChatFloodError`, or a `LateTurnError`. */
  acquire(request: SendRequest): Promise<SendPermit> {
    return new Promise((resolve, reject) => {
      const { signal } = request;
      if (signal?.aborted) return reject(signal.reason);
      const line = queueOf(this.#lines, request);
      const waiting = createWaiter({
        ...{
          order: ++this.#lastOrder - (request.isDrawn ? beforeOthers : 0),
          request,
          line,
          resolve,
          reject,
        },
        impatient: this.#impatient,
        now: this.#now(),
        onAbort: () => this.#pass(),
      });
      line.waiting.push(waiting);
      this.#pass();
    });
  }

  /** A broadcast is paid for, so the bot's pace is meant for that; all else keeps to the free pace from now on. */
  limitUnpaid(): void {
    this.#free.limit(defaultMessagesPerSecond);
  }

  /** Lets all calls through whose turn it is, and sets the alarm for the next. */
  #pass(): void {
    // `onHeld` may call `enter()` again.
    if (this.#isPassing) return;
    this.#isPassing = true;
    try {
      for (;;) {
        const next = this.#next(this.#now());
        if (typeof next === "number") return this.#alarm.set(next);
        next.resolve(this.#admit(next));
      }
    } finally {
      this.#isPassing = false;
    }
  }

  /** The call whose turn it is; or in how many milliseconds to look again. */
  #next(now: number): Waiter | number {
    this.#sendAway(now);
    this.#readmit(now);
    this.#seeBroadcasts(now);
    let soonestMs = Infinity;
    for (const line of this.#limits.flood.isOpen(now) ? this.#probesFirst : this.#inOrder) {
      const first = this.#firstOf(line, now);
      if (first === undefined) continue;
      if (this.#limits.flood.isUnclear(now)) first.request.onUnclearFlood?.();
      const lineMs = Math.max(line.pace?.waitMs(now) ?? 0, this.#opensAt(first, now) - now);
      if (lineMs <= 0) return line.waiting.shift() as Waiter;
      soonestMs = Math.min(soonestMs, lineMs);
    }
    const { until = Infinity } = this.#aside.first ?? {};
    const { giveUpAt = Infinity } = this.#impatient.first ?? {};
    return Math.min(soonestMs, until - now, giveUpAt - now);
  }

  /** When the first call of a line may leave, apart from its pace. */
  #opensAt({ line, request }: Waiter, now: number): number {
    const { flood } = this.#limits;
    const { call, read } = this.#lines;
    if (line === call || line === read) return flood.restsUntil;
    if (!flood.isOpen(now)) return line.isReply ? this.#share.readyAt : -Infinity;
    const readyAt = flood.readyAt(now, chosenBy(request));
    // A broadcast that waits is about to draw a chat.
    return line.isReply && this.#isBroadcasting ? Math.max(readyAt, flood.readyAt(now, "order")) : readyAt;
  }

  #seeBroadcasts(now: number): void {
    this.#isBroadcasting = false;
    for (const priority of ["urgent", "bulk"] as const) {
      if (this.#firstOf(this.#lines[priority], now) === undefined) continue;
      this.#share.see(priority, now);
      this.#isBroadcasting = true;
    }
  }

  /** The first call of the line whose chat may be written to; those before it are set aside. */
  #firstOf({ waiting }: SendQueue, now: number): Waiter | undefined {
    const { signal: closed } = this.#options;
    for (let first = waiting.first; first !== undefined; first = waiting.first) {
      const ready = readyAt(first.request, this.#limits, now);
      if (typeof ready === "number" && ready <= now && !closed.aborted) return first;
      waiting.shift();
      if (closed.aborted) first.reject(closed.reason);
      else if (typeof ready === "number") this.#setAside(first, ready);
      else first.reject(ready);
    }
    return undefined;
  }

  #setAside(waiting: Waiter, until: number): void {
    waiting.until = until;
    waiting.heap = this.#aside;
    this.#aside.push(waiting);
    waiting.request.onHeld?.();
  }

  /** Rejects the calls that have waited for as long as they may. What confirms a /start or /stop waits through a flood. */
  #sendAway(now: number): void {
    const { flood } = this.#limits;
    while ((this.#impatient.first?.giveUpAt ?? NaN) <= now) {
      const waiting = this.#impatient.shift() as Waiter;
      const { isConfirmation = false, waitAtMostMs = 0 } = waiting.request;
      const giveUpAt = isConfirmation ? flood.until + waitAtMostMs : -Infinity;
      if (giveUpAt <= now) waiting.giveUp();
      else {
        waiting.giveUpAt = giveUpAt;
        this.#impatient.push(waiting);
      }
    }
  }

  /**
   * Where the clock leaps forward, the machine may have slept, and what Telegram has asked to wait may be over. One message
   * that is refused again is a lesser evil than all of them being late.
   */
  #skip(leapMs: number): void {
    if (leapMs === 0) return;
    this.#limits.flood.skip(leapMs);
    this.#limits.chats.skip(leapMs);
    this.#readmit(Infinity);
  }

  /** Puts calls back into their lines whose chats may be written to again. */
  #readmit(now: number): void {
    const until = this.#options.signal.aborted ? Infinity : now;
    while ((this.#aside.first?.until ?? NaN) <= until) {
      const waiting = this.#aside.shift() as Waiter;
      waiting.heap = waiting.line.waiting;
      waiting.heap.push(waiting);
    }
  }

  #admit({ request, line }: Waiter): SendPermit {
    const now = this.#now();
    const { pace } = line;
    const slot = pace?.take(now);
    if (line.isReply) this.#share.reply(now);
    else if (pace === this.#free) this.#share.broadcast();
    if (!isMessage(request)) return this.#feedback.turnOfCall(request);
    return this.#feedback.turnOf(request, now, pace && slot && { pace, slot });
  }
}

/** What Telegram takes from a bot that does not pay (https://core.telegram.org/bots/faq). */
export const defaultMessagesPerSecond = 30;
