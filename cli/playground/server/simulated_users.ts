/** Three hundred simulated subscribers: they write messages now and then, and some block the bot. */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { TelegramDynamoDBStorage } from "telegram-signals";
import type { BotApiServer, LocalDynamoDB, LocalUser } from "telegram-signals/local";
import { chatsTable } from "./environment.ts";

const names = [
  ...["Ada", "Ben", "Cleo", "Dan", "Elif", "Femi", "Greta", "Hugo", "Ines", "Jun"],
  ...["Kofi", "Lena", "Mira", "Nils", "Olga", "Paul", "Qiu", "Rosa", "Sami", "Tove"],
];
const initials = "ABCDEFGHIJKLMNO";
const firstId = 7001;
const remarks = ["Thank you!", "/status", "Nice entry.", "👍", "Any view on gold?", "/help"];
/** The users stop writing while so many updates wait for a bot that does not run. */
const maxPendingUpdates = 40;
const blockersAtATime = 3;
/** How many requests write the table at a time before the bot starts. */
const concurrency = 10;

export class SimulatedUsers {
  readonly users: readonly LocalUser[];
  readonly #telegram: BotApiServer;
  #turn = 0;
  #blockers: readonly LocalUser[] = [];

  /** Creates the table with everyone subscribed. */
  static async create(telegram: BotApiServer, database: LocalDynamoDB): Promise<SimulatedUsers> {
    const simulated = new SimulatedUsers(telegram);
    const { endpoint, region, credentials } = database;
    const client = new DynamoDBClient({ endpoint, region, credentials });
    const storage = new TelegramDynamoDBStorage({ tableName: chatsTable, client });
    await storage.createTableIfNotExists();
    const writers = Array.from({ length: concurrency }, async (_, writer) => {
      const own = simulated.users.filter((_, index) => index % concurrency === writer);
      for (const { chatId, user } of own) await storage.saveChat(chatId, { ...user, user_id: chatId });
    });
    await Promise.all(writers);
    client.destroy();
    return simulated;
  }

  private constructor(telegram: BotApiServer) {
    this.#telegram = telegram;
    this.users = [...initials].flatMap((initial) =>
      names.map((first_name) => ({
        first_name,
        last_name: `${initial}.`,
        username: `${first_name}_${initial}`.toLowerCase(),
      }))
    ).map((user, index) => telegram.user({ id: firstId + index, opened: true, ...user }));
  }

  /** One of them writes a message. */
  writeMessage(): void {
    if (this.#telegram.pendingUpdates >= maxPendingUpdates) return;
    const user = this.#next();
    if (!this.#blockers.includes(user)) user.say(remarks[this.#turn % remarks.length] ?? "");
  }

  /** Those who have blocked the bot unblock it, and others block it; it learns of that when it writes to them. */
  changeBlockers(): void {
    for (const user of this.#blockers) user.unblock();
    this.#blockers = Array.from({ length: blockersAtATime }, () => this.#next());
    this.#telegram.unheard(() => {
      for (const user of this.#blockers) user.block();
    });
  }

  /** Each user in turn, in steps of 67 (prime to their number), so that neighbours do not follow each other. */
  #next(): LocalUser {
    this.#turn += 67;
    return this.users[this.#turn % this.users.length] as LocalUser;
  }
}
