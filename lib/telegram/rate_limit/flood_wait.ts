/**
 * Whom a flood answer (429) concerns. Telegram does not say whether it means one chat or the whole bot. A refusal that may
 * mean the bot opens a diagnosis. While it is open, messages leave slowly, as probes: a probe that left after the refused
 * message and succeeds shows that the flood is its chat's own; refusals of several chats prove that it is the bot's, which
 * then rests until Telegram's time is over. A long rest is tested by a few messages, as the proof may be wrong all the
 * same. Pure: times are in milliseconds.
 */
import {
  type ChatId,
  chatsNeeded,
  type ChosenBy,
  Diagnosis,
  type FloodScope,
  type Refusal,
  shortRestMs,
} from "./flood_diagnosis.ts";

export type { ChatId, ChosenBy, FloodScope, Refusal };

/** A long rest is tested first after so long, then half as often each time. */
const firstTestMs = 10_000;
/** The first probe leaves at once. The next waits for the answer, or so long: two chats may have the same trouble. */
const probeEveryMs = 1000;
/** While replies rest, one is tried after so long, then half as often each time. */
const [firstRetryMs, longestRetryMs] = [2000, 60_000];
/** A long flood is its chat's own once no message was tried for so long. */
const unclearMs = 10_000;
/** Each diagnosis that ended with a chat's own flood makes the next one need one chat more, up to so many. */
const moreChatsAtMost = 3;
/** A refusal weighs as much as so many messages that succeed; a second without one weighs a little, too. */
const [weightOfRefusal, weightOfSecond] = [50, 5];
/** A chat in the order that is refused right after another one may belong to the same stranger. */
const weightOfNext = 10;
/** Three chats may be refused close together for floods of their own. From there on the rate is too high. */
const [ownWeightAtMost, weightAtMost] = [3 * weightOfRefusal, 10 * weightOfRefusal];
/** A longer flood says nothing of the rate: where it is the bot's, no message passes in it. */
const rateFloodAtMostMs = 60_000;

/** How much the latest refusals weigh against the messages that succeeded. */
class RefusalWeight {
  readonly #chats = new Set<ChatId>();
  #weight = 0;
  #weighedAt = -Infinity;
  /** Whether a message in the order has succeeded since the latest one that was refused. */
  #hasSucceeded = true;

  get isHeavy(): boolean {
    return this.#weight > ownWeightAtMost;
  }

  addRefusal({ chatId, until, chosenBy }: Refusal, now: number): void {
    if (chosenBy === "itself" || until - now > rateFloodAtMostMs) return;
    this.#lighten(0, now);
    const weight = chosenBy === "draw" || this.#hasSucceeded ? weightOfRefusal : weightOfNext;
    if (chosenBy === "order") this.#hasSucceeded = false;
    if (this.#chats.has(chatId)) return;
    this.#chats.add(chatId);
    this.#weight = Math.min(this.#weight + weight, weightAtMost);
  }

  clear(): void {
    this.#weight = 0;
    this.#chats.clear();
  }

  addSuccess(chosenBy: ChosenBy | undefined, now: number): void {
    if (chosenBy === "order") this.#hasSucceeded = true;
    this.#lighten(1, now);
  }

  #lighten(by: number, now: number): void {
    this.#weight = Math.max(0, this.#weight - by - (now - this.#weighedAt) / 1000 * weightOfSecond);
    this.#weighedAt = now;
    if (this.#weight === 0) this.#chats.clear();
  }
}

/** Tracks the messages under way, their refusals and the bot's rests; says when the next message may leave. */
export class FloodWait {
  readonly #weight = new RefusalWeight();
  /** Since the first refusal that is not explained; over when its time has come, or a message succeeds. */
  #diagnosis: Diagnosis | undefined;
  /** Diagnoses in a row that ended with a chat's own flood, and until when such floods last. */
  #ownFloods = 0;
  #ownFloodsUntil = -Infinity;
  #lastNumber = 0;
  readonly #inFlight = new Map<number, ChosenBy>();
  /** Messages under way that left after every refused one, in the order in which they left. */
  #probes = new Map<number, ChosenBy>();
  #latestRefused = -Infinity;
  /** When the latest probe left or was refused; the latest probe to a drawn chat. */
  #probedAt = -Infinity;
  #drawnAt = -Infinity;
  /** When the next probe may leave; the next one to a drawn chat. */
  #probeAt = -Infinity;
  #drawAt = -Infinity;
  #replyRetryMs = firstRetryMs;
  #rests = 0;
  /** When the rest was proved; when the next message may test it, and how long after the one before. */
  #restsFrom = -Infinity;
  #testAt = Infinity;
  #testMs = firstTestMs;
  /** The first message that has tested the rest. */
  #firstTest = Infinity;

  /** When the bot's rest ends; in the past where it does not rest. */
  get restsUntil(): number {
    return this.#diagnosis?.scope === "bot" ? this.#diagnosis.until : -Infinity;
  }

  /** When the diagnosis is over, or the rest. */
  get until(): number {
    return this.#diagnosis?.until ?? -Infinity;
  }

  /** How many rests were proved so far. */
  get rests(): number {
    return this.#rests;
  }

  /** Whether the rate is too high, as chats are refused again and again while others are not. */
  get isRateTooHigh(): boolean {
    return this.#weight.isHeavy;
  }

  /** To be called when the rate was lowered for that: only further refusals count from now on. */
  clearRefusals(): void {
    this.#weight.clear();
  }

  /** Each rest ends so much earlier, as the machine has slept meanwhile. */
  skip(ms: number): void {
    this.#diagnosis?.skip(ms);
    this.#ownFloodsUntil -= ms;
  }

  /** Whether a refusal is not explained yet, or the bot rests. */
  isOpen(now: number): boolean {
    return now < this.until;
  }

