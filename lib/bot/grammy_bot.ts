/** The grammY bot inside the toolkit's: its route to Telegram, and the user's handlers. */
import { Bot, type BotConfig, type Composer, Context, type Middleware, type Transformer } from "grammy/web";
import { asGrammySignal, clientOptions, makeFailuresSafe, nameNetworkCause } from "../telegram/client.ts";
import type { RateLimiter } from "../telegram/rate_limit/rate_limiter.ts";
import { Lazy } from "../util/async.ts";
import { hideToken, registerToken } from "../util/safe_text.ts";
import { type HandlerLimitOptions, limitHandlers } from "./handlers.ts";

/** Loaded with the first call. */
const rateLimiterModule = new Lazy(() => import("../telegram/rate_limit/rate_limiter.ts"));

/** What a handler gets. Its `api`, which grammY makes for each update, does not show the token. */
class SafeContext extends Context {
  constructor(...parameters: ConstructorParameters<typeof Context>) {
    hideToken(parameters[1]);
    super(...parameters);
  }
}

/** A grammY bot that notices when the user adds middleware. */
export class HandlerBot extends Bot {
  /** Whether the user has added handlers. */
  hasHandlers: boolean = false;

  constructor(botToken: string, config: BotConfig<Context>) {
    super(botToken, { ...config, ContextConstructor: SafeContext });
    hideToken(this);
    hideToken(this.api);
  }

  /** `on`, `command`, `filter` and all other ways to add a handler end here. */
  override use(...middleware: Middleware<Context>[]): Composer<Context> {
    this.hasHandlers = true;
    return super.use(...middleware);
  }

  /** Adds middleware of the toolkit's. */
  useOwn(middleware: Middleware<Context>): void {
    super.use(middleware);
  }
}

export interface GrammyBotOptions extends HandlerLimitOptions {
  readonly botToken: string;
  readonly apiRoot: string | undefined;
  /** A fetch of the user's. */
  readonly fetch: typeof fetch | undefined;
  readonly messagesPerSecond: number;
}

export interface GrammyBot {
  readonly grammy: HandlerBot;
  /** Gives the rate limiter of all calls, whose code is loaded with the first one. */
  readonly openRateLimiter: () => Promise<RateLimiter>;
}

export function createGrammyBot(options: GrammyBotOptions): GrammyBot {
  const { botToken, apiRoot, fetch, messagesPerSecond, clock, logger, signal } = options;
  registerToken(botToken);
  const client = clientOptions({ ...apiRoot && { apiRoot }, ...fetch && { fetch } });
  const grammy = new HandlerBot(botToken, { client });
  const rateLimiter = new Lazy(async () => {
    const { RateLimiter } = await rateLimiterModule.get();
    const ask = (ending: AbortSignal): Promise<unknown> => grammy.api.getMe(asGrammySignal(ending));
    return new RateLimiter({ messagesPerSecond, ask, clock, logger, signal });
  });
  const limitRate: Transformer = async (...call) => await (await rateLimiter.get()).transformer(...call);
  grammy.api.config.use(limitRate, makeFailuresSafe, nameNetworkCause);
  grammy.useOwn(limitHandlers(options));
  return { grammy, openRateLimiter: () => rateLimiter.get() };
}
