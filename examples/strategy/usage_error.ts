/** A mistake of the person at the keyboard: an argument, or a file that was named. Its message is one line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
