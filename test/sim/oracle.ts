/** What must hold of a history, whatever befell the bots. It watches from outside, and shares no code with the bots. */
import { describe, type Entry } from "../crash/model.ts";
import type { SimulatedUsers } from "../crash/simulated_users.ts";
import type { WatchedBroadcast } from "./broadcast_oracle.ts";
import type { Item } from "./dynamodb/dynamodb.ts";
import type { Network, Sending } from "./network.ts";
import { Overtakings } from "./overtakings.ts";
import type { LogLine } from "./bot_machine.ts";
import { addressOf } from "./endpoints.ts";
import { LedgerName, TableName } from "./plan.ts";
import type { ArrivedMessage } from "./telegram.ts";
import { type Machine, type Scheduler, timeOf } from "./scheduler.ts";
import { SendRates } from "./send_rates.ts";
import { tableDifferences } from "./table_differences.ts";
import { Troubles } from "./troubles.ts";

/** The last /stop of a chat. */
interface Stop {
  readonly saidAt: number;
  readonly updateId: number;
  /** Whether no answer to an earlier command can be taken for this one's. */
  readonly isFirst: boolean;
  /** Whether the chat has sent no command before. */
  readonly isAlone: boolean;
  /** When the chat was told that it holds, and by which machine. */
  confirmedAt: number | undefined;
  by: Machine | undefined;
  /** Whether it was told so while the list could not be written. */
  isForNow: boolean;
  /** When the table had it. */
  writtenAt: number | undefined;
}

/** A reply that says whether a chat is subscribed. */
interface Statement {
  readonly sentAt: number;
  readonly isSubscribed: boolean;
  readonly text: string;
}

interface OracleOptions {
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly users: SimulatedUsers;
  readonly messagesPerSecond: number;
  /** Whether machines keep their write queue on disk. */
  readonly hasSpool: boolean;
  /** Whether the bots may learn of updates in another order: by a webhook, or of a move by a broadcast. Default: false. */
  readonly mayOvertake?: boolean;
}

/** Without a spool a broadcast waits for its process's first poll: so long at most. */
const caughtUpWithinMs = 5000;
/** A command that long after another one of its chat is answered by itself. */
const answeredWithinMs = 60_000;

export class Oracle {
  readonly broadcasts: Map<string, WatchedBroadcast> = new Map();
  readonly problems: string[] = [];
  /**
   * Chats that the model does not know any more: groups of which Telegram did not say who their administrators are, as the
   * bot says so, and changes nothing; and chats whose updates a dead poller has left behind another one.
   */
  readonly undecided: Set<number> = new Set();
  /** Counts for the summary. */
  readonly counts = { signals: 0, replies: 0, confirmedStops: 0 };
  readonly #options: OracleOptions;
  readonly #stops = new Map<number, Stop>();
  /** Chats that have ever said /stop. */
  readonly #haveStopped = new Set<number>();
  /** The last /start or /stop of each chat. */
  readonly #commands = new Map<number, { readonly at: number; readonly updateId: number }>();
  readonly #statements = new Map<number, Statement[]>();
  readonly #replyUnderWay = new Map<string, Sending>();
  readonly #rates: SendRates;
  readonly #troubles: Troubles;
  readonly #overtakings: Overtakings | undefined;
  /** When a poll of each machine was answered first. */
  readonly #polledAt = new Map<Machine, number>();
  /** When the first request of each machine has left. */
  readonly #bornAt = new Map<Machine, number>();
  /** When others have deactivated each chat. */
  readonly #deactivatedAt = new Map<number, number>();
  /** When a reply to each chat has left last. */
  readonly #repliedAt = new Map<number, number>();
  /** Whether Telegram has ever limited the bot, and not only a chat. */
  isBotLimited = false;

