/** The grammY bot within: its way to Telegram, and the user's handlers behind the toolkit's. */
import process from "node:process";
import { type ApiClientOptions, Bot, type Transformer } from "grammy/web";
import { Attempt } from "./attempt.ts";
import type { Clock } from "./clock.ts";
import type { Failures } from "./failures.ts";
import type { Gate } from "./gate.ts";
import { createHttpFetch } from "./http_fetch.ts";
import { inForm } from "./in_form.ts";
import type { Logger } from "./log.ts";
import { secretKept } from "./secret.ts";
import { sendOnce } from "./send_once.ts";
import { boundHandlers } from "./user_handlers.ts";

export interface GrammyBotOptions {
  readonly botToken: string;
  readonly apiRoot: string | undefined;
  readonly messagesPerSecond: number;
  readonly failures: Failures;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends every wait for a turn. */
  readonly signal: AbortSignal;
}

const callWithinSeconds = 60;
const isDeno = process.versions["deno"] !== undefined;

/** The bot, and the gate that all its calls pass; its code is loaded with the first call. */
export interface GrammyBot {
  readonly grammy: Bot;
  readonly openGate: () => Promise<Gate>;
}

export function createGrammyBot(options: GrammyBotOptions): GrammyBot {
  const { botToken, apiRoot } = options;
  const grammy = new Bot(botToken, { client: clientOptions(apiRoot ? { apiRoot } : {}) });
  const gate = new Attempt(async () => {
    const { Gate } = await import("./later.ts");
    return new Gate(options);
  });
  const throughGate: Transformer = async (...call) => await (await gate.run()).transformer(...call);
  grammy.api.config.use(throughGate, secretKept(botToken));
  grammy.use(boundHandlers(options));
  return { grammy, openGate: () => gate.run() };
}

/** A client that sends a call once, and takes no answer for one that has not its form. */
export function clientOptions(
  { apiRoot, environment, buildUrl }: Pick<ApiClientOptions, "apiRoot" | "environment" | "buildUrl"> = {},
): ApiClientOptions {
  return {
    fetch: inForm(isDeno ? sendOnce : createHttpFetch()),
    timeoutSeconds: callWithinSeconds,
    ...apiRoot && { apiRoot },
    ...environment && { environment },
    ...buildUrl && { buildUrl },
  };
}
