/**
 * Whom a flood answer (429) concerns. Telegram does not say whether it means one chat or the whole bot. So a refusal
 * that may mean the bot asks a question. While that is open messages leave slowly, as probes: one that left later and
 * was taken shows that the refusal was its chat's own; refusals of several chats prove that it is the bot, which then
 * rests until Telegram's time is over. Pure: times are in milliseconds.
 */
export interface Flood {
  /** When the bot's rest ends; in the past where it does not rest. */
  readonly restsUntil: number;
  /** How many rests were proved so far. */
  readonly rests: number;
  /** Whether a refusal is not explained yet, or the bot rests. */
  isOpen(now: number): boolean;
  /** Whether a chat's long flood may turn out to be the bot's: it is not once nobody has tried for a while. */
  mayBeBots(now: number): boolean;
  /**
   * When the next message may leave; `now` or earlier is now. A rest that only replies have proved is doubted by a
   * broadcast's message: it leaves as a probe, as strangers choose who is sent a reply.
   */
  readyAt(now: number, isBroadcast?: boolean): number;
  /** A message leaves; gives its number. */
  leave(now: number): number;
  /** The message was refused until then, perhaps for the bot's sake. True where that proves a rest. */
  refuse(number: number, chatId: ChatId, until: number, now: number, isReply?: boolean): boolean;
  /** The message was refused for its chat's sake, which tells nothing of the bot. */
  refuseChat(number: number, now: number): void;
  /** The message was taken. True where that shows that the refusals were the chats' own. */
  take(number: number, now: number): boolean;
  /** What became of the message tells nothing. True where the next one may leave for that. */
  end(number: number, now: number): boolean;
}

/** A number, or a public chat's @name. */
export type ChatId = number | string;

/** The first probe leaves at once. The next waits for the answer, or so long: two chats may have the same trouble. */
const probeEveryMs = 1000;
const unclearMs = 10_000;
/** Chats are refused up to so long after one another, and are told full seconds. */
const apartMs = 2000;
/** A refusal weighs as much as so many messages that were taken; a second without one weighs a little, too. */
const [weightOfRefusal, weightOfSecond] = [50, 5];
/** Three chats may be refused close together for their own sake. From there on it is the bot, whatever slips through. */
const [ownAtMost, weightAtMost] = [3 * weightOfRefusal, 10 * weightOfRefusal];

export function createFlood(): Flood {
  let lastNumber = 0;
  const underWay = new Set<number>();
  /** Those under way that have left after all that was refused, the first to leave first. */
  let probes = new Set<number>();
  let latestRefused = -Infinity;
  let probedAt = -Infinity;
  let probeAt = -Infinity;
  let question = new Question();
  let rests = 0;
  const evidence = createEvidence();

  const isOpen = (now: number): boolean => now < question.until;
  const close = (number: number): boolean => {
    underWay.delete(number);
    return probes.delete(number);
  };

  return {
    get restsUntil() {
      return question.isProved ? question.until : -Infinity;
    },
    get rests() {
      return rests;
    },
    isOpen,
    mayBeBots(now) {
      return isOpen(now) && (question.isProved || now - probedAt < unclearMs);
    },
    readyAt(now, isBroadcast = false) {
      const isDoubtful = isBroadcast && question.isRepliesOnly;
      if (!isOpen(now) || (question.isProved && !isDoubtful)) return question.until;
      const nextAt = probes.size > 0 ? Math.max(probeAt, probedAt + probeEveryMs) : probeAt;
      return Math.min(nextAt, question.until);
    },
    leave(now) {
      const number = ++lastNumber;
      underWay.add(number);
      if (isOpen(now)) {
        probes.add(number);
        probedAt = now;
      }
      return number;
    },
    refuse(number, chatId, until, now, isReply = false) {
      close(number);
      if (!isReply) evidence.weigh(chatId, now);
      if (!isOpen(now)) {
        question = new Question();
        probes = new Set([...underWay].filter((other) => other > number));
      }
      const isNews = question.add({ chatId, until, isReply }, evidence.isHeavy);
      if (isNews) rests++;
      latestRefused = Math.max(latestRefused, number);
      for (const other of probes) {
        if (other > latestRefused) break;
        probes.delete(other);
      }
      probedAt = now;
      probeAt = question.chats === 1 ? now : now + probeEveryMs;
      return isNews;
    },
    refuseChat(number, now) {
      if (close(number)) probeAt = now + probeEveryMs;
    },
    take(number, now) {
      close(number);
      evidence.lighten(1, now);
      if (!isOpen(now) || number <= latestRefused || evidence.isHeavy) return false;
      question = new Question();
      return true;
    },
    end(number, now) {
      return close(number) && isOpen(now);
    },
  };
}

interface Refusal {
  readonly chatId: ChatId;
  readonly until: number;
  readonly isReply: boolean;
}

/** What was refused since it was last clear whom a refusal concerned. */
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

  /** When it is over. A rest is about as long as two chats were told, as one's own flood may be of hours. */
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

/** Chats that were refused of late, and how much that weighs against what was taken. */
interface Evidence {
  /** Whether it is the bot, whatever slips through. */
  readonly isHeavy: boolean;
  weigh(chatId: ChatId, now: number): void;
  lighten(by: number, now: number): void;
}

function createEvidence(): Evidence {
  const recent = new Set<ChatId>();
  let weight = 0;
  let weighedAt = -Infinity;
  const lighten = (by: number, now: number): void => {
    weight = Math.max(0, weight - by - (now - weighedAt) / 1000 * weightOfSecond);
    weighedAt = now;
    if (weight === 0) recent.clear();
  };
  return {
    lighten,
    weigh(chatId, now) {
      lighten(0, now);
      if (recent.has(chatId)) return;
      recent.add(chatId);
      weight = Math.min(weight + weightOfRefusal, weightAtMost);
    },
    get isHeavy() {
      return weight > ownAtMost;
    },
  };
}
