/**
 * Which groups' updates may have overtaken each other. On their way to a webhook Telegram keeps the order of a chat's messages,
 * but not that of a group's messages and its supergroup's. Polls keep all order; but a broadcast may meet a group's move before
 * its update, and even before messages of the group.
 */
import type { Difference } from "../crash/model.ts";
import type { SimulatedUsers } from "../crash/simulated_users.ts";

export class Overtakings {
  /** Groups that have moved, and their supergroups. */
  readonly #moved = new Set<number>();

  constructor({ model }: SimulatedUsers) {
    const applyMove = model.migrated.bind(model);
    model.migrated = (from, to) => {
      this.#moved.add(from).add(to);
      applyMove(from, to);
    };
  }

  /**
   * Whether the difference is one that the order of updates accounts for: never in whether a chat is subscribed, and never a
   * count too many. A message of a group that arrives after the move is counted in the group alone.
   */
  explain({ chatId, attribute, expected, actual }: Difference): boolean {
    if (!this.#moved.has(chatId) || attribute === "(item)") return false;
    if (attribute === "message_count") return (actual as number) <= (expected as number);
    return !["is_active", "removed_reason", "migrated_to"].includes(attribute);
  }
}
