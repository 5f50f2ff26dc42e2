/** The grammY bot within: its way to Telegram, and the user's handlers behind the toolkit's. */
import { Bot, type Transformer } from "grammy/web";
import { causeNamed, clientOptions, forGrammy, secretKept } from "../telegram/client.ts";
import type { Gate } from "../telegram/rate_limit/rate_limiter.ts";
import { Attempt } from "../util/async.ts";
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
  readonly openGate: () => Promise<Gate>;
}

export function createGrammyBot(options: GrammyBotOptions): GrammyBot {
  const { botToken, apiRoot, fetch } = options;
  const grammy = new Bot(botToken, {
    client: clientOptions({ ...apiRoot && { apiRoot }, ...fetch && { fetch } }),
  });
  const gate = new Attempt(async () => {
    const { Gate } = await import("../telegram/rate_limit/rate_limiter.ts");
    return new Gate({ ...options, ask: (signal) => grammy.api.getMe(forGrammy(signal)) });
  });
  const throughGate: Transformer = async (...call) => await (await gate.run()).transformer(...call);
  grammy.api.config.use(throughGate, secretKept(botToken), causeNamed);
  grammy.use(boundHandlers(options));
  return { grammy, openGate: () => gate.run() };
}
