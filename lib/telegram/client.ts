/**
 * The client of Telegram's Bot API: how grammY's calls reach Telegram, and what their errors say.
 *
 * The folder `telegram` holds what is true of the Bot API for any bot; it knows nothing of subscriptions, signals or tables.
 * Others may take from it: the client's options and transformers (this file), what became of a send (`outcome.ts`), the
 * rate limiter (`rate_limit/rate_limiter.ts`, with `SendRequest` and `SendPermit`), updates (`polling.ts`, `webhook.ts`),
 * the start (`startup.ts`), formatted texts (`text.ts`, `split.ts`), ids (`chat_id.ts`) and errors (`errors.ts`). All other
 * files are their parts.
 */
import type { Api, ApiClientOptions, Transformer } from "grammy/web";
import { rootCauseOf } from "../util/errors.ts";
import { unsentCode } from "../util/http/connections.ts";
import { createTransport } from "../util/http/transport.ts";
import { safeError, safeLine } from "../util/safe_text.ts";

/** Long enough for calls that wait behind a link that is down for a minute: others wait behind them meanwhile, too. */
const callWithinSeconds = 120;

/** The client options of a grammY bot that determine how its calls reach Telegram. */
export type ApiRoute = Pick<
  ApiClientOptions,
  "apiRoot" | "environment" | "buildUrl" | "fetch" | "baseFetchConfig"
>;

/** Options of a client that sends a call once, and rejects answers that are not in the Bot API's form. */
export function clientOptions({ fetch, ...route }: ApiRoute = {}): ApiClientOptions {
  const { apiRoot, environment, buildUrl, baseFetchConfig } = route;
  return {
    fetch: rejectNonApiAnswers(createTransport(fetch)),
    timeoutSeconds: callWithinSeconds,
    ...apiRoot && { apiRoot },
    ...environment && { environment },
    ...buildUrl && { buildUrl },
    ...baseFetchConfig && { baseFetchConfig },
  };
}

/** grammY types its signals as an older package's; at run time it takes the native one. */
export function asGrammySignal(signal: AbortSignal): Parameters<Api["getMe"]>[0] {
  return signal as Parameters<Api["getMe"]>[0];
}

/**
 * A fetch for the Bot API that rejects an answer in another form: it counts as no answer, as the call may have been made.
 * @param ask Follows no redirect.
 */
function rejectNonApiAnswers(ask: typeof fetch): typeof fetch {
  return async (input, init) => {
    const response = await ask(input, init);
    assertNoRedirect(response);
    const read = response.json.bind(response);
    const json = async (): Promise<unknown> => {
      const answer = await read().catch(() => undefined);
      if (isApiAnswer(answer)) return answer;
      const { status, headers } = response;
      const type = headers?.get("content-type")?.split(";")[0] || "of no type";
      throw new Error(
        `the answer is not in the Bot API's form (status ${status}, ${type}): ${somebodyElse("Telegram")}`,
      );
    };
    return Object.defineProperty(response, "json", { value: json });
  };
}

/** The Bot API never redirects: a server that does has not passed the request on. */
function assertNoRedirect({ status, headers }: Response): void {
  if (status < 300 || status > 399) return;
  const to = headers?.get("location") ?? "";
  const host = URL.canParse(to) ? ` to ${new URL(to).host}` : "";
  throw Object.assign(new Error(`the answer is a redirect (${status})${host}: ${somebodyElse("Telegram")}`), {
    code: unsentCode,
  });
}

function isApiAnswer(answer: unknown): boolean {
  const { ok, error_code } = (answer ?? {}) as { readonly ok?: unknown; readonly error_code?: unknown };
  return (ok === false && Number.isInteger(error_code)) || (ok === true && "result" in (answer as object));
}

/** Says what may have sent an answer that the service itself does not send. */
export function somebodyElse(service: string): string {
  return `a proxy, or a network that wants a login first, may have answered in ${service}'s place`;
}

/**
 * Puts the cause into the messages of grammY's network errors, which only say that a request has failed. To be installed
 * after the transformers that make errors safe: it repeats what these have left.
 */
export const nameNetworkCause: Transformer = async (prev, method, payload, signal) => {
  try {
    return await prev(method, payload, signal);
  } catch (error) {
    if (error instanceof Error && error.name === "HttpError") {
      const cause = rootCauseOf(error);
      if (!error.message.includes(cause)) error.message = `Network request for '${method}' failed: ${cause}`;
    }
    throw error;
  }
};

/** Removes secrets from errors of calls, and from the descriptions of Telegram's refusals. */
export const makeFailuresSafe: Transformer = async (prev, method, payload, signal) => {
  try {
    const answer = await prev(method, payload, signal);
    return answer?.ok === false ? { ...answer, description: safeLine(String(answer.description)) } : answer;
  } catch (error) {
    throw safeError(error);
  }
};

/** What Telegram takes from a bot that does not pay (https://core.telegram.org/bots/faq). */
export const defaultMessagesPerSecond = 30;
