/** The sandbox's simulated people: they subscribe, read, stop, block the bot, and turn a group into a supergroup. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Message } from "grammy/types";
import type { BotApiServer, LocalChat, LocalGroup, LocalUser } from "telegram-signals/local";

/** Whether a person is subscribed. */
type Subscription = "new" | "subscribed" | "stopped" | "blocked";

interface SavedPeople {
  readonly subscriptions: Readonly<Record<string, Subscription>>;
  /** The supergroup's id, once the group has become one. */
  readonly desk?: number;
}

const names = ["Ada", "Ben", "Cleo", "Dan"] as const;
type Name = typeof names[number];
const deskTitle = "Trading desk";
const groupMessagesPerMinute = 20;

export class People {
  readonly #telegram: BotApiServer;
  readonly #file: string;
  readonly #people: Readonly<Record<Name, LocalUser>>;
  readonly #subscriptions: Record<string, Subscription>;
  readonly #counts = new Map<string, number>();
  #desk: LocalGroup;
  /** How many are subscribed, or about to be. */
  #subscribers: number;
  #haveLeft = false;
  #isLimitTold = false;
  readonly #pollingCheck: ReturnType<typeof setInterval>;

  /** People as an earlier run saved them, or new ones. */
  static async load(telegram: BotApiServer, file: string): Promise<People> {
    return new People(telegram, file, await readSaved(file));
  }

  private constructor(telegram: BotApiServer, file: string, { subscriptions, desk }: SavedPeople) {
    this.#telegram = telegram;
    this.#file = file;
    this.#subscriptions = { ...subscriptions };
    this.#subscribers = Object.values(subscriptions).filter((it) => it === "subscribed").length;
    const person = (name: Name, index: number): LocalUser =>
      telegram.user({
        id: 7001 + index,
        first_name: name,
        username: name.toLowerCase(),
        opened: this.#subscription(name) !== "new",
      });
    const [Ada, Ben, Cleo, Dan] = names.map(person) as [LocalUser, LocalUser, LocalUser, LocalUser];
    this.#people = { Ada, Ben, Cleo, Dan };
    const group = { title: deskTitle, administrators: [Ada], members: [Ben] };
    const isNew = this.#subscription(deskTitle) === "new";
    this.#desk = desk === undefined
      ? telegram.group({ ...group, id: -7100, ...isNew && { bot: "left" } })
      : telegram.group({ ...group, id: desk, kind: "supergroup" });
    for (const name of names) this.#listen(name, this.#people[name]);
    this.#listen(deskTitle, this.#desk);
    this.#pollingCheck = setInterval(() => this.#isHeard && this.#subscribeAll(), 50);
  }

