/** Users, groups and a channel that do things at random; each update is applied to the model as well. */
import type { Message } from "grammy/types";
import type { BotApiServer, LocalChannel, LocalGroup, LocalUser } from "../../lib/local/mod.ts";
import type { Random } from "../support/histories.ts";
import { Model } from "./model.ts";

/** The local server numbers updates from here on. */
export const firstUpdateId = 100_000_001;

/** A group, or the supergroup that it has become. */
export interface Group {
  chat: LocalGroup;
  readonly owner: LocalUser;
  readonly member: LocalUser;
}

export class SimulatedUsers {
  readonly model: Model = new Model();
  /** The last /start or /stop of each chat, and its update. */
  readonly commands: Map<number, { readonly command: "start" | "stop"; readonly updateId: number }> =
    new Map();
  /** While false no group migrates: a broadcast under way would learn of it before the bot has the update. */
  mayMigrate = true;
  /** Whether the bot confirms updates in their order, as one that polls does. */
  isInOrder = true;
  readonly #server: BotApiServer;
  readonly #random: Random;
  readonly #users: LocalUser[] = [];
  readonly #groups: Group[] = [];
  readonly #channel: LocalChannel;
  readonly #blocked = new Set<LocalUser>();
  readonly #listeners: ((chat: LocalUser | LocalGroup | LocalChannel) => void)[] = [];
  #updates = 0;
  #updatesAtLastMigration = 0;

  constructor(server: BotApiServer, random: Random) {
    this.#server = server;
    this.#random = random;
    this.#channel = server.channel({ title: "Signals", username: "signals_channel" });
    for (let index = 0; index < 8; index++) this.newUser();
    for (let index = 0; index < 3; index++) this.newGroup();
  }

  /** How many updates there were so far. */
  get updates(): number {
    return this.#updates;
  }

  /** How many there were when a group last became a supergroup. */
  get updatesAtLastMigration(): number {
    return this.#updatesAtLastMigration;
  }

  /** The first update that a bot may still be given, for the first time or again. */
  firstPending(): number {
    const { pendingUpdates } = this.#server;
    return pendingUpdates > 0 && !this.isInOrder ? 0 : firstUpdateId + this.#updates - pendingUpdates;
  }

  /** The groups and supergroups. */
  get groups(): readonly Group[] {
    return this.#groups;
  }

