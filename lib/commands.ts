/** Updates in, chat events kept, replies out: a grammY Composer, for our bot or anyone's. */
import { Composer, type Context } from "grammy/web";
import type { ChatMemberUpdated, Message } from "grammy/types";
import { createMaySpeak, type MaySpeak } from "./administrators.ts";
import { type ChatEvent, type ChatState, iso, type MessageEvent } from "./chat.ts";
import { type Clock, systemClock } from "./clock.ts";
import { consoleLogger, type Logger } from "./log.ts";
import { statusMessage, texts } from "./messages.ts";
import { outcomeOf } from "./outcome.ts";
import { forGrammy } from "./for_grammy.ts";
import type { Persist } from "./persistence.ts";
import type { Roster } from "./roster.ts";
import type { Applied } from "./storage/chat_storage.ts";
import type { FormattedText } from "./text.ts";
import { dateMs, factOf, userInfoOf } from "./update.ts";

/** What the commands need, and how they behave. */
export interface ChatCommandsOptions {
  /** The chats, loaded. */
  readonly roster: Roster;
  /** Whether any message registers its chat, or only /start. Default: true. */
  readonly autoRegisterChats?: boolean;
  /** How a write is kept at. Default: once; its error then goes to the bot's error handler. */
  readonly persist?: Persist;
  /** Default: the machine's own. */
  readonly clock?: Clock;
  /** Default: the console. */
  readonly logger?: Logger;
}

/** One reply that hangs must not hold back what others have to say. */
const replyWithinMs = 10_000;
/** Chats that were told that the list cannot be read; past this many, the oldest may be told again. */
const toldAtMost = 10_000;

/**
 * Registers chats, counts their messages, and answers /start, /stop, /help and /status. It awaits its own writes,
 * and then calls the middleware behind it, for every update; the four commands are the only ones it answers.
 */
export function chatCommands(options: ChatCommandsOptions): Composer<Context> {
  const commands = new ChatCommands(options);
  return new Composer<Context>(async (ctx, next) => {
    await commands.handle(ctx);
    await next();
  });
}

class ChatCommands {
  readonly #roster: Roster;
  readonly #registers: boolean;
  readonly #persist: Persist;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #maySpeak: MaySpeak;
  readonly #told = new Set<number>();

  constructor(options: ChatCommandsOptions) {
    const { roster, autoRegisterChats = true, persist = (task) => task() } = options;
    const { clock = systemClock, logger = consoleLogger } = options;
    this.#roster = roster;
    // Where the list could not be read, a chat that it does not show may have said /stop.
    this.#registers = autoRegisterChats && !roster.isUnread;
    this.#persist = persist;
    this.#clock = clock;
    this.#logger = logger;
    this.#maySpeak = createMaySpeak(clock);
  }

  async handle(ctx: Context): Promise<void> {
    const fact = factOf(ctx.update, ctx.me.username);
    switch (fact?.kind) {
      case "message":
        return await this.#onMessage(ctx, fact.message, fact.command);
      case "membership":
        return await this.#onMembership(ctx, fact.member, fact.isPresent);
      case "migration":
        return await this.#persist(() => this.#roster.migrate(fact.from, fact.to, this.#clock.now()));
    }
  }

