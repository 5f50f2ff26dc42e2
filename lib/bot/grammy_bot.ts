/** The grammY bot within: its way to Telegram, and the user's handlers behind the toolkit's. */
import { Bot, type Transformer } from "grammy/web";
import { asGrammySignal, clientOptions, nameNetworkCause, redactToken } from "../telegram/client.ts";
import type { RateLimiter } from "../telegram/rate_limit/rate_limiter.ts";
import { Lazy } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { boundHandlers, type Failures } from "./handlers.ts";

export interface GrammyBotOptions {
  readonly botToken: string;
  readonly apiRoot: string | undefined;
  /** A fetch of the user's. */
  readonly fetch: typeof fetch | undefined;
  readonly messagesPerSecond: number;
  readonly failures: Failures;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends every wait for a turn. */
  readonly signal: AbortSignal;
}

/** The bot, and the gate that all its calls pass; its code is loaded with the first call. */
export interface GrammyBot {
  readonly grammy: Bot;
  readonly openRateLimiter: () => Promise<RateLimiter>;
}

export function createGrammyBot(options: GrammyBotOptions): GrammyBot {
  const { botToken, apiRoot, fetch } = options;
  const grammy = new Bot(botToken, {
    client: clientOptions({ ...apiRoot && { apiRoot }, ...fetch && { fetch } }),
  });
  const rateLimiter = new Lazy(async () => {
    const { RateLimiter } = await import("../telegram/rate_limit/rate_limiter.ts");
    return new RateLimiter({ ...options, ask: (signal) => grammy.api.getMe(asGrammySignal(signal)) });
  });
  const throughRateLimiter: Transformer = async (...call) =>
    await (await rateLimiter.get()).transformer(...call);
  grammy.api.config.use(throughRateLimiter, redactToken(botToken), nameNetworkCause);
  grammy.use(boundHandlers(options));
  return { grammy, openRateLimiter: () => rateLimiter.get() };
}