  /** Called with every chat there is, and with each new one. */
  onChat(listener: (chat: LocalUser | LocalGroup | LocalChannel) => void): void {
    this.#listeners.push(listener);
    for (const chat of [...this.#users, ...this.#groups.map(({ chat }) => chat), this.#channel]) {
      listener(chat);
    }
  }

  /** The chats that have to be in the table by now. */
  known(): number[] {
    return [...this.model.entries.keys()];
  }

  newUser(): LocalUser {
    const number = this.#users.length + 1;
    const user = this.#server.user({ first_name: `Person ${number}`, username: `person_${number}` });
    this.#users.push(user);
    for (const listener of this.#listeners) listener(user);
    return user;
  }

  newGroup(): Group {
    const owner = this.#server.user({ first_name: "Owner" });
    const member = this.#server.user({ first_name: "Member" });
    const title = `Group ${this.#groups.length + 1}`;
    const chat = this.#server.group({ title, administrators: [owner], members: [member] });
    const group = { chat, owner, member };
    this.#groups.push(group);
    for (const listener of this.#listeners) listener(chat);
    return group;
  }

  /** One of them does something. */
  act(): void {
    const draw = this.#random();
    if (draw < 0.04) this.say(this.newUser(), this.#pick("/start", "/stop", "hello", "/start"));
    else if (draw < 0.05) this.newGroup();
    else if (draw < 0.08) this.post("News of the channel");
    else if (draw < 0.28) this.actInGroup(this.#pick(...this.#groups));
    else this.#actInPrivate(this.#pick(...this.#users));
  }

  /** One of them does something, several do, or a group migrates. */
  actAtRandom(): void {
    const draw = this.#random();
    if (draw < 0.04) this.#burst(40);
    else if (draw < 0.05 && this.mayMigrate) this.migrateNewGroup(this.#random() < 0.5 ? "start" : "stop");
    else this.act();
  }

  /** Several chats write at once, or one that floods. */
  #burst(most: number): void {
    const count = 2 + Math.floor(this.#random() * most);
    if (this.#random() < 0.5) return void Array.from({ length: count }, () => this.act());
    const user = this.#pick(...this.#users);
    Array.from({ length: count }, () => this.#actInPrivate(user));
  }

  /** Users who blocked the bot unblock it: only while it is at rest, as a refused reply may still be under way. */
  unblockAll(): void {
    for (const user of this.#blocked) {
      user.unblock();
      this.model.unblocked(this.#next(user, now()));
    }
    this.#blocked.clear();
  }

  hasBlocked(chatId: number): boolean {
    return [...this.#blocked].some((user) => user.chatId === chatId);
  }

  say(user: LocalUser, text: string): void {
    if (this.#blocked.has(user)) return;
    const { date } = user.say(text);
    this.#heard(user, date, commandOf(text));
  }

  block(user: LocalUser): void {
    if (this.#blocked.has(user) || this.#blocked.size > 3) return;
    // A user who never wrote has no chat to block the bot in.
    if (!this.model.entries.has(user.chatId)) return;
    this.#blocked.add(user);
    user.block();
    this.model.blocked(this.#next(user, now()));
  }

  post(text: string): void {
    this.#heard(this.#channel, this.#channel.post(text).date);
  }

  actInGroup(group: Group): void {
    const { chat, owner, member } = group;
    const draw = this.#random();
    if (draw < 0.08 && this.mayMigrate) this.migrate(group);
    else if (draw < 0.25) this.heardInGroup(chat, chat.say(owner, this.#pick("/start", "/stop")));
    else if (draw < 0.32) this.heardInGroup(chat, chat.sayAnonymously(this.#pick("/start", "/stop")));
    else if (draw < 0.42) {
      this.model.refused(this.#next(chat, chat.say(member, this.#pick("/start", "/stop")).date));
    } else this.#heard(chat, chat.say(member, "a message among members").date);
  }

  migrate(group: Group): void {
    if (group.chat.chat.type !== "group") return;
    const from = group.chat.chatId;
    group.chat = group.chat.migrate();
    this.#updates += 2;
    this.#updatesAtLastMigration = this.#updates;
    this.model.migrated(from, group.chat.chatId);
    for (const listener of this.#listeners) listener(group.chat);
  }

  /** A known group, subscribed or stopped, becomes a supergroup and writes on. */
  migrateNewGroup(command: "start" | "stop"): void {
    const group = this.newGroup();
    this.heardInGroup(group.chat, group.chat.say(group.owner, "/start"));
    this.heardInGroup(group.chat, group.chat.say(group.owner, `/${command}`));
    this.migrate(group);
    this.#heard(group.chat, group.chat.say(group.member, "here we are").date);
  }

  #actInPrivate(user: LocalUser): void {
    if (this.#blocked.has(user)) return;
    const draw = this.#random();
    if (draw < 0.14) this.say(user, "/start");
    else if (draw < 0.28) this.say(user, "/stop");
    else if (draw < 0.32) this.say(user, "/help");
    else if (draw < 0.42) this.#heard(user, user.photo("a chart").date);
    else if (draw < 0.46) this.#heard(user, user.sticker().date);
    else if (draw < 0.48) this.block(user);
    else if (draw < 0.52) this.#edit(user);
    else this.say(user, "a word");
  }

  /** A message, and its edit: which is no message. */
  #edit(user: LocalUser): void {
    const message = user.say("a wodr");
    this.#heard(user, message.date);
    user.edit(message, "a word");
    this.#updates++;
  }

  /** A group, or somebody for it, has written. */
  heardInGroup(chat: LocalGroup, { text = "", date }: Message): void {
    this.#heard(chat, date, commandOf(text));
  }

  #heard(chat: LocalUser | LocalGroup | LocalChannel, date: number, command?: "start" | "stop"): void {
    const said = this.#next(chat, date);
    if (command !== undefined) this.commands.set(said.chatId, { command, updateId: said.updateId });
    this.model.message(said, command);
  }

  /** Numbers the next update. */
  #next(chat: LocalUser | LocalGroup | LocalChannel, date: number): Parameters<Model["message"]>[0] {
    const updateId = firstUpdateId + this.#updates++;
    return { chatId: chat.chatId, updateId, date, userInfo: infoOf(chat) };
  }

  #pick<T>(...items: T[]): T {
    return items[Math.floor(this.#random() * items.length)] as T;
  }
}

function infoOf({ chat }: LocalUser | LocalGroup | LocalChannel): Record<string, unknown> {
  const info = chat.type === "private"
    ? { username: chat.username, first_name: chat.first_name, user_id: chat.id }
    : {
      title: chat.title,
      username: "username" in chat ? chat.username : undefined,
      type: chat.type === "channel" ? chat.type : undefined,
    };
  return Object.fromEntries(Object.entries(info).filter(([, value]) => value !== undefined));
}

function commandOf(text: string): "start" | "stop" | undefined {
  return text === "/start" ? "start" : text === "/stop" ? "stop" : undefined;
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
