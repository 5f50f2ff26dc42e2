/** The chats' commands as middleware of a grammY bot that somebody has already: writes each update, and answers it. */
import type { Context } from "grammy/web";
import { createKeyedMutex } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import { createRateLimitedLog, type Logger } from "../util/log.ts";
import type { MessageRenderer } from "./messages.ts";
import type { Registration } from "./registration.ts";
import type { ChatRegistry } from "./registry.ts";
import { addresseeOf, holdMsOf, repliesTo, type Reply, ReplySender } from "./replies.ts";
import { chatKeyOf, UpdateParser } from "./update.ts";
import { writeOne } from "./writer.ts";

export interface SubscriptionMiddlewareOptions {
  /** Gives the registry when it is ready for the bot of this id; rejects if it is another bot's. */
  readonly registry: (botId: number) => Promise<ChatRegistry>;
  readonly renderMessage: MessageRenderer;
  /** Whether any message registers its chat, or only /start. */
  readonly registers: boolean;
  /** Limits which chats may be registered. */
  readonly registration: Registration;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The part of an update's context that is used. */
export type CommandContext = Pick<Context, "api" | "update" | "me">;

/** One reply that hangs must not hold back the chat's next updates. */
const replyWithinMs = 10_000;

/** The middleware rejects if an update could not be written. */
export function createSubscriptionMiddleware(
  { registry, renderMessage, registers, registration, clock, logger }: SubscriptionMiddlewareOptions,
): (ctx: CommandContext) => Promise<void> {
  const warn = createRateLimitedLog((message) => logger.warn(message), clock);
  const parser = new UpdateParser({ registers, clock, warn });
  const createReplySender = (opened: ChatRegistry): ReplySender =>
    new ReplySender({
      registry: opened,
      renderMessage,
      onGone: (chatId, event) => opened.apply(chatId, [event]),
      warn,
      clock,
      withinMs: replyWithinMs,
    });
  let replySender: ReplySender | undefined;
  // A runner hands over one chat's updates side by side: they are written in their order.
  const inOrder = createKeyedMutex();
  const handle = async ({ api, update, me }: CommandContext): Promise<void> => {
    const unlimited = await parser.parse(update, { api, botUsername: me.username, mayOvertake: true });
    if (unlimited === undefined) return;
    const opened = await registry(me.id);
    const parsed = registration.limit(unlimited, opened);
    if (parsed === undefined) return;
    const result = parsed.write && await writeOne(opened, parsed.write);
    if (result !== undefined) registration.learn(parsed, result);
    replySender ??= createReplySender(opened);
    const holdMs = holdMsOf(parsed.intent, result);
    const replies: Reply[] = result === undefined
      ? ["administratorsUnknown"]
      : repliesTo(parsed.intent, result);
    const sent = replySender.send(api, addresseeOf(parsed), replies, { holdMs });
    // A held reply must not delay the chat's next updates.
    if (holdMs === undefined) await sent;
  };
  return (ctx) => inOrder(chatKeyOf(ctx.update), () => handle(ctx));
}
