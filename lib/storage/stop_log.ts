/** The log of /stops in a storage that several processes share. */
export interface StopLog {
  /** How many /stops were entered so far. It only grows; one may be counted twice. */
  readonly count: number;
  /** The count at which `chats` was emptied last: a reader who last saw a lower count has missed some. */
  readonly since: number;
  /** The chats of the /stops since then. One of them may have said /start again: only a look at the chat tells. */
  readonly chats: ReadonlySet<number>;
}
