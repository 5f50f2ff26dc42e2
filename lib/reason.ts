/** The words of whatever was thrown: somebody else's code may throw what has none, or does not even turn into a text. */
export function reasonOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message) : String(error);
  } catch {
    return "something was thrown that cannot be shown";
  }
}
