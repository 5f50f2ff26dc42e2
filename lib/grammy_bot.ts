/** The grammY bot within: its way to Telegram, and the user's handlers behind the toolkit's. */
import { Bot } from "grammy/web";
import type { Clock } from "./clock.ts";
import type { Failures } from "./failures.ts";
import type { Gate } from "./gate.ts";
import type { Logger } from "./log.ts";
import { secretKept } from "./secret.ts";
import { sendOnce } from "./send_once.ts";
import { boundHandlers } from "./user_handlers.ts";

export interface GrammyBotOptions {
  readonly botToken: string;
  readonly apiRoot: string | undefined;
  readonly gate: Gate;
  readonly failures: Failures;
  readonly clock: Clock;
  readonly logger: Logger;
}

const callWithinSeconds = 60;

export function createGrammyBot(options: GrammyBotOptions): Bot {
  const { botToken, apiRoot, gate, failures, clock, logger } = options;
  const bot = new Bot(botToken, {
    client: { fetch: sendOnce, timeoutSeconds: callWithinSeconds, ...apiRoot && { apiRoot } },
  });
  bot.api.config.use(gate.transformer, secretKept(botToken));
  bot.use(boundHandlers(clock, logger, failures.onFailure));
  return bot;
}
