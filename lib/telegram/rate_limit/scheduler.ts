/** Which call to Telegram may leave next: by the bot's rate, each chat's limits, the share of replies, and floods. */
import { Alarm, type Clock, createLeaps, steady } from "../../util/clock.ts";
import { Heap } from "../../util/collections.ts";
import { defaultMessagesPerSecond } from "../client.ts";
import { type ChatId, FloodWait } from "./flood_wait.ts";
import { AdaptiveRate, createChatRateLimits, createReplyShare, type ReplyShare } from "./rates.ts";
import {
  chosenBy,
  compareTurns,
  isMessage,
  PermitTimeoutError,
  RateFeedback,
  type RateFeedbackOptions,
  type RateLimits,
  readyAt,
  type SendPermit,
  type SendRequest,
  type SendTurn,
} from "./send_request.ts";

const readsPerSecond = 10;
/** More than there will ever be calls. */
const beforeOthers = 2 ** 52;
const beforeTurns: SendTurn = { magnitude: -1, number: 0 };

/** A call that waits for its permit. */
interface Waiter {
  /** The order of arrival: the first has the lowest number. */
  readonly order: number;
  /** Its broadcast's, as it was then. */
  readonly turn: SendTurn;
  readonly request: SendRequest;
  readonly queue: SendQueue;
  /** Where it is: in its queue, or among the deferred; and among the expiring, if it waits for a limited time. */
  readonly heaps: Set<Heap<Waiter>>;
  /** When it gives up, in the scheduler's time. */
  expiresAt: number;
  /** Until when it is deferred, as its chat may not be written to before. */
  deferredUntil: number;
  isOver: boolean;
  readonly resolve: (permit: SendPermit) => void;
  readonly reject: (reason: unknown) => void;
}

interface SendQueue {
  /** By their turns, and in the order of arrival, also for a call that was deferred and is back. */
  readonly waiting: Heap<Waiter>;
  readonly rate: AdaptiveRate | undefined;
  /** Replies share the rate with broadcasts that wait. */
  readonly isReply: boolean;
}

type QueueName =
  | "call"
  | "read"
  | "confirmation"
  | "reply"
  | "urgentPaid"
  | "urgent"
  | "bulkPaid"
  | "bulk";

function createQueues(
  { free, paid, reads }: Record<"free" | "paid" | "reads", AdaptiveRate>,
): Readonly<Record<QueueName, SendQueue>> {
  const queue = (rate?: AdaptiveRate, isReply = false): SendQueue => ({
    waiting: new Heap((one, other) => compareTurns(one.turn, other.turn) || one.order - other.order),
    rate,
    isReply,
  });
  return {
    call: queue(),
    read: queue(reads),
    confirmation: queue(free, true),
    reply: queue(free, true),
    urgentPaid: queue(paid),
    urgent: queue(free),
    bulkPaid: queue(paid),
    bulk: queue(free),
  };
}

function queueNameOf({ priority, isPaid = false, isConfirmation = false }: SendRequest): QueueName {
  if (priority === "reply") return isConfirmation ? "confirmation" : "reply";
  if (isPaid && priority === "urgent") return "urgentPaid";
  return isPaid && priority === "bulk" ? "bulkPaid" : priority;
}

function put(waiter: Waiter, heap: Heap<Waiter>): void {
  heap.push(waiter);
  waiter.heaps.add(heap);
}

/** Takes the first one out of a heap that is not empty. */
function takeFrom(heap: Heap<Waiter>): Waiter {
  const waiter = heap.shift() as Waiter;
  waiter.heaps.delete(heap);
  return waiter;
}

export interface SendSchedulerOptions extends Pick<RateFeedbackOptions, "onFlood" | "onLowered"> {
  /** Messages a second over all chats. */
  readonly messagesPerSecond: number;
  readonly clock: Clock;
  /** Ends every wait. */
  readonly signal: AbortSignal;
}

export class SendScheduler {
  readonly #options: SendSchedulerOptions;
  /** Notes leaps of the clock, too. */
  readonly #now: (reached?: number) => number;
  readonly #free: AdaptiveRate;
  readonly #paid: AdaptiveRate;
  readonly #limits: RateLimits = { chats: createChatRateLimits(), flood: new FloodWait() };
  readonly #feedback: RateFeedback;
  readonly #share: ReplyShare = createReplyShare();
  readonly #queues: Readonly<Record<QueueName, SendQueue>>;
  /** All queues; the first that may send goes first. */
  readonly #byPriority: readonly SendQueue[];
  /**
   * The same while it is not clear whether a flood concerns the bot. Broadcasts come first: a stranger can ask for a reply,
   * but cannot choose which chat a signal is sent to.
   */
  readonly #probesFirst: readonly SendQueue[];
  /** Calls whose chats may not be written to yet; the one whose time comes first is first. */
  readonly #deferred = new Heap<Waiter>((one, other) => one.deferredUntil - other.deferredUntil);
  /** Calls that give up at some time; the earliest is first. */
  readonly #expiring = new Heap<Waiter>((one, other) => one.expiresAt - other.expiresAt);
  #lastOrder = 0;
  readonly #alarm: Alarm;
  #isDispatching = false;
  /** Whether a broadcast has a message waiting whose chat may be written to now. */
  #isBroadcasting = false;