  async #onMessage(ctx: Context, message: Message, command: string | undefined): Promise<void> {
    const chatId = message.chat.id;
    if (command === "start" || command === "stop") {
      const may = await this.#maySpeak(ctx.api, message);
      if (may !== "yes") return await this.#onRefused(ctx, message, may);
      return command === "start" ? await this.#onStart(ctx, message) : await this.#onStop(ctx, message);
    }
    await this.#onOther(ctx, message);
    if (command === "help") await this.#answer(ctx, chatId, texts.help);
    if (command === "status") {
      const chat = await this.#persist(() => this.#roster.getChat(chatId));
      await this.#answer(ctx, chatId, statusMessage(chat, this.#roster.storage.kind));
    }
  }

  async #onStart(ctx: Context, message: Message): Promise<void> {
    const { before, after } = await this.#apply(message.chat.id, this.#eventOf(ctx, message, "start"));
    const told = before?.is_active ? texts.alreadyActive : greeting(before);
    // One that was heard before, and taken back by a later /stop, starts nothing.
    await this.#answer(ctx, message.chat.id, after?.is_active ? told : texts.alreadyStopped);
  }

  async #onStop(ctx: Context, message: Message): Promise<void> {
    const stop = this.#eventOf(ctx, message, "stop");
    const { before, after } = await this.#roster.silenced(
      message.chat.id,
      () => this.#apply(message.chat.id, stop),
    );
    const told = before?.is_active ? texts.stopped : texts.alreadyStopped;
    // One that was heard before, and taken back by a later /start, stops nothing.
    const reply = after?.is_active ? texts.alreadyActive : told;
    await this.#answer(ctx, message.chat.id, this.#roster.isUnread ? texts.stopUnread : reply);
  }

  /** /start or /stop by whom it is not allowed: it counts as a message, and registers nobody. */
  async #onRefused(ctx: Context, message: Message, may: "no" | "unknown"): Promise<void> {
    const chatId = message.chat.id;
    if (may === "unknown") return await this.#answer(ctx, chatId, texts.administratorsUnknown);
    await this.#apply(chatId, { ...this.#eventOf(ctx, message, "message"), registers: false });
    await this.#answer(ctx, chatId, texts.administratorsOnly);
  }

  async #onOther(ctx: Context, message: Message): Promise<void> {
    const chatId = message.chat.id;
    const applied = await this.#apply(chatId, this.#eventOf(ctx, message, "message"));
    if (becameActive(applied)) await this.#answer(ctx, chatId, greeting(applied.before));
    else if (this.#roster.isUnread && applied.after === undefined) await this.#tellOnce(ctx, chatId);
  }

  async #onMembership(ctx: Context, member: ChatMemberUpdated, isPresent: boolean): Promise<void> {
    const { chat, date } = member;
    const applied = await this.#apply(chat.id, {
      kind: isPresent ? "returned" : "removed",
      reason: chat.type === "private" ? "blocked" : "left",
      at: dateMs(date, this.#clock.now()),
      updateId: ctx.update.update_id,
      userInfo: userInfoOf(chat),
      registers: this.#registers,
    });
    if (becameActive(applied)) await this.#answer(ctx, chat.id, greeting(applied.before));
  }

  async #tellOnce(ctx: Context, chatId: number): Promise<void> {
    if (this.#told.has(chatId)) return;
    if (this.#told.size >= toldAtMost) this.#told.clear();
    this.#told.add(chatId);
    await this.#answer(ctx, chatId, texts.unread);
  }

  /** A reply that fails is no reason to handle the update again; that the chat is gone is worth keeping. */
  async #answer(ctx: Context, chatId: number, reply: FormattedText): Promise<void> {
    const at = this.#clock.now();
    try {
      const signal = forGrammy(AbortSignal.timeout(replyWithinMs));
      await ctx.api.sendMessage(chatId, reply.text, { entities: [...reply.entities] }, signal);
    } catch (error) {
      const outcome = outcomeOf(error);
      if (outcome.kind === "gone") await this.#apply(chatId, { kind: "removed", reason: outcome.reason, at });
      else if (outcome.kind === "moved" && outcome.to !== chatId) await this.#answer(ctx, outcome.to, reply);
      else this.#logger.warn(`Chat ${chatId} could not be answered: ${(error as Error).message}`);
    }
  }

  #eventOf(ctx: Context, message: Message, kind: MessageEvent["kind"]): MessageEvent {
    return {
      kind,
      at: dateMs(message.date, this.#clock.now()),
      updateId: ctx.update.update_id,
      userInfo: userInfoOf(message.chat),
      registers: this.#registers,
    };
  }

  async #apply(chatId: number, event: ChatEvent): Promise<Applied> {
    let tries = 0;
    const applied = await this.#persist(() => {
      tries++;
      return this.#roster.apply(chatId, [event]);
    });
    return tries > 1 ? asFirstHeard(applied, event) : applied;
  }
}

/** An earlier try may have been kept and its answer lost: what it did is news all the same. */
function asFirstHeard(applied: Applied, event: ChatEvent): Applied {
  const { after } = applied;
  const updateId = "updateId" in event ? event.updateId : undefined;
  if (after === undefined || updateId === undefined || after.last_update_id !== updateId) return applied;
  if (after.added_at === iso(event.at) && after.message_count === 1) return { before: undefined, after };
  return after.removed_at === iso(event.at) ? { before: { ...after, is_active: true }, after } : applied;
}

function becameActive({ before, after }: Applied): boolean {
  return after?.is_active === true && before?.is_active !== true;
}

function greeting(before: ChatState | undefined): FormattedText {
  return before === undefined ? texts.registered : texts.returned;
}
