/** What groups do beside talking: slow mode, and topics that are closed and opened while signals go to them. */
import type { LocalForum, LocalTopic, LocalUser } from "../../lib/local/mod.ts";
import { open } from "../crash/model.ts";
import type { SimulatedUsers } from "../crash/simulated_users.ts";
import type { Random } from "../support/histories.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimulatedTelegram } from "./telegram.ts";

export class Groups {
  readonly #scheduler: Scheduler;
  readonly #telegram: SimulatedTelegram;
  readonly #users: SimulatedUsers;
  #forum: { readonly chat: LocalForum; readonly topic: LocalTopic; readonly owner: LocalUser } | undefined;
  #isClosed = false;

  constructor(scheduler: Scheduler, telegram: SimulatedTelegram, users: SimulatedUsers) {
    this.#scheduler = scheduler;
    this.#telegram = telegram;
    this.#users = users;
  }

  /** A supergroup is in slow mode for a while. */
  slowDown(random: Random): void {
    const groups = this.#users.groups.map(({ chat }) => chat).filter(({ chat }) =>
      chat.type === "supergroup"
    );
    const group = groups[Math.floor(random() * groups.length)];
    if (group === undefined) return;
    group.slowMode(5 + Math.floor(random() * 55));
    this.#scheduler.trace(`! ${group.chatId} is in slow mode`);
    this.#scheduler.after(random() * 60_000, () => group.slowMode(0));
  }

  /** A group that the bot knows becomes a supergroup. */
  move(random: Random): void {
    const known = this.#users.groups.filter(({ chat }) =>
      chat.chat.type === "group" && this.#users.model.entries.has(chat.chatId)
    );
    const group = known[Math.floor(random() * known.length)] ?? this.#users.newGroup();
    if (this.#users.mayMigrate) this.#users.migrate(group);
  }

  /** A forum subscribes from one of its topics; later the topic is closed, or opened again. */
  changeTopic(random: Random): void {
    const { server } = this.#telegram;
    const { chat, topic, owner } = this.#forum ??= this.#newForum();
    const isKnown = this.#users.known().includes(chat.chatId);
    if (!isKnown || random() < 0.3) {
      if (!this.#isClosed) {
        this.#users.heardInGroup(chat, topic.say(owner, random() < 0.8 ? "/start" : "/stop"));
      }
      // The bot chooses the topic, and leaves one that it cannot write to.
      const entry = this.#users.model.entries.get(chat.chatId);
      if (entry !== undefined) entry["thread_id"] = open;
      return;
    }
    this.#isClosed = !this.#isClosed;
    server.unheard(() => this.#isClosed ? topic.close(owner) : topic.reopen(owner));
    this.#scheduler.trace(`! the topic of ${chat.chatId} is ${this.#isClosed ? "closed" : "open"}`);
  }

  #newForum(): { readonly chat: LocalForum; readonly topic: LocalTopic; readonly owner: LocalUser } {
    const { server } = this.#telegram;
    const owner = server.user({ first_name: "Owner" });
    const chat = server.forum({ title: "Forum", administrators: [owner] });
    return { chat, owner, topic: server.unheard(() => chat.createTopic(owner, "Signals")) };
  }
}
