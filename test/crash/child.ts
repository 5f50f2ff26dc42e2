/** A bot in a process of its own, to be killed. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { BotApiServer, FaultGate } from "../../lib/local/mod.ts";
import { testKeys } from "../support/client.ts";
import { commandFor } from "../support/runtime.ts";
import { root } from "../support/script.ts";

/** What it talks to. */
export interface Surroundings {
  readonly server: Pick<BotApiServer, "token" | "apiRoot">;
  readonly gate: Pick<FaultGate, "endpoint">;
}

export interface ChildOptions {
  /** Where the queue is kept on disk. Default: nowhere. */
  readonly spoolFile?: string | undefined;
  /** What is run: a file of this folder, and its arguments. Default: `bot.ts`. */
  readonly script?: readonly [string, ...string[]];
}

export class BotProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Set<() => void>();
  #output = "";
  #hasEnded = false;
  /** Settles when the process is gone. */
  readonly ended: Promise<void>;

  constructor(scene: Surroundings, { spoolFile, script = ["bot.ts"] }: ChildOptions = {}) {
    const [name, ...parameters] = script;
    const file = fileURLToPath(new URL(name, import.meta.url));
    const [program, ...before] = commandFor(file, "-P=test");
    const env = {
      ...process.env,
      ...environmentOf(scene),
      ...spoolFile && { TELEGRAM_SPOOL_FILE: spoolFile },
    };
    this.#child = spawn(program, [...before, ...parameters], { cwd: root, env });
    this.#child.stdin.on("error", () => {});
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#output += text;
        this.#tell();
      });
    }
    this.ended = new Promise((resolve) => {
      this.#child.once("close", () => {
        this.#hasEnded = true;
        resolve();
        this.#tell();
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

  tell(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** At once, and without a chance to do anything about it. */
  async kill(): Promise<void> {
    this.#signal("SIGKILL");
    await this.ended;
  }

  /** Stops it in its tracks, as a machine that is put to sleep, until `wake()`. */
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

  #tell(): void {
    for (const check of [...this.#waiting]) check();
  }
}

function environmentOf({ server, gate }: Surroundings): Record<string, string> {
  return {
    TELEGRAM_BOT_TOKEN: server.token,
    TELEGRAM_API_ROOT: server.apiRoot,
    TELEGRAM_CHATS_TABLE: "telegram-chats",
    AWS_REGION: "us-east-1",
    AWS_ENDPOINT_URL_DYNAMODB: gate.endpoint,
    AWS_ACCESS_KEY_ID: testKeys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: testKeys.secretAccessKey,
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  };
}
