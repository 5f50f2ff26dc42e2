/** The chats' commands for anyone's grammY bot: updates in, chat events kept, replies out. */
import { Composer, type Context } from "grammy/web";
import { type Clock, systemClock } from "./clock.ts";
import { writeOne } from "./entry.ts";
import { createHear } from "./hearing.ts";
import { consoleLogger, type Logger } from "./log.ts";
import { texts } from "./messages.ts";
import { Outbox } from "./outbox.ts";
import { repliesTo } from "./replies.ts";
import type { Roster } from "./roster.ts";

/** What the commands need, and how they behave. */
export interface ChatCommandsOptions {
  /** The chats, loaded. */
  readonly roster: Roster;
  /** Whether any message registers its chat, or only /start. Default: true. */
  readonly autoRegisterChats?: boolean;
  /** Default: the machine's own. */
  readonly clock?: Clock;
  /** Default: the console. */
  readonly logger?: Logger;
}

/** One reply that hangs must not hold back what others have to say. */
const replyWithinMs = 10_000;

/**
 * Registers chats, counts their messages, and answers /start, /stop, /help and /status. It awaits its own writes and
 * replies, and then calls the middleware behind it, for every update; the four commands are the only ones it answers.
 * A write that fails rejects with a `StorageError`, for the bot's error handler: whether Telegram then tells the update
 * again is the bot's own affair. A runner that confirms updates before they are handled loses those that a crash meets.
 */
export function chatCommands(options: ChatCommandsOptions): Composer<Context> {
  const { roster, autoRegisterChats = true, clock = systemClock, logger = consoleLogger } = options;
  const hear = createHear({ registers: autoRegisterChats, clock });
  const outbox = new Outbox({
    roster,
    onGone: (chatId, event) => roster.apply(chatId, [event]),
    warn: (message) => logger.warn(message),
    clock,
    withinMs: replyWithinMs,
  });
  return new Composer<Context>(async ({ api, update, me }, next) => {
    const heard = await hear(update, { api, botUsername: me.username });
    if (heard !== undefined) {
      const step = heard.entry && await writeOne(roster, heard.entry);
      const replies = step === undefined ? [texts.administratorsUnknown] : repliesTo(heard.asks, step);
      await outbox.send(api, heard.chatId, replies);
    }
    await next();
  });
}
