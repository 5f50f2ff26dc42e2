/** The error that ends a bot on Telegram's side, with its fix in the message. */
import { proxyHint } from "../util/http/proxy.ts";
import { hasName, rootCauseOf } from "../util/errors.ts";
import { safeOptions, safeText } from "../util/safe_text.ts";

/** The token is refused, or Telegram is out of reach. */
export class TelegramError extends Error {
  /** By the name, as two copies of this class may be loaded: the package's and a subpath's. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasName(value, "TelegramError");
  }

  /** For telling it from other errors where two copies of this package are loaded. */
  override readonly name = "TelegramError";
  /** Why, in a word. */
  readonly reason: "token" | "unreachable";

  /** @ignore Thrown by the bot. */
  constructor(reason: TelegramError["reason"], message: string, options?: ErrorOptions) {
    super(safeText(message), safeOptions(options));
    this.reason = reason;
  }
}

/** Whether Telegram does not take the token: 401, or 404 where it could not even be one. */
export function isTokenRefused(error: unknown): boolean {
  const { error_code } = (error ?? {}) as { error_code?: number };
  return error_code === 401 || error_code === 404;
}

export function tokenRefused(cause: unknown): TelegramError {
  return new TelegramError(
    "token",
    "Telegram refused the bot's token. Check TELEGRAM_BOT_TOKEN (botToken) against what @BotFather shows; " +
      "a token that was revoked stays refused.",
    { cause },
  );
}

export function unreachable(cause: unknown, apiRoot = "https://api.telegram.org"): TelegramError {
  const reason = rootCauseOf(cause);
  const hasAnswered = typeof (cause as { error_code?: unknown } | undefined)?.error_code === "number";
  const message = hasAnswered
    ? `Telegram is there at ${apiRoot}, but does not serve the bot (${reason}). Try again in a while; check `
    : `Telegram cannot be reached at ${apiRoot} (${reason}). Check the network, ${proxyHint()}and `;
  return new TelegramError("unreachable", `${message}TELEGRAM_API_ROOT if it is set.`, { cause });
}
