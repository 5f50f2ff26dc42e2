/** The way of a call through the server: token, record, latency, faults, limits, method. */
import type { Clock } from "../../clock.ts";
import { ApiError } from "./errors.ts";
import { type Faults, rawAnswerOf, refusalOf } from "./faults.ts";
import type { FloodWaits } from "./flood_waits.ts";
import { FloodGate } from "./floods.ts";
import type { Payload } from "./form.ts";
import { type ApiAnswer, type ApiCall, breakConnection, Raw } from "./http.ts";
import { isFlooded, isMessageMethod, methods } from "./methods.ts";
import { UploadGate } from "./uploads.ts";
import type { World } from "./world.ts";

const maxCalls = 10_000;

/** A call that came in with the right token, whatever became of it. */
export interface BotApiCall {
  /** As the client wrote it. */
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
    const { method, form: { payload }, signal } = call;
    record.add({ method, payload, at: clock.now() });
    countAttempt(world, method, payload);
    if (latencyMs > 0) await clock.sleep(latencyMs, signal);
    const fault = faults.take(method, payload["chat_id"]);
    const refusal = refusalOf(fault);
    if (refusal) throw refusal;
    const raw = rawAnswerOf(fault);
    if (raw) return new Raw(raw);
    if (fault === "hang") await aborted(signal);
    if (fault === "reset") return breakConnection;
    if (typeof fault === "object" && "delayMs" in fault) await clock.sleep(fault.delayMs, signal);
    const result = await held(() => handle(world, call, limits), { clock, maxHoldSeconds, signal });
    return fault === "lose" ? breakConnection : result;
  };
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
  if (run === undefined) throw new ApiError(404, "Not Found: method not found");
  await limits.uploads.pass(form.files, signal);
  if (isFlooded(name)) limits.floods.pass(world.clock.now());
  if (isMessageMethod(name)) limits.messages?.pass();
  return await run(world, form, signal);
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
