/**
 * Which chats' updates may have overtaken each other. On their way to a webhook Telegram keeps the order of a chat's messages,
 * but not that of its messages and its blocks, nor that of a group's messages and its supergroup's. Polls keep all order; but a
 * broadcast may meet a group's move before its update, and even before messages of the group.
 */
import type { Difference } from "../crash/model.ts";
import type { SimulatedUsers } from "../crash/simulated_users.ts";

export class Overtakings {
  readonly #users: SimulatedUsers;
  readonly #chats = new Set<number>();
  /** Supergroups that have said /stop before the table had them: that ends no subscription which their group has. */
  readonly #stoppedUnknown = new Set<number>();
  /** The last message of each chat that is in the table. */
  readonly #written = new Map<number, number>();

  constructor(users: SimulatedUsers) {
    this.#users = users;
    const { model } = users;
    const [applyMessage, applyBlock, applyMove] = [
      model.message.bind(model),
      model.blocked.bind(model),
      model.migrated.bind(model),
    ];
    model.message = (said, command) => {
      const { chatId } = said;
      const isUnknown = this.#chats.has(chatId) && !this.#written.has(chatId);
      if (command === "stop" && isUnknown) this.#stoppedUnknown.add(chatId);
      applyMessage(said, command);
    };
    model.blocked = (said) => {
      const { last_update_id } = model.entries.get(said.chatId) ?? {};
      // The bot may hear of the block first, and of a chat that it does not know.
      if (last_update_id !== this.#written.get(said.chatId)) this.#chats.add(said.chatId);
      applyBlock(said);
    };
    model.migrated = (from, to) => {
      this.#chats.add(from).add(to);
      applyMove(from, to);
    };
  }

  /** The table has the chat's message. */
  written(chatId: number, updateId: number): void {
    this.#written.set(chatId, updateId);
  }

  /** Whether the difference is one that the order of updates accounts for: never a count too many. */
  explain({ chatId, attribute, expected, actual }: Difference): boolean {
    if (!this.#chats.has(chatId) || attribute === "(item)") return false;
    if (attribute === "message_count") return (actual as number) <= (expected as number);
    const isBlocked = this.#users.model.entries.get(chatId)?.removed_reason === "blocked";
    return isBlocked || this.#stoppedUnknown.has(chatId) ||
      !["is_active", "removed_reason", "migrated_to"].includes(attribute);
  }
}