  constructor(options: OracleOptions) {
    this.#options = options;
    const { network, users, users: { model }, mayOvertake = false } = options;
    this.#overtakings = mayOvertake ? new Overtakings(users) : undefined;
    this.#rates = new SendRates(options.messagesPerSecond);
    this.#troubles = new Troubles(options.scheduler);
    network.onSend = (sending) => this.#onSend(sending);
    network.onAnswer = ({ machine, what }, status) => {
      const isPolled = status === 200 && what.startsWith("getUpdates");
      if (isPolled && !this.#polledAt.has(machine)) this.#polledAt.set(machine, options.scheduler.now);
    };
    network.onEnd = (sending) => this.#onEnd(sending);
    const applyMove = model.migrated.bind(model);
    model.migrated = (from, to) => {
      for (const broadcast of this.broadcasts.values()) broadcast.moved(from, to);
      applyMove(from, to);
      options.scheduler.trace(`! ${from} becomes ${to}`);
    };
    const applyMessage = model.message.bind(model);
    model.message = (said, command) => {
      const isKnown = model.entries.has(said.chatId);
      applyMessage(said, command);
      options.scheduler.trace(`! ${said.chatId} says ${command ?? "something"} ${said.updateId}`);
      if (command === "stop") this.#haveStopped.add(said.chatId);
      // A chat that is not known has nothing to stop; it is answered.
      if (command === "start" || (command === "stop" && isKnown)) {
        this.#onCommand(said.chatId, command, said.updateId);
      } else if (command === "stop") {
        this.#commands.set(said.chatId, { at: options.scheduler.now, updateId: said.updateId });
      }
    };
  }

  begin(broadcast: WatchedBroadcast): void {
    this.broadcasts.set(broadcast.id, broadcast);
  }

  // What people do.

  #onCommand(chatId: number, command: "start" | "stop", updateId: number): void {
    const { now } = this.#options.scheduler;
    this.#deactivatedAt.delete(chatId);
    if (command === "start") this.#stops.delete(chatId);
    else {
      this.#leave(chatId);
      if (!this.#stops.has(chatId)) {
        const last = this.#commands.get(chatId);
        const isOver = last === undefined || last.updateId < this.#options.users.firstPending();
        const isFirst = isOver && now - (last?.at ?? -Infinity) > answeredWithinMs;
        const open = { confirmedAt: undefined, by: undefined, isForNow: false, writtenAt: undefined };
        const isAlone = last === undefined;
        this.#stops.set(chatId, { saidAt: now, updateId, isFirst, isAlone, ...open });
      }
    }
    this.#commands.set(chatId, { at: now, updateId });
  }

