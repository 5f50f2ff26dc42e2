/** The playground: the stage, the people on it and the bot, and what a page sees and does of them. */
import { join } from "node:path";
import type { ServerResponse } from "node:http";
import { BotProcess, type BotStatus } from "./bot_process.ts";
import { Channel } from "./channel.ts";
import { Crowd } from "./crowd.ts";
import { Deliveries, type Delivery } from "./deliveries.ts";
import { Refusal } from "./guard.ts";
import { Life } from "./life.ts";
import { Log } from "./log.ts";
import type { Stage } from "./stage.ts";
import { TableWatch } from "./table_watch.ts";
import { Block, Flood, Outage } from "./troubles.ts";
import { Visitor } from "./visitor.ts";
import type { Site } from "./web_server.ts";

/** How things are; the table, the chat and the log are told apart from it. */
interface State {
  /** Tells this playground from another one, later, at the same address. */
  readonly startedAt: number;
  readonly bot: BotStatus;
  readonly pid: number | undefined;
  readonly botName: string;
  readonly visitorId: number;
  readonly isSending: boolean;
  readonly isBlocked: boolean;
  readonly isDatabaseDown: boolean;
  readonly isFlooded: boolean;
  /** Updates that the bot has not confirmed to Telegram. */
  readonly waiting: number;
  readonly delivery: Delivery | undefined;
  /** How often somebody got a signal twice. */
  readonly repeats: number;
}

const tellEveryMs = 150;
const longestText = 4096;

export class Playground implements Site, AsyncDisposable {
  readonly #stage: Stage;
  readonly #channel = new Channel();
  readonly #visitor: Visitor;
  readonly #crowd: Crowd;
  readonly #deliveries: Deliveries;
  readonly #table: TableWatch;
  readonly #log: Log;
  readonly #bot: BotProcess;
  readonly #troubles: { readonly block: Block; readonly outage: Outage; readonly flood: Flood };
  readonly #life: Life;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #startedAt = Date.now();
  #told = "";

  /** `everySeconds` from one signal by itself to the next; 0: nothing happens by itself. */
  static async open(stage: Stage, everySeconds: number): Promise<Playground> {
    const crowd = await Crowd.gather(stage.telegram, stage.database);
    return new Playground(stage, crowd, everySeconds);
  }

  private constructor(stage: Stage, crowd: Crowd, everySeconds: number) {
    const { telegram, database, gate, folder, settings } = stage;
    this.#stage = stage;
    this.#crowd = crowd;
    this.#log = new Log(telegram.token, (line) => this.#channel.send("log", line));
    this.#visitor = new Visitor(telegram, (entry) => this.#channel.send("message", entry));
    const chats = [this.#visitor.user, ...crowd.people];
    this.#deliveries = new Deliveries(chats);
    this.#table = new TableWatch({ database, gate, onChange: (items) => this.#channel.send("items", items) });
    this.#troubles = {
      block: new Block(this.#visitor.user),
      outage: new Outage(gate),
      flood: new Flood(telegram, chats),
    };
    this.#bot = new BotProcess({
      settings,
      stateFile: join(folder, "sent.jsonl"),
      onLine: (text, isWarning) => this.#log.add(text, isWarning ? "warning" : "bot"),
    });
    this.#life = new Life({
      everySeconds,
      isWatched: () => this.#channel.isWatched,
      speak: () => crowd.speak(),
      sendSignal: () => this.#sendSignal(),
    });
    this.#timer = setInterval(() => this.#tell(), tellEveryMs);
    this.#bot.start();
  }

  openEvents(response: ServerResponse): void {
    const isOpen = this.#channel.open(response, [
      ["state", this.#state()],
      ["items", this.#table.items],
      ...this.#log.lines.map((line) => ["log", line] as const),
      ...this.#visitor.entries.map((entry) => ["message", entry] as const),
    ]);
    if (!isOpen) throw new Refusal(503, "Too many pages are open. Close one of them.");
  }

  photo(id: string): Uint8Array | undefined {
    return this.#stage.telegram.file(id);
  }

  async act(name: string, { text, on }: Readonly<Record<string, unknown>>): Promise<void> {
    switch (name) {
      case "say":
        return this.#say(text);
      case "signal":
        return this.#sendSignal();
      case "block":
        return this.#set("block", isOn(on));
      case "outage":
        return this.#set("outage", isOn(on));
      case "flood":
        return this.#set("flood", isOn(on));
      case "kill":
        return await this.#setKilled(isOn(on));
      default:
        throw new Refusal(404, `There is no action "${name}".`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#life.close();
    this.#channel.close();
    this.#troubles.outage.isOn = false;
    this.#troubles.flood.isOn = false;
    await this.#bot.stop();
    this.#table.close();
  }

  #say(text: unknown): void {
    if (typeof text !== "string" || text.trim() === "" || [...text].length > longestText) {
      throw new Refusal(400, `"text" must have 1 to ${longestText} characters.`);
    }
    if (this.#troubles.block.isOn) {
      throw new Refusal(409, "You have blocked the bot. Unblock it to write to it.");
    }
    this.#visitor.say(text.trim());
    if (/^\/start\b/.test(text.trim())) this.#life.welcome();
  }

  #sendSignal(): void {
    if (this.#bot.status !== "running" || this.#bot.isSending) return;
    this.#crowd.changeMinds();
    this.#bot.askForSignal();
  }

  #set(name: "block" | "flood" | "outage", isOn: boolean): void {
    if (this.#troubles[name].isOn === isOn) return;
    this.#troubles[name].isOn = isOn;
    this.#log.add(notes[name][isOn ? 0 : 1], "you");
    this.#tell();
  }

  async #setKilled(isKilled: boolean): Promise<void> {
    if (this.#bot.isAlive !== isKilled) return;
    this.#log.add(notes.kill[isKilled ? 0 : 1], "you");
    if (isKilled) await this.#bot.kill();
    else this.#bot.start();
    this.#tell();
  }

  #state(): State {
    const { telegram } = this.#stage;
    return {
      startedAt: this.#startedAt,
      bot: this.#bot.status,
      pid: this.#bot.pid,
      botName: telegram.bot.username,
      visitorId: this.#visitor.user.chatId,
      isSending: this.#bot.isSending,
      isBlocked: this.#troubles.block.isOn,
      isDatabaseDown: this.#troubles.outage.isOn,
      isFlooded: this.#troubles.flood.isOn,
      waiting: telegram.pendingUpdates,
      delivery: this.#deliveries.latest,
      repeats: this.#deliveries.repeats,
    };
  }

  #tell(): void {
    const state = this.#state();
    const text = JSON.stringify(state);
    if (text === this.#told) return;
    this.#told = text;
    this.#channel.send("state", state);
  }
}

const notes = {
  block: ["You block the bot.", "You take the bot back."],
  outage: ["DynamoDB can no longer be reached.", "DynamoDB can be reached again."],
  flood: ["Telegram limits the rate from now on.", "Telegram limits the rate no longer."],
  kill: ["You kill the bot (kill -9).", "You start the bot again."],
} as const;

function isOn(value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new Refusal(400, '"on" must be true or false.');
}
