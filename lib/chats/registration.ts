/** Limits what strangers can register: by the chat's type, and by the number of groups and channels of one person. */
import { BoundedSet } from "../util/collections.ts";
import type { ChatEvent, ChatType, MemberEvent, MessageEvent } from "./events.ts";
import type { ChatRegistry } from "./registry.ts";
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

export const defaultChatsPerAdder = 10;
const rememberedAtMost = 10_000;

/** Keeps what is heard of a chat that is over the limits from registering it. */
export class Registration {
  readonly #options: RegistrationOptions;
  readonly #told = new BoundedSet<number>(rememberedAtMost);
  /** Refused chats that the storage does not know: there is nothing to count, and so nothing to ask it. */
  readonly #unknown = new BoundedSet<number>(rememberedAtMost);

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /** What is left of what is heard where the chat may not be registered; `undefined` where nothing is. */
  limit(parsed: ParsedUpdate, registry: ChatRegistry): ParsedUpdate | undefined {
    const { chatId, write: chatWrite } = parsed;
    if (chatWrite?.kind !== "event" || !mayRegister(chatWrite.event) || registry.isActive(chatId)) {
      return parsed;
    }
    const { event } = chatWrite;
    const { adders } = registry;
    const known = adders.adderOf(chatId);
    // A message's writer counts as the adder only where no other is known; a /start's or an addition's always does.
    const addedBy = event.kind === "message" ? known ?? event.addedBy : event.addedBy ?? known;
    const isCounted = addedBy !== undefined && !this.#isExempt(chatId);
    const refusal = this.#refusalOf(parsed, isCounted ? addedBy : undefined, registry);
    if (refusal === undefined) {
      if (isCounted) adders.expect(chatId, addedBy);
      return { ...parsed, write: { ...chatWrite, event: { ...event, addedBy } } };
    }
    if (addedBy !== undefined) adders.refuse(chatId, addedBy);
    if (this.#unknown.has(chatId)) return undefined;
    const intent = isToTell(parsed, event) && this.#told.add(chatId) ? refusal : "nothing";
    return { ...parsed, intent, write: { ...chatWrite, event: registeringNobody(event) } };
  }

  /** Learns from what was kept of it. */
  learn({ chatId, write: chatWrite }: ParsedUpdate, { after }: WriteResult): void {
    const isRefused = chatWrite?.kind === "event" && "registers" in chatWrite.event &&
      !chatWrite.event.registers;
    if (isRefused && after === undefined) this.#unknown.add(chatId);
    else this.#unknown.delete(chatId);
  }

  #refusalOf(
    { chatId, chatType }: ParsedUpdate,
    adderId: number | undefined,
    registry: ChatRegistry,
  ): RegistrationRefusal | undefined {
    const { chatTypes, chatsPerAdder = defaultChatsPerAdder } = this.#options;
    if (chatType !== undefined && chatTypes?.includes(chatType) === false) return "chatTypeNotAllowed";
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

function registeringNobody({ addedBy: _addedBy, ...event }: Registering): Registering {
  if (event.kind === "start") return { ...event, kind: "message", registers: false };
  return { ...event, registers: false };
}

/** Channels are told nothing; groups only where something was said to the bot, or it was added. */
function isToTell({ intent, chatType }: ParsedUpdate, { kind }: Registering): boolean {
  if (chatType === "channel") return false;
  return intent !== "nothing" || kind === "returned" || chatType === "private";
}
