/** Who is told what, and when: once an update is kept, while it waits in the queue, and after that. */
import type { Api } from "grammy/web";
import type { Entry, Step } from "./entry.ts";
import type { Ask, Heard } from "./hearing.ts";
import { strangerMessage, texts } from "./messages.ts";
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
  readonly #told = new Set<number>();
  /** Updates that a process before this one has answered while they waited. */
  readonly #answered = new Set<number | undefined>();

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  /** Answers what is kept; without a step, what could not be decided. */
  kept({ chatId, asks }: Heard, step: Step | undefined): Promise<void> {
    if (asks === "stranger") return this.#send(chatId, this.#once(chatId, strangerMessage(chatId)));
    if (step === undefined) return this.#send(chatId, [texts.administratorsUnknown]);
    // A greeting that comes late is none for a chat that has said /stop meanwhile.
    const isWanted = (): boolean => asks !== "nothing" || this.#options.roster.mayWriteTo(chatId);
    return this.#send(chatId, repliesTo(asks, step), { kind: kindOf(asks), isWanted });
  }

  /** Answers what is queued, with what is known. */
  queued({ updateId, heard, wasActive, kept }: Queued): void {
    const { chatId, asks, entry } = heard;
    if (this.#answered.has(updateId)) return;
    const isMessage = entry?.kind === "event" && entry.event.kind === "message";
    // Who has said /stop needs no invitation.
    if (asks === "stop") this.#once(chatId, texts.unread);
    const isUnknown = this.#options.roster.isUnread && !wasActive && isMessage;
    const unread = isUnknown ? this.#once(chatId, texts.unread) : [];
    void this.#send(chatId, [...unread, ...repliesWhileQueued(asks, wasActive)], { kind: kindOf(asks) });
    this.#later(chatId, asks, kept);
  }

  /** Takes over from a process before this one, whose entries are on their way to be kept. */
  resume(entries: readonly Entry[], kept: readonly Promise<Step>[]): void {
    for (const [index, entry] of entries.entries()) {
      if (entry.kind !== "event") continue;
      const { chatId, event } = entry;
      if ("updateId" in event) this.#answered.add(event.updateId);
      const asks = event.kind === "start" || event.kind === "stop" ? event.kind : "nothing";
      this.#later(chatId, asks, kept[index] as Promise<Step>);
    }
  }

  /** What could not be said while it waited. */
  #later(chatId: number, asks: Ask, kept: Promise<Step>): void {
    const isWanted = (): boolean => this.#options.roster.mayWriteTo(chatId);
    kept.then((step) => this.#send(chatId, repliesAfterQueue(asks, step), { isWanted })).catch(() => {});
  }

  #send(chatId: number, replies: readonly Reply[], options?: SendOptions): Promise<void> {
    return this.#options.outbox.send(this.#options.api, chatId, replies, options);
  }

  #once(chatId: number, reply: Reply): Reply[] {
    if (this.#told.has(chatId)) return [];
    if (this.#told.size >= toldAtMost) this.#told.clear();
    this.#told.add(chatId);
    return [reply];
  }
}

function kindOf(asks: Ask): "word" | "other" {
  return asks === "start" || asks === "stop" ? "word" : "other";
}
