/** Where our types and grammY's differ. */
import type { Api, ApiClientOptions, Transformer } from "grammy/web";
import { rootCauseOf } from "../util/errors.ts";
import { unsentCode } from "../util/http/connections.ts";
import { createTransport } from "../util/http/transport.ts";
import { redactError, redactSecret } from "../util/redact.ts";

/** grammY types its signals as an older package's; the native one is what it takes. */
export function asGrammySignal(signal: AbortSignal): Parameters<Api["getMe"]>[0] {
  return signal as Parameters<Api["getMe"]>[0];
}

// A fetch for the Bot API of which an answer that has not its form is none: whatever was asked may have been done.

/** Who gives an answer that a service does not give. */
export function somebodyElse(service: string): string {
  return `a proxy, or a network that wants a login first, may have answered in ${service}'s place`;
}

/** @param ask Follows no redirect. */
export function rejectNonApiAnswers(ask: typeof fetch): typeof fetch {
  return async (input, init) => {
    const response = await ask(input, init);
    assertNoRedirect(response);
    const read = response.json.bind(response);
    const json = async (): Promise<unknown> => {
      const answer = await read().catch(() => undefined);
      return isInForm(answer) ? answer : notInForm(response);
    };
    return Object.defineProperty(response, "json", { value: json });
  };
}

/** The Bot API never redirects: whoever did has not passed the request on. */
function assertNoRedirect({ status, headers }: Response): void {
  if (status < 300 || status > 399) return;
  const to = headers?.get("location") ?? "";
  const host = URL.canParse(to) ? ` to ${new URL(to).host}` : "";
  throw Object.assign(new Error(`the answer is a redirect (${status})${host}: ${somebodyElse("Telegram")}`), {
    code: unsentCode,
  });
}

function isInForm(answer: unknown): boolean {
  const { ok, error_code } = (answer ?? {}) as { readonly ok?: unknown; readonly error_code?: unknown };
  return (ok === false && Number.isInteger(error_code)) || (ok === true && "result" in (answer as object));
}

function notInForm({ status, headers }: Response): never {
  const type = headers?.get("content-type")?.split(";")[0] || "of no type";
  throw new Error(
    `the answer is not in the Bot API's form (status ${status}, ${type}): ${somebodyElse("Telegram")}`,
  );
}

// Lets grammY's network errors say what happened: by themselves they only say that a request has failed.

/** To be installed after those that scrub errors: it repeats what these have left. */
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

/** Long enough for what waits behind a link that is down for a minute: others wait meanwhile, too. */
const callWithinSeconds = 120;

/** What of a grammY bot's client options tells how its calls reach Telegram. */
export type ApiRoute = Pick<
  ApiClientOptions,
  "apiRoot" | "environment" | "buildUrl" | "fetch" | "baseFetchConfig"
>;

/** A client that sends a call once, and takes no answer for one that has not its form. */
export function clientOptions({ fetch, ...way }: ApiRoute = {}): ApiClientOptions {
  const { apiRoot, environment, buildUrl, baseFetchConfig } = way;
  return {
    fetch: rejectNonApiAnswers(createTransport(fetch)),
    timeoutSeconds: callWithinSeconds,
    ...apiRoot && { apiRoot },
    ...environment && { environment },
    ...buildUrl && { buildUrl },
    ...baseFetchConfig && { baseFetchConfig },
  };
}

/** Scrubs what a call to Telegram throws, and the words with which Telegram, or who stands in for it, refuses it. */
export function redactToken(secret: string): Transformer {
  return async (prev, method, payload, signal) => {
    try {
      const answer = await prev(method, payload, signal);
      return answer?.ok === false ? JSON.parse(redactSecret(JSON.stringify(answer), secret)) : answer;
    } catch (error) {
      redactError(error, secret);
      throw error;
    }
  };
}
