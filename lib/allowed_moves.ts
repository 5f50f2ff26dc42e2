/** Groups that the bot's owner allows by their ids go on being allowed as the supergroups that they have become. */
import { Attempt } from "./attempt.ts";
import type { Chat } from "./chat.ts";

export interface AllowedMovesOptions {
  readonly allowedUsers: readonly number[] | undefined;
  readonly getChat: (chatId: number) => Promise<Chat | undefined>;
  /** Called with each move, also of a supergroup that has moved once more. */
  readonly moved: (from: number, to: number) => void;
}

/** A group moves once in its life; more than a few moves in a row are a circle. */
const movesAtMost = 4;

/**
 * Gives what reads the moves from the table, where the old group's item keeps them: it does so once, and again where that
 * has failed.
 */
export function createMoveReader(
  { allowedUsers = [], getChat, moved }: AllowedMovesOptions,
): () => Promise<void> {
  const follow = async (group: number): Promise<void> => {
    let from = group;
    for (let moves = 0; moves < movesAtMost; moves++) {
      const to = (await getChat(from))?.migrated_to;
      if (to === undefined) return;
      moved(from, to);
      from = to;
    }
  };
  const reading = new Attempt(async () => {
    for (const chatId of allowedUsers) if (chatId < 0) await follow(chatId);
  });
  return () => reading.run();
}
