/** A bot process that broadcasts, and the ways in which it begins or finishes a broadcast. */
import { factsOf } from "./report_facts.ts";
import type { BroadcastReport } from "../../mod.ts";
import { pause } from "../support/bot.ts";
import type { Answer } from "./bot.ts";
import { answerTimeoutMs, BotProcess, type BotProcessOptions } from "./bot_process.ts";
import type { Subscribers } from "./subscribers.ts";
import type { TestBroadcastOptions } from "./test_broadcast.ts";

/** The ways in which a broadcast is begun, or finished for a bot that was killed. */
export const ways = ["broadcast", "resume", "initialize", "initialize, then broadcast"] as const;
/**
 * The same where the photo has not been uploaded: no ledger keeps its bytes, so the run cannot be finished without a
 * further call, and the bot has to say so.
 */
export const waysWithoutPhoto = ["broadcast", "initialize, then broadcast", "resume in vain"] as const;
export type Way = (typeof ways | typeof waysWithoutPhoto)[number];

export class BroadcasterProcess extends BotProcess {
  readonly #subscribers: Subscribers;

  constructor(
    subscribers: Subscribers,
    { messagesPerSecond, onUnknown, expiresAt }: TestBroadcastOptions,
    more: Partial<BotProcessOptions> = {},
  ) {
    super(subscribers, { clock: subscribers.clock, messagesPerSecond, onUnknown, expiresAt, ...more });
    this.#subscribers = subscribers;
  }

  /** Begins the broadcast, or finishes it, in the given way. The answer is undefined if the bot dies before. */
  async send(broadcastId: string, way: Way): Promise<Answer | undefined> {
    for (let attempt = 1;; attempt++) {
      const answer = await this.#send(broadcastId, way);
      // Where the answers to all attempts of a request are lost, an operator calls again.
      if (attempt === 3 || !/DynamoDB cannot be reached/.test(answer?.error ?? "")) return answer;
    }
  }

  async #send(broadcastId: string, way: Way): Promise<Answer | undefined> {
    if (way === "broadcast") return await this.ask(`broadcast ${broadcastId}`);
    const [command = ""] = /^\w+/.exec(way) ?? [];
    const answer = await this.ask(command);
    if (answer === undefined || answer.error !== undefined) return answer;
    if (way === "resume in vain") return await this.#explained(broadcastId, answer);
    if (way === "initialize, then broadcast") return await this.#calledAgain(broadcastId);
    if (way === "initialize") return await this.#finishedAlone(broadcastId);
    const report = answer.resumed?.find((it) => it.broadcastId === broadcastId);
    if (report !== undefined) return { report };
    // The last bot was killed after it had finished.
    const isFinished = (await this.#subscribers.record(broadcastId))?.state === "finished";
    return isFinished ? await this.ask(`broadcast ${broadcastId}`) : { error: JSON.stringify(answer) };
  }

  /** Calls for it while it is being finished, or waits for its lease to expire. */
  async #calledAgain(broadcastId: string): Promise<Answer | undefined> {
    await pause(this.#subscribers.random() * 500);
    return await this.ask(`broadcast ${broadcastId}`);
  }

  /** The bot says that it cannot finish it; then it is called for again. */
  async #explained(broadcastId: string, answer: Answer): Promise<Answer | undefined> {
    const reason = answer.left?.find(({ broadcast_id }) => broadcast_id === broadcastId)?.reason ?? "";
    if (!/had not been uploaded: call broadcast\(\)/.test(reason)) return { error: JSON.stringify(answer) };
    return await this.ask(`broadcast ${broadcastId}`);
  }

  /** Waits until the ledger has it as finished, then asks for the report. */
  async #finishedAlone(broadcastId: string): Promise<Answer | undefined> {
    const deadline = Date.now() + answerTimeoutMs;
    while ((await this.#subscribers.record(broadcastId))?.state !== "finished") {
      if (this.hasEnded) return undefined;
      if (Date.now() > deadline) return { error: `initialize() did not finish it: ${this.output}` };
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return await this.ask(`broadcast ${broadcastId}`);
  }
}

/** The problem that two reports of one broadcast differ, if they do. */
export function differenceOf(one: BroadcastReport | undefined, other: BroadcastReport | undefined): string[] {
  const [a, b] = [one, other].map((report) => report && factsOf(report));
  return a === b ? [] : [`two reports of one broadcast differ:\n  ${a}\n  ${b}`];
}
