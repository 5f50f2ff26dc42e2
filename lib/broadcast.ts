/** One message to many chats: attempts, outcomes, report. Pace and floods are the gate's business. */
import { type Api, InputFile } from "grammy/web";
import type { Message } from "grammy/types";
import type { BroadcastMessage } from "./broadcast_message.ts";
import type { Clock } from "./clock.ts";
import { floodsAtMost, type Gate, longestPauseSeconds } from "./gate.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { type BroadcastCounts, type BroadcastProblem, BroadcastReport } from "./report.ts";
import type { Roster } from "./roster.ts";
import { wellFormed } from "./text.ts";

/** How a broadcast is run. */
export interface BroadcastOptions {
  /** Ends the broadcast early: whoever has not been written to by then is counted as skipped. */
  readonly signal?: AbortSignal;
}

interface Surroundings {
  readonly api: Api;
  readonly gate: Gate;
  readonly roster: Roster;
  /** Keeps a group's move behind what the group has said before it; false where it has to wait. */
  readonly migrate: (from: number, to: number, at: number) => Promise<boolean>;
  readonly clock: Clock;
}

/** When a send began, by the clock and by what had been heard. */
interface Start {
  readonly at: number;
  readonly moment: number;
}

/** Calls under way at once, so that the pace is kept up at a latency of two seconds. */
const callsAtOnce = 64;
/**
 * Chats tried one by one until the first has taken the message: what is refused there would be refused by all.
 * A photo that is yet to be uploaded goes on so until somebody has taken it, as each try is an upload.
 */
const triedAlone = 10;
const attemptsAtMost = 4;
const errorsAtMost = 100;

/**
 * Sends the message to all active chats, as the storage has them now.
 * @throws {StorageError} If the chats could not be read: then nobody is written to.
 */
export async function broadcast(
  message: BroadcastMessage,
  surroundings: Surroundings,
  { signal }: BroadcastOptions = {},
): Promise<BroadcastReport> {
  signal?.throwIfAborted();
  const startedAt = surroundings.clock.now();
  const recipients = await surroundings.roster.load({ signal });
  const text = wellFormed(message.text);
  return await new Run({ ...message, text }, recipients, surroundings, signal).finish(startedAt);
}

class Run {
  readonly #surroundings: Surroundings;
  readonly #recipients: readonly number[];
  readonly #signal: AbortSignal | undefined;
  readonly #counts: BroadcastCounts = { sent: 0, deactivated: 0, skipped: 0, failed: 0, unknown: 0 };
  readonly #migrations: { from: number; to: number }[] = [];
  readonly #errors: BroadcastProblem[] = [];
  #message: BroadcastMessage;
  #next = 0;
  #stopped: string | undefined;
  #unclear: string | undefined;

  constructor(
    message: BroadcastMessage,
    recipients: readonly number[],
    surroundings: Surroundings,
    signal: AbortSignal | undefined,
  ) {
    this.#message = message;
    this.#recipients = recipients;
    this.#surroundings = surroundings;
    this.#signal = signal;
  }

