/** The leanest Bot API server: it accepts every message, keeps none, and counts. */
import { startHttpServer } from "./http_server.ts";
import type { RunningServer } from "./processes.ts";

/** What it has counted since it was last asked, by a request to `/counts`. */
export interface Counts {
  readonly messages: number;
  /** Most calls under way at the same time. */
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
 * Answers each call after `latencyMs` on average, between half and one and a half times as long: if answers to calls made
 * together came back together, a client that calls in bursts would wake up once for many, as on no real network.
 */
export async function startCountingServer(latencyMs: number): Promise<RunningServer> {
  let counts = { messages: 0, atOnce: 0, firstAt: 0, lastAt: 0 };
  let underWay = 0;
  return await startHttpServer((request, response) => {
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
}

/** What has been counted since the last call. */
export async function countsAt(endpoint: string): Promise<Counts> {
  return await (await fetch(`${endpoint}/counts`)).json() as Counts;
}

function answer(result: unknown): string {
  return JSON.stringify({ ok: true, result });
}
