/** An adversary with an account and a group, who does at random whatever may keep a signal from the others. */
import type { BotApiServer, LocalGroup, LocalUser } from "../../lib/local/mod.ts";
import type { Random } from "../support/histories.ts";

const commands = ["/help", "/help", "/help", "/status", "/start", "/stop", "hello", "/unknown"] as const;

const refusals = [
  { error_code: 400, description: "Bad Request: STRANGE_PEER_UNSUPPORTED" },
  { error_code: 400, description: "Bad Request: the moon is not in the right house" },
  { error_code: 403, description: "Forbidden: this chat has moods" },
  { error_code: 400, description: "Bad Request: CHAT_RESTRICTED" },
  { error_code: 400, description: "Bad Request: chat not found" },
  { error_code: 403, description: "Forbidden: user is deactivated" },
] as const;

export class Adversary {
  readonly #server: BotApiServer;
  readonly #random: Random;
  readonly #user: LocalUser;
  #group: LocalGroup | undefined;
  #isBlocking = false;
  readonly #actions: readonly (() => void)[] = [
    () => this.#say(1 + this.#below(15)),
    () => this.#say(1 + this.#below(15)),
    () => this.#sayInGroup(1 + this.#below(12)),
    () => this.#slowMode(),
    () => this.#refuse(),
    () => this.#toggleBlock(),
    () => this.#migrate(),
    () => void this.#user.flood(5 + this.#below(3000)),
    () => void this.#inGroup().flood(5 + this.#below(3000)),
    () => this.#leaveGroup(),
  ];

  constructor(server: BotApiServer, random: Random) {
    this.#server = server;
    this.#random = random;
    this.#user = server.user();
  }

  /** Does one of these at random. */
  act(): void {
    this.#pick(this.#actions)();
  }

  #say(times: number): void {
    if (this.#isBlocking) return;
    for (let time = 0; time < times; time++) this.#user.say(this.#pick(commands));
  }

  #sayInGroup(times: number): void {
    const group = this.#inGroup();
    for (let time = 0; time < times; time++) group.say(this.#user, this.#pick(commands));
  }

  #slowMode(): void {
    const group = this.#inGroup();
    if (group.chat.type === "supergroup") group.slowMode(this.#pick([5, 8, 30, 300]));
  }

  #refuse(): void {
    const chat = this.#random() < 0.5 ? this.#user : this.#inGroup();
    if (this.#random() < 0.8) chat.refuse(this.#pick(refusals));
    else chat.accept();
  }

  #toggleBlock(): void {
    this.#isBlocking = !this.#isBlocking;
    if (this.#isBlocking) this.#user.block();
    else this.#user.unblock();
  }

  /** Half the time without an update, so that the bot learns of it by a refusal. */
  #migrate(): void {
    const group = this.#inGroup();
    if (group.chat.type !== "group") return;
    const move = (): LocalGroup => group.migrate();
    this.#group = this.#random() < 0.5 ? this.#server.unheard(move) : move();
  }

  #leaveGroup(): void {
    this.#group?.removeBot(this.#user);
    this.#group = undefined;
  }

  /** The present group. */
  #inGroup(): LocalGroup {
    if (this.#group !== undefined) return this.#group;
    const kind = this.#random() < 0.5 ? "group" : "supergroup";
    const group = this.#server.group({ title: "Strange", kind, administrators: [this.#user], bot: "left" });
    group.addBot(this.#user);
    return this.#group = group;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)] as T;
  }
}
