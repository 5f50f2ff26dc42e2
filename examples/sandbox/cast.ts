/** The people of the sandbox, who behave as people do: they join, read, stop, block, and outgrow their groups. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Message } from "grammy/types";
import type { BotApiServer, LocalChat, LocalGroup, LocalUser } from "telegram-signals/local";

/** What a person was to the bot when an earlier run ended. */
type Standing = "new" | "subscribed" | "stopped" | "blocked";

interface Memory {
  readonly standings: Readonly<Record<string, Standing>>;
  /** The supergroup's id, once the group has become one. */
  readonly desk?: number;
}

const names = ["Ada", "Ben", "Cleo", "Dan"] as const;
type Name = typeof names[number];
const deskTitle = "Trading desk";

export class Cast {
  readonly #file: string;
  readonly #people: Readonly<Record<Name, LocalUser>>;
  readonly #standings: Record<string, Standing>;
  readonly #counts = new Map<string, number>();
  #desk: LocalGroup;
  /** How many are subscribed, or about to be. */
  #audience: number;
  #hasTurned = false;
  readonly #untilHeard: ReturnType<typeof setInterval>;

  /** People as an earlier run left them, or new ones. */
  static async enter(telegram: BotApiServer, file: string): Promise<Cast> {
    return new Cast(telegram, file, await remembered(file));
  }

  private constructor(telegram: BotApiServer, file: string, { standings, desk }: Memory) {
    this.#file = file;
    this.#standings = { ...standings };
    this.#audience = Object.values(standings).filter((standing) => standing === "subscribed").length;
    const person = (name: Name, index: number): LocalUser =>
      telegram.user({
        id: 7001 + index,
        first_name: name,
        username: name.toLowerCase(),
        opened: this.#standing(name) !== "new",
      });
    const [Ada, Ben, Cleo, Dan] = names.map(person) as [LocalUser, LocalUser, LocalUser, LocalUser];
    this.#people = { Ada, Ben, Cleo, Dan };
    this.#desk = desk === undefined
      ? telegram.group({ title: deskTitle, id: -7100, administrators: [Ada], members: [Ben], bot: "left" })
      : telegram.group({
        title: deskTitle,
        id: desk,
        kind: "supergroup",
        administrators: [Ada],
        members: [Ben],
      });
    for (const name of names) this.#listen(name, this.#people[name]);
    this.#listen(deskTitle, this.#desk);
    // Nobody writes to a bot that does not listen: a script may only send.
    this.#untilHeard = setInterval(() => {
      if (telegram.countCalls("getUpdates") > 0) this.#greet();
    }, 50);
  }

  /** A line for each chat: what it is now, and how many signals it got. */
  summary(): string[] {
    return [...names, deskTitle].map((name) => {
      const signals = this.#counts.get(name) ?? 0;
      return `  ${name.padEnd(14)}${this.#standing(name).padEnd(14)}${signals} ${
        signals === 1 ? "signal" : "signals"
      }`;
    });
  }

  /** Keeps everybody's standing for the next run. */
  async leave(): Promise<void> {
    clearInterval(this.#untilHeard);
    const desk = this.#desk.chat.type === "supergroup" ? { desk: this.#desk.chatId } : {};
    await mkdir(dirname(this.#file), { recursive: true });
    await writeFile(this.#file, JSON.stringify({ standings: this.#standings, ...desk }, null, 2));
  }

  /** Everybody who is not subscribed comes, or comes back, each in a way of their own. */
  #greet(): void {
    clearInterval(this.#untilHeard);
    this.#audience = names.length + 1;
    const { Ada, Dan } = this.#people;
    if (this.#standing("Ada") === "new") this.#say("Ada", "/start");
    if (this.#standing("Ben") === "new") this.#say("Ben", "Hello, what do you trade?");
    if (this.#standing("Cleo") !== "subscribed") this.#say("Cleo", "/start");
    if (this.#standing("Dan") === "blocked") Dan.block(), Dan.unblock();
    if (this.#standing("Dan") !== "subscribed") this.#act("Dan", "(a sticker)", () => Dan.sticker());
    if (this.#standing(deskTitle) === "new") {
      this.#act(deskTitle, "(Ada adds the bot to the group)", () => this.#desk.addBot(Ada));
    }
  }

  /** Shows what arrives; the first signal that everybody has read is what makes people change their minds. */
  #listen(name: string, chat: LocalChat): void {
    chat.onMessage((message) => {
      const [first = "", ...rest] = textOf(message).split("\n");
      // Somebody whom the bot has not heard comes again in the next run.
      if (/you are subscribed/i.test(first)) this.#standings[name] = "subscribed";
      const isSignal = /^(🟢 LONG|🔴 SHORT)/.test(first);
      show(name, "◂", rest.length > 0 ? `${first} …` : first);
      if (!isSignal) return;
      if (!this.#counts.has(name) && name === "Ada") console.log(indented(rest));
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
      if (!this.#hasTurned && this.#counts.size === this.#audience) this.#turn();
    });
  }

  /** Cleo has had enough, Dan has had more than enough, and the group grows. */
  #turn(): void {
    this.#hasTurned = true;
    const { Dan } = this.#people;
    this.#say("Cleo", "/stop");
    this.#say("Cleo", "Thank you!");
    this.#act("Dan", "(blocks the bot)", () => Dan.block());
    this.#standings["Cleo"] = "stopped";
    this.#standings["Dan"] = "blocked";
    if (this.#desk.chat.type === "supergroup") return;
    this.#act(deskTitle, "(becomes a supergroup)", () => this.#desk = this.#desk.migrate());
    this.#listen(deskTitle, this.#desk);
  }

  #standing(name: string): Standing {
    return this.#standings[name] ?? "new";
  }

  #say(name: Name, text: string): void {
    this.#act(name, text, () => this.#people[name].say(text));
  }

  #act(name: string, description: string, act: () => unknown): void {
    show(name, "▸", description);
    act();
  }
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

async function remembered(file: string): Promise<Memory> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Memory;
  } catch {
    return { standings: {} };
  }
}
