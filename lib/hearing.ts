/** What an update says to the bot: what is to be kept of it, and what it asks for. */
import type { ChatMemberUpdated, Message, Update } from "grammy/types";
import type { Api } from "grammy/web";
import { createMaySpeak } from "./administrators.ts";
import type { ChatType, MessageEvent } from "./chat.ts";
import type { Clock } from "./clock.ts";
import type { Entry } from "./entry.ts";
import type { Refusal } from "./registration.ts";
import { dateMs, factOf, languageCodeOf, personOf, threadOf, userInfoOf } from "./update.ts";

/**
 * What there may be to answer: one of the commands; a command by whom it is not allowed (`refused`) or of whom that is
 * not known (`undecided`); a chat that may not use the bot (`stranger`), or may not be registered; or nothing but a
 * greeting.
 */
export type Ask =
  | "start"
  | "stop"
  | "help"
  | "status"
  | "refused"
  | "undecided"
  | "stranger"
  | "nothing"
  | Refusal;

export interface Heard {
  readonly chatId: number;
  readonly asks: Ask;
  /** What is to be kept of it; `undefined` where nothing is. */
  readonly entry: Entry | undefined;
  /** Absent where it is not known, as of a group's move. */
  readonly chatType?: ChatType;
  /** The language of the person who has written, as Telegram tells it. */
  readonly languageCode?: string | undefined;
  /** The topic in which it was said. */
  readonly threadId?: number | undefined;
}

export interface HearingOptions {
  /** Whether any message registers its chat, or only /start. */
  readonly registers: boolean;
  readonly clock: Clock;
}

/** Which bot an update was sent to, and what is known of its chat. */
export interface Surroundings {
  readonly api: Api;
  readonly botUsername: string;
  /** Whether the chat may use the bot; default: true. One that may not can still end what it has. */
  readonly isAllowed?: boolean;
  /** Whether a chat that is not allowed may be registered all the same. Default: each may. */
  readonly mayBeActive?: (chatId: number) => boolean;
}

/** `undefined` where the update holds nothing that concerns a chat's subscription. */
export type Hear = (update: Update, surroundings: Surroundings) => Promise<Heard | undefined>;

export function createHear({ registers, clock }: HearingOptions): Hear {
  const maySpeak = createMaySpeak(clock);

  const messageOf = (
    update: Update,
    { chat, from, date }: Message,
    kind: MessageEvent["kind"],
    mayRegister: boolean,
  ): Entry => ({
    kind: "event",
    chatId: chat.id,
    event: {
      kind,
      at: dateMs(date, clock.now()),
      updateId: update.update_id,
      userInfo: userInfoOf(chat),
      registers: mayRegister,
      ...(chat.type === "private" ? {} : { addedBy: personOf({ from }) }),
      ...inThread(update),
    },
  });

  const hearMessage = async (
    update: Update,
    message: Message,
    command: string | undefined,
    { api, isAllowed = true, mayBeActive = () => true }: Surroundings,
  ): Promise<Heard | undefined> => {
    const { id: chatId, type: chatType } = message.chat;
    const heard = (asks: Ask, kind: MessageEvent["kind"], mayRegister: boolean = registers): Heard => {
      return { chatId, chatType, asks, entry: messageOf(update, message, kind, mayRegister) };
    };
    // Telegram is asked who may speak for a group only where there is something to end.
    const mayEnd = command === "stop" && (chatType === "private" || mayBeActive(chatId));
    if (!isAllowed && !mayEnd) {
      // What people say among themselves in a group is not said to the bot.
      const isSaidToBot = command !== undefined || chatType === "private";
      return isSaidToBot ? { chatId, asks: "stranger", entry: undefined } : undefined;
    }
    if (command === "help" || command === "status") return heard(command, "message");
    if (command !== "start" && command !== "stop") return heard("nothing", "message");
    const may = await maySpeak(api, message);
    if (may === "yes") return heard(command, command);
    // It counts as a message, and registers nobody.
    return may === "no"
      ? heard("refused", "message", false)
      : { chatId, asks: "undecided", entry: undefined };
  };

  const hearMembership = (
    { update_id }: Update,
    { chat, from, date }: ChatMemberUpdated,
    isPresent: boolean,
    isAllowed: boolean = true,
  ): Heard | undefined => {
    const chatId = chat.id;
    if (isPresent && !isAllowed) {
      // A channel is told once it asks, as all its subscribers read the answer.
      return chat.type === "channel" ? undefined : { chatId, asks: "stranger", entry: undefined };
    }
    const event = {
      kind: isPresent ? "returned" : "removed",
      reason: chat.type === "private" ? "blocked" : "left",
      at: dateMs(date, clock.now()),
      updateId: update_id,
      userInfo: userInfoOf(chat),
      registers,
      ...(chat.type === "private" ? {} : { addedBy: personOf({ from }) }),
    } as const;
    return { chatId, chatType: chat.type, asks: "nothing", entry: { kind: "event", chatId, event } };
  };

  const hear: Hear = async (update, surroundings) => {
    const fact = factOf(update, surroundings.botUsername);
    if (fact === undefined) return undefined;
    if (fact.kind === "message") return await hearMessage(update, fact.message, fact.command, surroundings);
    if (fact.kind === "membership") {
      return hearMembership(update, fact.member, fact.isPresent, surroundings.isAllowed);
    }
    const entry = { ...fact, at: clock.now() };
    return { chatId: fact.to, asks: "nothing", entry };
  };

  return async (update, surroundings) => {
    const heard = await hear(update, surroundings);
    return heard && { ...heard, languageCode: languageCodeOf(update), ...inThread(update) };
  };
}

function inThread(update: Update): { readonly threadId?: number } {
  const threadId = threadOf(update);
  return threadId === undefined ? {} : { threadId };
}
