/** What Telegram's answers teach of the limits: each chat's own, and the bot's. */
import { isGroup } from "./chat_pace.ts";
import { chosenBy, type Departure, type Turn } from "./departure.ts";
import type { Refusal } from "./flood.ts";
import type { Pace, Slot } from "./pace.ts";
import { holdKeyOf, type Limits } from "./readiness.ts";

export interface FeedbackOptions extends Limits {
  readonly now: () => number;
  /** Called when it is found out that the bot, or its replies, have to rest: for how long, and the pace that was lowered. */
  readonly onFlood: (who: "bot" | "replies", seconds: number, messagesPerSecond?: number) => void;
  /** Called when the pace is lowered for good, until time has shown that more is possible; in messages a second. */
  readonly onLowered: (messagesPerSecond: number) => void;
  /** Called when another call may leave now, or the time of the next has changed. */
  readonly onChange: () => void;
}

/** The place that a message had in its pace. */
interface Place {
  readonly pace: Pace;
  readonly slot: Slot;
}

export class Feedback {
  readonly #options: FeedbackOptions;
  /**
   * Where paces were lowered since it is not clear whom a flood concerns, each once: probes leave slowly, and teach
   * nothing of the limit. Undone where it was the chats' own.
   */
  #lowered: Place[] = [];
  /** Whether that is proved to be the bot's flood. */
  #isConfirmed = false;
  /** The pace that stays lowered, whomever it concerns. */
  #kept: Pace | undefined;

  constructor(options: FeedbackOptions) {
    this.#options = options;
  }

  /** A message leaves. */
  turnOf(departure: Departure, now: number, place: Place | undefined): Turn {
    const { chats, flood, onChange } = this.#options;
    const { chatId } = departure;
    // A group's limits are its own.
    const mayBeBots = chatId !== undefined && !isGroup(chatId);
    if (chatId !== undefined) chats.note(chatId, now);
    this.forgive(now);
    const number = flood.leave(now, chosenBy(departure));
    return {
      over: () => {
        // An answer that says nothing of floods: the next message may find out.
        if (flood.end(number, this.#options.now())) onChange();
      },
      taken: () => {
        const now = this.#options.now();
        const wasChats = flood.take(number, now);
        if (!flood.isOpen(now)) this.#tellKept();
        if (wasChats) this.#restore();
      },
      flooded: (seconds) => {
        const until = this.#hold(departure, seconds);
        if (mayBeBots) this.#ask(number, { chatId, until, chosenBy: chosenBy(departure) }, place);
        else flood.refuseChat(number, this.#options.now());
        onChange();
      },
    };
  }

  /** A call that is no message leaves. Its flood is its own kind's, and tells nothing of the bot. */
  turnOfCall(departure: Departure): Turn {
    const flooded = (seconds: number): void => {
      this.#hold(departure, seconds);
      this.#options.onChange();
    };
    return { over() {}, taken() {}, flooded };
  }

  /** Where a flood has ended before it was found out whose it was, it lowers no pace: it may have been a stranger's. */
  forgive(now: number): void {
    if (this.#lowered.length === 0 || this.#options.flood.isOpen(now)) return;
    if (this.#kept === undefined && !this.#isConfirmed) {
      for (const { pace, slot } of this.#lowered) pace.restore(slot);
    }
    this.#lowered = [];
  }

  /** Holds the chat, or the kind of call; gives until when. */
  #hold(departure: Departure, seconds: number): number {
    const now = this.#options.now();
    const until = now + seconds * 1000;
    const key = holdKeyOf(departure);
    if (key !== undefined) this.#options.chats.hold(key, until, now);
    return until;
  }

  /** Asks whether a refusal concerns the bot; the pace is lowered until that is known. */
  #ask(number: number, refusal: Refusal, place: Place | undefined): void {
    const { flood, onFlood } = this.#options;
    const now = this.#options.now();
    if (!flood.isOpen(now)) {
      this.forgive(now);
      this.#isConfirmed = false;
      this.#kept = undefined;
    }
    if (place !== undefined && !this.#lowered.some(({ pace }) => pace === place.pace)) {
      place.pace.lower(place.slot);
      this.#lowered.push(place);
    }
    const found = flood.refuse(number, refusal, now);
    if (found === "bot") {
      for (const { pace, slot } of this.#lowered) pace.confirm(slot);
      this.#isConfirmed = true;
      this.#kept = undefined;
    } else if (place !== undefined && flood.isOften) {
      // Whomever it concerns, the pace was too high.
      this.#kept = place.pace;
      flood.noteLowered();
    }
    if (found === undefined) return;
    onFlood(found, Math.ceil((flood.until - now) / 1000), this.#lowered[0]?.pace.messagesPerSecond);
  }

  /** The refusals were the chats' own. */
  #restore(): void {
    for (const { pace, slot } of this.#lowered) pace.restore(slot);
    this.#lowered = [];
    this.#options.onChange();
  }

  /** Says that a pace stays lowered, once it is clear that the bot does not have to rest. */
  #tellKept(): void {
    if (this.#kept === undefined) return;
    this.#options.onLowered(this.#kept.messagesPerSecond);
    this.#kept = undefined;
    this.#lowered = [];
  }
}
