/**
 * Whom a flood answer (429) concerns. Telegram does not say whether it means one chat or the whole bot. So a refusal
 * that may mean the bot asks a question. While that is open messages leave slowly, as probes: one that left later and
 * was taken shows that the refusal was its chat's own; refusals of several chats prove that it is the bot, which then
 * rests until Telegram's time is over. Chats that stand next to each other in a broadcast's order may be one stranger's,
 * and so may those that ask for a reply: only chats that were drawn at random prove that. Pure: times are in milliseconds.
 */

/** A number, or a public chat's @name. */
export type ChatId = number | string;

/** How it came that a message is for this chat: the chat asked for a reply, it was next in the order, or it was drawn. */
export type ChosenBy = "itself" | "order" | "draw";

/** The first probe leaves at once. The next waits for the answer, or so long: two chats may have the same trouble. */
const probeEveryMs = 1000;
/** A rest that only replies have met is doubted by a reply after so long, then half as often each time. */
const [firstDoubtMs, longestDoubtMs] = [2000, 60_000];
const unclearMs = 10_000;
/** How much the ends differ that two chats are told of one rest: they are refused apart, and are told full seconds. */
const apartMs = 2000;
/** Chats that prove a rest, as the first one refused and others do; replies prove only that replies rest. */
const chatsNeeded = 3;
/** Chats that are told of the same rest: it may be the bot's, where nobody is left who could be drawn. */
const alikeNeeded = 2;
/** Each question that turned out to be a chat's own makes the next one want one chat more, up to so many. */
const moreAtMost = 3;
/** A refusal weighs as much as so many messages that were taken; a second without one weighs a little, too. */
const [weightOfRefusal, weightOfSecond] = [50, 5];
/** One in the order that is refused right after another one may be the same stranger's. */
const weightOfNext = 10;
/** Three chats may be refused close together for their own sake. From there on the pace is too high. */
const [ownAtMost, weightAtMost] = [3 * weightOfRefusal, 10 * weightOfRefusal];
/** A longer flood says nothing of the pace: where it is the bot's, no message passes in it. */
const paceFloodAtMostMs = 60_000;

export interface FloodAnswer {
  readonly chatId: ChatId;
  readonly until: number;
  readonly chosenBy: ChosenBy;
}

/** Chats that were refused, and until when. */
class Refused {
  readonly #chats = new Map<ChatId, number>();
  #longest: { readonly chatId: ChatId; readonly until: number } | undefined;
  #secondLongest = -Infinity;

  get chats(): number {
    return this.#chats.size;
  }

  get longest(): number {
    return this.#longest?.until ?? -Infinity;
  }

