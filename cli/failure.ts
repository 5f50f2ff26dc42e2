/** Why a program failed: the line, and the exit status. */

/** A mistake in the arguments or in the bot's settings, which a token that Telegram refuses is, too: exit status 2. */
export function isMistake(error: unknown): boolean {
  // By its name: the classes come from packages that may not be loaded yet.
  const { name, reason } = error as Error & { readonly reason?: unknown };
  return name === "UsageError" || name === "ConfigError" || (name === "TelegramError" && reason === "token");
}
