/**
 * Which chats' updates may have overtaken each other. On their way to a webhook Telegram keeps the order of a chat's messages,
 * but not that of its messages and its blocks, nor that of a group's messages and its supergroup's. Polls keep all order; but a
 * broadcast may meet a group's move before its update, and even before messages of the group.
 */
import type { Difference } from "../crash/model.ts";
import type { SimulatedUsers } from "../crash/simulated_users.ts";

export class Overtakings {
  /** Groups that have moved, and their supergroups. */
  readonly #moved = new Set<number>();
  /** Supergroups whose groups have said /stop: it holds in both, also where it arrives after the supergroup's /start. */
  readonly #stoppedBefore = new Set<number>();
  /** Chats that have ever said /stop. */
  readonly #stopped = new Set<number>();
  /**
   * Chats that have blocked the bot while a /start was under way that comes after a /stop: it counts, as of a stopped chat the
   * table does not say whether the bot is blocked. The next signal finds that out.
   */
  readonly #restarted = new Set<number>();
  /** The last message of each chat that is in the table. */
  readonly #written = new Map<number, number>();

  constructor({ model, commands }: SimulatedUsers) {
    const [applyMessage, applyBlock, applyMove] = [
      model.message.bind(model),
      model.blocked.bind(model),
      model.migrated.bind(model),
    ];
    model.message = (said, command) => {
      if (command === "stop") this.#stopped.add(said.chatId);
      applyMessage(said, command);
    };
    model.blocked = (said) => {
      const { command, updateId = 0 } = commands.get(said.chatId) ?? {};
      const isUnderWay = command === "start" && updateId > (this.#written.get(said.chatId) ?? 0);
      if (isUnderWay && this.#stopped.has(said.chatId)) this.#restarted.add(said.chatId);
      applyBlock(said);
    };
    model.migrated = (from, to) => {
      this.#moved.add(from).add(to);
      if (this.#stopped.has(from)) this.#stoppedBefore.add(to);
      applyMove(from, to);
    };
  }

  /** The table has the chat's message. */
  written(chatId: number, updateId: number): void {
    this.#written.set(chatId, updateId);
  }

  /** Whether the supergroup may be stopped by its group's /stop, though it has said /start itself. */
  holdsStop(chatId: number): boolean {
    return this.#stoppedBefore.has(chatId);
  }

  /**
   * Whether the difference is one that the order of updates accounts for: of a group that has moved never that it is
   * subscribed where it is not to be, and never a count too many. A message of a group that arrives after the move is counted in the group alone.
   */
  explain({ chatId, attribute, expected, actual }: Difference): boolean {
    const isStanding = ["is_active", "removed_reason", "removed_at"].includes(attribute);
    if (this.#restarted.has(chatId) && isStanding) return true;
    if (this.#stoppedBefore.has(chatId) && (actual === false || actual === "stopped")) return true;
    if (!this.#moved.has(chatId) || attribute === "(item)") return false;
    if (attribute === "message_count") return (actual as number) <= (expected as number);
    return !["is_active", "removed_reason", "migrated_to"].includes(attribute);
  }
}
