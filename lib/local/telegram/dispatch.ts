/** The steps of a call through the server: token, log, latency, faults, limits, method. */
import { abortable } from "../../util/async.ts";
import type { Clock } from "../../util/clock.ts";
import { type AnswerDelivery, breakConnection, RawAnswer } from "./answers.ts";
import type { ApiCall } from "./call.ts";
import { ApiError } from "./errors.ts";
import { apiErrorOf, type BotApiFaultAnswer, type BotApiFaults, rawAnswerOf } from "./faults.ts";
import { countsAsMessage, isStoppedByFlood, methods } from "./methods.ts";
import { type FloodList, TokenBucket429, UploadLimit } from "./rate_limit.ts";
import type { Payload } from "./request_body.ts";
import type { ServerState } from "./server_state.ts";

const maxLoggedCalls = 10_000;

/** A call that came in with the right token, whatever it was answered. */
export interface BotApiCall {
  /** As the client wrote it; `file` for a download. */
  readonly method: string;
  /** Its parameters, those that were sent as JSON texts parsed. */
  readonly payload: Payload;
  /** When it came, in milliseconds since 1970. */
  readonly at: number;
}

/** The latest calls, oldest first, and the number of all calls. */
export class CallLog {
  readonly latest: BotApiCall[] = [];
  readonly #counts: Map<string, number> = new Map();

  add(call: BotApiCall): void {
    this.latest.push(call);
    this.#counts.set(call.method.toLowerCase(), this.count(call.method) + 1);
    if (this.latest.length > maxLoggedCalls) this.latest.shift();
  }

  count(method: string): number {
    return this.#counts.get(method.toLowerCase()) ?? 0;
  }
}

export interface DispatchOptions {
  readonly token: string;
  readonly clock: Clock;
  readonly latencyMs: number;
  readonly maxHoldSeconds: number;
  readonly messagesPerSecond: number | undefined;
  readonly calls: CallLog;
  readonly faults: BotApiFaults;
  /** Of the whole bot. */
  readonly floods: FloodList;
}

/**
 * Answers a call: with what goes into `result`, with `breakConnection`, or with a `RawAnswer`. Unless a fault, a limit or
 * the latency delays the call, it has taken effect when this returns the promise.
 * @throws {ApiError} What goes out as a refusal.
 */
export type Dispatch = (call: ApiCall) => Promise<unknown>;

export function createDispatch(server: ServerState, options: DispatchOptions): Dispatch {
  const { token, clock, latencyMs, messagesPerSecond, calls, faults, floods } = options;
  const limits: Limits = {
    uploads: new UploadLimit(clock),
    floods,
    messages: messagesPerSecond === undefined
      ? undefined
      : new TokenBucket429(messagesPerSecond, () => clock.now()),
  };

  return async (call) => {
    assertToken(call.token, token);
    const { method, body: { payload }, request: { connection, signal } } = call;
    calls.add({ method, payload, at: clock.now() });
    countAttempt(server, method, payload);
    if (latencyMs > 0) await clock.sleep(latencyMs, signal);
    if (connection.isDead) await aborted(signal);
    const target = { method, chatId: payload["chat_id"], connection };
    const fault = faults.take(target);
    const instead = fault === undefined ? undefined : await answerInstead(fault, call);
    if (instead !== undefined) return instead;
    if (typeof fault === "object" && "delayMs" in fault) await clock.sleep(fault.delayMs, signal);
    call.delivery = deliveryOf(fault);
    try {
      const result = await withHold(() => run(server, call, limits), options, signal);
      return fault === "lose" ? breakConnection : result;
    } finally {
      if (faults.takeDeath(target)) connection.isDead = true;
      if (connection.isDead) await aborted(signal);
    }
  };
}

/** The answer of a fault that keeps the call from taking effect; undefined if the call takes effect. */
async function answerInstead(
  fault: BotApiFaultAnswer,
  { path, request: { connection, signal } }: ApiCall,
): Promise<unknown> {
  const refusal = apiErrorOf(fault);
  if (refusal) throw refusal;
  const raw = rawAnswerOf(fault, path);
  if (raw) return new RawAnswer(raw);
  if (fault === "reset" || fault === "stale") return breakConnection;
  if (fault === "half-open") connection.isDead = true;
  return fault === "hang" || fault === "half-open" ? await aborted(signal) : undefined;
}

function deliveryOf(fault: BotApiFaultAnswer | undefined): AnswerDelivery {
  if (fault === "cut") return "half";
  return typeof fault === "object" && "slowBodyMs" in fault ? { slowMs: fault.slowBodyMs } : "whole";
}

function countAttempt(server: ServerState, method: string, payload: Payload): void {
  const chat = countsAsMessage(method.toLowerCase()) ? server.findChat(payload["chat_id"]) : undefined;
  if (chat) chat.attempts += 1;
}

/** Repeats a task that is refused with a 429 after its `retry_after`, for `maxHoldSeconds` of waiting in all. */
async function withHold(
  task: () => Promise<unknown>,
  { clock, maxHoldSeconds }: DispatchOptions,
  signal: AbortSignal,
): Promise<unknown> {
  let seconds = 0;
  for (;;) {
    try {
      return await task();
    } catch (error) {
      const wait = error instanceof ApiError ? error.parameters?.retry_after ?? Infinity : Infinity;
      seconds += wait;
      if (seconds > maxHoldSeconds) throw error;
      await clock.sleep(wait * 1000, signal);
    }
  }
}

interface Limits {
  readonly uploads: UploadLimit;
  readonly floods: FloodList;
  readonly messages: TokenBucket429 | undefined;
}

async function run(
  server: ServerState,
  { request, method, body }: ApiCall,
  limits: Limits,
): Promise<unknown> {
  const name = method.toLowerCase();
  const runMethod = methods.get(name);
  if (name === "file") return download(server, body.payload);
  if (runMethod === undefined) throw missingMethod(method);
  const waitMs = limits.uploads.take(body.files);
  if (waitMs > 0) await server.clock.sleep(waitMs, request.signal);
  if (isStoppedByFlood(name)) limits.floods.check(server.clock.now());
  if (countsAsMessage(name)) limits.messages?.take();
  return await server.handle(request, () => runMethod(server, body, request.signal));
}

function download({ files }: ServerState, { file_path: path }: Payload): RawAnswer {
  const body = files.download(String(path));
  if (body === undefined) throw new ApiError(404, "Not Found");
  return new RawAnswer({ body, contentType: "application/octet-stream" });
}

/** Differs from Telegram's own 404, so that nobody looks for a mistake in the bot. */
function missingMethod(method: string): ApiError {
  const name = JSON.stringify(method.slice(0, 64));
  return new ApiError(
    404,
    `Not Found: the local Bot API server has no method ${name}. Set its answer in the test: ` +
      `server.fault({ method: ${name}, times: Infinity, answer: { result: true } })`,
  );
}

/** The error holds neither the right token nor the wrong one. */
function assertToken(given: string, token: string): void {
  if (given === token) return;
  throw new ApiError(401, given.includes(":") ? "Unauthorized" : "Unauthorized: invalid token specified");
}

/** Rejects once the signal aborts. */
function aborted(signal: AbortSignal): Promise<never> {
  return abortable(new Promise<never>(() => {}), signal);
}
