/** The person who has brought each group and channel in, as far as this process knows. */
import { BoundedMap } from "./bounded.ts";
import type { ChatState } from "./chat.ts";

/** What is known of a chat: it is about to be registered, it was, or it was not to be. */
type Standing = "expected" | "kept" | "refused";

interface Brought {
  readonly adderId: number;
  readonly standing: Standing;
}

/** Past this many chats, the oldest are left out of the count. */
const chatsAtMost = 200_000;

/** Counts the active groups and channels of each person who has brought some in. */
export class Adders {
  readonly #chats = new BoundedMap<number, Brought>(chatsAtMost);
  readonly #chatsOf = new BoundedMap<number, Set<number>>(chatsAtMost);

  /** The person who has brought the chat in last. */
  adderOf(chatId: number): number | undefined {
    return this.#chats.get(chatId)?.adderId;
  }

  /** The chat is about to be registered: until it is kept, it counts as if it were. */
  expect(chatId: number, adderId: number): void {
    this.#set(chatId, adderId, "expected");
  }

  /** The chat is not to be registered. Its adder is remembered, so that the next writer is not taken for the adder. */
  refuse(chatId: number, adderId: number): void {
    this.#set(chatId, adderId, "refused");
  }

  /** The storage has it as an active chat. */
  found(chatId: number, adderId: number): void {
    this.#set(chatId, adderId, "kept");
  }

  /** The chat as it is kept now. */
  kept(chatId: number, after: ChatState | undefined): void {
    if (after?.is_active && after.added_by !== undefined) return this.found(chatId, after.added_by);
    if (this.#chats.get(chatId)?.standing !== "refused") this.#chats.delete(chatId);
  }

  /** How many chats the person has brought in beside this one, of those that `counts` names and those to come. */
  countBeside(chatId: number, adderId: number, counts: (chatId: number) => boolean): number {
    const chats = this.#chatsOf.get(adderId) ?? new Set();
    for (const each of chats) if (!this.#isOf(each, adderId, counts)) chats.delete(each);
    return chats.size - (chats.has(chatId) ? 1 : 0);
  }

  #isOf(chatId: number, adderId: number, counts: (chatId: number) => boolean): boolean {
    const brought = this.#chats.get(chatId);
    if (brought?.adderId !== adderId || brought.standing === "refused") return false;
    return brought.standing === "expected" || counts(chatId);
  }

  #set(chatId: number, adderId: number, standing: Standing): void {
    this.#chats.set(chatId, { adderId, standing });
    if (standing === "refused") return;
    const chats = this.#chatsOf.get(adderId) ?? new Set();
    this.#chatsOf.set(adderId, chats.add(chatId));
  }
}
