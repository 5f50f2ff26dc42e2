/** A local Bot API server for one test, and calls to it as a client makes them. */
import type { Update } from "grammy/types";
import { type BotApiServer, type BotApiServerOptions, startBotApiServer } from "../../lib/local/mod.ts";
import { assert } from "../harness.ts";
import { StepClock } from "./clocks.ts";

// deno-lint-ignore no-explicit-any -- the wire's shapes are what is tested
export type Wire = any;

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Wire;
}

export async function withServer(
  body: (server: BotApiServer) => Promise<void>,
  options: BotApiServerOptions = {},
): Promise<void> {
  const server = await startBotApiServer(options);
  try {
    await body(server);
  } finally {
    await server.close();
  }
}

/** Calls with a JSON body; as a Blob, so that Deno does not repeat it when the connection breaks. */
export async function call(server: BotApiServer, method: string, payload: object = {}): Promise<Reply> {
  const body = new Blob([JSON.stringify(payload)], { type: "application/json" });
  const response = await fetch(`${server.apiRoot}/bot${server.token}/${method}`, { method: "POST", body });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

export async function result(server: BotApiServer, method: string, payload: object = {}): Promise<Wire> {
  const { body } = await call(server, method, payload);
  assert.is(body.ok, true, `${method}: ${body.description}`);
  return body.result;
}

export async function refusal(server: BotApiServer, method: string, payload: object = {}): Promise<Wire> {
  const { status, body } = await call(server, method, payload);
  assert.is(body.ok, false, `${method} was not refused`);
  assert.is(status, body.error_code);
  return body;
}

export async function refused(
  server: BotApiServer,
  method: string,
  payload: object,
  words: string,
): Promise<void> {
  const { error_code, description } = await refusal(server, method, payload);
  assert.is(`${error_code} ${description}`, words);
}

/** Sends a text to the chat, which has to be refused in these words. */
export function refusedMessage(server: BotApiServer, chat_id: unknown, words: string): Promise<void> {
  return refused(server, "sendMessage", { chat_id, text: "x" }, words);
}

export function updates(server: BotApiServer, payload: object = {}): Promise<Update[]> {
  return result(server, "getUpdates", payload);
}

/** Virtual time that a test moves by `advance()`. */
export function manualClock(): StepClock {
  return new StepClock(Date.UTC(2026, 0, 1));
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}
