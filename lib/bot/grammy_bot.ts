/** The grammY bot within: its way to Telegram, and the user's handlers behind the toolkit's. */
import { type ApiClientOptions, Bot, type Transformer } from "grammy/web";
import { causeNamed, forGrammy, inForm } from "../telegram/client.ts";
import type { Gate } from "../telegram/rate_limit/rate_limiter.ts";
import { Attempt } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import { createTransport } from "../util/http/transport.ts";
import type { Logger } from "../util/log.ts";
import { secretKept } from "../util/redact.ts";
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

/** Long enough for what waits behind a link that is down for a minute: others wait meanwhile, too. */
const callWithinSeconds = 120;

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
    const { Gate } = await import("./later.ts");
    return new Gate({ ...options, ask: (signal) => grammy.api.getMe(forGrammy(signal)) });
  });
  const throughGate: Transformer = async (...call) => await (await gate.run()).transformer(...call);
  grammy.api.config.use(throughGate, secretKept(botToken), causeNamed);
  grammy.use(boundHandlers(options));
  return { grammy, openGate: () => gate.run() };
}

/** What of a grammY bot's client options tells how its calls reach Telegram. */
export type Way = Pick<
  ApiClientOptions,
  "apiRoot" | "environment" | "buildUrl" | "fetch" | "baseFetchConfig"
>;

/** A client that sends a call once, and takes no answer for one that has not its form. */
export function clientOptions({ fetch, ...way }: Way = {}): ApiClientOptions {
  const { apiRoot, environment, buildUrl, baseFetchConfig } = way;
  return {
    fetch: inForm(createTransport(fetch)),
    timeoutSeconds: callWithinSeconds,
    ...apiRoot && { apiRoot },
    ...environment && { environment },
    ...buildUrl && { buildUrl },
    ...baseFetchConfig && { baseFetchConfig },
  };
}
