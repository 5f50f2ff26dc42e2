/** Hostile webhooks: raw requests to a bot's server, and events of Lambda that are none. */
import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { webhookCallback } from "../../lib/telegram/webhook.ts";
import { assert, suite } from "../harness.ts";
import { pause, said, until, withBotOverHttp } from "../support/bot.ts";
import { randomOf } from "../support/histories.ts";
import { type Kind, kinds, serve } from "../support/webhook_servers.ts";
import { countOf, expectQuiet, expectUnharmed, limitMs, marker, playAll, seed } from "./corpus.ts";
import { type HostileRequest, hostileRequest } from "./webhooks.ts";

const test = suite(`hostile webhooks (HOSTILE_SEED=${seed})`, undefined, limitMs);
const secret = `${marker}-webhook`;
const pool = { privateIds: [5, 6], groupIds: [-5, -6], realIds: [7] };

/** Sends it; gives what is answered, up to a few bytes, as soon as the server has said all or nothing more is to come. */
function answerTo(port: number, { head, body, cut }: HostileRequest): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let answer = "";
    const end = (): void => {
      socket.destroy();
      resolve(answer);
    };
    // A server may wait for what never comes.
    socket.setTimeout(300, end).on("error", end).on("close", end);
    socket.on("data", (data) => {
      answer += data.toString("latin1");
      if (answer.includes("\r\n\r\n")) end();
    });
    const whole = Buffer.from(head.join("\r\n") + body, "latin1");
    socket.write(whole.subarray(0, cut));
    if (cut < whole.length) socket.end();
  });
}

/** No more at once than a server under attack would see from one address. */
const atOnce = 16;

async function playRequests(kind: Kind, requests: readonly HostileRequest[]): Promise<void> {
  await withBotOverHttp(async ({ bot, server, logs }) => {
    await using webhook = await serve(kind, webhookCallback(bot, { secretToken: secret }));
    const left = requests.values();
    const worker = async (): Promise<void> => {
      for (const request of left) {
        const answer = await answerTo(webhook.port, request);
        assert.not.ok(answer.includes(marker), `the secret is shown: ${answer}`);
        assert.not.match(
          answer,
          /^HTTP\/1\.1 500(?!.*\r\n\r\nThe update)/s,
          "no answer of the toolkit's own",
        );
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    assert.equal(webhook.errors, []);
    expectUnharmed();
    expectQuiet(logs);
    const user = server.user();
    const from = { id: user.chatId, is_bot: false, first_name: "Ada" };
    const chat = { id: user.chatId, type: "private" };
    const message = { message_id: 1, date: Math.floor(Date.now() / 1000), chat, from, text: "/start" };
    user.say("/help");
    const response = await fetch(webhook.url, {
      method: "POST",
      headers: { "X-Telegram-Bot-Api-Secret-Token": secret },
      body: JSON.stringify({ update_id: 2 ** 31, message }),
    });
    assert.equal([response.status, await response.text()], [200, ""]);
    await until(() => said(user).length > 0, "a good subscriber is not answered");
    await bot.sendSignal({ direction: "long", symbol: "AFTER-ALL", entry: 100, stop: 95, target: 110 });
    assert.ok(said(user).some((text) => text.includes("AFTER-ALL")), "the signal does not arrive");
    await pause(0);
  }, { state: "initialized" });
}

for (const kind of kinds) {
  // Its body parser reads the body before the toolkit does, and throws.
  if (kind === "Express") continue;
  test(`${kind}: hostile requests are refused, and the bot goes on`, async () => {
    const random = randomOf(seed);
    const count = Math.ceil(countOf("webhooks") / (kinds.length - 1));
    const requests = Array.from({ length: count }, () => hostileRequest(random, secret, pool));
    await playAll(requests, (some) => playRequests(kind, some));
  });
}

test.run();
