/**
 * Whom a flood answer (429) concerns. Telegram does not say whether it means one chat or the whole bot. A refusal that may
 * mean the bot opens a diagnosis. While it is open, messages leave slowly, as probes: a probe that left after the refused
 * message and succeeds shows that the flood is its chat's own; refusals of several chats prove that it is the bot's, which
 * then rests until Telegram's time is over. Chats that are next to each other in a broadcast's order may all belong to one
 * stranger, and so may those that ask for a reply: only chats that were drawn at random prove a flood of the bot.
 * Pure: times are in milliseconds.
 */

/** A number, or a public chat's @name. */
export type ChatId = number | string;

/** Why this chat is written to now: it asked for a reply (`itself`), it is next in the order, or it was drawn at random. */
export type ChosenBy = "itself" | "order" | "draw";

/** The first probe leaves at once. The next waits for the answer, or so long: two chats may have the same trouble. */
const probeEveryMs = 1000;
/** While replies rest, one is tried after so long, then half as often each time. */
const [firstRetryMs, longestRetryMs] = [2000, 60_000];
/** A long flood is its chat's own once no message was tried for so long. */
const unclearMs = 10_000;
/** Two chats refused by one flood of the bot report ends up to this far apart: one after the other, in whole seconds. */
const sameRestMs = 2000;
/** How many refused chats prove a rest; replies prove only that replies rest. */
const chatsNeeded = 3;
/** How many chats that are told of the same rest make it a possible rest of the bot, where no chat is left to be drawn. */
const sameRestNeeded = 2;
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

/** A chat was refused by a flood answer. */
export interface Refusal {
  readonly chatId: ChatId;
  readonly until: number;
  readonly chosenBy: ChosenBy;
}

/** The chats that were refused, and until when. */
class RefusedChats {
  readonly #chats = new Map<ChatId, number>();
  #longest: { readonly chatId: ChatId; readonly until: number } | undefined;
  #secondLongest = -Infinity;

  get chats(): number {
    return this.#chats.size;
  }

  get longest(): number {
    return this.#longest?.until ?? -Infinity;
  }

