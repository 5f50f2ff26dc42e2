/** The lines in which calls wait for their turn, each with its pace. */
import { type Departure, LateTurnError, type Turn } from "./send_request.ts";
import { Heap } from "../../util/collections.ts";
import type { Pace } from "./adaptive_rate.ts";

export interface Waiting {
  /** The order of arrival: the first has the lowest number. */
  readonly order: number;
  readonly departure: Departure;
  readonly line: Line;
  /** When it gives up, in the gate's time. */
  giveUpAt: number;
  /** Lets it through; it is in no line any more. */
  readonly resolve: (turn: Turn) => void;
  /** Sends it away; it is in no line any more. */
  readonly reject: (reason: unknown) => void;
  /** It waits no longer; it is among the impatient no more. */
  readonly giveUp: () => void;
  /** Where it waits: in its line, or aside with the calls whose chats may not be written to yet. */
  heap: Heap<Waiting>;
  /** Until when it is set aside. */
  until: number;
  isOver: boolean;
}

export interface WaitingOptions extends Pick<Waiting, "order" | "departure" | "line" | "resolve" | "reject"> {
  /** The heap of all calls that give up at some time. */
  readonly impatient: Heap<Waiting>;
  readonly now: number;
  readonly onAbort: () => void;
}

/** Makes a call that waits in its line until the signal aborts. */
export function createWaiting(
  { impatient, now, onAbort, resolve, reject, ...rest }: WaitingOptions,
): Waiting {
  const { departure: { signal, waitAtMostMs = Infinity }, line } = rest;
  const isImpatient = waitAtMostMs < Infinity;
  const end = (...heaps: readonly Heap<Waiting>[]): void => {
    waiting.isOver = true;
    for (const heap of heaps) heap.forget();
    signal?.removeEventListener("abort", abort);
  };
  const others = isImpatient ? [impatient] : [];
  const abort = (): void => {
    end(waiting.heap, ...others);
    reject(signal?.reason);
    onAbort();
  };
  const settled = <T>(settle: (value: T) => void) => (value: T): void => {
    end(...others);
    settle(value);
  };
  const waiting: Waiting = {
    ...rest,
    giveUpAt: now + waitAtMostMs,
    resolve: settled(resolve),
    reject: settled(reject),
    giveUp() {
      end(waiting.heap);
      reject(new LateTurnError());
    },
    heap: line.waiting,
    until: -Infinity,
    isOver: false,
  };
  signal?.addEventListener("abort", abort);
  if (isImpatient) impatient.push(waiting);
  return waiting;
}

export interface Line {
  /** In the order of arrival, also for a call that was set aside and is back. */
  readonly waiting: Heap<Waiting>;
  readonly pace: Pace | undefined;
  /** Replies share the pace with broadcasts that wait. */
  readonly isReply: boolean;
}

export interface Lines {
  readonly call: Line;
  readonly read: Line;
  readonly confirmation: Line;
  readonly reply: Line;
  readonly urgentPaid: Line;
  readonly urgent: Line;
  readonly bulkPaid: Line;
  readonly bulk: Line;
}

export function createLines({ free, paid, reads }: Record<"free" | "paid" | "reads", Pace>): Lines {
  const line = (pace?: Pace, isReply = false): Line => ({
    waiting: new Heap((one, other) => one.order - other.order),
    pace,
    isReply,
  });
  return {
    call: line(),
    read: line(reads),
    confirmation: line(free, true),
    reply: line(free, true),
    urgentPaid: line(paid),
    urgent: line(free),
    bulkPaid: line(paid),
    bulk: line(free),
  };
}

export function lineOf(lines: Lines, { lane, isPaid = false, isConfirmation = false }: Departure): Line {
  if (lane === "reply") return isConfirmation ? lines.confirmation : lines.reply;
  if (isPaid && lane === "urgent") return lines.urgentPaid;
  return lines[isPaid && lane === "bulk" ? "bulkPaid" : lane];
}

/** Calls whose chats may not be written to yet; the one whose time comes first is first. */
export function createAside(): Heap<Waiting> {
  return new Heap((one, other) => one.until - other.until);
}

/** Calls that give up at some time; the earliest is first. */
export function createImpatient(): Heap<Waiting> {
  return new Heap((one, other) => one.giveUpAt - other.giveUpAt);
}

/** Whether it is a message, which is counted; other calls are not. */
export function isMessage({ lane }: Departure): boolean {
  return lane !== "call" && lane !== "read";
}
