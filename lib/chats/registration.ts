/**
 * Limits which chats strangers can register: by the chat's type, and by the number of groups and channels that one person
 * has added the bot to.
 */
import { BoundedMap, BoundedSet } from "../util/collections.ts";
import type { ChatEvent, ChatState, ChatType, MemberEvent, MessageEvent } from "./events.ts";
import type { ParsedUpdate, RegistrationRefusal } from "./update.ts";
import type { WriteResult } from "./writer.ts";

export interface RegistrationOptions {
  /** Default: all. */
  readonly chatTypes?: readonly ChatType[] | undefined;
  /** How many groups and channels one person may bring in. Default: 10. */
  readonly chatsPerAdder?: number | undefined;
  /** Whether the chat is left out of the count, as the bot's owner allows it by its id. Default: none is. */
  readonly isExempt?: (chatId: number) => boolean;
}

/** The part of the chat registry that the limits need. */
interface RegisteredChats {
  readonly adders: AdderCounts;
  isActive(chatId: number): boolean;
}

export const defaultChatsPerAdder = 10;
const rememberedAtMost = 10_000;

/** Prevents updates of a chat that is over the limits from registering it. */
export class Registration {
  readonly #options: RegistrationOptions;
  /** Chats that were told why they are not registered. */
  readonly #told = new BoundedSet<number>(rememberedAtMost);
  /** Refused chats that the storage does not know: it has no message count to add to, so that nothing is written. */
  readonly #unknown = new BoundedSet<number>(rememberedAtMost);

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /**
   * The update, without what would register a chat that may not be registered; `undefined` where nothing is left to write
   * or to answer.
   */
  limit(parsed: ParsedUpdate, registry: RegisteredChats): ParsedUpdate | undefined {
    const { chatId, write } = parsed;
    if (write?.kind === "event" && write.event.kind === "removed" && !this.#isToKeep(parsed)) {
      return { ...parsed, write: { ...write, event: { ...write.event, isKept: false } } };
    }
    if (write?.kind !== "event" || !mayRegister(write.event) || registry.isActive(chatId)) return parsed;
    const { event } = write;
    const { adders } = registry;
    const known = adders.adderOf(chatId);
    // A message's writer counts as the adder only where no other is known; a /start's or an addition's always does.
    const addedBy = event.kind === "message" ? known ?? event.addedBy : event.addedBy ?? known;
    const isCounted = addedBy !== undefined && !this.#isExempt(chatId);
    const refusal = this.#refusalOf(parsed, isCounted ? addedBy : undefined, registry);
    if (refusal === undefined) {
      if (isCounted) adders.expect(chatId, addedBy);
      return { ...parsed, write: { ...write, event: { ...event, addedBy } } };
    }
    if (addedBy !== undefined) adders.refuse(chatId, addedBy);
    if (this.#unknown.has(chatId)) return undefined;
    const intent = isToTell(parsed, event) && this.#told.add(chatId) ? refusal : "nothing";
    return { ...parsed, intent, write: { ...write, event: withoutRegistration(event) } };
  }

  /** Remembers whether the storage knows the chat, after a write of the update. */
  learn({ chatId, write }: ParsedUpdate, { after }: WriteResult): void {
    const isRefused = write?.kind === "event" && "registers" in write.event && !write.event.registers;
    if (isRefused && after === undefined) this.#unknown.add(chatId);
    else this.#unknown.delete(chatId);
  }

  /** Whether the removal of a chat that may be unknown is to be kept: not where its messages cannot register it. */
  #isToKeep({ chatId, chatType }: ParsedUpdate): boolean {
    return !this.#unknown.has(chatId) && this.#isTypeAllowed(chatType);
  }