  /** When a rest is over that they were told of: one chat's own flood may last for longer. */
  get restEnd(): number {
    return Math.min(this.longest, this.#secondLongest + apartMs);
  }

  /** How many of them were told of the same rest. */
  get agreeing(): number {
    const { restEnd } = this;
    return [...this.#chats.values()].filter((until) => Math.abs(until - restEnd) <= apartMs).length;
  }

  add({ chatId, until }: FloodAnswer): void {
    const longest = this.#longest ?? { chatId, until };
    if (chatId !== longest.chatId) {
      this.#secondLongest = Math.max(this.#secondLongest, Math.min(until, longest.until));
    }
    this.#longest = until >= longest.until ? { chatId, until } : longest;
    this.#chats.set(chatId, Math.max(until, this.#chats.get(chatId) ?? until));
  }

  /** The ends come so much sooner. */
  skip(ms: number): void {
    for (const [chatId, until] of this.#chats) this.#chats.set(chatId, until - ms);
    if (this.#longest !== undefined) this.#longest = { ...this.#longest, until: this.#longest.until - ms };
    this.#secondLongest -= ms;
  }
}

/** What a question has found out. `replies`: replies are refused, whatever is with others. */
export type FloodScope = "nothing" | "replies" | "bot";

/** The refusals since it was last clear whom one concerned. */
class Question {
  readonly #needed: number;
  readonly #all = new Refused();
  readonly #drawn = new Refused();
  #finding: FloodScope = "nothing";
  #isAlike = false;

  /** `needed` chats have to be refused, and all but one of them drawn. */
  constructor(needed: number) {
    this.#needed = needed;
  }

  get finding(): FloodScope {
    return this.#finding;
  }

  get chats(): number {
    return this.#all.chats;
  }

  /** Whether several chats were told of the same rest, whoever chose them: nobody was taken meanwhile. */
  get isAlike(): boolean {
    return this.#isAlike;
  }

  get until(): number {
    if (this.#finding === "nothing") return this.#all.longest;
    return this.#finding === "bot" ? this.#drawn.restEnd : this.#all.restEnd;
  }

  /** True where that is news. */
  add(refusal: FloodAnswer): boolean {
    this.#all.add(refusal);
    this.#isAlike ||= this.#all.agreeing >= alikeNeeded;
    if (refusal.chosenBy === "draw") this.#drawn.add(refusal);
    const before = this.#finding;
    const isBot = this.#drawn.chats >= this.#needed - 1 && this.#all.chats >= this.#needed;
    if (isBot) this.#finding = "bot";
    else if (before === "nothing" && refusal.chosenBy === "itself" && this.#all.chats >= chatsNeeded) {
      this.#finding = "replies";
    }
    return this.#finding !== before;
  }

  skip(ms: number): void {
    this.#all.skip(ms);
    this.#drawn.skip(ms);
  }
}

/** How much the latest refusals weigh against the messages that were taken. */
class Evidence {
  readonly #chats = new Set<ChatId>();
  #weight = 0;
  #weighedAt = -Infinity;
  /** Whether one in the order was taken since the latest refusal of one. */
  #isBetween = true;

  get isHeavy(): boolean {
    return this.#weight > ownAtMost;
  }

  refuse({ chatId, until, chosenBy }: FloodAnswer, now: number): void {
    if (chosenBy === "itself" || until - now > paceFloodAtMostMs) return;
    this.#lighten(0, now);
    const weight = chosenBy === "draw" || this.#isBetween ? weightOfRefusal : weightOfNext;
    if (chosenBy === "order") this.#isBetween = false;
    if (this.#chats.has(chatId)) return;
    this.#chats.add(chatId);
    this.#weight = Math.min(this.#weight + weight, weightAtMost);
  }

  clear(): void {
    this.#weight = 0;
    this.#chats.clear();
  }

  take(chosenBy: ChosenBy | undefined, now: number): void {
    if (chosenBy === "order") this.#isBetween = true;
    this.#lighten(1, now);
  }

  #lighten(by: number, now: number): void {
    this.#weight = Math.max(0, this.#weight - by - (now - this.#weighedAt) / 1000 * weightOfSecond);
    this.#weighedAt = now;
    if (this.#weight === 0) this.#chats.clear();
  }
}

export class FloodWait {
  readonly #evidence = new Evidence();
  #question = new Question(chatsNeeded);
  /** Questions in a row that turned out to be a chat's own. */
  #ownQuestions = 0;
  #lastNumber = 0;
  readonly #underWay = new Map<number, ChosenBy>();
  /** Messages under way that have left after every refused one, in the order in which they left. */
  #probes = new Map<number, ChosenBy>();
  #latestRefused = -Infinity;
  /** When a probe has left, or was refused, last. */
  #probedAt = -Infinity;
  #drawnAt = -Infinity;
  /** When the next probe may leave: any, or one who is drawn. */
  #probeAt = -Infinity;
  #drawAt = -Infinity;
  #doubtMs = firstDoubtMs;
  #rests = 0;

  /** When the bot's rest ends; in the past where it does not rest. */
  get restsUntil(): number {
    return this.#question.finding === "bot" ? this.#question.until : -Infinity;
  }

  /** When the question is over, or the rest. */
  get until(): number {
    return this.#question.until;
  }

  /** How many rests were proved so far. */
  get rests(): number {
    return this.#rests;
  }

  /** Whether the pace is too high, as chats are refused again and again while others are not. */
  get isOften(): boolean {
    return this.#evidence.isHeavy;
  }

  /** The pace stays lowered for that: what is refused from now on is new. */
  noteLowered(): void {
    this.#evidence.clear();
  }

  /** So much of each rest is over already, as the machine has slept. */
  skip(ms: number): void {
    this.#question.skip(ms);
  }

  /** Whether a refusal is not explained yet, or the bot rests. */
  isOpen(now: number): boolean {
    return now < this.#question.until;
  }

  /** Whether it is not known yet whom a refusal concerns: then chats are to be drawn and written to. */
  isUnclear(now: number): boolean {
    return this.isOpen(now) && this.#question.finding !== "bot";
  }

  /**
   * Whether a chat's long flood may turn out to be the bot's: it is not once nobody has tried for a while; but it may be
   * where several chats are told of the same rest, and there may be nobody left who could be drawn.
   */
  mayBeBots(now: number): boolean {
    const { finding, isAlike } = this.#question;
    return this.isOpen(now) && (finding === "bot" || isAlike || now - this.#probedAt < unclearMs);
  }

  /** When the next message may leave; `now` or earlier is now. One in its order leaves a question to those who are drawn. */
  readyAt(now: number, chosenBy: ChosenBy): number {
    const { finding, until } = this.#question;
    if (!this.isUnclear(now)) return until;
    if (chosenBy === "itself" && finding === "replies") {
      return Math.min(this.#probedAt + this.#doubtMs, until);
    }
    if (chosenBy === "draw") {
      const isAsked = [...this.#probes.values()].includes("draw");
      return Math.min(isAsked ? Math.max(this.#drawAt, this.#drawnAt + probeEveryMs) : this.#drawAt, until);
    }
    const isAsked = this.#probes.size > 0 || chosenBy === "order";
    return Math.min(isAsked ? Math.max(this.#probeAt, this.#probedAt + probeEveryMs) : this.#probeAt, until);
  }

  /** A message leaves; gives its number. */
  leave(now: number, chosenBy: ChosenBy): number {
    const number = ++this.#lastNumber;
    this.#underWay.set(number, chosenBy);
    if (!this.isOpen(now)) return number;
    this.#probes.set(number, chosenBy);
    this.#probedAt = now;
    if (chosenBy === "draw") this.#drawnAt = now;
    return number;
  }

  /** The message was refused, perhaps for the bot's sake. Gives what that has found out, where it is news. */
  refuse(number: number, refusal: FloodAnswer, now: number): Exclude<FloodScope, "nothing"> | undefined {
    this.#close(number);
    const { chosenBy } = refusal;
    this.#evidence.refuse(refusal, now);
    if (!this.isOpen(now)) {
      this.#question = new Question(chatsNeeded + this.#ownQuestions);
      this.#probes = new Map([...this.#underWay].filter(([other]) => other > number));
      this.#doubtMs = firstDoubtMs;
      this.#drawAt = this.#drawnAt = now;
    } else if (this.#question.finding === "replies") {
      this.#doubtMs = Math.min(longestDoubtMs, 2 * this.#doubtMs);
    }
    const isNews = this.#question.add(refusal);
    const { finding } = this.#question;
    if (isNews && finding === "bot") {
      this.#rests++;
      this.#ownQuestions = 0;
    }
    this.#latestRefused = Math.max(this.#latestRefused, number);
    for (const other of this.#probes.keys()) {
      if (other > this.#latestRefused) break;
      this.#probes.delete(other);
    }
    this.#probedAt = now;
    this.#probeAt = this.#question.chats === 1 ? now : now + probeEveryMs;
    if (chosenBy === "draw") this.#drawAt = this.#probeAt;
    return isNews && finding !== "nothing" ? finding : undefined;
  }

  /** The message was refused for its chat's sake, which tells nothing of the bot. */
  refuseChat(number: number, now: number): void {
    if (this.#close(number)) this.#probeAt = this.#drawAt = now + probeEveryMs;
  }

  /** The message was taken. True where that shows that the refusals were the chats' own. */
  take(number: number, now: number): boolean {
    this.#evidence.take(this.#underWay.get(number), now);
    this.#close(number);
    if (!this.isOpen(now) || number <= this.#latestRefused) return false;
    // Single messages may slip through.
    if (this.#question.finding === "bot" && this.#question.chats > chatsNeeded) return false;
    this.#ownQuestions = Math.min(moreAtMost, this.#ownQuestions + 1);
    this.#question = new Question(chatsNeeded + this.#ownQuestions);
    return true;
  }

  /** The message has ended without saying anything of floods. True where the next one may leave for that. */
  end(number: number, now: number): boolean {
    return this.#close(number) && this.isOpen(now);
  }

  /** It is under way no longer; true where it was a probe. */
  #close(number: number): boolean {
    this.#underWay.delete(number);
    return this.#probes.delete(number);
  }
}
