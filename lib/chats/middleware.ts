/** The chats' commands as middleware: updates in, chat events kept, replies out. */
import type { Context } from "grammy/web";
import { createInOrder } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import { createBoundedLog, type Logger } from "../util/log.ts";
import type { Words } from "./messages.ts";
import type { Registration } from "./registration.ts";
import type { Roster } from "./registry.ts";
import { repliesTo, type Reply } from "./replies.ts";
import { addresseeOf, holdMsOf, Outbox } from "./reply_sender.ts";
import { createHear, sequenceKey } from "./update.ts";
import { writeOne } from "./writer.ts";

export interface CommandsOptions {
  /** Ready to be written to by the bot of this id; rejects where it is not. */
  readonly roster: (botId: number) => Promise<Roster>;
  readonly words: Words;
  /** Whether any message registers its chat, or only /start. */
  readonly registers: boolean;
  /** What chats may be registered. */
  readonly registration: Registration;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What is used of an update's context. */
export type CommandContext = Pick<Context, "api" | "update" | "me">;

/** One reply that hangs must not hold back what others have to say. */
const replyWithinMs = 10_000;

/** Keeps and answers an update; rejects where it could not be kept. */
export function createCommands(options: CommandsOptions): (ctx: CommandContext) => Promise<void> {
  const { roster, words, registers, registration, clock, logger } = options;
  const hear = createHear({ registers, clock });
  const openOutbox = (opened: Roster): Outbox =>
    new Outbox({
      roster: opened,
      words,
      onGone: (chatId, event) => opened.apply(chatId, [event]),
      warn: createBoundedLog((message) => logger.warn(message), clock),
      clock,
      withinMs: replyWithinMs,
    });
  let outbox: Outbox | undefined;
  // A runner hands over one chat's updates side by side: what was said first is kept first.
  const inOrder = createInOrder();
  const handle = async ({ api, update, me }: CommandContext): Promise<void> => {
    const said = await hear(update, { api, botUsername: me.username });
    if (said === undefined) return;
    const opened = await roster(me.id);
    const heard = registration.limit(said, opened);
    if (heard === undefined) return;
    const step = heard.entry && await writeOne(opened, heard.entry);
    if (step !== undefined) registration.learn(heard, step);
    outbox ??= openOutbox(opened);
    const holdMs = holdMsOf(heard.asks, step);
    const replies: Reply[] = step === undefined ? ["administratorsUnknown"] : repliesTo(heard.asks, step);
    const sent = outbox.send(api, addresseeOf(heard), replies, { holdMs });
    // Others' updates are not to wait for it.
    if (holdMs === undefined) await sent;
  };
  return (ctx) => inOrder(sequenceKey(ctx.update), () => handle(ctx));
}
