/** Broadcasters of one message to many chats: ours, loops with grammY, and the Python original's way. */
import { autoRetry } from "@grammyjs/auto-retry";
import { apiThrottler } from "@grammyjs/transformer-throttler";
import { Api, InputFile } from "grammy/web";
import { MeanReversionTelegramBot } from "../../lib/bot/bot.ts";
import type { BroadcastOptions } from "../../lib/broadcast/options.ts";
import { systemClock } from "../../lib/util/clock.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { chatIdAt } from "./chats.ts";
import type { Address } from "./bot_api_servers.ts";
import { inParallel } from "./sampling.ts";

export type BroadcasterName = "ours" | "grammY + auto-retry" | "grammY + both plugins" | "five senders";

/** One message to so many chats. */
export interface Task extends Address {
  readonly chats: number;
  /** The pace that the broadcaster is set to, which may exceed Telegram's limit. */
  readonly messagesPerSecond: number;
  /** Bytes of a chart that is sent along; 0 for a text alone. */
  readonly photoBytes: number;
}

/** Resolves when it has ended; calls `start` just before its first call. */
type Broadcaster = (task: Task, start: () => void) => Promise<unknown>;

export const broadcasters: Readonly<Record<BroadcasterName, Broadcaster>> = {
  "ours": ours,
  "grammY + auto-retry": withAutoRetry,
  "grammY + both plugins": withBoth,
  "five senders": fiveSenders,
};

export const text = "🟢 LONG BTC-USD\n\nEntry: 67,250\nStop: 66,980\nTarget: 67,800";
const freePerSecond = 30;

/** The options that a broadcast at more than the free pace needs. */
export const paid: BroadcastOptions = { allowPaidBroadcast: true };

async function ours(task: Task, start: () => void): Promise<unknown> {
  const bot = new MeanReversionTelegramBot({
    botToken: task.token,
    apiRoot: task.apiRoot,
    messagesPerSecond: task.messagesPerSecond,
    storage: await storageOf(task.chats),
    logger: { info() {}, warn() {}, error: console.error },
  });
  await bot.initialize();
  const message = task.photoBytes === 0 ? text : { text, photo: chart(task.photoBytes) };
  start();
  const report = await bot.broadcast(message, task.messagesPerSecond > freePerSecond ? paid : {});
  await bot.stopBot();
  return report;
}

/** A storage with so many active chats. */
export async function storageOf(chats: number): Promise<InMemoryChatStorage> {
  const storage = new InMemoryChatStorage();
  for (let index = 0; index < chats; index++) await storage.saveChat(chatIdAt(index, chats));
  return storage;
}

/**
 * As grammY's documentation advises: no pauses of one's own, three calls at a time, and for a paid broadcast as many as
 * the latency in milliseconds.
 */
async function withAutoRetry(task: Task, start: () => void): Promise<void> {
  const api = apiOf(task);
  api.config.use(autoRetry());
  start();
  await toAll(task, task.messagesPerSecond > freePerSecond ? 80 : 3, (chatId) => send(api, chatId, task));
}

/** The throttler too, which gets everything at once as it has a queue of its own; a retry queues again. */
async function withBoth(task: Task, start: () => void): Promise<void> {
  const api = apiOf(task);
  const perSecond = task.messagesPerSecond;
  const global = {
    reservoir: perSecond,
    reservoirRefreshAmount: perSecond,
    reservoirRefreshInterval: 1000,
  };
  api.config.use(apiThrottler({ global }), autoRetry());
  start();
  await toAll(task, task.chats, (chatId) => send(api, chatId, task));
}

/** Five at a time, each sleeps 50 ms after a message; what is refused is logged, and lost. */
async function fiveSenders(task: Task, start: () => void): Promise<void> {
  const api = apiOf(task);
  start();
  await toAll(task, 5, async (chatId) => {
    await send(api, chatId, task).catch(() => {});
    await systemClock.sleep(50);
  });
}

function apiOf({ token, apiRoot }: Address): Api {
  return new Api(token, { apiRoot });
}

function toAll({ chats }: Task, atOnce: number, task: (chatId: number) => Promise<unknown>): Promise<void> {
  return inParallel(chats, atOnce, (index) => task(chatIdAt(index, chats)));
}

/** The others upload for every chat. */
async function send(api: Api, chatId: number, { photoBytes }: Task): Promise<unknown> {
  if (photoBytes === 0) return await api.sendMessage(chatId, text);
  return await api.sendPhoto(chatId, new InputFile(chart(photoBytes), "chart.png"), { caption: text });
}

/** Not a picture, but it has the first bytes of a PNG. */
function chart(bytes: number): Uint8Array {
  const photo = new Uint8Array(bytes);
  photo.set([137, 80, 78, 71, 13, 10, 26, 10]);
  return photo;
}
