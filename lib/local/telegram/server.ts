/** `startBotApiServer`: a Telegram Bot API server on loopback, for the sandbox, for our tests and for yours. */
import { randomBytes } from "node:crypto";
import { systemClock } from "../../util/clock.ts";
import { assertOptions, type Checks, clockRule, numberRule, textRule } from "../../util/validate.ts";
import { listen } from "../loopback.ts";
import { countRule, millisecondsRule, portRule, rateRule } from "../validate.ts";
import { type BotApiServerOptions, createBotApi } from "./bot_api.ts";
import { BotApiServer } from "./control.ts";
import { createApiListener } from "./http.ts";
import { loopbackTransport } from "./webhook_http.ts";

/**
 * Starts a server on 127.0.0.1.
 * @throws {TypeError} If an option is unknown or has a wrong value; so do the methods that take options.
 * @throws {Error} If the port is taken.
 */
export async function startBotApiServer(options: BotApiServerOptions = {}): Promise<BotApiServer> {
  assertOptions("start the server", options, serverChecks);
  const { port = 0, token = newToken(), clock = systemClock } = options;
  const api = createBotApi({ ...options, token, transport: loopbackTransport });
  const listener = createApiListener(api, clock);
  const chosenPort = await listen(listener.server, port);
  return new BotApiServer(api, { apiRoot: `http://127.0.0.1:${chosenPort}`, close: () => listener.close() });
}

const botId = 1_000_000;

/** In Telegram's form; web pages and other programs on this machine cannot guess it. */
function newToken(): string {
  return `${botId}:AA${randomBytes(33).toString("base64url").slice(0, 33)}`;
}

const serverChecks: Checks<BotApiServerOptions> = {
  rules: {
    token: {
      ...textRule(
        'digits, a colon, then letters, digits, - and _, such as "123:abc"',
        /^\d+:[A-Za-z0-9_-]+$/,
      ),
      isSecret: true,
    },
    ...{ port: portRule, username: textRule("a text, the bot's name") },
    ...{ messagesPerSecond: rateRule, chatMessagesPerSecond: rateRule, groupMessagesPerMinute: rateRule },
    chatBurst: numberRule("a number from 1 on", (burst) => burst >= 1),
    maxHoldSeconds: numberRule("a number of seconds from 0 on", (seconds) => seconds >= 0),
    ...{ latencyMs: millisecondsRule, firstUpdateId: countRule, clock: clockRule },
  },
};
