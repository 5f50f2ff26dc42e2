/** The way of a call through the server: token, record, latency, faults, limits, method. */
import type { Clock } from "../../util/clock.ts";
import { ApiError } from "./errors.ts";
import { type BotApiFaultAnswer, type Faults, rawAnswerOf, refusalOf } from "./faults.ts";
import {
  type ApiAnswer,
  type ApiCall,
  breakConnection,
  cutBody,
  type Delivery,
  Raw,
  slowBody,
} from "./http.ts";
import { isFlooded, isMessageMethod, methods } from "./methods.ts";
import { FloodGate, type FloodWaits, UploadGate } from "./rate_limit.ts";
import type { Payload } from "./request.ts";
import type { World } from "./state.ts";

const maxCalls = 10_000;

/** A call that came in with the right token, whatever became of it. */
export interface BotApiCall {
  /** As the client wrote it; `file` for a download. */
  readonly method: string;
  /** Its parameters, those that were sent as JSON texts parsed. */
  readonly payload: Payload;
  /** When it came, in milliseconds since 1970. */
  readonly at: number;
}

/** The latest calls, oldest first, and how many there were at all. */
export class CallRecord {
  readonly calls: BotApiCall[] = [];
  readonly #counts: Map<string, number> = new Map();

  add(call: BotApiCall): void {
    this.calls.push(call);
    this.#counts.set(call.method.toLowerCase(), this.count(call.method) + 1);
    if (this.calls.length > maxCalls) this.calls.shift();
  }

  count(method: string): number {
    return this.#counts.get(method.toLowerCase()) ?? 0;
  }
}

export interface AnswerOptions {
  readonly token: string;
  readonly clock: Clock;
  readonly latencyMs: number;
  readonly maxHoldSeconds: number;
  readonly messagesPerSecond: number | undefined;
  readonly record: CallRecord;
  readonly faults: Faults;
  /** Of the whole bot. */
  readonly floods: FloodWaits;
}

export function createAnswer(world: World, options: AnswerOptions): ApiAnswer {
  const { token, clock, latencyMs, maxHoldSeconds, messagesPerSecond, record, faults, floods } = options;
  const limits: Limits = {
    uploads: new UploadGate(clock),
    floods,
    messages: messagesPerSecond === undefined
      ? undefined
      : new FloodGate(messagesPerSecond, () => clock.now()),
  };

  return async (call) => {
    requireToken(call.token, token);
    const { method, form: { payload }, connection, signal } = call;
    record.add({ method, payload, at: clock.now() });
    countAttempt(world, method, payload);
    if (latencyMs > 0) await clock.sleep(latencyMs, signal);
    if (connection.isDead) await aborted(signal);
    const target = { method, chatId: payload["chat_id"], connection };
    const fault = faults.take(target);
    const instead = await answerInstead(fault, call);
    if (instead !== undefined) return instead;
    if (typeof fault === "object" && "delayMs" in fault) await clock.sleep(fault.delayMs, signal);
    call.delivery = deliveryOf(fault, clock, signal);
    try {
      const result = await held(() => handle(world, call, limits), { clock, maxHoldSeconds, signal });
      return fault === "lose" ? breakConnection : result;
    } finally {
      if (faults.takeDeath(target)) connection.isDead = true;
      if (connection.isDead) await aborted(signal);
    }
  };
}

/** What a fault answers to a call that it keeps from taking effect; undefined if it takes effect. */
async function answerInstead(fault: BotApiFaultAnswer | undefined, call: ApiCall): Promise<unknown> {
  const refusal = refusalOf(fault);
  if (refusal) throw refusal;
  const raw = rawAnswerOf(fault, call.path);
  if (raw) return new Raw(raw);
  if (fault === "reset" || fault === "stale") return breakConnection;
  if (fault === "half-open") call.connection.isDead = true;
  return fault === "hang" || fault === "half-open" ? await aborted(call.signal) : undefined;
}

function deliveryOf(
  fault: BotApiFaultAnswer | undefined,
  clock: Clock,
  signal: AbortSignal,
): Delivery | undefined {
  if (fault === "cut") return cutBody;
  if (typeof fault !== "object" || !("slowBodyMs" in fault)) return undefined;
  return slowBody(fault.slowBodyMs, clock, signal);
}

function countAttempt(world: World, method: string, payload: Payload): void {
  const room = isMessageMethod(method.toLowerCase()) ? world.find(payload["chat_id"]) : undefined;
  if (room) room.attempts += 1;
}

interface Hold {
  readonly clock: Clock;
  readonly maxHoldSeconds: number;
  readonly signal: AbortSignal;
}

/** Waits where the task is told to, and tries it again, as long as its waits are no longer than that in all. */
async function held(task: () => Promise<unknown>, { clock, maxHoldSeconds, signal }: Hold): Promise<unknown> {
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
  readonly uploads: UploadGate;
  readonly floods: FloodWaits;
  readonly messages: FloodGate | undefined;
}

async function handle(world: World, { method, form, signal }: ApiCall, limits: Limits): Promise<unknown> {
  const name = method.toLowerCase();
  const run = methods.get(name);
  if (name === "file") return download(world, form.payload);
  if (run === undefined) throw lackingMethod(method);
  await limits.uploads.pass(form.files, signal);
  if (isFlooded(name)) limits.floods.pass(world.clock.now());
  if (isMessageMethod(name)) limits.messages?.pass();
  return await run(world, form, signal);
}

function download({ files }: World, { file_path: path }: Payload): Raw {
  const body = files.download(String(path));
  if (body === undefined) throw new ApiError(404, "Not Found");
  return new Raw({ body, contentType: "application/octet-stream" });
}

/** Apart from Telegram's own 404, so that nobody looks for a mistake in the bot. */
function lackingMethod(method: string): ApiError {
  const name = JSON.stringify(method.slice(0, 64));
  return new ApiError(
    404,
    `Not Found: the local Bot API server has no method ${name}. Set its answer in the test: ` +
      `server.fault({ method: ${name}, times: Infinity, answer: { result: true } })`,
  );
}

/** Never says the token, neither the right one nor the wrong one. */
function requireToken(given: string, token: string): void {
  if (given === token) return;
  throw new ApiError(401, given.includes(":") ? "Unauthorized" : "Unauthorized: invalid token specified");
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}
