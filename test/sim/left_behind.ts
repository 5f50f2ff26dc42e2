/**
 * Which chats' updates one poller leaves behind another one: what it has in its spool file in an outage comes behind what the
 * other has taken meanwhile, so that a message may not be counted, nor a time be kept (README of lib/bot).
 */
import type { Entry } from "../crash/model.ts";
import type { BotMachine } from "./bot_machine.ts";
import type { SimulatedDynamoDB } from "./dynamodb/dynamodb.ts";
import type { Network } from "./network.ts";
import { TableName } from "./plan.ts";

export interface LeftBehindOptions {
  readonly pollers: readonly BotMachine[];
  readonly network: Network;
  readonly dynamodb: SimulatedDynamoDB;
  /** What the table has to have. */
  readonly entries: ReadonlyMap<number, Entry>;
  /** Where the chats go of which it is not known what the table has to have. */
  readonly undecided: Set<number>;
}

export class LeftBehind {
  readonly #options: LeftBehindOptions;

  constructor(options: LeftBehindOptions) {
    this.#options = options;
    const { pollers, network } = options;
    const { onAnswer } = network;
    network.onAnswer = (...answer) => {
      onAnswer(...answer);
      if (pollers.filter(({ isUp, disk }) => isUp && disk.size > 0).length > 1) this.note();
    };
  }

  /** Notes the chats of which something is not in the table yet, where another poller lives than the one that dies now. */
  note(dying?: BotMachine): void {
    const { pollers, dynamodb, entries, undecided } = this.#options;
    if (!pollers.some((each) => each !== dying && each.isUp)) return;
    for (const [chatId, { last_update_id }] of entries) {
      const item = dynamodb.item(TableName, { chat_id: { N: String(chatId) } });
      if (item?.["last_update_id"]?.N !== String(last_update_id)) undecided.add(chatId);
    }
  }
}
