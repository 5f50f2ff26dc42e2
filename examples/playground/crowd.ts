/** Three hundred other subscribers, who behave as people do: they write now and then, and some block the bot. */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { BotApiServer, LocalDynamoDB, LocalUser } from "telegram-signals/local";
import { TelegramDynamoDBStorage } from "telegram-signals";
import { chatsTable } from "./stage.ts";

const names = [
  ...["Ada", "Ben", "Cleo", "Dan", "Elif", "Femi", "Greta", "Hugo", "Ines", "Jun"],
  ...["Kofi", "Lena", "Mira", "Nils", "Olga", "Paul", "Qiu", "Rosa", "Sami", "Tove"],
];
const initials = "ABCDEFGHIJKLMNO";
const firstId = 7001;
const remarks = ["Thank you!", "/status", "Nice entry.", "👍", "Any view on gold?", "/help"];
/** So much may wait for a bot that is dead. */
const patience = 40;
const changesOfMind = 3;
/** Of what is written before the bot starts. */
const atOnce = 10;

export class Crowd {
  readonly people: readonly LocalUser[];
  readonly #telegram: BotApiServer;
  #turn = 0;
  #blockers: readonly LocalUser[] = [];

  /** Everyone has subscribed before: the bot finds them in the table. */
  static async gather(telegram: BotApiServer, database: LocalDynamoDB): Promise<Crowd> {
    const crowd = new Crowd(telegram);
    const { endpoint, region, credentials } = database;
    const client = new DynamoDBClient({ endpoint, region, credentials });
    const storage = new TelegramDynamoDBStorage({ tableName: chatsTable, client });
    await storage.createTableIfNotExists();
    const writers = Array.from({ length: atOnce }, async (_, writer) => {
      const own = crowd.people.filter((_, index) => index % atOnce === writer);
      for (const { chatId, user } of own) await storage.saveChat(chatId, { ...user, user_id: chatId });
    });
    await Promise.all(writers);
    client.destroy();
    return crowd;
  }

  private constructor(telegram: BotApiServer) {
    this.#telegram = telegram;
    this.people = [...initials].flatMap((initial) =>
      names.map((first_name) => ({
        first_name,
        last_name: `${initial}.`,
        username: `${first_name}_${initial}`.toLowerCase(),
      }))
    ).map((person, index) => telegram.user({ id: firstId + index, opened: true, ...person }));
  }

  /** One of them says something. */
  speak(): void {
    if (this.#telegram.pendingUpdates >= patience) return;
    const person = this.#next();
    if (!this.#blockers.includes(person)) person.say(remarks[this.#turn % remarks.length] ?? "");
  }

  /** Those who have blocked the bot take it back, and others block it: it learns of it when it writes to them. */
  changeMinds(): void {
    for (const person of this.#blockers) person.unblock();
    this.#blockers = Array.from({ length: changesOfMind }, () => this.#next());
    this.#telegram.unheard(() => {
      for (const person of this.#blockers) person.block();
    });
  }

  /** Everyone's turn comes, neighbours' far apart. */
  #next(): LocalUser {
    this.#turn += 67;
    return this.people[this.#turn % this.people.length] as LocalUser;
  }
}
