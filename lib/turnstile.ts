/** Who may call Telegram next: at the bot's pace and each chat's, replies before broadcasts, nobody in a flood's pause. */
import { Aside } from "./aside.ts";
import { type ChatPace, createChatPace } from "./chat_pace.ts";
import { type Clock, monotonic } from "./clock.ts";
import { Fifo } from "./fifo.ts";
import { type ChatId, createFlood, type Flood } from "./flood.ts";
import type { Departure, Turn } from "./departure.ts";
import { defaultMessagesPerSecond } from "./options.ts";
import { createPace, type Pace, type Slot } from "./pace.ts";

interface Waiting {
  /** Who came first has the lowest. */
  readonly order: number;
  readonly departure: Departure;
  readonly queue: Line;
  readonly resolve: (turn: Turn) => void;
  readonly reject: (reason: unknown) => void;
  isOver: boolean;
}

interface Line {
  readonly waiting: Fifo<Waiting>;
  readonly pace: Pace | undefined;
  readonly mayProbe: boolean;
}

/** No timer can wait for longer than 24 days; and to wake up for every single message at a high pace costs as much as it. */
const [shortestSleepMs, longestSleepMs] = [20, 86_400_000];

export interface TurnstileOptions {
  /** Messages a second over all chats. */
  readonly messagesPerSecond: number;
  readonly clock: Clock;
  /** Is told when a flood begins. */
  readonly onFlood: (seconds: number) => void;
  /** Ends every wait. */
  readonly signal: AbortSignal;
}

export class Turnstile {
  readonly #options: TurnstileOptions;
  readonly #now: (reached?: number) => number;
  readonly #free: Pace;
  readonly #paid: Pace;
  readonly #chats: ChatPace = createChatPace();
  readonly #flood: Flood = createFlood();
  readonly #lines: Readonly<Record<"call" | "reply" | "urgentPaid" | "urgent" | "bulkPaid" | "bulk", Line>>;
  /** In the order in which they are let through. */
  readonly #inOrder: readonly Line[];
  /** Whose chats may not be written to yet. */
  readonly #held = new Aside<Waiting>();
  #lastOrder = 0;
  readonly #underWay = new Set<number>();
  #lastNumber = 0;
  /** What the present flood has lowered, to be undone where it turns out to be one chat's own. */
  #lowered: { readonly pace: Pace; readonly slot: Slot }[] = [];
  #timer: { readonly at: number; readonly cancel: AbortController } | undefined;
  #isPassing = false;

  constructor(options: TurnstileOptions) {
    this.#options = options;
    this.#now = monotonic(options.clock);
    this.#free = createPace(options.messagesPerSecond);
    this.#paid = createPace(options.messagesPerSecond);
    const line = (pace?: Pace): Line => ({ waiting: new Fifo(), pace, mayProbe: pace !== undefined });
    const [free, paid] = [() => line(this.#free), () => line(this.#paid)];
    this.#lines = {
      call: line(),
      reply: free(),
      urgentPaid: paid(),
      urgent: free(),
      bulkPaid: paid(),
      bulk: free(),
    };
    this.#inOrder = Object.values(this.#lines);
    options.signal.addEventListener("abort", () => this.#pass());
  }

  /** Milliseconds until the pause ends that Telegram has asked for; 0 or less where there is none. */
  get pauseMs(): number {
    return this.#flood.until - this.#now();
  }

  /** Resolves when the call may leave; rejects with the signal's reason. */
  enter(departure: Departure): Promise<Turn> {
    const { signal } = departure;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const abort = (): void => {
        waiting.isOver = true;
        reject(signal?.reason);
        this.#held.tidy();
        this.#pass();
      };
      const settled = <T>(settle: (value: T) => void) => (value: T): void => {
        signal?.removeEventListener("abort", abort);
        settle(value);
      };
      const queue = this.#lineOf(departure);
      const waiting: Waiting = {
        order: ++this.#lastOrder,
        departure,
        queue,
        resolve: settled(resolve),
        reject: settled(reject),
        isOver: false,
      };
      signal?.addEventListener("abort", abort);
      queue.waiting.push(waiting);
      this.#pass();
    });
  }

  /** Somebody pays, so the bot's pace is meant for what is paid; all else keeps to what is free from now on. */
  keepFree(): void {
    this.#free.limit(defaultMessagesPerSecond);
  }

