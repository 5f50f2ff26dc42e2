/** Broadcasts for a user's own grammY bot. They have a client and a gate of their own: none of its plugins sends them twice. */
import { Api, type ApiClientOptions } from "grammy/web";
import { Broadcasting } from "./broadcasting.ts";
import { causeNamed } from "./cause_named.ts";
import type { Clock } from "./clock.ts";
import { forGrammy } from "./for_grammy.ts";
import { Gate } from "./gate.ts";
import { clientOptions } from "./grammy_bot.ts";
import type { Logger } from "./log.ts";
import { type LedgerOptions, openLedgers } from "./opening.ts";
import type { Roster } from "./roster.ts";
import { secretKept } from "./secret.ts";
import type { ChatStorage } from "./storage/chat_storage.ts";
import { TelegramDynamoDBStorage } from "./storage/dynamodb.ts";
import type { Ledger } from "./storage/ledger.ts";

export interface OwnBroadcastingOptions {
  readonly token: string;
  /** That bot's options, which name its server and its way there. */
  readonly client: ApiClientOptions | undefined;
  readonly storage: ChatStorage;
  readonly ledger: Ledger | undefined;
  readonly roster: Roster;
  readonly messagesPerSecond: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends every wait for a turn. */
  readonly signal: AbortSignal;
}

export async function openBroadcasting(options: OwnBroadcastingOptions): Promise<Broadcasting> {
  const { token, client, storage, ledger, roster, messagesPerSecond, clock, logger, signal } = options;
  const api = new Api(token, clientOptions(client));
  const ask = (ending: AbortSignal): Promise<unknown> => api.getMe(forGrammy(ending));
  const gate = new Gate({ messagesPerSecond, ask, clock, logger, signal });
  api.config.use(gate.transformer, secretKept(token), causeNamed);
  return new Broadcasting({
    ...{ api, gate, roster, clock, logger, messagesPerSecond },
    ledgers: await openLedgers({ ...beside(storage), ledger }, roster, clock, logger),
    migrate: (from, to, at) => roster.migrate(from, to, at),
    keep: async (chatId, event) => (await roster.apply(chatId, [event])).after?.is_active !== true,
  });
}

/** Where the chats are, broadcasts are kept too. */
function beside(storage: ChatStorage): LedgerOptions {
  if (!(storage instanceof TelegramDynamoDBStorage)) return { useDynamoDB: storage.kind !== "memory" };
  const { client, regionName } = storage;
  return { client, regionName };
}