  #isTypeAllowed(chatType: ChatType | undefined): boolean {
    const { chatTypes } = this.#options;
    return chatType === undefined || chatTypes === undefined || chatTypes.includes(chatType);
  }

  #refusalOf(
    { chatId, chatType }: ParsedUpdate,
    adderId: number | undefined,
    registry: RegisteredChats,
  ): RegistrationRefusal | undefined {
    const { chatsPerAdder = defaultChatsPerAdder } = this.#options;
    if (!this.#isTypeAllowed(chatType)) return "chatTypeNotAllowed";
    if (adderId === undefined || chatsPerAdder === Infinity) return undefined;
    const counts = (each: number): boolean => registry.isActive(each) && !this.#isExempt(each);
    const others = registry.adders.countBeside(chatId, adderId, counts);
    return others >= chatsPerAdder ? "tooManyChats" : undefined;
  }

  #isExempt(chatId: number): boolean {
    return this.#options.isExempt?.(chatId) ?? false;
  }
}

type Registering = MessageEvent | MemberEvent;

function mayRegister(event: ChatEvent): event is Registering {
  if (event.kind === "start") return true;
  return (event.kind === "message" || event.kind === "returned") && event.registers === true;
}

function withoutRegistration({ addedBy: _addedBy, ...event }: Registering): Registering {
  if (event.kind === "start") return { ...event, kind: "message", registers: false };
  return { ...event, registers: false };
}

/** Channels are told nothing; groups only after a command to the bot, or its addition. */
function isToTell({ intent, chatType }: ParsedUpdate, { kind }: Registering): boolean {
  if (chatType === "channel") return false;
  return intent !== "nothing" || kind === "returned" || chatType === "private";
}

// Who added the bot to each group and channel.

/** One chat's adder. The chat is about to be registered, is registered, or was refused. */
interface Addition {
  readonly adderId: number;
  readonly standing: "expected" | "kept" | "refused";
}

/** Beyond this many chats, the oldest are left out of the count. */
const chatsAtMost = 200_000;

/** Counts the active groups and channels to which each person has added the bot, as far as this process knows. */
export class AdderCounts {
  readonly #chats = new BoundedMap<number, Addition>(chatsAtMost);
  readonly #chatsOf = new BoundedMap<number, Set<number>>(chatsAtMost);

  /** The person who has added the bot to the chat last. */
  adderOf(chatId: number): number | undefined {
    return this.#chats.get(chatId)?.adderId;
  }

  /** The chat is about to be registered: it counts as registered already. */
  expect(chatId: number, adderId: number): void {
    this.#set(chatId, adderId, "expected");
  }

  /** The chat is not to be registered. Its adder is remembered, so that the next writer is not taken for the adder. */
  refuse(chatId: number, adderId: number): void {
    this.#set(chatId, adderId, "refused");
  }

  /** The storage has it as an active chat. */
  found(chatId: number, adderId: number): void {
    this.#set(chatId, adderId, "kept");
  }

  /** The chat as it is kept now. */
  kept(chatId: number, after: ChatState | undefined): void {
    if (after?.is_active && after.added_by !== undefined) return this.found(chatId, after.added_by);
    if (this.#chats.get(chatId)?.standing !== "refused") this.#chats.delete(chatId);
  }

  /** How many other chats the person has added the bot to: expected ones, and kept ones for which `counts` is true. */
  countBeside(chatId: number, adderId: number, counts: (chatId: number) => boolean): number {
    const chats = this.#chatsOf.get(adderId) ?? new Set();
    for (const each of chats) if (!this.#isOf(each, adderId, counts)) chats.delete(each);
    return chats.size - (chats.has(chatId) ? 1 : 0);
  }

  #isOf(chatId: number, adderId: number, counts: (chatId: number) => boolean): boolean {
    const addition = this.#chats.get(chatId);
    if (addition?.adderId !== adderId || addition.standing === "refused") return false;
    return addition.standing === "expected" || counts(chatId);
  }

  #set(chatId: number, adderId: number, standing: Addition["standing"]): void {
    this.#chats.set(chatId, { adderId, standing });
    if (standing === "refused") return;
    const chats = this.#chatsOf.get(adderId) ?? new Set();
    this.#chatsOf.set(adderId, chats.add(chatId));
  }
}
