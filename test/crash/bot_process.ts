/** `bot.ts` in a process of its own, to be killed. */
import type { Answer, BotProgramOptions } from "./bot.ts";
import { ProgramProcess, type Surroundings } from "./program_process.ts";

export interface BotProcessOptions extends BotProgramOptions {
  /** Where the write queue is kept on disk. Default: nowhere. */
  readonly spoolFile?: string | undefined;
}

/** How long an answer may take. */
export const answerTimeoutMs = 60_000;

export class BotProcess extends ProgramProcess {
  #commands = 0;

  constructor(surroundings: Surroundings, { spoolFile, ...argument }: BotProcessOptions) {
    super(surroundings, { file: "bot.ts", argument, spoolFile });
  }

  /** The answer to a command; undefined if the bot dies before, or the time is over. */
  async ask(command: string, withinMs: number = answerTimeoutMs): Promise<Answer | undefined> {
    const number = ++this.#commands;
    this.write(`${number} ${command}`);
    const beginning = `ANSWER ${number} `;
    const line = await this.line(beginning, withinMs);
    return line === undefined ? undefined : JSON.parse(line.slice(beginning.length));
  }
}
