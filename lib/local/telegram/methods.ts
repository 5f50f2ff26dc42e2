/** The methods of the Bot API that this server knows, by name. The modules in methods/ export methods and nothing else. */
import * as botMethods from "./methods/bot.ts";
import * as chatMethods from "./methods/chats.ts";
import * as messageMethods from "./methods/messages.ts";
import * as sendMethods from "./methods/send.ts";
import type { RequestBody } from "./request_body.ts";
import type { ServerState } from "./server_state.ts";

export type Method = (server: ServerState, body: RequestBody, signal: AbortSignal) => unknown;

const byName: Readonly<Record<string, Method>> = {
  ...botMethods,
  ...chatMethods,
  ...messageMethods,
  ...sendMethods,
};

/** As the Bot API spells them. */
export const methodNames: readonly string[] = Object.keys(byName);

/** By lower-case name, as Telegram finds them. */
export const methods: ReadonlyMap<string, Method> = new Map(
  Object.entries(byName).map(([name, method]) => [name.toLowerCase(), method]),
);

/** Whether Telegram counts calls of this method, in lower case, as messages. */
export function countsAsMessage(method: string): boolean {
  return /^(send(?!chataction)|copy|forward)/.test(method);
}

/** Whether a flood of the bot stops calls of this method, in lower case: those of messages and edits. */
export function isStoppedByFlood(method: string): boolean {
  return countsAsMessage(method) || method.startsWith("edit");
}
