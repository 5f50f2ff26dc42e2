/** Runs the bot in a child process, which can be killed as by `kill -9`, and started again. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { extname } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { runtimeArguments, sendSignal } from "../../child_script.ts";

/** `ended`: by itself; it has printed why. */
export type BotStatus = "starting" | "running" | "killed" | "ended";

export interface BotProcessOptions {
  /** Environment variables of the bot, in addition to those of this process. */
  readonly settings: Readonly<Record<string, string>>;
  /** The log of the signals that the bot has sent. */
  readonly stateFile: string;
  /** Called with each line that it prints; `isWarning` for standard error. */
  readonly onLine: (text: string, isWarning: boolean) => void;
}

/** Compiled where this file is. */
const script = fileURLToPath(
  new URL(`../../../examples/playground/bot${extname(import.meta.url)}`, import.meta.url),
);
const root = fileURLToPath(new URL("../../..", import.meta.url));
const stopWithinMs = 2000;

export class BotProcess {
  readonly #options: BotProcessOptions;
  #child: ChildProcessWithoutNullStreams | undefined;
  #closed: Promise<void> = Promise.resolve();
  #status: BotStatus = "ended";
  #isSending = false;

  constructor(options: BotProcessOptions) {
    this.#options = options;
  }

  get status(): BotStatus {
    return this.#status;
  }

  /** Whether the bot is sending a signal. */
  get isSending(): boolean {
    return this.#isSending;
  }

  /** Its process id, while it is alive. */
  get pid(): number | undefined {
    return this.isAlive ? this.#child?.pid : undefined;
  }

  get isAlive(): boolean {
    return this.#status === "starting" || this.#status === "running";
  }

  /** Does nothing while it is alive. */
  start(): void {
    if (this.isAlive) return;
    const { settings, stateFile } = this.#options;
    const args = [...runtimeArguments(script, "-P=sandbox"), script, stateFile];
    const child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, ...settings } });
    this.#child = child;
    // A process that was killed may end after the next one has started.
    const isCurrent = (): boolean => this.#child === child;
    const onLine = (line: string, isWarning: boolean): void => {
      if (isCurrent()) this.#readLine(line, isWarning);
    };
    // Writing to a dead process fails.
    child.stdin.on("error", () => {});
    createInterface({ input: child.stdout }).on("line", (line) => onLine(line, false));
    createInterface({ input: child.stderr }).on("line", (line) => onLine(line, true));
    this.#closed = new Promise((resolve) => {
      child.once("error", (error) => onLine(error.message, true));
      child.once("close", () => {
        if (isCurrent() && this.isAlive) this.#setStatus("ended");
        resolve();
      });
    });
    this.#setStatus("starting");
  }

  /** Asks for a signal. A bot that is sending one ignores it. */
  requestSignal(): void {
    if (this.isAlive) this.#child?.stdin.write("\n");
  }

  /** Ends it at once with SIGKILL. */
  async kill(): Promise<void> {
    if (!this.isAlive) return;
    this.#setStatus("killed");
    this.#kill();
    await this.#closed;
  }

  /** Lets it end by itself, and kills it after two seconds. */
  async stop(): Promise<void> {
    if (!this.isAlive) return;
    this.#child?.stdin.end();
    const timer = setTimeout(() => this.#kill(), stopWithinMs);
    await this.#closed;
    clearTimeout(timer);
  }

  #kill(): void {
    if (this.#child !== undefined) sendSignal(this.#child, "SIGKILL");
  }

  #readLine(line: string, isWarning: boolean): void {
    if (this.#status === "killed") return;
    this.#options.onLine(line, isWarning);
    if (line.startsWith("Listening")) this.#setStatus("running");
    if (line.startsWith("Sending ")) this.#setStatus(this.#status, true);
    if (line.startsWith("Sent to ")) this.#setStatus(this.#status, false);
  }

  #setStatus(status: BotStatus, isSending: boolean = this.#isSending): void {
    this.#status = status;
    this.#isSending = isSending && this.isAlive;
  }
}
