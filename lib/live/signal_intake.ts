/** Takes the requests of other programs: lets in who knows the secret, makes a signal of the body, and answers. */
import type { BroadcastBeginning } from "../broadcast/beginning.ts";
import { isSecret } from "../telegram/http_callback.ts";
import { type Answer, type Incoming, TooLargeError } from "../telegram/webhook_adapters.ts";
import { deadline, DeadlineError } from "../util/async.ts";
import { messageOf } from "../util/errors.ts";
import { createRateLimitedLog } from "../util/log.ts";
import { safeText } from "../util/safe_text.ts";
import type { Found } from "./found.ts";
import {
  parseBody,
  type ParsedBody,
  type Posted,
  postedIn,
  type PostedOptions,
  secretIn,
} from "./signal_body.ts";
import { isMistake, type Sending, SignalOutbox, type SignalOutboxOptions } from "./signal_outbox.ts";

export interface SignalIntakeOptions extends SignalOutboxOptions, Omit<PostedOptions, "now"> {
  readonly secret: string;
}

const maxBodyBytes = 65_536;
/** The answer is there within a second. */
const answerWithinMs = 800;
/** A run that is over gives its report at once. */
const compareWithinMs = 150;
const retryAfterSeconds = "5";
const longestError = 1000;

export class SignalIntake {
  readonly #options: SignalIntakeOptions;
  readonly #outbox: SignalOutbox;
  readonly #logRefusal: (message: string) => void;

  constructor(options: SignalIntakeOptions) {
    this.#options = options;
    this.#outbox = new SignalOutbox(options);
    this.#logRefusal = createRateLimitedLog((message) => options.logger.warn(message), options.clock);
  }

  /** Never rejects. */
  async answer(incoming: Incoming): Promise<Answer> {
    const refusal = this.#refusalByHead(incoming);
    if (refusal !== undefined) return refusal;
    let body: ParsedBody;
    try {
      body = parseBody(await incoming.body(maxBodyBytes));
    } catch (error) {
      const isUnread = true;
      if (!(error instanceof TooLargeError)) {
        return this.#refused(400, "The body cannot be read.", { isUnread });
      }
      return this.#refused(413, "The body must have 64 KB at most.", { isUnread });
    }
    if (secretsOf(incoming).length === 0 && !isSecret(secretIn(body), this.#options.secret)) {
      return this.#unauthorized();
    }
    return await this.#answerTo(body, incoming.isLast === true);
  }

  /** What is refused before its body is read. */
  #refusalByHead(incoming: Incoming): Answer | undefined {
    const { method } = incoming;
    const isUnread = true;
    if (method !== undefined && method !== "POST") {
      return this.#refused(405, "Send it by POST.", { isUnread, headers: { Allow: "POST" } });
    }
    const given = secretsOf(incoming);
    const isKnown = given.length === 0 || given.some((each) => isSecret(each, this.#options.secret));
    if (!isKnown) return this.#unauthorized({ isUnread });
    if (isTextOrJson(incoming)) return undefined;
    return this.#refused(415, "Send JSON, uncompressed: with curl -H 'Content-Type: application/json'.", {
      isUnread,
    });
  }

  async #answerTo(body: ParsedBody, isLast: boolean): Promise<Answer> {
    const { clock } = this.#options;
    try {
      const posted = await postedIn(body, { ...this.#options, now: clock.now() });
      if (posted === undefined) return answerOf(200, { accepted: false, ignored: true });
      const before = this.#outbox.get(posted.id);
      const sending = before ?? this.#outbox.send(posted, !isLast);
      if (isLast) await sending.done;
      const beginning = await this.#beginningOf(sending);
      const isRepeated = before !== undefined || beginning?.isRepeated === true;
      const differs = isRepeated && await this.#differs(posted, sending, before);
      return accepted(posted, beginning, { isRepeated, differs });
    } catch (error) {
      if (isMistake(error)) return this.#refused(400, messageOfMistake(error));
      this.#logRefusal(`A signal that came by HTTP is not sent. ${messageOf(error)}`);
      const text = "The signal cannot be sent now. Send it again.";
      return answerOf(503, { accepted: false, error: text }, {
        headers: { "Retry-After": retryAfterSeconds },
      });
    }
  }

  /** `undefined` where it is not known in time. */
  async #beginningOf({ begun }: Sending): Promise<BroadcastBeginning | undefined> {
    try {
      return await deadline(begun, { ms: answerWithinMs, clock: this.#options.clock });
    } catch (error) {
      if (error instanceof DeadlineError) return undefined;
      throw error;
    }
  }

  /** Whether something else is sent under the id; false where that is not known in time. */
  async #differs({ found }: Posted, { done }: Sending, before: Sending | undefined): Promise<boolean> {
    if (before !== undefined) return textOf(before.found) !== textOf(found);
    const report = await deadline(done, { ms: compareWithinMs, clock: this.#options.clock }).catch(() => {});
    return report?.differs ?? false;
  }

  #unauthorized(more: Partial<Answer> = {}): Answer {
    const text =
      "The secret is missing or wrong. It comes as Authorization: Bearer, as X-Signal-Secret, or as the field " +
      `"secret" of the JSON.`;
    return this.#refused(401, text, { ...more, headers: { "WWW-Authenticate": "Bearer" } });
  }

  #refused(status: number, error: string, more: Partial<Answer> = {}): Answer {
    const text = safeText(error).slice(0, longestError);
    this.#logRefusal(`A request was refused with ${status}. ${text}`);
    return answerOf(status, { accepted: false, error: text }, more);
  }
}

/** What is to be sent, whenever it was found. */
function textOf(found: Found): string {
  return JSON.stringify(found, (name, value) => name === "time" ? undefined : value);
}

function accepted(
  { id }: Posted,
  beginning: BroadcastBeginning | undefined,
  { isRepeated, differs }: { readonly isRepeated: boolean; readonly differs: boolean },
): Answer {
  const status = beginning?.isDurable === true ? 200 : 202;
  const more = { ...isRepeated && { repeated: true }, ...differs && { differs: true } };
  return answerOf(status, { accepted: true, id, ...more });
}

function answerOf(status: number, body: unknown, { headers, ...more }: Partial<Answer> = {}): Answer {
  return {
    ...more,
    status,
    text: `${JSON.stringify(body)}\n`,
    headers: { "Content-Type": "application/json", ...headers },
  };
}

/** The lines of several mistakes. A mistake of `map`'s may be any. */
function messageOfMistake(error: unknown): string {
  const { message } = error as Error;
  return typeof message === "string" && message !== "" ? message : messageOf(error);
}

/** The secrets that the head gives. */
function secretsOf({ header }: Incoming): unknown[] {
  const [, bearer] = /^Bearer +(\S+)$/i.exec(String(header("authorization") ?? "")) ?? [];
  return [bearer, header("x-signal-secret")].filter((each) => each !== undefined && each !== null);
}

/** Without a type it may be either. */
function isTextOrJson({ header }: Incoming): boolean {
  const [type = ""] = String(header("content-type") ?? "").toLowerCase().split(";");
  const encoding = String(header("content-encoding") ?? "identity").toLowerCase();
  return encoding === "identity" && /^$|^text\/plain$|^application\/([\w.-]+\+)?json$/.test(type.trim());
}
