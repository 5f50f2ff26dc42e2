/** What a storage that is shared tells of /stops that other processes have kept. */
export interface StopLog {
  /** How many /stops were told so far. It only grows; one may be counted twice. */
  readonly count: number;
  /** The count at which `chats` was emptied last: who has read on from an earlier one has missed some. */
  readonly since: number;
  /** The chats of the /stops since then. One of them may have said /start again: only a look at the chat tells. */
  readonly chats: ReadonlySet<number>;
}
