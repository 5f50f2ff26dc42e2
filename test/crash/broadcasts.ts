/** Nobody whose /stop was durable when a broadcast began may get it. */
import type { BotProcess } from "./child.ts";
import type { Scene } from "./scene.ts";

export class Broadcasts {
  /** Messages that arrived. */
  arrived = 0;
  /** Chats that were to be left in peace, over all broadcasts. */
  silences = 0;
  readonly violations: string[] = [];
  readonly #scene: Scene;
  /** For each broadcast, whom it must not reach, and the update that said so. */
  readonly #silent = new Map<string, ReadonlyMap<number, number>>();
  #count = 0;

  constructor(scene: Scene) {
    this.#scene = scene;
    scene.town.onChat((chat) => {
      chat.onMessage(({ text = "" }) => {
        const [, name] = /^Signal (\S+)/.exec(text) ?? [];
        if (name !== undefined) this.#arrive(chat.chatId, name);
      });
    });
  }

  /**
   * Has the bot send one, unless it has yet to hear of a move: a broadcast would meet that first, and the supergroup
   * would take over what its group had said by then. Nor does anybody move until it is through or dead.
   */
  async order(bot: BotProcess): Promise<void> {
    const { town, server } = this.#scene;
    if (town.updates - server.pendingUpdates < town.updatesAtLastMove) return;
    const name = `b${++this.#count}`;
    const silent = await this.#stopped();
    this.#silent.set(name, silent);
    this.silences += silent.size;
    town.mayMigrate = false;
    bot.tell(`broadcast ${name}`);
    bot.printed(`SENT ${name}`).then(() => town.mayMigrate = true, () => {});
  }

  /** Who is stopped in the table, with no word under way, and the update in which they said it. */
  async #stopped(): Promise<ReadonlyMap<number, number>> {
    const stopped = new Map<number, number>();
    for (const [chatId, { removed_reason, last_update_id }] of await this.#scene.items()) {
      const { word, updateId } = this.#scene.town.words.get(chatId) ?? {};
      if (word !== "stop" || updateId === undefined) continue;
      if (removed_reason === "stopped" && Number(last_update_id) >= updateId) stopped.set(chatId, updateId);
    }
    return stopped;
  }

  /** One that has said something since may have said /start, and then /stop again. */
  #arrive(chatId: number, name: string): void {
    this.arrived++;
    const stop = this.#silent.get(name)?.get(chatId);
    if (stop === undefined || this.#scene.town.words.get(chatId)?.updateId !== stop) return;
    this.violations.push(`chat ${chatId} had said /stop, and got the broadcast ${name}`);
  }
}