  constructor(options: SendSchedulerOptions) {
    const { messagesPerSecond, clock, signal, onFlood, onLowered } = options;
    this.#options = options;
    const [elapsed, leaps] = [steady(clock), createLeaps(clock)];
    this.#now = (reached) => {
      this.#skip(leaps());
      return elapsed(reached);
    };
    const onChange = (): void => this.#dispatch();
    this.#feedback = new RateFeedback({ ...this.#limits, now: this.#now, onFlood, onLowered, onChange });
    this.#alarm = new Alarm({ clock, now: this.#now, onTime: onChange });
    this.#free = new AdaptiveRate(messagesPerSecond);
    this.#paid = new AdaptiveRate(messagesPerSecond);
    const reads = new AdaptiveRate(readsPerSecond);
    this.#queues = createQueues({ free: this.#free, paid: this.#paid, reads });
    const { call, read, confirmation, reply, ...broadcasts } = this.#queues;
    this.#byPriority = Object.values(this.#queues);
    this.#probesFirst = [call, read, ...Object.values(broadcasts), confirmation, reply];
    signal.addEventListener("abort", onChange);
  }

  /** Milliseconds until the bot's flood is over; 0 or less where there is none. */
  get pauseMs(): number {
    return this.#limits.flood.restsUntil - this.#now();
  }

  /** Whether it is not known for certain whom a flood concerns. */
  get isUnclear(): boolean {
    return this.#limits.flood.isUnclear(this.#now());
  }

  /** Milliseconds until the chat's block ends; 0 or less where there is none. */
  holdMs(chatId: ChatId): number {
    const now = this.#now();
    return this.#limits.chats.blockedUntil(chatId, now) - now;
  }

  /** How many floods were proved to be the bot's so far. */
  get rests(): number {
    return this.#limits.flood.rests;
  }

  /** The rate of messages that are not paid for, as it is now. */
  get messagesPerSecond(): number {
    this.#feedback.undoUnproven(this.#now());
    return this.#free.messagesPerSecond;
  }

  /** The rate of those that are paid for, as it is now. */
  get paidPerSecond(): number {
    return this.#paid.messagesPerSecond;
  }

  /** Resolves when the call may leave; rejects with the signal's reason, a `ChatFloodError`, or a `PermitTimeoutError`. */
  acquire(request: SendRequest): Promise<SendPermit> {
    const { signal, waitAtMostMs = Infinity } = request;
    const goesFirst = request.drawnFrom !== undefined || request.isAgain === true;
    const { magnitude, number } = goesFirst ? beforeTurns : request.turn ?? beforeTurns;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const settled = <T>(settle: (value: T) => void) => (value: T): void => {
        waiter.isOver = true;
        for (const heap of waiter.heaps) heap.forget();
        signal?.removeEventListener("abort", abort);
        settle(value);
      };
      const waiter: Waiter = {
        order: ++this.#lastOrder - (goesFirst ? beforeOthers : 0),
        turn: { magnitude, number },
        request,
        queue: this.#queues[queueNameOf(request)],
        heaps: new Set(),
        expiresAt: this.#now() + waitAtMostMs,
        deferredUntil: -Infinity,
        isOver: false,
        resolve: settled(resolve),
        reject: settled(reject),
      };
      const abort = (): void => {
        waiter.reject(signal?.reason);
        this.#dispatch();
      };
      signal?.addEventListener("abort", abort);
      put(waiter, waiter.queue.waiting);
      if (waitAtMostMs < Infinity) put(waiter, this.#expiring);
      this.#dispatch();
    });
  }

  /** A broadcast is paid for, so the bot's rate is meant for that; all else keeps to the free rate from now on. */
  limitUnpaid(): void {
    this.#free.limit(defaultMessagesPerSecond);
  }

  /** Gives a permit to all calls that may leave now, and sets the alarm for the next. */
  #dispatch(): void {
    // `onHeld` may call `acquire()` again.
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    try {
      for (;;) {
        const next = this.#next(this.#now());
        if (typeof next === "number") return this.#alarm.set(next);
        next.resolve(this.#permit(next));
      }
    } finally {
      this.#isDispatching = false;
    }
  }

  /** The call that may leave now; or in how many milliseconds to look again. */
  #next(now: number): Waiter | number {
    this.#expire(now);
    this.#requeue(now);
    this.#noteBroadcasts(now);
    const { flood } = this.#limits;
    let soonestMs = Infinity;
    for (const queue of flood.isOpen(now) ? this.#probesFirst : this.#byPriority) {
      const first = this.#firstOf(queue, now);
      if (first === undefined) continue;
      if (flood.isUnclear(now)) first.request.onUnclearFlood?.();
      const waitMs = Math.max(queue.rate?.waitMs(now) ?? 0, this.#opensAt(first, now) - now);
      if (waitMs <= 0) return takeFrom(queue.waiting);
      soonestMs = Math.min(soonestMs, waitMs);
    }
    const { deferredUntil = Infinity } = this.#deferred.first ?? {};
    const { expiresAt = Infinity } = this.#expiring.first ?? {};
    return Math.min(soonestMs, deferredUntil - now, expiresAt - now);
  }

  /** When floods and the share of replies let the first call of a queue leave. */
  #opensAt({ queue, request }: Waiter, now: number): number {
    const { flood } = this.#limits;
    if (!isMessage(request)) return flood.restsUntil;
    if (!flood.isOpen(now)) return queue.isReply ? this.#share.readyAt : -Infinity;
    const readyAt = flood.readyAt(now, chosenBy(request));
    // A broadcast that waits is about to draw a chat.
    return queue.isReply && this.#isBroadcasting ? Math.max(readyAt, flood.readyAt(now, "order")) : readyAt;
  }

  #noteBroadcasts(now: number): void {
    this.#isBroadcasting = false;
    for (const priority of ["urgent", "bulk"] as const) {
      if (this.#firstOf(this.#queues[priority], now) === undefined) continue;
      this.#share.noteWaiting(priority, now);
      this.#isBroadcasting = true;
    }
  }

  /** The first call of the queue whose chat may be written to; those before it are deferred. */
  #firstOf({ waiting }: SendQueue, now: number): Waiter | undefined {
    const { signal: closed } = this.#options;
    for (let first = waiting.first; first !== undefined; first = waiting.first) {
      const ready = readyAt(first.request, this.#limits, now);
      if (typeof ready === "number" && ready <= now && !closed.aborted) return first;
      takeFrom(waiting);
      if (closed.aborted) first.reject(closed.reason);
      else if (typeof ready !== "number") first.reject(ready);
      else {
        first.deferredUntil = ready;
        put(first, this.#deferred);
        first.request.onHeld?.();
      }
    }
    return undefined;
  }

  /** Rejects the calls that have waited for as long as they may. What confirms a /start or /stop waits through a flood. */
  #expire(now: number): void {
    while ((this.#expiring.first?.expiresAt ?? NaN) <= now) {
      const waiter = takeFrom(this.#expiring);
      const { isConfirmation = false, waitAtMostMs = 0 } = waiter.request;
      if (isConfirmation) waiter.expiresAt = this.#limits.flood.until + waitAtMostMs;
      if (waiter.expiresAt <= now) waiter.reject(new PermitTimeoutError());
      else put(waiter, this.#expiring);
    }
  }

  /**
   * Where the clock leaps forward, the machine may have slept, and floods may be over. One message that is refused again is
   * a lesser evil than all of them being late.
   */
  #skip(leapMs: number): void {
    if (leapMs === 0) return;
    this.#limits.flood.skip(leapMs);
    this.#limits.chats.skip(leapMs);
    this.#requeue(Infinity);
  }

  /** Puts the deferred calls whose chats may be written to again back into their queues. */
  #requeue(now: number): void {
    const until = this.#options.signal.aborted ? Infinity : now;
    while ((this.#deferred.first?.deferredUntil ?? NaN) <= until) {
      const waiter = takeFrom(this.#deferred);
      put(waiter, waiter.queue.waiting);
    }
  }

  #permit({ request, queue }: Waiter): SendPermit {
    const now = this.#now();
    const { rate } = queue;
    const slot = rate?.take(now);
    if (queue.isReply) this.#share.noteReply(now);
    else if (rate === this.#free) this.#share.noteBroadcast();
    if (!isMessage(request)) return this.#feedback.permitCall(request);
    return this.#feedback.permitMessage(request, now, rate && slot && { rate, slot });
  }
}
