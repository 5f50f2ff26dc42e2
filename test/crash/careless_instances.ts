/** Pairs of bots that break the promise of a confirmed /stop, made of the same parts: the suite has to catch them all. */
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import type { StopLog } from "../../lib/chats/storage.ts";
import type { Careless } from "./instance_play.ts";

/** Nobody is ever in the log. */
class Unread extends TelegramDynamoDBStorage {
  override async readStopLog(): Promise<StopLog> {
    return { ...await super.readStopLog(), chats: new Set() };
  }
}

/** Gives the log as it was three readings ago. */
class Stale extends TelegramDynamoDBStorage {
  readonly #read: StopLog[] = [];

  override async readStopLog(): Promise<StopLog> {
    this.#read.push(await super.readStopLog());
    return this.#read.at(-3) ?? this.#read[0] as StopLog;
  }
}

/** Nobody hears that it sends. */
class Silent extends TelegramDynamoDBStorage {
  override async beginSending(): Promise<StopLog> {
    return await super.readStopLog();
  }
}

export const carelessInstances: Readonly<Record<string, Careless>> = {
  "confirms a /stop at once": { confirmsAtOnce: true },
  "does not heed the log of /stops": { Storage: Unread },
  "relies on a log that is too old": { Storage: Stale },
  "does not tell that it sends": { Storage: Silent },
};
