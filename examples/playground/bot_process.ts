/** The bot in a process of its own, which can be killed as `kill -9` does it, and started again. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** `ended` is by itself: it has printed why. */
export type BotStatus = "starting" | "running" | "killed" | "ended";

export interface BotProcessOptions {
  /** The bot's environment, on top of this process's own. */
  readonly settings: Readonly<Record<string, string>>;
  /** Where the bot remembers which signals it has sent. */
  readonly stateFile: string;
  /** Takes each line that it prints; `isWarning` where it came by standard error. */
  readonly onLine: (text: string, isWarning: boolean) => void;
}

const script = fileURLToPath(new URL("bot.ts", import.meta.url));
const root = fileURLToPath(new URL("../..", import.meta.url));
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

  /** Whether a signal is on its way. */
  get isSending(): boolean {
    return this.#isSending;
  }

  /** Its process's number, while it is alive. */
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
    const runtime = process.versions["deno"] ? ["run", "--quiet", "-P=sandbox"] : process.execArgv;
    const env = { ...process.env, ...settings };
    const child = spawn(process.execPath, [...runtime, script, stateFile], { cwd: root, env });
    this.#child = child;
    // One that was killed may still be about to end when the next one is there.
    const isPresent = (): boolean => this.#child === child;
    const hear = (line: string, isWarning: boolean): void => {
      if (isPresent()) this.#hear(line, isWarning);
    };
    // Once it is dead there is nobody to write to.
    child.stdin.on("error", () => {});
    createInterface({ input: child.stdout }).on("line", (line) => hear(line, false));
    createInterface({ input: child.stderr }).on("line", (line) => hear(line, true));
    this.#closed = new Promise((resolve) => {
      child.once("error", (error) => hear(error.message, true));
      child.once("close", () => {
        if (isPresent() && this.isAlive) this.#become("ended");
        resolve();
      });
    });
    this.#become("starting");
  }

  /** Asks for a signal. A bot that is sending one does not hear it. */
  askForSignal(): void {
    if (this.isAlive) this.#child?.stdin.write("\n");
  }

  /** At once, and without a chance to do anything about it. */
  async kill(): Promise<void> {
    if (!this.isAlive) return;
    this.#become("killed");
    this.#send("SIGKILL");
    await this.#closed;
  }

  /** In its own way, if it finds one in time. */
  async stop(): Promise<void> {
    if (!this.isAlive) return;
    this.#child?.stdin.end();
    const timer = setTimeout(() => this.#send("SIGKILL"), stopWithinMs);
    await this.#closed;
    clearTimeout(timer);
  }

  #send(signal: "SIGKILL"): void {
    const { pid } = this.#child ?? {};
    // Deno takes a child that it has sent a signal for one that died of it; by its number it does not.
    if (pid !== undefined) process.kill(pid, signal);
  }

  #hear(line: string, isWarning: boolean): void {
    if (this.#status === "killed") return;
    this.#options.onLine(line, isWarning);
    if (line.startsWith("Listening")) this.#become("running");
    if (line.startsWith("Sending ")) this.#become(this.#status, true);
    if (line.startsWith("Sent to ")) this.#become(this.#status, false);
  }

  #become(status: BotStatus, isSending: boolean = this.#isSending): void {
    this.#status = status;
    this.#isSending = isSending && this.isAlive;
  }
}