  /**
   * Whether it is not known for certain whom a refusal concerns: then broadcasts are to draw chats, and to write to them.
   * So it is in a long rest.
   */
  isUnclear(now: number): boolean {
    return this.isOpen(now) && (this.#diagnosis?.scope !== "bot" || this.#isLongRest);
  }

  get #isLongRest(): boolean {
    return this.restsUntil - this.#restsFrom > shortRestMs;
  }

  /**
   * Whether a chat's long flood may turn out to be the bot's: not once no message was tried for a while; but also where
   * several chats are told of the same rest, as no chat may be left to be drawn.
   */
  mayBeBots(now: number): boolean {
    if (this.#diagnosis === undefined || !this.isOpen(now)) return false;
    const { scope, isSameRest } = this.#diagnosis;
    return scope === "bot" || isSameRest || now - this.#probedAt < unclearMs;
  }

  /** When the next message may leave; `now` or earlier is now. Messages in the order leave probing to drawn chats. */
  readyAt(now: number, chosenBy: ChosenBy): number {
    const { until } = this;
    if (!this.isUnclear(now)) return until;
    const scope = this.#diagnosis?.scope;
    if (scope === "bot") return Math.min(this.#testAt, until);
    if (chosenBy === "itself" && scope === "replies") {
      return Math.min(this.#probedAt + this.#replyRetryMs, until);
    }
    if (chosenBy === "draw") {
      const isProbed = [...this.#probes.values()].includes("draw");
      return Math.min(isProbed ? Math.max(this.#drawAt, this.#drawnAt + probeEveryMs) : this.#drawAt, until);
    }
    const isProbed = this.#probes.size > 0 || chosenBy === "order";
    return Math.min(isProbed ? Math.max(this.#probeAt, this.#probedAt + probeEveryMs) : this.#probeAt, until);
  }

  /** A message leaves; gives its number. */
  onSent(now: number, chosenBy: ChosenBy): number {
    const number = ++this.#lastNumber;
    this.#inFlight.set(number, chosenBy);
    if (!this.isOpen(now)) return number;
    this.#probes.set(number, chosenBy);
    this.#probedAt = now;
    if (chosenBy === "draw") this.#drawnAt = now;
    if (this.#diagnosis?.scope === "bot" && now >= this.#testAt) this.#noteTest(number, now);
    return number;
  }

  #noteTest(number: number, now: number): void {
    this.#firstTest = Math.min(this.#firstTest, number);
    this.#testMs *= 2;
    this.#testAt = now + this.#testMs;
  }

  /** The message was refused, and the flood may be the bot's. Gives the scope of the flood where that has changed. */
  onRateLimited(number: number, refusal: Refusal, now: number): Exclude<FloodScope, "unknown"> | undefined {
    this.#close(number);
    const { chosenBy } = refusal;
    this.#weight.addRefusal(refusal, now);
    let diagnosis = this.#diagnosis;
    if (diagnosis === undefined || !this.isOpen(now)) {
      diagnosis = this.#diagnosis = new Diagnosis(this.#ownFloods, now < this.#ownFloodsUntil);
      this.#probes = new Map([...this.#inFlight].filter(([other]) => other > number));
      this.#replyRetryMs = firstRetryMs;
      this.#drawAt = this.#drawnAt = now;
    } else if (diagnosis.scope === "replies") {
      this.#replyRetryMs = Math.min(longestRetryMs, 2 * this.#replyRetryMs);
    }
    const hasChanged = diagnosis.add(refusal, now);
    const { scope } = diagnosis;
    if (hasChanged && scope === "bot") this.#beginRest(now);
    this.#latestRefused = Math.max(this.#latestRefused, number);
    for (const other of this.#probes.keys()) {
      if (other > this.#latestRefused) break;
      this.#probes.delete(other);
    }
    this.#probedAt = now;
    this.#probeAt = diagnosis.chats === 1 ? now : now + probeEveryMs;
    if (chosenBy === "draw") this.#drawAt = this.#probeAt;
    return hasChanged && scope !== "unknown" ? scope : undefined;
  }

  #beginRest(now: number): void {
    this.#rests++;
    this.#ownFloods = 0;
    this.#restsFrom = now;
    this.#testMs = firstTestMs;
    this.#testAt = now + firstTestMs;
    this.#firstTest = Infinity;
  }

  /** The message was refused by its chat's own flood, which tells nothing of the bot. */
  onChatRateLimited(number: number, now: number): void {
    if (this.#close(number)) this.#probeAt = this.#drawAt = now + probeEveryMs;
  }

  /** The message has succeeded. True where that shows that the floods were the chats' own. */
  onSuccess(number: number, now: number): boolean {
    this.#weight.addSuccess(this.#inFlight.get(number), now);
    this.#close(number);
    const diagnosis = this.#diagnosis;
    if (diagnosis === undefined || !this.isOpen(now) || number <= this.#latestRefused) return false;
    // Single messages may slip through while a flood begins.
    const { scope, chats } = diagnosis;
    if (scope === "bot" && chats > chatsNeeded && number < this.#firstTest) return false;
    this.#ownFloods = Math.min(moreChatsAtMost, this.#ownFloods + 1);
    this.#ownFloodsUntil = Math.max(this.#ownFloodsUntil, diagnosis.longest);
    this.#diagnosis = undefined;
    return true;
  }

  /** The message has ended without saying anything of floods. True where the next one may leave because of that. */
  onReleased(number: number, now: number): boolean {
    return this.#close(number) && this.isOpen(now);
  }

  /** The message is no longer under way; true where it was a probe. */
  #close(number: number): boolean {
    this.#inFlight.delete(number);
    return this.#probes.delete(number);
  }
}