  /** Whether a bot polls. People act only then: a script may only send. */
  get #isHeard(): boolean {
    return this.#telegram.countCalls("getUpdates") > 0;
  }

  /** What is left of what people did, or why they did nothing; undefined where nothing need be said. */
  unheard(): string | undefined {
    if (this.#telegram.pendingUpdates > 0) {
      return "The script ended before its bot heard the last things that people did.";
    }
    if (this.#isHeard || Object.keys(this.#subscriptions).length > 0) return undefined;
    return "Nobody is subscribed here yet: people write to a bot that hears them, and this script only sends. Run a " +
      "bot first, or beside it in another terminal; the sandbox without a script runs one.";
  }

  /** A line for each chat: what it is now, and how many signals it got. */
  summary(): string[] {
    return [...names, deskTitle].map((name) => {
      const signals = this.#counts.get(name) ?? 0;
      return `  ${name.padEnd(14)}${this.#subscription(name).padEnd(14)}${signals} ${
        signals === 1 ? "signal" : "signals"
      }`;
    });
  }

  /** Saves who is subscribed for the next run. */
  async save(): Promise<void> {
    clearInterval(this.#pollingCheck);
    const desk = this.#desk.chat.type === "supergroup" ? { desk: this.#desk.chatId } : {};
    await mkdir(dirname(this.#file), { recursive: true });
    await writeFile(this.#file, JSON.stringify({ subscriptions: this.#subscriptions, ...desk }, null, 2));
  }

  /** Everybody who is not subscribed subscribes, each in another way. */
  #subscribeAll(): void {
    clearInterval(this.#pollingCheck);
    this.#subscribers = names.length + 1;
    const { Ada, Dan } = this.#people;
    if (this.#subscription("Ada") === "new") this.#say("Ada", "/start");
    if (this.#subscription("Ben") === "new") this.#say("Ben", "Hello, what do you trade?");
    if (this.#subscription("Cleo") !== "subscribed") this.#say("Cleo", "/start");
    if (this.#subscription("Dan") === "blocked") Dan.block(), Dan.unblock();
    if (this.#subscription("Dan") !== "subscribed") this.#act("Dan", "(a sticker)", () => Dan.sticker());
    if (this.#subscription(deskTitle) === "new") {
      this.#act(deskTitle, "(Ada adds the bot to the group)", () => this.#desk.addBot(Ada));
    }
  }

  /** Prints what arrives. Some leave after the first signal that all have received. */
  #listen(name: string, chat: LocalChat): void {
    const tellLimit = chat === this.#desk ? this.#limitTeller() : undefined;
    chat.onMessage((message) => {
      const [first = "", ...rest] = textOf(message).split("\n");
      if (/you are subscribed/i.test(first)) this.#subscriptions[name] = "subscribed";
      const isSignal = /^(🟢 LONG|🔴 SHORT)/.test(first);
      show(name, "◂", rest.length > 0 ? `${first} …` : first);
      const isFirst = isSignal ? !this.#counts.has(name) : !isReply(first);
      if (name === "Ada" && isFirst && rest.length > 0) console.log(indented(rest));
      tellLimit?.();
      if (!isSignal) return;
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
      const isLeaving = !this.#haveLeft && this.#counts.size === this.#subscribers;
      if (isLeaving && this.#isHeard) this.#leave();
    });
  }

  /** Called with each message to the group, it says once where those that follow have to wait. */
  #limitTeller(): () => void {
    const times: number[] = [];
    return () => {
      times.push(Date.now());
      const withinMs = Date.now() - (times.at(-groupMessagesPerMinute) ?? -Infinity);
      if (this.#isLimitTold || withinMs > 60_000) return;
      this.#isLimitTold = true;
      console.log(
        `    (${deskTitle} has had ${groupMessagesPerMinute} messages within a minute. Telegram takes no more for a ` +
          "group, so the bot waits with the next ones; people get theirs meanwhile.)",
      );
    };
  }

  /** Cleo stops, Dan blocks the bot, and the group becomes a supergroup. */
  #leave(): void {
    this.#haveLeft = true;
    const { Dan } = this.#people;
    this.#say("Cleo", "/stop");
    this.#say("Cleo", "Thank you!");
    this.#act("Dan", "(blocks the bot)", () => Dan.block());
    this.#subscriptions["Cleo"] = "stopped";
    this.#subscriptions["Dan"] = "blocked";
    if (this.#desk.chat.type === "supergroup") return;
    this.#act(deskTitle, "(becomes a supergroup)", () => this.#desk = this.#desk.migrate());
    this.#listen(deskTitle, this.#desk);
  }

  #subscription(name: string): Subscription {
    return this.#subscriptions[name] ?? "new";
  }

  #say(name: Name, text: string): void {
    this.#act(name, text, () => this.#people[name].say(text));
  }

  #act(name: string, description: string, act: () => unknown): void {
    show(name, "▸", description);
    act();
  }
}

/** Whether it is one of the bot's answers to what people say. */
function isReply(firstLine: string): boolean {
  return /^(Welcome|You are|This chat|I send|I cannot|In a group)/.test(firstLine);
}

function show(name: string, direction: "▸" | "◂", text: string): void {
  console.log(`    ${name} ${direction} ${text}`);
}

function indented(lines: readonly string[]): string {
  return lines.map((line) => `          ${line}`.trimEnd()).join("\n");
}

function textOf({ text, caption }: Message): string {
  return text ?? caption ?? "(a picture)";
}

async function readSaved(file: string): Promise<SavedPeople> {
  try {
    return { subscriptions: {}, ...JSON.parse(await readFile(file, "utf8")) as Partial<SavedPeople> };
  } catch {
    return { subscriptions: {} };
  }
}