  async finish(startedAt: number): Promise<BroadcastReport> {
    const isUpload = typeof this.#message.photo === "object";
    await this.#work(() => this.#counts.sent === 0 && (isUpload || this.#next < triedAlone));
    await Promise.all(Array.from({ length: callsAtOnce }, () => this.#work(() => true)));
    this.#counts.skipped += this.#recipients.length - this.#next;
    return new BroadcastReport({
      recipients: this.#recipients.length,
      ...this.#counts,
      migrations: this.#migrations,
      errors: this.#errors,
      stopped: this.#stopped,
      durationMs: this.#surroundings.clock.now() - startedAt,
    });
  }

  async #work(goesOn: () => boolean): Promise<void> {
    while (this.#next < this.#recipients.length && this.#mayGoOn() && goesOn()) {
      const chatId = this.#recipients[this.#next++] as number;
      const outcome = await this.#deliver(chatId);
      this.#counts[outcome]++;
    }
  }

  #mayGoOn(): boolean {
    if (this.#signal?.aborted) this.#stopped ??= "the caller ended it";
    return this.#stopped === undefined;
  }

  /** Sends to one chat, or to what became of it, until it is clear how it is to be counted. */
  async #deliver(recipient: number): Promise<keyof BroadcastCounts> {
    const { roster, gate, clock } = this.#surroundings;
    let chatId = recipient;
    for (let attempt = 1, floods = 0;;) {
      // Who stops while the message waits for its turn is not written to.
      if (!await this.#mayEnter()) return "skipped";
      chatId = this.#follow(chatId);
      if (!roster.mayWriteTo(chatId)) return "skipped";
      const start = { at: clock.now(), moment: roster.moment };
      try {
        this.#remember(await this.#send(chatId));
        return "sent";
      } catch (error) {
        const outcome = outcomeOf(error);
        const isLast = attempt >= attemptsAtMost;
        if (
          outcome.kind === "wait" && floods++ < floodsAtMost &&
          outcome.retryAfterSeconds <= longestPauseSeconds
        ) {
          gate.pause(outcome.retryAfterSeconds);
        } else if (outcome.kind === "moved" && !isLast && await this.#move(chatId, outcome.to)) {
          attempt++;
        } else if (outcome.kind === "unsent" && !isLast) {
          await clock.sleep(250 * 2 ** ++attempt, this.#signal).catch(() => {});
        } else return await this.#settle(chatId, outcome, error, start);
      }
    }
  }

  /** A group that has become a supergroup meanwhile, as the commands have heard, is written to there, once. */
  #follow(chatId: number): number {
    const to = this.#surroundings.roster.movedTo(chatId);
    if (to === undefined || this.#recipients.includes(to)) return chatId;
    this.#migrations.push({ from: chatId, to });
    return to;
  }

  /** Waits for the next slot; false where the broadcast, or the bot, was stopped meanwhile. */
  async #mayEnter(): Promise<boolean> {
    const { gate } = this.#surroundings;
    return await gate.enter(this.#signal).then(() => this.#mayGoOn(), () => {
      if (this.#mayGoOn()) this.#stopped = "the bot was stopped";
      return false;
    });
  }

  async #send(chat_id: number): Promise<Message> {
    const { api: { raw }, gate } = this.#surroundings;
    const { text, entities: given = [], photo } = this.#message;
    const entities = [...given];
    if (photo === undefined) return await raw.sendMessage(gate.admit({ chat_id, text, entities }));
    const file = typeof photo === "string" ? photo : new InputFile(photo, "chart.png");
    return await raw.sendPhoto(
      gate.admit({ chat_id, photo: file, caption: text, caption_entities: entities }),
    );
  }

  /** A photo is uploaded once: whoever comes later gets it by the id that Telegram gave it. */
  #remember({ photo }: Message): void {
    const fileId = photo?.at(-1)?.file_id;
    if (fileId !== undefined) this.#message = { ...this.#message, photo: fileId };
  }

  /** Hands the group's standing to its supergroup; false where that could not be kept. */
  async #move(from: number, to: number): Promise<boolean> {
    const { migrate, clock } = this.#surroundings;
    try {
      return await migrate(from, to, clock.now());
    } catch {
      return false;
    }
  }

  async #settle(
    chatId: number,
    outcome: Outcome,
    error: unknown,
    start: Start,
  ): Promise<keyof BroadcastCounts> {
    const { message } = error as Error;
    if (outcome.kind === "gone") return await this.#deactivate(chatId, outcome.reason, message, start);
    if (outcome.kind === "unknown") return this.#problem(chatId, "unknown", message);
    if (outcome.kind === "message" || outcome.kind === "bot") this.#stopped ??= message;
    // Two chats that refuse the very first sends in the same words refuse the message.
    if (outcome.kind === "unclear" && this.#counts.sent === 0) {
      if (this.#unclear === message) this.#stopped ??= message;
      this.#unclear = message;
    }
    return this.#problem(chatId, "failed", message);
  }

  async #deactivate(
    chatId: number,
    reason: "blocked" | "left" | "gone",
    message: string,
    { at, moment }: Start,
  ): Promise<keyof BroadcastCounts> {
    // Who has come back while the refusal was on its way is not sent away by it.
    if (this.#surroundings.roster.hasSpokenSince(chatId, moment)) {
      return this.#problem(chatId, "failed", message);
    }
    try {
      const { after } = await this.#surroundings.roster.apply(chatId, [{ kind: "removed", reason, at }]);
      return this.#problem(chatId, after?.is_active ? "failed" : "deactivated", message);
    } catch (error) {
      return this.#problem(chatId, "failed", `${message}; not kept: ${(error as Error).message}`);
    }
  }

  #problem(chat_id: number, outcome: BroadcastProblem["outcome"], message: string): typeof outcome {
    if (this.#errors.length < errorsAtMost) this.#errors.push({ chat_id, outcome, message });
    return outcome;
  }
}