  #lineOf({ lane, isPaid = false }: Departure): Line {
    if (isPaid && lane === "urgent") return this.#lines.urgentPaid;
    return this.#lines[isPaid && lane === "bulk" ? "bulkPaid" : lane];
  }

  /** Lets everyone through whose turn it is, and comes back when it is the next one's. */
  #pass(): void {
    // Who is told that a chat is held back may send the next one.
    if (this.#isPassing) return;
    this.#isPassing = true;
    try {
      for (;;) {
        const next = this.#next(this.#now());
        if (typeof next === "number") return this.#comeBack(next);
        next.resolve(this.#admit(next.departure, next.queue));
      }
    } finally {
      this.#isPassing = false;
    }
  }

  /** Whose turn it is; or in how many milliseconds it may be somebody's. */
  #next(now: number): Waiting | number {
    this.#readmit(now);
    let soonestMs = Infinity;
    for (const line of this.#inOrder) {
      if (this.#firstOf(line, now) === undefined) continue;
      const lineMs = Math.max(line.pace?.waitMs(now) ?? 0, this.#pauseMs(line, now));
      if (lineMs <= 0) return line.waiting.shift() as Waiting;
      soonestMs = Math.min(soonestMs, lineMs);
    }
    return Math.min(soonestMs, this.#held.soonest - now);
  }

  #pauseMs({ mayProbe }: Line, now: number): number {
    const { until, probeAt } = this.#flood;
    if (until <= now) return 0;
    return (mayProbe && probeAt < until && !this.#isProbing() ? probeAt : until) - now;
  }

  /** Whether something is under way that will show whom the flood concerns. */
  #isProbing(): boolean {
    for (const number of this.#underWay) if (number > this.#flood.latestRefused) return true;
    return false;
  }

  /** The first who still waits and whose chat may be written to; the others step aside. */
  #firstOf({ waiting }: Line, now: number): Waiting | undefined {
    const { signal: closed } = this.#options;
    for (let first = waiting.first; first !== undefined; first = waiting.first) {
      if (closed.aborted && !first.isOver) first.reject(closed.reason);
      const { chatId, lane, onHeld } = first.departure;
      const isOver = first.isOver || closed.aborted;
      const until = isOver || chatId === undefined || lane === "call"
        ? now
        : this.#chats.readyAt(chatId, now);
      if (!isOver && until <= now) return first;
      waiting.shift();
      if (isOver) continue;
      this.#held.add(first, until);
      onHeld?.();
    }
    return undefined;
  }

  /** Whoever stepped aside for a chat's sake goes first when its time has come. */
  #readmit(now: number): void {
    const due = this.#held.takeDue(this.#options.signal.aborted ? Infinity : now);
    for (const waiting of due) waiting.queue.waiting.insert(waiting, ({ order }) => waiting.order < order);
  }

  #admit({ chatId, lane }: Departure, { pace }: Line): Turn {
    const now = this.#now();
    const number = ++this.#lastNumber;
    const slot = pace?.take(now);
    if (chatId !== undefined && lane !== "call") this.#chats.note(chatId, now);
    this.#underWay.add(number);
    return {
      over: () => {
        // What tells nothing of a flood leaves it to the next one to find out.
        if (this.#underWay.delete(number) && this.#flood.until > this.#now()) this.#pass();
      },
      taken: () => {
        this.#underWay.delete(number);
        if (this.#flood.take(number, this.#now())) this.#relent();
      },
      flooded: (seconds) => {
        this.#underWay.delete(number);
        if (pace !== undefined && slot !== undefined) this.#slow(pace, slot);
        this.#pause(number, chatId, seconds);
      },
    };
  }

  #pause(number: number, chatId: ChatId | undefined, seconds: number): void {
    const now = this.#now();
    const until = now + seconds * 1000;
    if (this.#flood.refuse(number, chatId, until, now)) this.#options.onFlood(seconds);
    if (chatId !== undefined) this.#chats.hold(chatId, until, now);
    this.#pass();
  }

  #slow(pace: Pace, slot: Slot): void {
    if (this.#flood.until <= this.#now()) this.#lowered = [];
    pace.lower(slot);
    this.#lowered.push({ pace, slot });
  }

  /** It was one chat's own flood. */
  #relent(): void {
    for (const { pace, slot } of this.#lowered.splice(0).reverse()) pace.restore(slot);
    this.#pass();
  }

  #comeBack(ms: number): void {
    const sleepMs = Math.min(Math.max(Math.ceil(ms), shortestSleepMs), longestSleepMs);
    const at = this.#now() + sleepMs;
    if (this.#timer !== undefined && this.#timer.at <= at && ms < Infinity) return;
    this.#timer?.cancel.abort();
    this.#timer = undefined;
    // Where nobody waits nothing keeps the program alive.
    if (ms === Infinity) return;
    const timer = this.#timer = { at, cancel: new AbortController() };
    this.#options.clock.sleep(sleepMs, timer.cancel.signal).then(() => {
      if (this.#timer === timer) this.#timer = undefined;
      this.#now(at);
      this.#pass();
    }, () => {});
  }
}
