/** What an update says to the bot: what is to be kept of it, and what it asks for. */
import type { ChatMemberUpdated, Message, Update } from "grammy/types";
import type { Api } from "grammy/web";
import { createMaySpeak } from "./administrators.ts";
import type { MessageEvent } from "./chat.ts";
import type { Clock } from "./clock.ts";
import type { Entry } from "./entry.ts";
import { dateMs, factOf, languageCodeOf, userInfoOf } from "./update.ts";

/**
 * What there may be to answer: one of the commands; a command by whom it is not allowed (`refused`) or of whom that is
 * not known (`undecided`); a chat that may not use the bot (`stranger`); or nothing but a greeting.
 */
export type Ask = "start" | "stop" | "help" | "status" | "refused" | "undecided" | "stranger" | "nothing";

export interface Heard {
  readonly chatId: number;
  readonly asks: Ask;
  /** What is to be kept of it; `undefined` where nothing is. */
  readonly entry: Entry | undefined;
  /** The language of whoever has written, as Telegram tells it. */
  readonly languageCode?: string | undefined;
}

export interface HearingOptions {
  /** Whether any message registers its chat, or only /start. */
  readonly registers: boolean;
  readonly clock: Clock;
}

/** Where an update comes from, and to whom it is said. */
export interface Surroundings {
  readonly api: Api;
  readonly botUsername: string;
  /** Whether the chat may use the bot; default: true. One that may not can still end what it has. */
  readonly isAllowed?: boolean;
}

/** `undefined` where the update holds nothing that concerns a chat's subscription. */
export type Hear = (update: Update, surroundings: Surroundings) => Promise<Heard | undefined>;

export function createHear({ registers, clock }: HearingOptions): Hear {
  const maySpeak = createMaySpeak(clock);

  const messageOf = (
    { update_id }: Update,
    { chat, date }: Message,
    kind: MessageEvent["kind"],
    mayRegister: boolean,
  ): Entry => ({
    kind: "event",
    chatId: chat.id,
    event: {
      kind,
      at: dateMs(date, clock.now()),
      updateId: update_id,
      userInfo: userInfoOf(chat),
      registers: mayRegister,
    },
  });

  const hearMessage = async (
    update: Update,
    message: Message,
    command: string | undefined,
    { api, isAllowed = true }: Surroundings,
  ): Promise<Heard | undefined> => {
    const chatId = message.chat.id;
    const heard = (asks: Ask, kind: MessageEvent["kind"], mayRegister: boolean = registers): Heard => {
      return { chatId, asks, entry: messageOf(update, message, kind, mayRegister) };
    };
    if (!isAllowed && command !== "stop") {
      // What people say among themselves in a group is not said to the bot.
      const isSaidToBot = command !== undefined || message.chat.type === "private";
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
    { chat, date }: ChatMemberUpdated,
    isPresent: boolean,
    isAllowed: boolean = true,
  ): Heard => {
    const chatId = chat.id;
    if (isPresent && !isAllowed) return { chatId, asks: "stranger", entry: undefined };
    const event = {
      kind: isPresent ? "returned" : "removed",
      reason: chat.type === "private" ? "blocked" : "left",
      at: dateMs(date, clock.now()),
      updateId: update_id,
      userInfo: userInfoOf(chat),
      registers,
    } as const;
    return { chatId, asks: "nothing", entry: { kind: "event", chatId, event } };
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
    return heard && { ...heard, languageCode: languageCodeOf(update) };
  };
}
