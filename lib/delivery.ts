/** One recipient's delivery: attempts, outcomes, and what they say of the chat. */
import type { Api } from "grammy/web";
import { Caller, type CallerOptions } from "./caller.ts";
import type { Control } from "./broadcast_run.ts";
import type { ChatEvent } from "./chat.ts";
import type { Clock } from "./clock.ts";
import type { Part } from "./content.ts";
import type { Lane, Turn } from "./departure.ts";
import { floodsAtMost, type Gate, longestPauseSeconds } from "./gate.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { inTime } from "./patience.ts";
import type { Purse } from "./purse.ts";
import { reasonOf } from "./reason.ts";
import type { Roster } from "./roster.ts";
import { type Settlement, type Tally, torn } from "./tally.ts";

export interface Surroundings {
  readonly api: Api;
  readonly gate: Gate;
  readonly roster: Roster;
  /** Keeps a group's move behind what the group has said before it; false where it has to wait. */
  readonly migrate: (from: number, to: number, at: number) => Promise<boolean>;
  readonly clock: Clock;
}

export interface CourierOptions extends Surroundings, CallerOptions {
  readonly lane: Lane;
  readonly onUnknown: "skip" | "resend";
  readonly purse: Purse;
  readonly tally: Tally;
  /** Holds back whatever has not left yet. */
  readonly control: Pick<Control, "isPaused" | "resumed">;
  /** Whether the chat is one of the recipients itself. */
  readonly isRecipient: (chatId: number) => boolean;
  /** Ends what waits for its turn. */
  readonly signal: AbortSignal;
  /** Looks at the clock, which may have jumped, and ends the broadcast where its time is over. */
  readonly checkTime: () => void;
  /** Why it was ended. */
  readonly whyEnded: () => "expired" | "stopped";
}

/** A send that is under way. */
interface Letter {
  /** The recipient, or what became of it. */
  chatId: number;
  /** When a send began, by the clock and by what had been heard. */
  start: { readonly at: number; readonly moment: number };
  attempts: number;
  floods: number;
  readonly onTurn: (isHeld: boolean) => void;
}

const attemptsAtMost = 4;
const backoffMs = 250;
const textWithinMs = 10_000;

export class Courier {
  readonly #options: CourierOptions;
  readonly #caller: Caller;

  constructor(options: CourierOptions) {
    this.#options = options;
    this.#caller = new Caller(options);
  }

  /** Waits for no answer any more: what is under way may have arrived. */
  abandon(): void {
    this.#caller.abandon();
  }

  /**
   * Sends what the recipient is to have, until it is clear how it is to be counted. `onTurn` is told whenever it no
   * longer waits for the bot's pace: it goes out now, or is held back for its chat's sake. Never rejects.
   */
  async deliver(recipient: number, onTurn: (isHeld: boolean) => void): Promise<Settlement> {
    const start = { at: 0, moment: 0 };
    const letter: Letter = { chatId: recipient, start, attempts: 1, floods: 0, onTurn };
    const parts = await this.#partsFor(recipient);
    if ("outcome" in parts) return parts;
    for (const [index, part] of parts.entries()) {
      const settlement = await this.#send(letter, part);
      if (settlement.outcome === "sent") continue;
      return index === 0 ? settlement : torn(settlement, index, parts.length);
    }
    return { outcome: "sent" };
  }

