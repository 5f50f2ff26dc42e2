/** A broadcaster in a process of its own, as its killer sees it. */
import type { BroadcastReport } from "../../mod.ts";
import type { Audience } from "./audience.ts";
import type { Answer, BroadcasterOptions } from "./broadcaster_commands.ts";
import { BotProcess, type ChildOptions } from "./child.ts";
import { pause } from "./traffic.ts";
import type { TrialOptions } from "./trial.ts";

/** What is run: a file of this folder, and arguments that come before the options. */
export type Script = readonly [string, ...string[]];

/** The ways in which a broadcast is begun, or finished for one that was killed. */
export const ways = ["broadcast", "resume", "initialize", "initialize, then broadcast"] as const;
/** For what no ledger keeps: that it cannot be finished alone has to be told, and it is called for again. */
export const waysOfAPicture = ["broadcast", "initialize, then broadcast", "resume in vain"] as const;
export type Way = (typeof ways | typeof waysOfAPicture)[number];

const answeredWithinMs = 60_000;

export type VictimOptions =
  & Pick<ChildOptions, "spoolFile">
  & Pick<BroadcasterOptions, "whenUnreadable" | "whenLedgerDown">;

export class Victim extends BotProcess {
  readonly #audience: Audience;
  #asked = 0;

  constructor(
    audience: Audience,
    { messagesPerSecond, onUnknown, expiresAt }: TrialOptions,
    script: Script = ["broadcaster.ts"],
    { spoolFile, ...more }: VictimOptions = {},
  ) {
    const options: BroadcasterOptions = {
      ...{ clock: audience.clock, messagesPerSecond, onUnknown, expiresAt },
      ...more,
    };
    super(audience, { spoolFile, script: [...script, JSON.stringify(options)] });
    this.#audience = audience;
  }

  /** The answer; undefined if it dies before. */
  async ask(command: string, withinMs: number = answeredWithinMs): Promise<Answer | undefined> {
    const number = ++this.#asked;
    this.tell(`${number} ${command}`);
    const beginning = `ANSWER ${number} `;
    const line = await this.line(beginning, withinMs);
    return line === undefined ? undefined : JSON.parse(line.slice(beginning.length));
  }

  /** Begins it, or finishes it, by the way given; gives the report, or what went wrong, or undefined if it dies before. */
  async play(broadcastId: string, way: Way): Promise<Answer | undefined> {
    for (let attempt = 1;; attempt++) {
      const answer = await this.#play(broadcastId, way);
      // Where the answers of all attempts of a request are lost, one calls again.
      if (attempt === 3 || !/DynamoDB cannot be reached/.test(answer?.error ?? "")) return answer;
    }
  }

  async #play(broadcastId: string, way: Way): Promise<Answer | undefined> {
    if (way === "broadcast") return await this.ask(`broadcast ${broadcastId}`);
    const [command = ""] = /^\w+/.exec(way) ?? [];
    const answer = await this.ask(command);
    if (answer === undefined || answer.error !== undefined) return answer;
    if (way === "resume in vain") return await this.#told(broadcastId, answer);
    if (way === "initialize, then broadcast") return await this.#called(broadcastId);
    if (way === "initialize") return await this.#finished(broadcastId);
    const report = answer.resumed?.find((it) => it.broadcastId === broadcastId);
    if (report !== undefined) return { report };
    // The one before was killed when it had finished.
    const isFinished = (await this.#audience.record(broadcastId))?.state === "finished";
    return isFinished ? await this.ask(`broadcast ${broadcastId}`) : { error: JSON.stringify(answer) };
  }

  /** While it is being finished, or waits for its lease to lapse. */
  async #called(broadcastId: string): Promise<Answer | undefined> {
    await pause(this.#audience.random() * 500);
    return await this.ask(`broadcast ${broadcastId}`);
  }

  async #told(broadcastId: string, answer: Answer): Promise<Answer | undefined> {
    const reason = answer.left?.find(({ broadcast_id }) => broadcast_id === broadcastId)?.reason ?? "";
    if (!/had not been uploaded: call broadcast\(\)/.test(reason)) return { error: JSON.stringify(answer) };
    return await this.ask(`broadcast ${broadcastId}`);
  }

  /** Waits for the ledger to say so, then asks for the report. */
  async #finished(broadcastId: string): Promise<Answer | undefined> {
    const deadline = Date.now() + answeredWithinMs;
    while ((await this.#audience.record(broadcastId))?.state !== "finished") {
      if (this.hasEnded) return undefined;
      if (Date.now() > deadline) return { error: `initialize() did not finish it: ${this.output}` };
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return await this.ask(`broadcast ${broadcastId}`);
  }
}

/** What differs between two reports of one broadcast, as JSON. */
export function differenceOf(one: BroadcastReport | undefined, other: BroadcastReport | undefined): string[] {
  const [a, b] = [JSON.stringify(one), JSON.stringify(other)];
  return a === b ? [] : [`two reports of one broadcast differ:\n  ${a}\n  ${b}`];
}
