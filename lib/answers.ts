/** Answers to updates: once one is kept, while it waits in the queue, and after it has left the queue. */
import type { Api } from "grammy/web";
import { BoundedSet } from "./bounded.ts";
import type { Entry, Step } from "./entry.ts";
import type { Ask, Heard } from "./hearing.ts";
import type { Addressee } from "./messages.ts";
import type { Outbox, SendOptions } from "./outbox.ts";
import { repliesAfterQueue, repliesTo, repliesWhileQueued, type Reply } from "./replies.ts";
import type { Roster } from "./roster.ts";

export interface AnswersOptions {
  readonly api: Api;
  readonly outbox: Outbox;
  readonly roster: Roster;
}

/** An update that waits in the queue. */
export interface Queued {
  readonly updateId: number;
  readonly heard: Heard;
  /** Whether the chat was active before, as far as was known here. */
  readonly wasActive: boolean;
  readonly kept: Promise<Step>;
}

/** Chats that were told what is told once; past this many, the oldest may be told again. */
const toldAtMost = 10_000;

export class Answers {
  readonly #options: AnswersOptions;
  readonly #told = new BoundedSet<number>(toldAtMost);
  /** Updates that a process before this one has answered while they waited. */
  readonly #answered = new Set<number | undefined>();

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  /** Answers what is kept; without a step, what could not be decided. */
  kept(heard: Heard, step: Step | undefined): Promise<void> {
    const { chatId, asks } = heard;
    const to = addresseeOf(heard);
    if (asks === "stranger") return this.#send(to, this.#once(chatId, "stranger"));
    if (step === undefined) return this.#send(to, ["administratorsUnknown"]);
    // A chat that has said /stop meanwhile gets no greeting any more.
    const isWanted = (): boolean => asks !== "nothing" || this.#options.roster.mayWriteTo(chatId);
    return this.#send(to, repliesTo(asks, step), {
      kind: kindOf(asks),
      isWanted,
      holdMs: holdMsOf(asks, step),
    });
  }

  /** Answers what is queued, with what is known. */
  queued({ updateId, heard, wasActive, kept }: Queued): void {
    const { chatId, asks, entry } = heard;
    const to = addresseeOf(heard);
    if (this.#answered.has(updateId)) return;
    const isMessage = entry?.kind === "event" && entry.event.kind === "message";
    // A chat that has said /stop, or may not be registered, is not invited to /start.
    const isInvited = asks !== "stop" && asks !== "chatTypeNotAllowed" && asks !== "tooManyChats";
    if (!isInvited) this.#once(chatId, "unread");
    // What nobody has asked for is not said before all subscribers of a channel.
    const isToTell = heard.chatType !== "channel" || asks !== "nothing";
    const isUnknown = this.#options.roster.isUnread && !wasActive && isMessage && isToTell;
    const unread = isUnknown ? this.#once(chatId, "unread") : [];
    void this.#send(to, [...unread, ...repliesWhileQueued(asks, wasActive)], { kind: kindOf(asks) });
    this.#later(to, asks, kept);
  }

  /** Takes over from a process before this one, whose entries are on their way to be kept. */
  resume(entries: readonly Entry[], kept: readonly Promise<Step>[]): void {
    for (const [index, entry] of entries.entries()) {
      if (entry.kind !== "event") continue;
      const { chatId, event } = entry;
      if ("updateId" in event) this.#answered.add(event.updateId);
      const asks = event.kind === "start" || event.kind === "stop" ? event.kind : "nothing";
      const threadId = "threadId" in event ? event.threadId : undefined;
      this.#later({ chatId, languageCode: undefined, threadId }, asks, kept[index] as Promise<Step>);
    }
  }

  /** What could not be said while it waited. */
  #later(to: Addressee, asks: Ask, kept: Promise<Step>): void {
    const isWanted = (): boolean => this.#options.roster.mayWriteTo(to.chatId);
    kept.then((step) => this.#send(to, repliesAfterQueue(asks, step), { isWanted })).catch(() => {});
  }

  #send(to: Addressee, replies: readonly Reply[], options?: SendOptions): Promise<void> {
    return this.#options.outbox.send(this.#options.api, to, replies, options);
  }

  #once(chatId: number, reply: Reply): Reply[] {
    return this.#told.add(chatId) ? [reply] : [];
  }
}

/** The chat that an answer is for. */
export function addresseeOf({ chatId, languageCode, threadId }: Heard): Addressee {
  return threadId === undefined ? { chatId, languageCode } : { chatId, languageCode, threadId };
}

/** How long the answer has to wait: that of a /stop promises that no message follows it. */
export function holdMsOf(asks: Ask, step: Step | undefined): number | undefined {
  return asks === "stop" ? step?.confirmAfterMs : undefined;
}

function kindOf(asks: Ask): "word" | "other" {
  return asks === "start" || asks === "stop" ? "word" : "other";
}