  /** A text of the chat's own may take its time, and fail. */
  async #partsFor(recipient: number): Promise<readonly Part[] | Settlement> {
    const { content, clock, signal, whyEnded } = this.#options;
    const parts = content.partsFor(recipient);
    try {
      return await (content.isPerChat ? inTime(parts, { ms: textWithinMs, clock, signal }) : parts);
    } catch (error) {
      if (signal.aborted) return { outcome: "skipped", why: whyEnded() };
      return { outcome: "failed", message: `there is no text for it: ${reasonOf(error)}`, isUnclear: true };
    }
  }

  async #send(letter: Letter, part: Part): Promise<Settlement> {
    const { roster, purse, content } = this.#options;
    for (;;) {
      // Who stops while the message waits for its turn is not written to.
      this.#follow(letter);
      if (!roster.mayWriteTo(letter.chatId)) return { outcome: "skipped", why: "unsubscribed" };
      const isPaid = purse.take();
      const turn = await this.#turn(letter, isPaid);
      this.#follow(letter);
      const refusal = this.#refusal(letter, turn);
      if (turn === undefined || refusal !== undefined) {
        turn?.over();
        purse.give(isPaid);
        return refusal ?? { outcome: "skipped", why: this.#options.whyEnded() };
      }
      letter.start = { at: this.#options.clock.now(), moment: roster.moment };
      try {
        content.remember(await this.#caller.send(letter.chatId, part, isPaid));
        turn.taken();
        return await this.#reached(letter);
      } catch (error) {
        const settlement = await this.#settle(letter, turn, isPaid, error);
        if (settlement !== "again") return settlement;
      }
    }
  }

  #refusal({ chatId }: Letter, turn: Turn | undefined): Settlement | undefined {
    const { signal, whyEnded, roster, checkTime } = this.#options;
    checkTime();
    if (turn === undefined || signal.aborted) return { outcome: "skipped", why: whyEnded() };
    return roster.mayWriteTo(chatId) ? undefined : { outcome: "skipped", why: "unsubscribed" };
  }

  /** A group that has become a supergroup meanwhile, as the commands have heard, is written to there, once. */
  #follow(letter: Letter): void {
    const { roster, isRecipient, tally } = this.#options;
    const to = roster.movedTo(letter.chatId);
    if (to === undefined || isRecipient(to)) return;
    tally.migrations.push({ from: letter.chatId, to });
    letter.chatId = to;
  }

  /** `undefined` where the broadcast, or the bot, was stopped meanwhile. */
  async #turn({ chatId, onTurn }: Letter, isPaid: boolean): Promise<Turn | undefined> {
    const { gate, lane, signal, control } = this.#options;
    for (;;) {
      await control.resumed(signal);
      try {
        const turn = await gate.enter({ lane, chatId, isPaid, signal, onHeld: () => onTurn(true) });
        if (!control.isPaused) return turn;
        turn.over();
      } catch {
        return undefined;
      } finally {
        onTurn(false);
      }
    }
  }

  /** What an error means; `"again"` where it is to be tried once more. */
  async #settle(
    letter: Letter,
    turn: Turn,
    isPaid: boolean,
    error: unknown,
  ): Promise<Settlement | "again"> {
    const { purse, tally, onUnknown } = this.#options;
    const outcome = outcomeOf(error);
    // What may have arrived may be charged for.
    if (outcome.kind !== "unknown") purse.give(isPaid);
    if (outcome.kind === "wait") {
      tally.floods++;
      const isPatient = letter.floods++ < floodsAtMost && outcome.retryAfterSeconds <= longestPauseSeconds;
      turn.flooded(outcome.retryAfterSeconds);
      return isPatient ? "again" : await this.#verdict(letter, outcome, error);
    }
    turn.over();
    if (letter.attempts < attemptsAtMost) {
      const isMove = outcome.kind === "moved" && await this.#move(letter, outcome.to);
      const mayTryAgain = outcome.kind === "unsent" || (outcome.kind === "unknown" && onUnknown === "resend");
      if (isMove || mayTryAgain) letter.attempts++;
      if (isMove) return "again";
      if (mayTryAgain && await this.#rest(letter.attempts)) return "again";
    }
    return await this.#verdict(letter, outcome, error);
  }

  /** False where the broadcast was ended meanwhile. */
  async #rest(attempts: number): Promise<boolean> {
    const { clock, signal } = this.#options;
    return await clock.sleep(backoffMs * 2 ** attempts, signal).then(() => true, () => false);
  }

  /** Hands the group's standing to its supergroup; false where that could not be kept. */
  async #move({ chatId }: Letter, to: number): Promise<boolean> {
    const { migrate, clock } = this.#options;
    try {
      return await migrate(chatId, to, clock.now());
    } catch {
      return false;
    }
  }

  async #verdict(letter: Letter, outcome: Outcome, error: unknown): Promise<Settlement> {
    const message = reasonOf(error);
    const { at } = letter.start;
    switch (outcome.kind) {
      case "gone":
        return await this.#keep(letter, { kind: "removed", reason: outcome.reason, at }, message);
      case "unreachable":
        return await this.#keep(letter, { kind: "unreached", at }, message);
      case "unknown":
        return { outcome: "unknown", message };
      case "message":
        // One chat's own text is no fault of the others'.
        return { outcome: "failed", message, ...!this.#options.content.isPerChat && { stops: true } };
      case "bot":
        return { outcome: "failed", message, stops: true };
      default:
        return { outcome: "failed", message, isUnclear: outcome.kind === "unclear" };
    }
  }

  /** Keeps what a refusal says of the chat. */
  async #keep({ chatId, start }: Letter, event: ChatEvent, message: string): Promise<Settlement> {
    const { roster } = this.#options;
    // Who has come back while the refusal was on its way is not sent away by it.
    if (roster.hasSpokenSince(chatId, start.moment)) return { outcome: "failed", message };
    try {
      const { after } = await roster.apply(chatId, [event]);
      return { outcome: after?.is_active ? "failed" : "deactivated", message };
    } catch (error) {
      return { outcome: "failed", message: `${message}; not kept: ${reasonOf(error)}` };
    }
  }

  /** Who can be reached is, whatever there was before. */
  async #reached({ chatId, start: { at } }: Letter): Promise<Settlement> {
    const { roster } = this.#options;
    if (roster.isStruck(chatId)) await roster.apply(chatId, [{ kind: "reached", at }]).catch(() => {});
    return { outcome: "sent" };
  }
}
