/** The chats' commands as middleware: updates in, chat events kept, replies out. */
import type { Context } from "grammy/web";
import { createKeyedMutex } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import { createRateLimitedLog, type Logger } from "../util/log.ts";
import type { MessageRenderer } from "./messages.ts";
import type { Registration } from "./registration.ts";
import type { ChatRegistry } from "./registry.ts";
import { repliesTo, type Reply } from "./replies.ts";
import { addresseeOf, holdMsOf, ReplySender } from "./reply_sender.ts";
import { chatKeyOf, createUpdateParser } from "./update.ts";
import { writeOne } from "./writer.ts";

export interface SubscriptionMiddlewareOptions {
  /** Ready to be written to by the bot of this id; rejects where it is not. */
  readonly registry: (botId: number) => Promise<ChatRegistry>;
  readonly renderMessage: MessageRenderer;
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
export function createSubscriptionMiddleware(
  options: SubscriptionMiddlewareOptions,
): (ctx: CommandContext) => Promise<void> {
  const { registry, renderMessage, registers, registration, clock, logger } = options;
  const hear = createUpdateParser({ registers, clock });
  const openOutbox = (opened: ChatRegistry): ReplySender =>
    new ReplySender({
      registry: opened,
      renderMessage,
      onGone: (chatId, event) => opened.apply(chatId, [event]),
      warn: createRateLimitedLog((message) => logger.warn(message), clock),
      clock,
      withinMs: replyWithinMs,
    });
  let replySender: ReplySender | undefined;
  // A runner hands over one chat's updates side by side: what was said first is kept first.
  const inOrder = createKeyedMutex();
  const handle = async ({ api, update, me }: CommandContext): Promise<void> => {
    const said = await hear(update, { api, botUsername: me.username });
    if (said === undefined) return;
    const opened = await registry(me.id);
    const parsed = registration.limit(said, opened);
    if (parsed === undefined) return;
    const result = parsed.write && await writeOne(opened, parsed.write);
    if (result !== undefined) registration.learn(parsed, result);
    replySender ??= openOutbox(opened);
    const holdMs = holdMsOf(parsed.intent, result);
    const replies: Reply[] = result === undefined
      ? ["administratorsUnknown"]
      : repliesTo(parsed.intent, result);
    const sent = replySender.send(api, addresseeOf(parsed), replies, { holdMs });
    // Others' updates are not to wait for it.
    if (holdMs === undefined) await sent;
  };
  return (ctx) => inOrder(chatKeyOf(ctx.update), () => handle(ctx));
}
