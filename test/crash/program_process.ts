/** A program of this folder in a process of its own, to be killed. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { BotApiServer, FaultGate } from "../../lib/local/mod.ts";
import { testKeys } from "../support/client.ts";
import { commandFor } from "../support/runtime.ts";
import { root } from "../support/script.ts";
import { TableName } from "../support/storage.ts";

/** What its bot is connected to. */
export interface Surroundings {
  readonly server: Pick<BotApiServer, "token" | "apiRoot">;
  readonly gate: Pick<FaultGate, "endpoint">;
}

export interface ProgramOptions {
  /** Its file: "bot.ts". */
  readonly file: string;
  /** Its argument, as JSON. */
  readonly argument: object;
  /** Where the write queue is kept on disk. Default: nowhere. */
  readonly spoolFile?: string | undefined;
}

export class ProgramProcess implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Set<() => void>();
  #output = "";
  #hasEnded = false;
  /** Settles when the process is gone. */
  readonly ended: Promise<void>;

  constructor(surroundings: Surroundings, { file, argument, spoolFile }: ProgramOptions) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    const [program, ...before] = commandFor(path, "-P=test");
    const env = {
      ...process.env,
      ...environmentOf(surroundings),
      ...spoolFile && { TELEGRAM_SPOOL_FILE: spoolFile },
    };
    this.#child = spawn(program, [...before, JSON.stringify(argument)], { cwd: root, env });
    this.#child.stdin.on("error", () => {});
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#output += text;
        this.#check();
      });
    }
    this.ended = new Promise((resolve) => {
      this.#child.once("close", () => {
        this.#hasEnded = true;
        resolve();
        this.#check();
      });
    });
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** What it has printed. */
  get output(): string {
    return this.#output;
  }

  /** True once it has printed the text; false if it ends without, or the time is over. */
  async printed(text: string, withinMs: number = 30_000): Promise<boolean> {
    return await this.#awaited(() => this.#output.includes(text) || undefined, withinMs) ?? false;
  }

  /** The first whole line that begins so; undefined if it ends without, or the time is over. */
  async line(beginning: string, withinMs: number = 30_000): Promise<string | undefined> {
    const wanted = (line: string): boolean => line.startsWith(beginning);
    return await this.#awaited(() => this.#output.split("\n").slice(0, -1).find(wanted), withinMs);
  }

  /** Writes a line to its standard input. */
  protected write(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }

  /** With SIGKILL, so that it cannot clean up. */
  async kill(): Promise<void> {
    this.#signal("SIGKILL");
    await this.ended;
  }

  /** Suspends it, as a machine that is put to sleep, until `wake()`. */
  suspend(): void {
    this.#signal("SIGSTOP");
  }

  wake(): void {
    this.#signal("SIGCONT");
  }

  #signal(signal: "SIGCONT" | "SIGKILL" | "SIGSTOP"): void {
    // Deno takes a child that it has sent a signal for one that died of it; by its number it does not.
    if (!this.#hasEnded && this.#child.pid !== undefined) process.kill(this.#child.pid, signal);
  }

  #awaited<T>(seen: () => T | undefined, withinMs: number): Promise<T | undefined> {
    return new Promise((resolve) => {
      const settle = (found: T | undefined): void => {
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve(found);
      };
      const check = (): void => {
        const found = seen();
        if (found !== undefined || this.#hasEnded) settle(found);
      };
      const timer = setTimeout(() => settle(undefined), withinMs);
      this.#waiting.add(check);
      check();
    });
  }

  #check(): void {
    for (const check of [...this.#waiting]) check();
  }
}

function environmentOf({ server, gate }: Surroundings): Record<string, string> {
  return {
    TELEGRAM_BOT_TOKEN: server.token,
    TELEGRAM_API_ROOT: server.apiRoot,
    TELEGRAM_CHATS_TABLE: TableName,
    AWS_REGION: "us-east-1",
    AWS_ENDPOINT_URL_DYNAMODB: gate.endpoint,
    AWS_ACCESS_KEY_ID: testKeys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: testKeys.secretAccessKey,
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  };
}