  /** Broadcasts under way may leave the chat out. */
  #leave(chatId: number): void {
    for (const { eligible, isOver } of this.broadcasts.values()) if (!isOver) eligible.delete(chatId);
  }

  /** Another program, or somebody in the console, has changed a chat; its last command does not count any more. */
  onOthersWrite(chatId: number, isActive: boolean): void {
    this.#leave(chatId);
    this.#stops.delete(chatId);
    this.#statements.delete(chatId);
    if (isActive) this.#deactivatedAt.delete(chatId);
    else this.#deactivatedAt.set(chatId, this.#options.scheduler.now);
  }

  // What the bots log and send.

  readonly onLog = ({ message }: LogLine): void => {
    const group = /^Telegram did not say who the administrators of (-\d+) are/.exec(message)?.[1];
    if (group !== undefined) this.undecided.add(Number(group));
    // A /stop that waits to be written holds where the table cannot say whether it is an old one.
    if (message.startsWith("The table of chats cannot be read")) {
      for (const chatId of this.#haveStopped) this.#leave(chatId);
    }
  };

  #onSend(sending: Sending): void {
    const { what, fate, machine, sentAt } = sending;
    this.#troubles.sent(sending);
    this.#rates.requested(sending);
    if (!this.#bornAt.has(machine)) this.#bornAt.set(machine, sentAt);
    if (sending.service === "telegram" && fate === "throttled") this.isBotLimited = true;
    const { chat, id } = addressOf(what);
    if (chat === undefined) return;
    const tooMany = this.#rates.tooMany(sending);
    if (tooMany !== undefined) this.#wrong(`RATE ${machine.name} sends ${tooMany} messages within a second`);
    if (id !== undefined) return this.broadcasts.get(id)?.sent(chat, sending);
    this.#repliedAt.set(chat, sending.sentAt);
    const key = `${sending.machine.name} ${chat}`;
    const other = this.#replyUnderWay.get(key);
    if (other !== undefined) {
      const { number, machine } = sending;
      this.#wrong(
        `ORDER ${machine.name} answers chat ${chat} by #${number} while #${other.number} is under way`,
      );
    }
    this.#replyUnderWay.set(key, sending);
  }

  #onEnd(sending: Sending): void {
    const { what, machine } = sending;
    this.#troubles.ended(sending);
    const { chat } = addressOf(what);
    const key = `${machine.name} ${chat}`;
    if (this.#replyUnderWay.get(key) === sending) this.#replyUnderWay.delete(key);
  }

  onMessage({ chatId, message, request }: ArrivedMessage): void {
    const sending = this.#options.network.sendingOf(request) as Sending;
    const { text = message.caption ?? "" } = message;
    const [, id, part] = /^Broadcast (\S+), (\d+)/.exec(text) ?? [];
    if (id === undefined) return this.#onReply(chatId, text, sending);
    this.counts.signals++;
    const broadcast = this.broadcasts.get(id);
    if (broadcast === undefined) {
      return this.#wrong(`BROADCAST ${id}: nobody has sent it, but chat ${chatId} has it`);
    }
    broadcast.arrived(chatId, Number(part) - 1, sending);
    this.#checkSilence(chatId, broadcast, sending);
  }

  /** Nobody is written to after a confirmed /stop. */
  #checkSilence(
    chatId: number,
    { id, begunAt, mayUseMemory }: WatchedBroadcast,
    { machine, sentAt, number }: Sending,
  ): void {
    const deactivatedAt = this.#deactivatedAt.get(chatId) ?? Infinity;
    if (begunAt > deactivatedAt && !this.#troubles.isTroubled(machine)) {
      this.#wrong(`SILENCE broadcast ${id} came to chat ${chatId}, which others had deactivated before`);
    }
    const stop = this.#stops.get(chatId);
    if (stop?.confirmedAt === undefined || sentAt <= stop.confirmedAt || this.undecided.has(chatId)) return;
    const what =
      `broadcast ${id}, #${number} by ${machine.name}, sent at ${timeOf(sentAt)}, came to chat ${chatId}, ` +
      `which was told at ${timeOf(stop.confirmedAt)} by ${stop.by?.name} that its /stop holds` +
      `${stop.isForNow ? " (for now)" : ""}`;
    if (stop.by === machine) return this.#wrong(`SILENCE ${what}`);
    // Another instance learns of it by the table, as long as that answers and the clocks are about right.
    const knowsTable = !this.#troubles.isTroubled(machine) && hasRightClock(machine);
    const hasReadList = !mayUseMemory || knowsTable;
    if (stop.writtenAt !== undefined && begunAt > stop.writtenAt && hasReadList) {
      return this.#wrong(`SILENCE of a broadcast that began later: ${what}`);
    }
    if (!stop.isForNow && knowsTable && stop.by !== undefined && hasRightClock(stop.by)) {
      return this.#wrong(`SILENCE by another instance: ${what}`);
    }
    const isSuccessor = stop.by?.isDead && stop.by.name.split(".")[0] === machine.name.split(".")[0];
    // Without a spool a process learns of it by its first poll, for which it waits.
    const hasPolled = (this.#polledAt.get(machine) ?? Infinity) < sentAt;
    const isEarly = sentAt < (this.#bornAt.get(machine) ?? -Infinity) + caughtUpWithinMs;
    const mayKnow = this.#options.hasSpool || hasPolled || isEarly;
    if (isSuccessor && stop.isForNow && mayKnow) this.#wrong(`SILENCE after a restart: ${what}`);
  }

  #onReply(chatId: number, text: string, { sentAt, machine }: Sending): void {
    this.counts.replies++;
    const saysOut = /^(You are unsubscribed|This chat is not subscribed\. \/start)/.test(text);
    const saysIn = /^(Welcome|You are subscribed)/.test(text);
    const stop = this.#stops.get(chatId);
    const isForNow = text.includes("cannot reach my list");
    const isAnswer = stop?.isAlone && text.startsWith("You are unsubscribed") && sentAt >= stop.saidAt;
    // A group may have said so under its former id.
    if (isAnswer && !isForNow && stop.writtenAt === undefined && chatId > 0) {
      this.#wrong(`PROMISE chat ${chatId} was told that its /stop holds, before it was written`);
    }
    if (saysOut && stop !== undefined && stop.confirmedAt === undefined && sentAt >= stop.saidAt) {
      const isItsAnswer = stop.isFirst || (stop.writtenAt !== undefined && sentAt >= stop.writtenAt);
      if (isItsAnswer) {
        stop.confirmedAt = this.#options.scheduler.now;
        stop.by = machine;
        stop.isForNow = isForNow;
        this.counts.confirmedStops++;
      }
    }
    if (!saysIn && !saysOut) return;
    const statements = this.#statements.get(chatId) ?? [];
    this.#statements.set(chatId, statements);
    statements.push({ sentAt, isSubscribed: saysIn, text: text.slice(0, 40) });
  }

  // What the tables hold.

  onWrite(table: string, before: Item | undefined, after: Item | undefined): void {
    if (after === undefined) return;
    if (table === TableName) this.#onChatWrite(before, after);
    if (table !== LedgerName || after["record"]?.S !== "run") return;
    const id = after["broadcast_id"]?.S ?? "";
    const texts = [
      "state",
      "fence",
      "lease_until",
      "window_after",
      "cursor",
      "window_size",
      "sent",
      "unknown",
    ]
      .map((name) => `${name} ${Object.values(after[name] ?? {})[0]}`);
    this.#options.scheduler.trace(`= run ${id} ${texts.join(" ")}`);
    const broadcast = this.broadcasts.get(id);
    if (broadcast === undefined) return this.#wrong(`LEDGER has a run ${id} that nobody began`);
    this.#checkLease(broadcast, before, after);
    broadcast.written(before, after, this.#options.users.model.entries.keys());
  }

  /** Nobody takes a run over from a process that lives, and can write to the ledger. */
  #checkLease(broadcast: WatchedBroadcast, before: Item | undefined, after: Item): void {
    const writer = this.#options.network.latest?.machine;
    const { id, sender } = broadcast;
    broadcast.sender = writer ?? sender;
    const isTakenOver = before !== undefined && before["fence"]?.N !== after["fence"]?.N;
    if (!isTakenOver || before["lease_until"]?.N === "0" || sender === undefined || sender === writer) return;
    if (sender.isDead || this.#troubles.isTroubled(sender)) return;
    this.#wrong(`LEASE ${writer?.name} takes over ${id}, which ${sender.name} is sending`);
  }

  #onChatWrite(before: Item | undefined, after: Item): void {
    const chatId = Number(after["chat_id"]?.N);
    const { is_active, message_count, last_update_id, removed_reason } = after;
    const state = is_active?.BOOL ? "active" : removed_reason?.S ?? "inactive";
    this.#options.scheduler.trace(`= ${chatId} ${state} ${message_count?.N} ${last_update_id?.N}`);
    this.#overtakings?.written(chatId, Number(last_update_id?.N));
    const stop = this.#stops.get(chatId);
    if (stop && is_active?.BOOL === false && Number(last_update_id?.N ?? 0) >= stop.updateId) {
      stop.writtenAt ??= this.#options.scheduler.now;
    }
    if (!is_active?.BOOL && this.#overtakings?.holdsStop(chatId)) this.#leave(chatId);
    const [was, is] = [before?.["message_count"]?.N ?? "0", message_count?.N ?? "0"];
    if (Number(is) < Number(was)) this.#wrong(`COUNT of chat ${chatId} fell from ${was} to ${is}`);
  }

  /** Where the table is not what it has to be; empty where it is. */
  differences(
    items: Iterable<Item>,
    { isWithoutGroups = false }: { readonly isWithoutGroups?: boolean } = {},
  ): string {
    const { entries } = this.#options.users.model;
    // A supergroup inherits its group's state, and is asked for the administrators in its group's place.
    for (const [from, { migrated_to: to = from }] of entries) {
      if (this.undecided.has(from) || this.undecided.has(to)) this.undecided.add(from).add(to);
    }
    const differences = tableDifferences(entries, items).filter((difference) => {
      const { chatId } = difference;
      const isKnown = !this.undecided.has(chatId) && !(isWithoutGroups && chatId < 0);
      return isKnown && !this.#overtakings?.explain(difference);
    });
    return describe(differences);
  }

  // The end.

  /**
   * Judges what can be judged when all is over. @param quietFrom When all was healed; then replies tell the truth.
   * @param isExcused Says of a chat that the bot has logged why it was not answered. Default: of none.
   */
  judge(quietFrom: number, isExcused: (chatId: number) => boolean = () => false): void {
    for (const broadcast of this.broadcasts.values()) {
      broadcast.judge();
      this.problems.push(...broadcast.problems.splice(0));
    }
    for (const [chatId, statements] of this.#statements) {
      const entry = this.#options.users.model.entries.get(chatId);
      const last = statements.at(-1);
      const isToBeJudged = entry !== undefined && last !== undefined && chatId > 0 && !isExcused(chatId);
      if (isToBeJudged) this.#judgeReply(chatId, entry, last, quietFrom);
    }
  }

  /**
   * Whether each /start and /stop of a person was answered that was sent since the bot's present life began. `isExcused` says
   * of a chat that the bot has logged why it was not.
   */
  judgeAnswers(since: number, isExcused: (chatId: number) => boolean): void {
    for (const [chatId, { at }] of this.#commands) {
      if (chatId < 0 || at < since || (this.#repliedAt.get(chatId) ?? -Infinity) >= at) continue;
      if (!isExcused(chatId)) this.#wrong(`UNANSWERED command of chat ${chatId} at ${timeOf(at)}`);
    }
  }

  /** The last reply after the last command, in quiet times, says how it is. */
  #judgeReply(
    chatId: number,
    entry: Entry,
    { sentAt, isSubscribed, text }: Statement,
    quietFrom: number,
  ): void {
    const isBlocked = !entry.is_active && entry.removed_reason !== "stopped";
    if (isBlocked || !this.#options.users.commands.has(chatId) || sentAt < quietFrom) return;
    if (isSubscribed !== entry.is_active) {
      this.#wrong(
        `REPLY chat ${chatId} was told last "${text}", but is ${entry.is_active ? "" : "not "}subscribed`,
      );
    }
  }

  #wrong(problem: string): void {
    this.problems.push(`${timeOf(this.#options.scheduler.now)} ${problem}`);
    this.#options.scheduler.trace(`WRONG ${problem}`);
  }
}

/** lib's own limit: two clocks may differ by eight minutes. */
function hasRightClock({ skewMs }: Machine): boolean {
  return Math.abs(skewMs) < 4 * 60_000;
}
