/** The leanest Telegram: it takes every message, keeps none, and counts. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { RunningServer } from "./child.ts";

/** What it has counted since it was last asked, by a request to `/counts`. */
export interface Counts {
  readonly messages: number;
  /** Calls under way at the same time, at most. */
  readonly atOnce: number;
  /** When the first and the last message arrived, in milliseconds since 1970; 0 where there was none. */
  readonly firstAt: number;
  readonly lastAt: number;
}

const me = answer({ id: 1, is_bot: true, first_name: "Signals", username: "signals_bot" });
const done = answer(true);
const message = answer({
  message_id: 4711,
  from: { id: 1, is_bot: true, first_name: "Signals", username: "signals_bot" },
  chat: { id: 5_000_000_001, first_name: "Ada", username: "ada", type: "private" },
  date: Date.UTC(2026, 10, 20) / 1000,
  text: "🟢 LONG BTC-USD\n\nEntry: 67,250\nStop: 66,980\nTarget: 67,800",
});

/**
 * Answers each call after so many milliseconds on an average, half as many at least: where all that is asked for together
 * came back together, whoever asks in bursts would wake up for many at once, as on no network.
 */
export async function startCountingTelegram(latencyMs: number): Promise<RunningServer> {
  let counts = { messages: 0, atOnce: 0, firstAt: 0, lastAt: 0 };
  let underWay = 0;
  const server = createServer((request, response) => {
    const { url = "" } = request;
    request.resume();
    if (url === "/counts") {
      response.end(JSON.stringify(counts satisfies Counts));
      counts = { messages: 0, atOnce: underWay, firstAt: 0, lastAt: 0 };
      return;
    }
    counts.atOnce = Math.max(counts.atOnce, ++underWay);
    if (url.endsWith("/sendMessage")) {
      counts.lastAt = Date.now();
      counts.firstAt ||= counts.lastAt;
    }
    setTimeout(() => {
      underWay--;
      if (url.endsWith("/sendMessage")) counts.messages++;
      response.setHeader("content-type", "application/json");
      response.end(url.endsWith("/sendMessage") ? message : url.endsWith("/getMe") ? me : done);
    }, latencyMs * (0.5 + Math.random()));
  });
  // Senders keep their connections while others have their turn.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** What has been counted since the last time. */
export async function countsAt(endpoint: string): Promise<Counts> {
  return await (await fetch(`${endpoint}/counts`)).json() as Counts;
}

function answer(result: unknown): string {
  return JSON.stringify({ ok: true, result });
}
