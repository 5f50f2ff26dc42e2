/** The error of a storage of chats or of a ledger. */

/** Why DynamoDB could not be used; `failed` is what it will never do: the request or the item itself is wrong. */
export type StorageFailure =
  | "credentials"
  | "denied"
  | "region"
  | "table"
  | "clock"
  | "unreachable"
  | "throttled"
  | "unavailable"
  | "failed";

/** A read or a write that did not take place, or of which no answer came. `cause` is the SDK's own error. */
export class StorageError extends Error {
  /** For telling it from other errors where two copies of this package are loaded. */
  override readonly name = "StorageError";
  /** Why, in a word. */
  readonly reason: StorageFailure;

  /** For storages of your own: `message` says what happened and what to check. */
  constructor(reason: StorageFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