  /** When the rest that they were told of is over: one chat's own flood may last for longer. */
  get restEnd(): number {
    return Math.min(this.longest, this.#secondLongest + sameRestMs);
  }

  /** How many of them were told of the same rest. */
  get toldOfSameRest(): number {
    const { restEnd } = this;
    return [...this.#chats.values()].filter((until) => Math.abs(until - restEnd) <= sameRestMs).length;
  }

  add({ chatId, until }: Refusal): void {
    const longest = this.#longest ?? { chatId, until };
    if (chatId !== longest.chatId) {
      this.#secondLongest = Math.max(this.#secondLongest, Math.min(until, longest.until));
    }
    this.#longest = until >= longest.until ? { chatId, until } : longest;
    this.#chats.set(chatId, Math.max(until, this.#chats.get(chatId) ?? until));
  }

  /** Each rest ends so much earlier. */
  skip(ms: number): void {
    for (const [chatId, until] of this.#chats) this.#chats.set(chatId, until - ms);
    if (this.#longest !== undefined) this.#longest = { ...this.#longest, until: this.#longest.until - ms };
    this.#secondLongest -= ms;
  }
}

/** What a flood concerns. `replies`: replies are refused; of other messages nothing is known. */
export type FloodScope = "unknown" | "replies" | "bot";

/** The refusals since it was last clear whom one concerned, and what they prove. */
class Diagnosis {
  readonly #needed: number;
  readonly #all = new RefusedChats();
  readonly #drawn = new RefusedChats();
  #scope: FloodScope = "unknown";
  #isSameRest = false;

  /** `needed` refused chats prove a rest of the bot, if all but one of them were drawn. */
  constructor(needed: number) {
    this.#needed = needed;
  }

  get scope(): FloodScope {
    return this.#scope;
  }

  get chats(): number {
    return this.#all.chats;
  }

  /** Whether several chats were told of the same rest, however they were chosen: no message succeeded meanwhile. */
  get isSameRest(): boolean {
    return this.#isSameRest;
  }

  get until(): number {
    if (this.#scope === "unknown") return this.#all.longest;
    return this.#scope === "bot" ? this.#drawn.restEnd : this.#all.restEnd;
  }

  /** Adds a refusal; true where it changes the scope. */
  add(refusal: Refusal): boolean {
    this.#all.add(refusal);
    this.#isSameRest ||= this.#all.toldOfSameRest >= sameRestNeeded;
    if (refusal.chosenBy === "draw") this.#drawn.add(refusal);
    const before = this.#scope;
    const isBot = this.#drawn.chats >= this.#needed - 1 && this.#all.chats >= this.#needed;
    if (isBot) this.#scope = "bot";
    else if (before === "unknown" && refusal.chosenBy === "itself" && this.#all.chats >= chatsNeeded) {
      this.#scope = "replies";
    }
    return this.#scope !== before;
  }

  skip(ms: number): void {
    this.#all.skip(ms);
    this.#drawn.skip(ms);
  }
}

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
  #diagnosis = new Diagnosis(chatsNeeded);
  /** Diagnoses in a row that ended with a chat's own flood. */
  #ownFloods = 0;
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

  /** When the bot's rest ends; in the past where it does not rest. */
  get restsUntil(): number {
    return this.#diagnosis.scope === "bot" ? this.#diagnosis.until : -Infinity;
  }

  /** When the diagnosis is over, or the rest. */
  get until(): number {
    return this.#diagnosis.until;
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
    this.#diagnosis.skip(ms);
  }

  /** Whether a refusal is not explained yet, or the bot rests. */
  isOpen(now: number): boolean {
    return now < this.#diagnosis.until;
  }

  /** Whether it is not known yet whom a refusal concerns: then broadcasts are to draw chats, and to write to them. */
  isUnclear(now: number): boolean {
    return this.isOpen(now) && this.#diagnosis.scope !== "bot";
  }

  /**
   * Whether a chat's long flood may turn out to be the bot's: not once no message was tried for a while; but also where
   * several chats are told of the same rest, as no chat may be left to be drawn.
   */
  mayBeBots(now: number): boolean {
    const { scope, isSameRest } = this.#diagnosis;
    return this.isOpen(now) && (scope === "bot" || isSameRest || now - this.#probedAt < unclearMs);
  }

  /** When the next message may leave; `now` or earlier is now. Messages in the order leave probing to drawn chats. */
  readyAt(now: number, chosenBy: ChosenBy): number {
    const { scope, until } = this.#diagnosis;
    if (!this.isUnclear(now)) return until;
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
    return number;
  }

  /** The message was refused, and the flood may be the bot's. Gives the scope of the flood where that has changed. */
  onRateLimited(number: number, refusal: Refusal, now: number): Exclude<FloodScope, "unknown"> | undefined {
    this.#close(number);
    const { chosenBy } = refusal;
    this.#weight.addRefusal(refusal, now);
    if (!this.isOpen(now)) {
      this.#diagnosis = new Diagnosis(chatsNeeded + this.#ownFloods);
      this.#probes = new Map([...this.#inFlight].filter(([other]) => other > number));
      this.#replyRetryMs = firstRetryMs;
      this.#drawAt = this.#drawnAt = now;
    } else if (this.#diagnosis.scope === "replies") {
      this.#replyRetryMs = Math.min(longestRetryMs, 2 * this.#replyRetryMs);
    }
    const hasChanged = this.#diagnosis.add(refusal);
    const { scope } = this.#diagnosis;
    if (hasChanged && scope === "bot") {
      this.#rests++;
      this.#ownFloods = 0;
    }
    this.#latestRefused = Math.max(this.#latestRefused, number);
    for (const other of this.#probes.keys()) {
      if (other > this.#latestRefused) break;
      this.#probes.delete(other);
    }
    this.#probedAt = now;
    this.#probeAt = this.#diagnosis.chats === 1 ? now : now + probeEveryMs;
    if (chosenBy === "draw") this.#drawAt = this.#probeAt;
    return hasChanged && scope !== "unknown" ? scope : undefined;
  }

  /** The message was refused by its chat's own flood, which tells nothing of the bot. */
  onChatRateLimited(number: number, now: number): void {
    if (this.#close(number)) this.#probeAt = this.#drawAt = now + probeEveryMs;
  }

  /** The message has succeeded. True where that shows that the floods were the chats' own. */
  onSuccess(number: number, now: number): boolean {
    this.#weight.addSuccess(this.#inFlight.get(number), now);
    this.#close(number);
    if (!this.isOpen(now) || number <= this.#latestRefused) return false;
    // Single messages may slip through.
    if (this.#diagnosis.scope === "bot" && this.#diagnosis.chats > chatsNeeded) return false;
    this.#ownFloods = Math.min(moreChatsAtMost, this.#ownFloods + 1);
    this.#diagnosis = new Diagnosis(chatsNeeded + this.#ownFloods);
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
