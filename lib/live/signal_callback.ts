/** Signals of other programs by HTTP: a request becomes a broadcast, once, however often it is sent. */
import { createHttpCallback, type WebhookCallback } from "../telegram/http_callback.ts";
import { Lazy } from "../util/async.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { consoleLogger, createSafeLogger, type Logger } from "../util/log.ts";
import { registerSecret } from "../util/safe_text.ts";
import {
  assertNoMistakes,
  type Checks,
  clockRule,
  configMistakes,
  functionRule,
  loggerRule,
  methodsRule,
  mistakesInNames,
  numberRule,
  type Rule,
  textRule,
} from "../util/validate.ts";
import type { MappedSignal } from "./signal_body.ts";
import type { SignalPublisher } from "./signal_sender.ts";
import { longestFreshMs } from "./strategy.ts";

/** Loaded with the first request. */
const intake = new Lazy(() => import("./signal_intake.ts"));

/** How signals come in. */
export interface SignalCallbackOptions {
  /**
   * What a sender has to know: 16 to 256 letters, digits and signs without spaces, made by chance, such as by
   * `openssl rand -hex 32`. It comes as `Authorization: Bearer …`, as `X-Signal-Secret`, or as the field `secret` of the body.
   */
  readonly secret: string;
  /**
   * Makes a signal, or an alert, of a body of another shape; `undefined` where it is none. It gets the JSON without `secret`,
   * or the text where that is no JSON. A TypeError or RangeError that it throws is the answer, with 400. Default: the body is
   * a `TradingSignal` as JSON, or `{ text }`.
   */
  readonly map?: ((body: unknown) => MappedSignal | Promise<MappedSignal>) | undefined;
  /** How old a signal may become, in milliseconds from its `time`, or from its arrival. Default: 15 minutes. */
  readonly maxAgeMs?: number | undefined;
  /**
   * Gives the id under which it is sent once. Default, also where it gives `undefined`: the body's `id`; or what the signal
   * says, with its `time`; or without a time what the body says, for `maxAgeMs`.
   */
  readonly broadcastId?: ((body: unknown) => string | undefined) | undefined;
  /** Default: the console. */
  readonly logger?: Logger | undefined;
  /** Default: the machine's clock. */
  readonly clock?: Clock | undefined;
}

const secretRule: Rule = {
  ...textRule(
    "16 to 256 letters, digits and signs without spaces, such as openssl rand -hex 32 makes",
    /^[\x21-\x7e]{16,256}$/,
  ),
  isRequired: true,
  isSecret: true,
};

const checks: Pick<Checks<SignalCallbackOptions>, "rules"> = {
  rules: {
    secret: secretRule,
    map: functionRule(),
    maxAgeMs: numberRule(
      "a number of milliseconds, 1000 or more",
      (value) => value >= 1000 && value < Infinity,
    ),
    broadcastId: functionRule("a function of the body"),
    logger: loggerRule,
    clock: clockRule,
  },
};

/**
 * Makes the function to which other programs send signals, on a server or on AWS Lambda:
 *
 * ```ts
 * const bot = createTelegramBotFromEnv();
 * createServer(signalCallback(bot, { secret })).listen(8080, "127.0.0.1");
 * ```
 *
 * All answers are JSON. Within a second it answers 200 once the signal is sent even if this process dies now, and 202 where it
 * is being sent, or tried again, by this process alone: `{ accepted: true, id, repeated?, differs? }`. On AWS Lambda, where nothing goes
 * on after the answer, it answers when everybody has the signal. Else `{ accepted: false, error }`: 400 for a body that is
 * none, 401 without the secret, 503 where the signal cannot be sent now and is to be sent again.
 * @throws {ConfigError} If the secret is missing or malformed, or an option is.
 */
export function signalCallback(bot: SignalPublisher, options: SignalCallbackOptions): WebhookCallback {
  assertConfig(bot, options);
  const { secret, map, maxAgeMs = longestFreshMs, broadcastId, clock = systemClock, logger = consoleLogger } =
    options;
  registerSecret(secret);
  const loaded = new Lazy(async () => {
    const { SignalIntake } = await intake.get();
    return new SignalIntake({
      ...{ bot, secret, map, maxAgeMs, broadcastId, clock, logger: createSafeLogger(logger) },
    });
  });
  return createHttpCallback(async (incoming) => await (await loaded.get()).answer(incoming));
}

function assertConfig(bot: unknown, options: unknown): void {
  const table = Object.entries<Rule>(checks.rules);
  const mistakes = mistakesInNames(options, { known: table.map(([name]) => name) }, "secret");
  if (!methodsRule("", "sendSignal", "broadcast").isGood(bot)) {
    mistakes.push("The first argument must be a bot: something with the methods sendSignal and broadcast.");
  }
  assertNoMistakes(mistakes);
  const given = options as Readonly<Record<string, unknown>>;
  assertNoMistakes(table.flatMap(([name, rule]) => configMistakes(name, given[name], rule)));
}
