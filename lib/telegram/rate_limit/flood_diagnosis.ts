/**
 * What refusals by flood answers (429) prove: nothing yet, that replies rest, or that the bot does. Chats that are next to
 * each other in a broadcast's order may all belong to one stranger, and so may those that ask for a reply: only chats that
 * were drawn at random prove a flood of the bot. The fewer people a chat was drawn from, the less it proves: a stranger may
 * own most of those who are left. Pure: times are in milliseconds.
 */

/** A number, or a public chat's @name. */
export type ChatId = number | string;

/** Why this chat is written to now: it asked for a reply (`itself`), it is next in the order, or it was drawn at random. */
export type ChosenBy = "itself" | "order" | "draw";

/** A rest of so long is proved by a few chats. A longer one has to be all but certain, and is tested by messages. */
export const shortRestMs = 60_000;
/** A stranger is taken to own so much of all people at most; and so much of those from whom a chat is drawn. */
const [strangersPart, strangersPartOfDrawn] = [1 / 6, 4 / 5];
/** How probable it may be that all chats that prove a long rest are one stranger's: half as much after each own flood. */
const doubtAtMost = strangersPart ** 2;
/** Two chats refused by one flood of the bot report ends up to this far apart: one after the other, in whole seconds. */
const sameRestMs = 2000;
/** How many refused chats prove a rest; replies prove only that replies rest. */
export const chatsNeeded = 3;
/** How many chats that are told of the same rest make it a possible rest of the bot, where no chat is left to be drawn. */
const sameRestNeeded = 2;

/** A chat was refused by a flood answer. */
export interface Refusal {
  readonly chatId: ChatId;
  readonly until: number;
  readonly chosenBy: ChosenBy;
  /** The part of all people from whom a drawn chat was drawn; 0 for the last one. */
  readonly drawnFrom?: number | undefined;
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

  has(chatId: ChatId): boolean {
    return this.#chats.has(chatId);
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
export class Diagnosis {
  readonly #ownFloods: number;
  readonly #isStrangerThere: boolean;
  readonly #all = new RefusedChats();
  readonly #drawn = new RefusedChats();
  #scope: FloodScope = "unknown";
  #isSameRest = false;
  /** How probable it is at most that all drawn chats are one stranger's. */
  #doubt = 1;

  /**
   * @param ownFloods Diagnoses in a row before this one that ended with a chat's own flood.
   * @param isStrangerThere Whether such a flood lasts: its stranger may own more chats.
   */
  constructor(ownFloods: number, isStrangerThere: boolean) {
    this.#ownFloods = ownFloods;
    this.#isStrangerThere = isStrangerThere;
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

  /** When the last of the chats may be written to again. */
  get longest(): number {
    return this.#all.longest;
  }

  get until(): number {
    if (this.#scope === "unknown") return this.#all.longest;
    return this.#scope === "bot" ? this.#drawn.restEnd : this.#all.restEnd;
  }

  /** Adds a refusal; true where it changes the scope. */
  add(refusal: Refusal, now: number): boolean {
    this.#all.add(refusal);
    this.#isSameRest ||= this.#all.toldOfSameRest >= sameRestNeeded;
    if (refusal.chosenBy === "draw") this.#addDrawn(refusal);
    const before = this.#scope;
    if (this.#isBots(now)) this.#scope = "bot";
    else if (before === "unknown" && refusal.chosenBy === "itself" && this.#all.chats >= chatsNeeded) {
      this.#scope = "replies";
    }
    return this.#scope !== before;
  }

  #addDrawn(refusal: Refusal): void {
    const { chatId, drawnFrom = 1 } = refusal;
    const part = Math.min(strangersPartOfDrawn, this.#isStrangerThere ? 1 : strangersPart / drawnFrom);
    // Once nobody is left to be drawn, only messages that test the rest can tell more.
    if (!this.#drawn.has(chatId)) this.#doubt *= drawnFrom === 0 ? 0 : part;
    this.#drawn.add(refusal);
  }

  #isBots(now: number): boolean {
    const needed = chatsNeeded + this.#ownFloods;
    if (this.#drawn.chats < needed - 1 || this.#all.chats < needed) return false;
    return this.#doubt <= doubtAtMost / 2 ** this.#ownFloods || this.#drawn.restEnd - now <= shortRestMs;
  }

  skip(ms: number): void {
    this.#all.skip(ms);
    this.#drawn.skip(ms);
  }
}
