/** The lines in which calls wait for their turn, each with its pace. */
import { PermitTimeoutError, type SendPermit, type SendRequest } from "./send_request.ts";
import { Heap } from "../../util/collections.ts";
import type { AdaptiveRate } from "./adaptive_rate.ts";

export interface Waiter {
  /** The order of arrival: the first has the lowest number. */
  readonly order: number;
  readonly request: SendRequest;
  readonly line: SendQueue;
  /** When it gives up, in the gate's time. */
  giveUpAt: number;
  /** Lets it through; it is in no line any more. */
  readonly resolve: (permit: SendPermit) => void;
  /** Sends it away; it is in no line any more. */
  readonly reject: (reason: unknown) => void;
  /** It waits no longer; it is among the impatient no more. */
  readonly giveUp: () => void;
  /** Where it waits: in its line, or aside with the calls whose chats may not be written to yet. */
  heap: Heap<Waiter>;
  /** Until when it is set aside. */
  until: number;
  isOver: boolean;
}

export interface WaiterOptions extends Pick<Waiter, "order" | "request" | "line" | "resolve" | "reject"> {
  /** The heap of all calls that give up at some time. */
  readonly impatient: Heap<Waiter>;
  readonly now: number;
  readonly onAbort: () => void;
}

/** Makes a call that waits in its line until the signal aborts. */
export function createWaiter(
  { impatient, now, onAbort, resolve, reject, ...rest }: WaiterOptions,
): Waiter {
  const { request: { signal, waitAtMostMs = Infinity }, line } = rest;
  const isImpatient = waitAtMostMs < Infinity;
  const end = (...heaps: readonly Heap<Waiter>[]): void => {
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
  const waiting: Waiter = {
    ...rest,
    giveUpAt: now + waitAtMostMs,
    resolve: settled(resolve),
    reject: settled(reject),
    giveUp() {
      end(waiting.heap);
      reject(new PermitTimeoutError());
    },
    heap: line.waiting,
    until: -Infinity,
    isOver: false,
  };
  signal?.addEventListener("abort", abort);
  if (isImpatient) impatient.push(waiting);
  return waiting;
}

export interface SendQueue {
  /** In the order of arrival, also for a call that was set aside and is back. */
  readonly waiting: Heap<Waiter>;
  readonly pace: AdaptiveRate | undefined;
  /** Replies share the pace with broadcasts that wait. */
  readonly isReply: boolean;
}

export interface SendQueues {
  readonly call: SendQueue;
  readonly read: SendQueue;
  readonly confirmation: SendQueue;
  readonly reply: SendQueue;
  readonly urgentPaid: SendQueue;
  readonly urgent: SendQueue;
  readonly bulkPaid: SendQueue;
  readonly bulk: SendQueue;
}

export function createSendQueues(
  { free, paid, reads }: Record<"free" | "paid" | "reads", AdaptiveRate>,
): SendQueues {
  const line = (pace?: AdaptiveRate, isReply = false): SendQueue => ({
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

export function queueOf(
  lines: SendQueues,
  { priority, isPaid = false, isConfirmation = false }: SendRequest,
): SendQueue {
  if (priority === "reply") return isConfirmation ? lines.confirmation : lines.reply;
  if (isPaid && priority === "urgent") return lines.urgentPaid;
  return lines[isPaid && priority === "bulk" ? "bulkPaid" : priority];
}

/** Calls whose chats may not be written to yet; the one whose time comes first is first. */
export function createAside(): Heap<Waiter> {
  return new Heap((one, other) => one.until - other.until);
}

/** Calls that give up at some time; the earliest is first. */
export function createImpatient(): Heap<Waiter> {
  return new Heap((one, other) => one.giveUpAt - other.giveUpAt);
}

/** Whether it is a message, which is counted; other calls are not. */
export function isMessage({ priority }: SendRequest): boolean {
  return priority !== "call" && priority !== "read";
}
