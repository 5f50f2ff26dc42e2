/** Checks that a broadcast reaches no chat whose /stop was stored when it began. */
import type { BotProcess } from "./bot_process.ts";
import type { World } from "./world.ts";

export class StopCheck {
  /** Messages that arrived. */
  arrived = 0;
  /** Chats that must not be reached, over all broadcasts. */
  excluded = 0;
  readonly violations: string[] = [];
  readonly #world: World;
  /** For each broadcast, the chats that it must not reach, and the update of each one's /stop. */
  readonly #stops = new Map<string, ReadonlyMap<number, number>>();
  #count = 0;

  constructor(world: World) {
    this.#world = world;
    world.users.onChat((chat) => {
      chat.onMessage(({ text = "" }) => {
        const [, name] = /^Signal (\S+)/.exec(text) ?? [];
        if (name !== undefined) this.#arrive(chat.chatId, name);
      });
    });
  }

  /**
   * Has the bot send a broadcast, unless it has yet to receive a migration: a broadcast would learn of that first, and the
   * supergroup would take over its group's state of that moment. No group migrates until the broadcast has ended.
   */
  async broadcast(bot: BotProcess): Promise<void> {
    const { users, server } = this.#world;
    if (users.updates - server.pendingUpdates < users.updatesAtLastMigration) return;
    const name = `b${++this.#count}`;
    const stops = await this.#storedStops();
    this.#stops.set(name, stops);
    this.excluded += stops.size;
    users.mayMigrate = false;
    bot.ask(`signal ${name}`, 30_000).then(() => users.mayMigrate = true, () => {});
  }

  /** The chats that are stopped in the table by their latest command, and its update. */
  async #storedStops(): Promise<ReadonlyMap<number, number>> {
    const stops = new Map<number, number>();
    for (const [chatId, { removed_reason, last_update_id }] of await this.#world.items()) {
      const { command, updateId } = this.#world.users.commands.get(chatId) ?? {};
      if (command !== "stop" || updateId === undefined) continue;
      if (removed_reason === "stopped" && Number(last_update_id) >= updateId) stops.set(chatId, updateId);
    }
    return stops;
  }

  /** A chat with a newer command may have said /start, and then /stop again. */
  #arrive(chatId: number, name: string): void {
    this.arrived++;
    const stop = this.#stops.get(name)?.get(chatId);
    if (stop === undefined || this.#world.users.commands.get(chatId)?.updateId !== stop) return;
    this.violations.push(`chat ${chatId} had said /stop, and got the broadcast ${name}`);
  }
}
