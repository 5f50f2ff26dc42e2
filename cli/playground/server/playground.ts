/** The playground: connects the environment, the users and the bot with the page's events and actions. */
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { Autoplay } from "./autoplay.ts";
import { BotLog } from "./bot_log.ts";
import { BotProcess, type BotStatus } from "./bot_process.ts";
import { type Delivery, DeliveryMonitor } from "./delivery_monitor.ts";
import type { Environment } from "./environment.ts";
import { EventStream } from "./event_stream.ts";
import { DatabaseOutage, FloodLimit, UserBlock } from "./failures.ts";
import { HttpError } from "./origin_check.ts";
import { SimulatedUsers } from "./simulated_users.ts";
import { TablePoller } from "./table_poller.ts";
import { VisitorChat } from "./visitor_chat.ts";
import type { PageBackend } from "./web_server.ts";

/** The state that the page shows. The table, the chat and the log have events of their own. */
interface State {
  /** Identifies this playground: a later one may have the same address. */
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
  /** How often a chat got a signal twice. */
  readonly duplicates: number;
}

const publishEveryMs = 150;
const maxTextLength = 4096;

export class Playground implements PageBackend, AsyncDisposable {
  readonly #environment: Environment;
  readonly #events = new EventStream();
  readonly #visitor: VisitorChat;
  readonly #users: SimulatedUsers;
  readonly #deliveryMonitor: DeliveryMonitor;
  readonly #table: TablePoller;
  readonly #log: BotLog;
  readonly #bot: BotProcess;
  readonly #failures: {
    readonly block: UserBlock;
    readonly outage: DatabaseOutage;
    readonly flood: FloodLimit;
  };
  readonly #autoplay: Autoplay;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #startedAt = Date.now();
  #published = "";

  /** `everySeconds` from one signal by itself to the next; 0: nothing happens by itself. */
  static async open(environment: Environment, everySeconds: number): Promise<Playground> {
    const users = await SimulatedUsers.create(environment.telegram, environment.database);
    return new Playground(environment, users, everySeconds);
  }

  private constructor(environment: Environment, users: SimulatedUsers, everySeconds: number) {
    const { telegram, database, gate, folder, settings } = environment;
    this.#environment = environment;
    this.#users = users;
    this.#log = new BotLog(telegram.token, (line) => this.#events.send("log", line));
    this.#visitor = new VisitorChat(telegram, (entry) => this.#events.send("message", entry));
    const chats = [this.#visitor.user, ...users.users];
    this.#deliveryMonitor = new DeliveryMonitor(chats);
    this.#table = new TablePoller({
      database,
      gate,
      onChange: (items) => this.#events.send("items", items),
    });
    this.#failures = {
      block: new UserBlock(this.#visitor.user),
      outage: new DatabaseOutage(gate),
      flood: new FloodLimit(telegram, chats),
    };
    this.#bot = new BotProcess({
      settings,
      stateFile: join(folder, "sent.jsonl"),
      onLine: (text, isWarning) => this.#log.add(text, isWarning ? "warning" : "bot"),
    });
    this.#autoplay = new Autoplay({
      everySeconds,
      hasPages: () => this.#events.hasPages,
      writeMessage: () => users.writeMessage(),
      sendSignal: () => this.#sendSignal(),
    });
    this.#timer = setInterval(() => this.#publishState(), publishEveryMs);
    this.#bot.start();
  }

  openEvents(response: ServerResponse): void {
    const isOpen = this.#events.open(response, [
      ["state", this.#state()],
      ["items", this.#table.items],
      ...this.#log.lines.map((line) => ["log", line] as const),
      ...this.#visitor.entries.map((entry) => ["message", entry] as const),
    ]);
    if (!isOpen) throw new HttpError(503, "Too many pages are open. Close one of them.");
  }

  photo(id: string): Uint8Array | undefined {
    return this.#environment.telegram.file(id);
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
        throw new HttpError(404, `There is no action "${name}".`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#autoplay.close();
    this.#events.close();
    this.#failures.outage.isOn = false;
    this.#failures.flood.isOn = false;
    await this.#bot.stop();
    this.#table.close();
  }

  #say(text: unknown): void {
    if (typeof text !== "string" || text.trim() === "" || [...text].length > maxTextLength) {
      throw new HttpError(400, `"text" must have 1 to ${maxTextLength} characters.`);
    }
    if (this.#failures.block.isOn) {
      throw new HttpError(409, "You have blocked the bot. Unblock it to write to it.");
    }
    this.#visitor.say(text.trim());
    if (/^\/start\b/.test(text.trim())) this.#autoplay.start();
  }

  #sendSignal(): void {
    if (this.#bot.status !== "running" || this.#bot.isSending) return;
    this.#users.changeBlockers();
    this.#bot.requestSignal();
  }

  #set(name: "block" | "flood" | "outage", isOn: boolean): void {
    if (this.#failures[name].isOn === isOn) return;
    this.#failures[name].isOn = isOn;
    this.#log.add(notes[name][isOn ? 0 : 1], "you");
    this.#publishState();
  }

  async #setKilled(isKilled: boolean): Promise<void> {
    if (this.#bot.isAlive !== isKilled) return;
    this.#log.add(notes.kill[isKilled ? 0 : 1], "you");
    if (isKilled) await this.#bot.kill();
    else this.#bot.start();
    this.#publishState();
  }

  #state(): State {
    const { telegram } = this.#environment;
    return {
      startedAt: this.#startedAt,
      bot: this.#bot.status,
      pid: this.#bot.pid,
      botName: telegram.bot.username,
      visitorId: this.#visitor.user.chatId,
      isSending: this.#bot.isSending,
      isBlocked: this.#failures.block.isOn,
      isDatabaseDown: this.#failures.outage.isOn,
      isFlooded: this.#failures.flood.isOn,
      waiting: telegram.pendingUpdates,
      delivery: this.#deliveryMonitor.latest,
      duplicates: this.#deliveryMonitor.duplicates,
    };
  }

  #publishState(): void {
    const state = this.#state();
    const text = JSON.stringify(state);
    if (text === this.#published) return;
    this.#published = text;
    this.#events.send("state", state);
  }
}

/** What the log says of an action, and of its end. */
const notes = {
  block: ["You block the bot.", "You take the bot back."],
  outage: ["DynamoDB can no longer be reached.", "DynamoDB can be reached again."],
  flood: ["Telegram limits the rate from now on.", "Telegram limits the rate no longer."],
  kill: ["You kill the bot (kill -9).", "You start the bot again."],
} as const;

function isOn(value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new HttpError(400, '"on" must be true or false.');
}
