/**
 * Bots that keep when a chat wrote last and how often: ours, and grammY's two ways to receive updates with the SDK's
 * client as it comes; the faster of them also with our client.
 */
import { DynamoDBClient, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { run } from "@grammyjs/runner";
import { Bot } from "grammy/web";
import { MeanReversionTelegramBot } from "../../lib/bot/bot.ts";
import { toIso } from "../../lib/util/clock.ts";
import { clientAt, testKeys } from "../support/client.ts";

export type InboundBotName = "ours" | "plain grammY" | "grammY runner" | "grammY runner, our client";

/** Starts a bot at the address of an inbound server, and gives what stops it. */
type Start = (endpoint: string) => Promise<() => Promise<unknown>>;

export const inboundBots: Readonly<Record<InboundBotName, Start>> = {
  "ours": ours,
  "plain grammY": plain,
  "grammY runner": (endpoint) => underRunner(endpoint, "runner", sdkClientAt(endpoint)),
  "grammY runner, our client": (endpoint) => underRunner(endpoint, "runner2", clientAt(endpoint)),
};

/** The name without spaces, for the token and the table. */
export function keyOf(name: InboundBotName): string {
  const names = {
    "ours": "ours",
    "plain grammY": "plain",
    "grammY runner": "runner",
    "grammY runner, our client": "runner2",
  };
  return names[name];
}

async function ours(endpoint: string): Promise<() => Promise<unknown>> {
  const silent = { info() {}, warn: console.error, error: console.error };
  const client = clientAt(endpoint);
  const tableName = "chats-ours";
  const bot = new MeanReversionTelegramBot({
    botToken: "1:ours",
    apiRoot: endpoint,
    client,
    tableName,
    logger: silent,
  });
  await bot.startBot();
  return async () => {
    await bot.stopBot();
    client.destroy();
  };
}

async function plain(endpoint: string): Promise<() => Promise<unknown>> {
  const client = sdkClientAt(endpoint);
  const bot = countingBot(endpoint, "plain", client);
  let polling: Promise<void> | undefined;
  await new Promise<void>((resolve) => polling = bot.start({ onStart: () => resolve() }));
  return async () => {
    await bot.stop();
    await polling;
    client.destroy();
  };
}

async function underRunner(
  endpoint: string,
  name: string,
  client: DynamoDBClient,
): Promise<() => Promise<unknown>> {
  const bot = countingBot(endpoint, name, client);
  await bot.init();
  const runner = run(bot);
  return async () => {
    await runner.stop();
    client.destroy();
  };
}

function sdkClientAt(endpoint: string): DynamoDBClient {
  return new DynamoDBClient({ region: "us-east-1", endpoint, credentials: testKeys });
}

/** One raw UpdateItem, no condition, and no look at the answer. */
function countingBot(endpoint: string, name: string, client: DynamoDBClient): Bot {
  const bot = new Bot(`1:${name}`, { client: { apiRoot: endpoint } });
  bot.on("message", async (ctx) => {
    await client.send(
      new UpdateItemCommand({
        TableName: `chats-${name}`,
        Key: { chat_id: { N: String(ctx.chat.id) } },
        UpdateExpression: "SET last_active = :at ADD message_count :one",
        ExpressionAttributeValues: { ":at": { S: toIso(ctx.message.date * 1000) }, ":one": { N: "1" } },
      }),
    );
  });
  return bot;
}
