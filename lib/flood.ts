/**
 * Whom a flood answer (429) concerns. Telegram does not say whether it means one chat or the whole bot. So a refusal
 * that may mean the bot asks a question. While that is open messages leave slowly, as probes: one that left later and
 * was taken shows that the refusal was its chat's own; refusals of several chats prove that it is the bot, which then
 * rests until Telegram's time is over. Pure: times are in milliseconds.
 */

/** A number, or a public chat's @name. */
export type ChatId = number | string;

/** The first probe leaves at once. The next waits for the answer, or so long: two chats may have the same trouble. */
const probeEveryMs = 1000;
const unclearMs = 10_000;
/** How much the ends differ that two chats are told of one rest: they are refused apart, and are told full seconds. */
const apartMs = 2000;
/** A refusal weighs as much as so many messages that were taken; a second without one weighs a little, too. */
const [weightOfRefusal, weightOfSecond] = [50, 5];
/** Three chats may be refused close together for their own sake. From there on it is the bot, whatever slips through. */
const [ownAtMost, weightAtMost] = [3 * weightOfRefusal, 10 * weightOfRefusal];

interface Refusal {
  readonly chatId: ChatId;
  readonly until: number;
  readonly isReply: boolean;
}

/** The refusals since it was last clear whom one concerned. */
class Question {
  readonly #chats = new Set<ChatId>();
  #longest: { readonly chatId: ChatId; readonly until: number } | undefined;
  #secondLongest = -Infinity;
  #isProved = false;
  #isRepliesOnly = true;

  /** Whether only replies were refused: to chats that strangers have chosen. */
  get isRepliesOnly(): boolean {
    return this.#isRepliesOnly;
  }

  /** Whether it is the bot. */
  get isProved(): boolean {
    return this.#isProved;
  }

  get chats(): number {
    return this.#chats.size;
  }

  /** When it is over. A rest lasts about as long as two chats were told, as one chat's own flood may last for hours. */
  get until(): number {
    const longest = this.#longest?.until ?? -Infinity;
    return this.#isProved ? Math.min(longest, this.#secondLongest + apartMs) : longest;
  }

  /** True where that proves that it is the bot. */
  add({ chatId, until, isReply }: Refusal, isHeavy: boolean): boolean {
    if (!isReply) this.#isRepliesOnly = false;
    const longest = this.#longest ?? { chatId, until };
    const isLonger = until >= longest.until;
    if (chatId !== longest.chatId) {
      this.#secondLongest = Math.max(this.#secondLongest, Math.min(until, longest.until));
    }
    this.#longest = isLonger ? { chatId, until } : longest;
    this.#chats.add(chatId);
    const wasProved = this.#isProved;
    this.#isProved ||= this.#chats.size > 2 || (isHeavy && this.#chats.size === 2);
    return this.#isProved && !wasProved;
  }
}

/** How much the latest refusals weigh against the messages that were taken. */
class Evidence {
  readonly #chats = new Set<ChatId>();
  #weight = 0;
  #weighedAt = -Infinity;

  /** Whether it is the bot, whatever slips through. */
  get isHeavy(): boolean {
    return this.#weight > ownAtMost;
  }

  weigh(chatId: ChatId, now: number): void {
    this.lighten(0, now);
    if (this.#chats.has(chatId)) return;
    this.#chats.add(chatId);
    this.#weight = Math.min(this.#weight + weightOfRefusal, weightAtMost);
  }

  lighten(by: number, now: number): void {
    this.#weight = Math.max(0, this.#weight - by - (now - this.#weighedAt) / 1000 * weightOfSecond);
    this.#weighedAt = now;
    if (this.#weight === 0) this.#chats.clear();
  }
}

export class Flood {
  readonly #evidence = new Evidence();
  #question = new Question();
  #lastNumber = 0;
  readonly #underWay = new Set<number>();
  /** Messages under way that have left after every refused one, in the order in which they left. */
  #probes = new Set<number>();
  #latestRefused = -Infinity;
  #probedAt = -Infinity;
  #probeAt = -Infinity;
  #rests = 0;

  /** When the bot's rest ends; in the past where it does not rest. */
  get restsUntil(): number {
    return this.#question.isProved ? this.#question.until : -Infinity;
  }

  /** How many rests were proved so far. */
  get rests(): number {
    return this.#rests;
  }

  /** Whether a refusal is not explained yet, or the bot rests. */
  isOpen(now: number): boolean {
    return now < this.#question.until;
  }

  /** Whether a chat's long flood may turn out to be the bot's: it is not once nobody has tried for a while. */
  mayBeBots(now: number): boolean {
    return this.isOpen(now) && (this.#question.isProved || now - this.#probedAt < unclearMs);
  }

  /**
   * When the next message may leave; `now` or earlier is now. A rest that only replies have proved is doubted by a
   * broadcast's message: it leaves as a probe, as strangers choose who is sent a reply.
   */
  readyAt(now: number, isBroadcast: boolean = false): number {
    const { isProved, isRepliesOnly, until } = this.#question;
    if (!this.isOpen(now) || (isProved && !(isBroadcast && isRepliesOnly))) return until;
    const nextAt = this.#probes.size > 0
      ? Math.max(this.#probeAt, this.#probedAt + probeEveryMs)
      : this.#probeAt;
    return Math.min(nextAt, until);
  }

  /** A message leaves; gives its number. */
  leave(now: number): number {
    const number = ++this.#lastNumber;
    this.#underWay.add(number);
    if (this.isOpen(now)) {
      this.#probes.add(number);
      this.#probedAt = now;
    }
    return number;
  }

  /** The message was refused until then, perhaps for the bot's sake. True where that proves a rest. */
  refuse(number: number, chatId: ChatId, until: number, now: number, isReply: boolean = false): boolean {
    this.#close(number);
    if (!isReply) this.#evidence.weigh(chatId, now);
    if (!this.isOpen(now)) {
      this.#question = new Question();
      this.#probes = new Set([...this.#underWay].filter((other) => other > number));
    }
    const isProved = this.#question.add({ chatId, until, isReply }, this.#evidence.isHeavy);
    if (isProved) this.#rests++;
    this.#latestRefused = Math.max(this.#latestRefused, number);
    for (const other of this.#probes) {
      if (other > this.#latestRefused) break;
      this.#probes.delete(other);
    }
    this.#probedAt = now;
    this.#probeAt = this.#question.chats === 1 ? now : now + probeEveryMs;
    return isProved;
  }

  /** The message was refused for its chat's sake, which tells nothing of the bot. */
  refuseChat(number: number, now: number): void {
    if (this.#close(number)) this.#probeAt = now + probeEveryMs;
  }

  /** The message was taken. True where that shows that the refusals were the chats' own. */
  take(number: number, now: number): boolean {
    this.#close(number);
    this.#evidence.lighten(1, now);
    if (!this.isOpen(now) || number <= this.#latestRefused || this.#evidence.isHeavy) return false;
    this.#question = new Question();
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
